"""The energy report as tables for a terminal."""

from __future__ import annotations

from typing import Literal

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from edgespike.console import print_aligned_table
from edgespike.energy import EnergyReport, Estimate
from edgespike.graph.size import SIZE_COLUMNS, GraphSize
from edgespike.report import rows
from edgespike.report.units import joules, joules_range, share, whole


def print_report(report: EnergyReport, console: Console) -> None:
    """Print counts, energies, what the energies do not include, and the size of the weights.

    Parameters
    ----------
    report
        See :func:`edgespike.energy.energy_report`.
    console
        Where to print; its width determines how lines wrap.
    """
    _print_counts(report, console)
    if report.origin:
        _print(console, f"From: {report.origin}")
    if silent := rows.silent_sentence(report):
        _print(console, silent)
    _print_conventions(report, console)
    if report.estimates:
        _print_energies(report, console)
    for estimate in report.estimates:
        _print_model(estimate, report.counts.samples, console)
    for profile in report.profiles:
        console.print(Text(f"{profile.name}: {profile.title}", style="bold"))
        _print(console, profile.note, indent=2)
    _print_sizes(report.size, console)
    _print(console, report.size.sentence)


def _columns(names: tuple[str, ...]) -> list[tuple[str, Literal["left", "right"]]]:
    """Align all columns but the first to the right; break names into lines: columns stay narrow."""
    broken = [name.replace(" ", "\n").replace("-", "-\n") for name in names]
    return [(name, "right" if place else "left") for place, name in enumerate(broken)]


def _print_counts(report: EnergyReport, console: Console) -> None:
    counts = report.counts
    print_aligned_table(
        console,
        _columns(("layer", *rows.COUNT_COLUMNS)),
        [[name, *map(whole, numbers)] for name, numbers in rows.count_rows(counts)],
        title=f"Counts of {report.graph} over {rows.samples(report)}",
        footer=["total", *map(whole, rows.count_row(counts.total))],
    )


def _print_conventions(report: EnergyReport, console: Console) -> None:
    _print(console, "Synaptic operations by convention; the table shows the last one:")
    for name, number in rows.by_convention(report.counts):
        _print(console, f"{name}: {whole(number)}", indent=2)
    _print(console, rows.WHAT_IS_COUNTED)
    if report.free:
        _print(console, "Operations that cost nothing, and why:")
    for kind, reason in report.free:
        _print(console, f"{kind}: {reason}", indent=2)
    console.print()


def _print_sizes(size: GraphSize, console: Console) -> None:
    print_aligned_table(
        console,
        _columns(("layer", *SIZE_COLUMNS)),
        [[layer.name, *layer.cells()] for layer in size.layers],
        title="Weights in the graph file; entropy in bits per weight, entropy bound in bytes",
        footer=["total", *size.total.cells()],
    )


def _print_energies(report: EnergyReport, console: Console) -> None:
    print_aligned_table(
        console,
        _columns(("model", "typical", "range", "memory share", "dense baseline", "all samples")),
        [_energy_row(estimate, report.counts.samples) for estimate in report.estimates],
        title=f"Energy per sample, mean over {rows.samples(report)}",
    )


def _energy_row(estimate: Estimate, samples: int) -> list[str]:
    mean = estimate.energy / samples
    baselines = rows.dense_baselines(estimate, samples)
    name = f"{estimate.model.name}\n{estimate.profile.name}, {estimate.grade.value}"
    mark = rows.target_mark(estimate)
    return [
        f"{name}\n{mark}" if mark else name,
        joules(mean.typical),
        joules_range(mean),
        share(estimate.memory_share),
        "\n".join(baselines) or "–",
        joules(estimate.energy.typical),
    ]


def _print_model(estimate: Estimate, samples: int, console: Console) -> None:
    model = estimate.model
    console.print(Text(model.name, style="bold"))
    _print(console, model.formula, indent=2)
    _print(console, f"Synapses: {rows.CONVENTIONS[model.convention]}. {model.caveat}", indent=2)
    if nothing := rows.nothing_charged(estimate):
        _print(console, nothing, indent=2)
    if target := rows.target_sentence(estimate):
        _print(console, target, indent=2)
    for baseline in estimate.baselines:
        mean = baseline.energy / samples
        _print(console, f"{baseline.name}: {joules(mean.typical)} ({joules_range(mean)})", indent=2)
    if estimate.left_out:
        _print(console, f"Not charged: {rows.left_out(estimate)}.", indent=2)


def _print(console: Console, text: str, indent: int = 0) -> None:
    console.print(Padding(Text(text), (0, 0, 0, indent)))
