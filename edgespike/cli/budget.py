"""``edgespike budget``."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgespike.cli.inputs import inputs_with_labels
from edgespike.cli.options import (
    CHECK_FAILED,
    EnergyModelName,
    InputFile,
    Json,
    LabelsFile,
    Limit,
    ModelFile,
    ProfileName,
    Threads,
    runtime_names_from,
)
from edgespike.cli.output import print_json, print_sentence, print_table, progress
from edgespike.text import number_of

if TYPE_CHECKING:
    from edgespike.budget import Check

EXAMPLE = "edgespike budget graph.safetensors -i images.npy --max-operations 3e6 --max-energy 1mJ"

MOST_DIGITS = 10**15
"""From this number on, digits that matter and an exponent are printed."""

_NAMES = {
    "operations": "operations a sample",
    "energy_j": "energy a sample",
    "accuracy": "accuracy",
    "flash_bytes": "bytes of flash",
    "weights": "weights",
}


def command(
    model_file: ModelFile,
    input_file: InputFile,
    labels_file: LabelsFile = None,
    max_operations: Annotated[
        str | None,
        typer.Option(
            metavar="N", help="Most synaptic operations plus multiply-accumulates a sample."
        ),
    ] = None,
    max_energy: Annotated[
        str | None, typer.Option(metavar="3uJ", help="Most energy a sample.")
    ] = None,
    min_accuracy: Annotated[
        str | None, typer.Option(metavar="0.9", help="Least share of right answers; 90% too.")
    ] = None,
    max_flash: Annotated[
        str | None,
        typer.Option(
            metavar="100KB",
            help="Most bytes of the model's file: model.tflite of target tflite, model.onnx of "
            "onnx, else the graph file.",
        ),
    ] = None,
    max_weights: Annotated[str | None, typer.Option(metavar="N", help="Most weights.")] = None,
    budget_file: Annotated[
        Path | None,
        typer.Option(
            "--budget",
            metavar="FILE.toml",
            help="The same by name, as in max-energy = '3 uJ'; options come before it.",
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            "-t",
            metavar="NAME",
            help="Target that runs the model. Default: cpu.",
            autocompletion=runtime_names_from,
        ),
    ] = None,
    model: EnergyModelName = None,
    profile: ProfileName = None,
    typical: Annotated[
        bool | None,
        typer.Option(
            "--typical", help="Compare the typical energy, not the high end of its range."
        ),
    ] = None,
    limit: Limit = None,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Check limits on operations, energy, accuracy and size.

    For continuous integration: the exit code is 1 if a limit is not kept.
    """
    import edgespike
    from edgespike.budget import check_budget, check_limits, parse_budget, read_budget
    from edgespike.comparison import run_figures
    from edgespike.energy import load_profile
    from edgespike.targets import get_target
    from edgespike.threads import at_most

    given = {
        "max-operations": max_operations,
        "max-energy": max_energy,
        "min-accuracy": min_accuracy,
        "max-flash": max_flash,
        "max-weights": max_weights,
        "target": target,
        "model": model,
        "profile": profile,
        "typical": typical,
    }
    budget = parse_budget(given, "the command line")
    if budget_file is not None:
        budget = budget.over(read_budget(budget_file))
    runs_on = budget.target or "cpu"
    get_target(runs_on)
    check_limits(budget)
    profiles = None if budget.profile is None else [load_profile(budget.profile)]
    if profiles is not None:
        budget = budget.of_profile(profiles[0].name)
    graph = edgespike.load(model_file)
    inputs = inputs_with_labels(graph, input_file, labels_file, limit)
    check_limits(budget, labelled=inputs.labels is not None)
    with at_most(threads), progress() as report:
        figures = run_figures(
            str(model_file),
            graph,
            inputs.samples,
            inputs.labels,
            target=runs_on,
            profiles=profiles,
            progress=report,
        )
        checks = check_budget(budget, figures, graph)
    passed = all(check.passed for check in checks)
    if as_json:
        print_json(
            {
                "graph": graph.hash,
                "target": runs_on,
                "samples": figures.samples,
                "inputs": figures.inputs,
                "passed": passed,
                "checks": [check.to_json() for check in checks],
            }
        )
    else:
        samples_run = number_of(figures.samples, "sample")
        print(f"{model_file} on {runs_on}, {samples_run}: {'pass' if passed else 'FAIL'}")
        _print(checks)
    if not passed:
        raise typer.Exit(CHECK_FAILED)


def _print(checks: Sequence[Check]) -> None:
    print_table(
        ["", "limit ", "found ", ""],
        [
            [_NAMES[check.name], *_both(check), "pass" if check.passed else "FAIL"]
            for check in checks
        ],
    )
    for check in checks:
        print_sentence(f"{_NAMES[check.name]}: {check.what}.")


def _both(check: Check) -> tuple[str, str]:
    """Return limit and found, with more digits where rounding would make them look equal."""
    limit, found = _shown(check.name, check.limit), _shown(check.name, check.found)
    if limit.removesuffix(".0") == found.removesuffix(".0") and check.limit != check.found:
        unit = " J" if check.name == "energy_j" else ""
        return f"{float(check.limit):.12g}{unit}", f"{float(check.found):.12g}{unit}"
    return limit, found


def _shown(name: str, value: Fraction | float) -> str:
    from edgespike.report.units import joules

    if name == "energy_j":
        return joules(float(value))
    if name == "accuracy":
        return f"{float(value):.2%}"
    if value >= MOST_DIGITS:
        return f"{float(value):.12g}"
    whole = Fraction(value).denominator == 1
    return f"{int(value):,}" if whole else f"{float(value):,.1f}"
