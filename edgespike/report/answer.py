"""The first screen: what a sample costs, how well it is classified, and whether that is exact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgespike.comparison.statistics import wilson
from edgespike.counting import Audit, Counts
from edgespike.energy import EnergyReport, Estimate, Grade
from edgespike.report import rows
from edgespike.report.units import file_size, joules, joules_range, mean, times, whole
from edgespike.text import number_of

GRADES = {
    Grade.MEASURED: "measured on silicon",
    Grade.SIMULATED: "from circuit simulation",
    Grade.FITTED: "chosen so that a model agrees with a measurement of something larger",
    Grade.INHERITED: "from a publication that does not say how the figure was obtained",
    Grade.SECONDARY: "from another publication's table; the original was not read",
}
"""What each grade says of a constant."""


@dataclass(frozen=True)
class Fact:
    """One answer: a title, numbers with what they count, and remarks.

    ``mark`` is ``good``, ``bad`` or empty.
    """

    title: str
    figures: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...] = ()
    mark: str = ""


def energy_of(report: EnergyReport) -> Fact:
    """Return the energy of a sample by the report's headline, and which model gives it."""
    row, title = report.headline, "Energy of a sample"
    if row is None:
        why = "no profile was asked for"
        if report.profiles:
            names = ", ".join(profile.name for profile in report.profiles)
            why = f"no constants are published for {names}"
        return Fact(title, (("no figure", f"{why}: only counts can be reported"),))
    per_sample = row.energy / report.counts.samples
    typical = f"typically {joules(per_sample.typical)}".replace(" ", "\N{NO-BREAK SPACE}")
    remarks = (stand_in(report, row), _grade(row), against_dense(row, report.counts.samples))
    return Fact(
        title,
        ((joules_range(per_sample), typical),),
        tuple(filter(None, (*remarks, rows.nothing_charged(row)))),
        "bad" if row.refusals else "",
    )


def stand_in(report: EnergyReport, row: Estimate) -> str:
    """Return whose figures an energy has: the target's own, or those of a model in its place."""
    whose = f"{row.model.name} with the constants of {row.profile.title}"
    if row.model.target == report.target and not row.refusals:
        return f"Figures of the target's own hardware: by model {whose}."
    own = [other for other in report.estimates if other.model.target == report.target]
    why = f"No figures of hardware of target {report.target} are at hand;"
    if own:
        why = rows.target_sentence(own[0])
    parts = [f"{why} {'Model' if own else 'model'} {whose} stands in."]
    if row.refusals and row not in own:
        parts.append(rows.target_sentence(row))
    return " ".join(parts)


def _grade(row: Estimate) -> str:
    return f"Worst grade of its constants: {row.grade.value}, {GRADES[row.grade]}."


def against_dense(row: Estimate, samples: int) -> str:
    """Return what the cheapest dense network costs beside the graph; empty without a baseline."""
    if not row.baselines:
        return ""
    dense = row.baselines[0]
    text = f"Dense baseline ({dense.name}): {joules(dense.energy.typical / samples)}"
    if row.energy.typical == 0:
        return f"{text}."
    return f"{text}, {times(dense.energy.typical / row.energy.typical)} times as much."


def facts(
    report: EnergyReport,
    certificate: Mapping[str, Any] | None,
    audit: tuple[Audit, Counts] | None,
) -> list[Fact]:
    """Return operations, accuracy, weights and exactness."""
    return [_operations(report), _accuracy(report), _weights(report), exactness(certificate, audit)]


def _operations(report: EnergyReport) -> Fact:
    counts = report.counts
    numbers = (
        (mean(counts.synaptic_operations(), counts.samples), "synaptic operations"),
        (mean(counts.multiply_accumulates(), counts.samples), "multiply-accumulates"),
    )
    return Fact("Operations of a sample", numbers)


def _accuracy(report: EnergyReport) -> Fact:
    if report.accuracy is None:
        return Fact("Accuracy", (("no labels given", "so it was not measured"),))
    samples = report.counts.samples
    low, high = wilson(round(report.accuracy * samples), samples)
    return Fact(
        "Accuracy",
        ((f"{report.accuracy:.2%}", f"of {whole(samples)} labelled samples"),),
        (f"95% confidence: {low:.1%} to {high:.1%}",),
    )


def _weights(report: EnergyReport) -> Fact:
    size = report.size
    return Fact(
        "Weights and file",
        ((whole(size.total.weights), "weights"), (file_size(size.file_bytes), "graph file")),
        (f"{whole(size.total.weights - size.total.zeros)} weights are not zero",),
    )


def exactness(
    certificate: Mapping[str, Any] | None, audit: tuple[Audit, Counts] | None = None
) -> Fact:
    """Return whether targets compute the graph bit for bit, and whether a recount agrees."""
    remarks: tuple[str, ...] = ()
    recount_differs = False
    if audit is not None:
        recount_differs = not audit[0].agrees(audit[1])
        result = "differs from the count" if recount_differs else "equals the count"
        remarks = (f"The recount of {number_of(audit[0].samples, 'sample')} {result}.",)
    if certificate is None:
        figures = (("not verified yet", "edgespike verify GRAPH -i SAMPLES"),)
        return Fact("Exactness", figures, remarks, "bad" if recount_differs else "")
    results = certificate["targets"]
    differ = [name for name, result in results.items() if not result["equal"]]
    figure = ("different", f"on {', '.join(differ)}") if differ else ("equal", _equal_on(results))
    return Fact("Exactness", (figure,), remarks, "bad" if differ or recount_differs else "good")


def _equal_on(results: Mapping[str, Mapping[str, Any]]) -> str:
    samples = min(result["samples"] for result in results.values())
    number = number_of(samples, "sample")
    return f"on {', '.join(results)}: every layer and step of {number}, bit for bit"
