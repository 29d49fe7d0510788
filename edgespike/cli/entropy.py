"""``edgespike entropy``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgespike.cli.options import Json
from edgespike.cli.output import print_json, print_sentence, print_table

if TYPE_CHECKING:
    from edgespike.bayes.mixture import Summary

EXAMPLE = "edgespike entropy mixture.npz --json"


def command(
    mixture: Annotated[
        Path,
        typer.Argument(
            metavar="MIXTURE.npz",
            help="Arrays 'weights' (K,), 'means' (K, m) and 'covariances' (K, m, m), (K, m) or "
            "(K,), written by numpy.savez.",
        ),
    ],
    samples: Annotated[
        int | None,
        typer.Option(
            min=2,
            metavar="N",
            help="Points of each Monte-Carlo estimate. Default: 10,000, fewer in many dimensions.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the Monte-Carlo estimates.")] = 0,
    as_json: Json = False,
) -> None:
    """Approximate the entropy of a Gaussian mixture.

    Prints bounds and an estimate of the approximation's error, other approximations, and the
    recommended value. All values are in nats.
    """
    from edgespike.bayes.mixture import read_mixture, summarise

    summary = summarise(read_mixture(mixture), samples, seed)
    if as_json:
        print_json(summary.to_json())
    else:
        _print_summary(summary)


def _print_summary(summary: Summary) -> None:
    """Print a summary for people."""
    trusted = summary.trusted
    print(
        f"{summary.components} components of {summary.covariances} covariance in "
        f"{summary.dimension:,} dimensions"
    )
    values = summary.approximations | {"monte_carlo": summary.monte_carlo}
    print_table(
        ["entropy", "nats ", "difference from the recommended "],
        [(name, f"{v:.9g}", f"{v - trusted.entropy:+.3g}") for name, v in values.items()],
    )
    print_table(["approximate_entropy overestimates by", "nats "], _error_rows(summary))
    for sentence in _sentences(summary):
        print_sentence(sentence)


def _error_rows(summary: Summary) -> list[tuple[str, str]]:
    separation = summary.error_upper_separation
    estimate = f"{summary.error_estimate:.4g}"
    if summary.error_estimate_standard_error:
        estimate += f" +- {summary.error_estimate_standard_error:.1g}"
    rows = [
        ("at least", f"{summary.error_lower:.4g}"),
        (f"by {summary.samples:,} samples", estimate),
        ("at most", f"{summary.error_upper:.4g}"),
        ("- by Bhattacharyya coefficients", f"{summary.error_upper_bhattacharyya:.4g}"),
        ("- by Kolchinsky and Tracey", f"{summary.error_upper_kolchinsky_tracey:.4g}"),
        ("- by separation", "vacuous" if separation is None else f"{separation:.4g}"),
        ("- entropy of the weights", f"{summary.weight_entropy:.4g}"),
    ]
    if summary.expected:
        expected = summary.expected
        rows.append(
            (f"expected for means of spread {expected.spread:.3g}", f"{expected.error:.4g}")
        )
    return rows


def _sentences(summary: Summary) -> Iterator[str]:
    if summary.closest:
        k, j = summary.closest.components
        yield f"Smallest separation: alpha = {summary.closest.alpha:.4g}, components {k} and {j}."
        if summary.error_upper_separation is None:
            yield (
                "The bound by separation is vacuous: it needs alpha^2 > m = "
                f"{summary.dimension:,} for all pairs."
            )
    if summary.coinciding:
        pairs = ", ".join(f"{k} and {j}" for k, j in summary.coinciding)
        yield f"Coinciding components: {pairs}; the entropy of their weights is part of the error."
    trusted = summary.trusted
    sign = "standard error" if trusted.method == "sampled" else "error at most"
    value = f"{trusted.entropy:.9g} nats ({sign} {trusted.uncertainty:.2g})"
    origin = ", approximate_entropy minus its sampled error" if trusted.method == "sampled" else ""
    yield f"Recommended: {trusted.method}{origin}: {value}"
    yield f"It is so because {trusted.why}."
