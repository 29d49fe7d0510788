"""The first screen says what a sample costs, whose figures these are, and what is exact."""

from __future__ import annotations

from dataclasses import replace

from edgespike.energy import EnergyReport, Grade, energy_report
from edgespike.report import answer
from tests.energy.examples import TWO_LAYERS, TWO_SAMPLES, counts_of


def report_of(target: str, *refused: str) -> EnergyReport:
    counts = counts_of(TWO_LAYERS, TWO_SAMPLES)
    return energy_report(TWO_LAYERS, counts, refusals=lambda _: refused, target=target)


def remarks(report: EnergyReport) -> str:
    return " ".join(answer.energy_of(report).remarks)


def test_a_model_stands_in_for_a_target_without_figures() -> None:
    assert remarks(report_of("cpu")).startswith(
        "No figures of hardware of target cpu are at hand; model int8-with-memory with the "
        "constants of 45 nm CMOS at 0.9 V (Horowitz 2014) stands in."
    )


def test_a_target_with_figures_of_its_own_has_them() -> None:
    assert remarks(report_of("loihi")).startswith("Figures of the target's own hardware: by model")


def test_figures_of_a_target_that_refuses_the_graph_are_not_used() -> None:
    text = remarks(report_of("loihi", "first: too large"))
    assert text.startswith("Target loihi cannot run this graph")
    assert "Model int8-with-memory" in text


def test_the_only_figures_are_marked_if_their_target_refuses_the_graph() -> None:
    counts = counts_of(TWO_LAYERS, TWO_SAMPLES)
    report = energy_report(TWO_LAYERS, counts, ["loihi"], lambda _: ["first: too large"])
    fact = answer.energy_of(report)
    assert fact.mark == "bad"
    assert fact.remarks[0].startswith("No figures of hardware of target cpu are at hand; model lo")
    assert "Target loihi cannot run this graph" in fact.remarks[0]


def test_every_grade_is_explained() -> None:
    assert set(answer.GRADES) == set(Grade)


def test_accuracy_is_shown_with_labels_only() -> None:
    report = report_of("cpu")
    without = answer.facts(report, None, None)[1]
    assert without.figures == (("no labels given", "so it was not measured"),)
    assert answer.facts(replace(report, accuracy=0.5), None, None)[1].figures[0][0] == "50.00%"


def test_operations_are_means_of_a_sample() -> None:
    assert answer.facts(report_of("cpu"), None, None)[0].figures == (
        ("2", "synaptic operations"),
        ("2.50", "multiply-accumulates"),
    )
