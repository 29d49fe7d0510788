"""The energy report as tables for a terminal."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from edgespike.console import print_whole
from edgespike.energy import EnergyReport, Estimate
from edgespike.graph.size import COLUMNS as SIZE_COLUMNS
from edgespike.graph.size import GraphSize
from edgespike.report import rows
from edgespike.report.units import joules, joules_range, share, whole


def print_report(report: EnergyReport, console: Console) -> None:
    """Print counts, energies, what is in neither, and the size of the weights.

    Parameters
    ----------
    report
        See :func:`edgespike.energy.energy_report`.
    console
        Where to print; its width decides how lines wrap.
    """
    print_whole(console, _counts_table(report))
    _print_conventions(report, console)
    if report.estimates:
        print_whole(console, _energy_table(report))
    for estimate in report.estimates:
        _print_model(estimate, report.counts.samples, console)
    for profile in report.profiles:
        console.print(Text(f"{profile.name}: {profile.title}", style="bold"))
        _print(console, profile.note, indent=2)
    print_whole(console, _size_table(report.size))
    _print(console, report.size.sentence)


def _table(title: str, columns: tuple[str, ...], footer: tuple[str, ...] = ()) -> Table:
    table = Table(
        title=Text(title),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_footer=bool(footer),
    )
    for place, name in enumerate(columns):
        table.add_column(
            Text(name.replace(" ", "\n").replace("-", "-\n")),
            Text(footer[place]) if footer else "",
            justify="right" if place else "left",
            overflow="fold",
        )
    return table


def _counts_table(report: EnergyReport) -> Table:
    total = (whole(number) for number in rows.count_row(report.counts.total))
    title = f"Counts of {report.graph} over {rows.samples(report)}"
    table = _table(title, ("layer", *rows.COLUMNS), ("total", *total))
    for name, numbers in rows.count_rows(report.counts):
        table.add_row(Text(name), *(whole(number) for number in numbers))
    return table


def _print_conventions(report: EnergyReport, console: Console) -> None:
    _print(console, "Synaptic operations by convention; the table has the last one:")
    for name, number in rows.by_convention(report.counts):
        _print(console, f"{name}: {whole(number)}", indent=2)
    if report.free:
        _print(console, "Free, because there is nothing to do:")
    for kind, reason in report.free:
        _print(console, f"{kind}: {reason}", indent=2)
    console.print()


def _size_table(size: GraphSize) -> Table:
    title = "Weights in the graph file; entropy in bits a weight, its bound in bytes"
    table = _table(title, ("layer", *SIZE_COLUMNS), ("total", *size.total.cells()))
    for layer in size.layers:
        table.add_row(Text(layer.name), *layer.cells())
    return table


def _energy_table(report: EnergyReport) -> Table:
    title = f"Energy per sample, the mean of {rows.samples(report)}"
    columns = ("model", "typical", "range", "memory share", "dense baseline", "all samples")
    table = _table(title, columns)
    for estimate in report.estimates:
        table.add_row(*map(Text, _energy_row(estimate, report.counts.samples)))
    return table


def _energy_row(estimate: Estimate, samples: int) -> list[str]:
    mean = estimate.energy / samples
    baselines = [joules(baseline.energy.typical / samples) for baseline in estimate.baselines]
    return [
        f"{estimate.model.name}\n{estimate.profile.name}, {estimate.grade.value}",
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
    for baseline in estimate.baselines:
        mean = baseline.energy / samples
        _print(console, f"{baseline.name}: {joules(mean.typical)} ({joules_range(mean)})", indent=2)
    if estimate.left_out:
        _print(console, f"Not in it: {rows.left_out(estimate)}.", indent=2)


def _print(console: Console, text: str, indent: int = 0) -> None:
    console.print(Padding(Text(text), (0, 0, 0, indent)))
