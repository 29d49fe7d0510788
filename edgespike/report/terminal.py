"""The energy report on a terminal: the answer in few lines, and tables on request."""

from __future__ import annotations

from typing import Literal

from rich.console import Console

from edgespike.console import print_aligned_table, print_facts, print_lines
from edgespike.energy import Constant, EnergyReport, Estimate, Profile
from edgespike.graph.size import SIZE_COLUMNS, GraphSize
from edgespike.report import rows, summary
from edgespike.report.units import joules, joules_range, share, whole
from edgespike.text import USUAL_WIDTH, aligned, fact_lines, wrapped

_FACT_LINES = 2
"""Most lines of a fact."""

_LARGEST = 6
"""Most rows of the largest layers."""

_LEAST_ROOM = 4
"""Lines that the table of the largest layers needs to be worth printing."""

_STEP_COLUMNS = ("step", "synaptic operations", "multiply-accumulates", "neuron updates", "spikes")


def print_report(
    report: EnergyReport,
    console: Console,
    *,
    lines: int = 25,
    layers: bool = False,
    steps: bool = False,
    models: bool = False,
    sources: bool = False,
) -> None:
    """Print what a sample costs, and on request what that is made of.

    Parameters
    ----------
    report
        See :func:`edgespike.energy.energy_report`.
    console
        Where to print; its width determines how lines wrap.
    lines
        Most lines of the first part, on a console of 80 columns.
    layers
        Print the counts of every layer, the conventions, what is free, and the size of the weights.
    steps
        Print the counts of every step.
    models
        Print every model's energy, formula, caveat and dense baselines, and what it leaves out.
    sources
        Print every constant of the profiles with its range, source, year and grade.
    """
    _print_summary(report, console, lines)
    if layers or steps or models or sources:
        console.print()
    if layers:
        _print_counts(report, console)
        _print_conventions(report, console)
        _print_sizes(report.size, console)
    if steps:
        _print_steps(report, console)
    if models and report.estimates:
        _print_energies(report, console)
        for estimate in report.estimates:
            _print_model(estimate, report.counts.samples, console)
    if sources:
        for profile in report.profiles:
            _print_profile(profile, console)
        if report.origin:
            _print(console, f"The graph is made from: {report.origin}")


def _print_summary(report: EnergyReport, console: Console, most: int) -> None:
    """Print the facts, and as many of the largest layers as there is room for."""
    head = summary.title(report)
    facts = [fact for fact in summary.summary_facts(report) if fact[1]]
    room = most - len(wrapped(head, USUAL_WIDTH))
    while len(fact_lines(facts, most=_FACT_LINES)) > room:
        facts.pop()  # the least important
    _print(console, head)
    print_facts(console, facts, most=_FACT_LINES)
    room -= len(fact_lines(facts, most=_FACT_LINES))
    layers = summary.largest_layers(report, min(room - 2, _LARGEST))  # an empty line, the header
    if not layers or room < _LEAST_ROOM:
        return
    console.print()
    print_lines(console, aligned([summary.COLUMNS, *layers], range(1, len(summary.COLUMNS))))


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
    if report.cores is not None and report.cores.rule:
        _print(console, f"Cores: {report.cores.rule}")
    console.print()


def _print_steps(report: EnergyReport, console: Console) -> None:
    steps = report.counts.total.per_step()
    names = [name.replace(" ", "_").replace("-", "_") for name in _STEP_COLUMNS[1:]]
    columns = zip(*(steps[name] for name in names), strict=True)
    print_aligned_table(
        console,
        _columns(_STEP_COLUMNS),
        [[f"{step}", *map(whole, counts)] for step, counts in enumerate(columns)],
        title=f"Counts of all layers by step, over {rows.samples(report)}",
    )


def _print_sizes(size: GraphSize, console: Console) -> None:
    print_aligned_table(
        console,
        _columns(("layer", *SIZE_COLUMNS)),
        [[layer.name, *layer.cells()] for layer in size.layers],
        title="Weights in the graph file; entropy in bits per weight, entropy bound in bytes",
        footer=["total", *size.total.cells()],
    )
    _print(console, size.sentence)
    console.print()


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
    print_lines(console, [model.name], bold=True)
    _print(console, model.formula, indent=2)
    _print(console, f"Synapses: {rows.CONVENTIONS[model.convention]}. {model.caveat}", indent=2)
    if nothing := rows.nothing_charged(estimate):
        _print(console, nothing, indent=2)
    if target := rows.target_sentence(estimate):
        _print(console, target, indent=2)
    if model.omits:
        _print(console, f"Leaves out: {model.omits}", indent=2)
    fair = () if estimate.fair is None else (estimate.fair,)
    for baseline in (*estimate.baselines, *fair):
        mean = baseline.energy / samples
        _print(console, f"{baseline.name}: {joules(mean.typical)} ({joules_range(mean)})", indent=2)
    if (rival := estimate.rival) is not None and estimate.break_even is not None:
        even = f"Break-even with '{rival.name}': {estimate.break_even:.3g} events a neuron"
        here = "" if estimate.rate is None else f"; this run has {estimate.rate:.3g}"
        _print(console, f"{even}{here}.", indent=2)
    if estimate.left_out:
        _print(console, f"Not charged: {rows.left_out(estimate)}.", indent=2)
    if model.source:
        _print(console, f"Source: {' '.join(filter(None, (model.source, model.link)))}", indent=2)


def _print_profile(profile: Profile, console: Console) -> None:
    print_lines(console, wrapped(f"{profile.name}: {profile.title}", console.width), bold=True)
    _print(console, profile.note, indent=2)
    for constant in profile.constants.values():
        _print_constant(constant, console)


def _print_constant(constant: Constant, console: Console) -> None:
    figures = f"{constant.value:g} {constant.unit} ({constant.low:g} to {constant.high:g})"
    _print(console, f"{constant.name}: {figures}, {constant.grade.value}", indent=2)
    source = f"{constant.source}, {constant.year}"
    for text in (source, constant.link, constant.note):
        _print(console, text, indent=4)


def _print(console: Console, text: str, indent: int = 0) -> None:
    print_lines(console, wrapped(text, console.width, indent))
