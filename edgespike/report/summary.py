"""The energy report in a few lines: what a sample costs, and what is worth knowing about that."""

from __future__ import annotations

from collections.abc import Iterator

from edgespike.energy import Baseline, EnergyReport, Estimate
from edgespike.report import rows, units
from edgespike.report.units import joules_range, whole
from edgespike.text import FIXED, listed, shortened

COLUMNS = ("largest layers", "synaptic operations", "multiply-accumulates", "share")
"""The columns of :func:`largest_layers`; the first is of text."""

_NAMED = 5
"""How many other models are named."""


def title(report: EnergyReport) -> str:
    """Return which graph ran where, and on how many samples."""
    return f"{shortened(report.graph, 30)} on {report.target}, mean over {rows.samples(report)}"


def summary_facts(report: EnergyReport) -> list[tuple[str, str]]:
    """Return name and text of each fact, most important first; a text may be empty."""
    row, size = report.headline, report.size
    return [
        *([("energy", _no_energy(report))] if row is None else _energy(report, row)),
        ("operations", _operations(report)),
        ("accuracy", "" if report.accuracy is None else _accuracy(report)),
        ("silent", _silent(report)),
        ("coverage", report.coverage.sentence),
        ("busiest", _core(report)),
        ("weights", f"{whole(size.total.weights)} in a file of {whole(size.file_bytes)} bytes"),
        ("others", _others(report, row)),
        ("made from", report.origin),
    ]


def largest_layers(report: EnergyReport, most: int) -> list[tuple[str, ...]]:
    """Return at most ``most`` rows of :data:`COLUMNS`: those with the most operations a sample.

    What the other layers take is the last row.
    """
    found = [
        (name, numbers[0], numbers[1])
        for name, numbers in rows.count_rows(report.counts)
        if numbers[0] + numbers[1]
    ]
    found.sort(key=lambda row: row[1] + row[2], reverse=True)
    whole_run = sum(row[1] + row[2] for row in found)
    kept = found if len(found) <= most else found[: most - 1]
    others = found[len(kept) :]
    if others:
        sums = (sum(row[1] for row in others), sum(row[2] for row in others))
        kept = [*kept, (f"{len(others):,} other layers", *sums)]
    samples = report.counts.samples
    return [
        (
            shortened(name),
            mean(operations, samples),
            mean(accumulates, samples),
            f"{(operations + accumulates) / whole_run:.1%}",
        )
        for name, operations, accumulates in kept
    ]


def mean(count: int, samples: int) -> str:
    """Return the mean of a count over samples, rounded to a whole number if it is 100 or more."""
    if count % samples == 0 or count >= 100 * samples:
        value = (2 * count + samples) // (2 * samples)
        return whole(value) if value < 10**14 else f"{value:.3e}"
    return f"{count / samples:.3g}"


def joules(value: float) -> str:
    """Return an energy whose unit stays on its line."""
    return units.joules(value).replace(" ", FIXED)


def _no_energy(report: EnergyReport) -> str:
    names = listed([profile.name for profile in report.profiles])
    why = f"no constants are published for {names}" if names else "no profile was asked for"
    return f"no figure: {why}, so only counts can be reported"


def _energy(report: EnergyReport, row: Estimate) -> list[tuple[str, str]]:
    per_sample = row.energy / report.counts.samples
    known = f"{row.model.name} (profile {shortened(row.profile.name)}), grade {row.grade.value}"
    return [
        ("energy", f"{joules(per_sample.typical)} a sample ({joules_range(per_sample)})"),
        ("why 0 J", rows.nothing_charged(row)),
        ("model", f"{known}; {_whose(report, row)}"),
        ("refused", _refused(report, row)),
        ("dense net", "; ".join(_dense(row, report.counts.samples))),
        ("equal bits", "" if row.fair is None else _beside(row, row.fair, report.counts.samples)),
        ("break-even", _break_even(row)),
    ]


def _whose(report: EnergyReport, row: Estimate) -> str:
    """Return which hardware an energy is of."""
    if row.model.target == report.target:
        return f"figures of {report.target} itself"
    of = f"of {row.model.target}" if row.model.target else "of no chip"
    if any(each.model.target == report.target for each in report.estimates):
        return of
    return f"{of}: these profiles have no figures of {report.target}"


def _refused(report: EnergyReport, row: Estimate) -> str:
    """Return why the target, or the one that the energy is of, cannot run the graph."""
    asked = (report.target, row.model.target)
    for each in report.estimates:
        if each.refusals and each.model.target in asked:
            first, *others = each.refusals
            more = f" (and {len(others)} more)" if others else ""
            return f"{each.model.target} cannot run this graph: {shortened(first, 80)}{more}"
    return ""


def _dense(row: Estimate, samples: int) -> Iterator[str]:
    """Yield what each dense baseline takes beside the graph."""
    if not row.baselines:
        yield "no baseline is published for this hardware" if row.model.target else ""
    yield from (_beside(row, baseline, samples) for baseline in row.baselines)


def _beside(row: Estimate, baseline: Baseline, samples: int) -> str:
    """Return what a dense baseline takes beside the graph."""
    text = joules(baseline.energy.typical / samples)
    if row.energy.typical > 0:
        text += f", {_ratio(baseline.energy.typical / row.energy.typical)} times this"
    first = baseline in (row.fair, *row.baselines[:1])
    return f"{text} ({baseline.name if first else f'{whole(baseline.passes)} passes'})"


def _break_even(row: Estimate) -> str:
    """Return how many events of a neuron make the graph as costly as the net at equal bits."""
    if row.break_even is None:
        none = row.rival is not None and row.rate is not None
        return f"none: {row.why_no_break_even}" if none else ""
    here = "" if row.rate is None else f", this run has {row.rate:.3g}"
    return f"at {row.break_even:.3g} events a neuron in a sample{here}"


def _ratio(value: float) -> str:
    return f"{value:#.3g}" if value < 100 else f"{value:,.0f}"


def _operations(report: EnergyReport) -> str:
    counts = report.counts
    return (
        f"{mean(counts.synaptic_operations(), counts.samples)} synaptic operations, "
        f"{mean(counts.multiply_accumulates(), counts.samples)} multiply-accumulates a sample"
    )


def _accuracy(report: EnergyReport) -> str:
    return f"{report.accuracy:.2%} of {whole(report.counts.samples)} samples"


def _silent(report: EnergyReport) -> str:
    if not report.silent:
        return "none"
    return (
        f"{listed(report.silent)}: not one event in the whole run; look at their inputs and "
        "thresholds"
    )


def _core(report: EnergyReport) -> str:
    if (load := report.cores) is None:
        return ""
    events = mean(load.synaptic_operations, report.counts.samples)
    beside = f", {load.synaptic_operations / load.mean:.3g} times the mean" if load.mean else ""
    return (
        f"a core of {shortened(load.busiest)}: {events} events a sample at its synapses{beside} of "
        f"{whole(load.cores)} cores ({shortened(load.chip)})"
    )


def _others(report: EnergyReport, row: Estimate | None) -> str:
    others = [each for each in report.estimates if each is not row]
    texts = [
        f"{each.model.name} {joules(each.energy.typical / report.counts.samples)}"
        + (" (refused)" if each.refusals else "")
        for each in others[:_NAMED]
    ]
    more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
    return ", ".join(texts) + more
