"""The first lines of the report: what a sample costs, on which model's word, against what."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgespike.energy import EnergyReport, energy_report
from edgespike.energy.cores import CoreLoad
from edgespike.report.summary import largest_layers, mean, summary_facts, title
from edgespike.text import FIXED
from tests.energy.examples import (
    THREE_STEP_SAMPLES,
    THREE_STEPS,
    TWO_LAYERS,
    TWO_SAMPLES,
    counts_of,
)
from tests.made_long import deep_graph

COUNTS = counts_of(TWO_LAYERS, TWO_SAMPLES)
REFUSALS = ["first (dense): weight is 300, beyond 255", "second (dense): too wide"]


def facts(report: EnergyReport) -> dict[str, str]:
    return {name: text.replace(FIXED, " ") for name, text in summary_facts(report) if text}


def test_figures_of_a_run_checked_by_hand() -> None:
    """Over 2 samples: 4 synaptic operations and 5 multiply-accumulates, 365 and 106 pJ."""
    report = energy_report(TWO_LAYERS, COUNTS, accuracy=0.5)
    found = facts(report)
    assert title(report) == "two_layers on cpu, mean over 2 samples"
    assert found["energy"] == "183 pJ a sample (91.4 to 216 pJ)"
    assert found["model"] == (
        "int8-with-memory (profile 45nm), grade inherited; of no chip: these profiles have no "
        "figures of cpu"
    )
    assert found["dense net"] == (
        "52.8 pJ, 0.289 times this (dense int8 ReLU, with memory, one pass a sample)"
    )
    assert found["operations"] == "2 synaptic operations, 2.5 multiply-accumulates a sample"
    assert found["accuracy"] == "50.00% of 2 samples"
    assert found["silent"] == "none"
    assert found["coverage"] == report.coverage.sentence
    assert "loihi" in found["others"]
    assert not {"refused", "why 0 J", "busiest", "made from"} & set(found)


def test_the_largest_layers_come_first_and_the_rest_is_summed() -> None:
    report = energy_report(TWO_LAYERS, COUNTS)
    assert largest_layers(report, 5) == [
        ("first", "0", "2.5", "55.6%"),
        ("second", "2", "0", "44.4%"),
    ]
    assert largest_layers(report, 1) == [("2 other layers", "2", "2.5", "100.0%")]
    graph = deep_graph(9)
    deep = energy_report(graph, counts_of(graph, np.ones((1, 3), int)))
    rows = largest_layers(deep, 4)
    assert len(rows) == 4
    assert rows[-1][0].endswith(" other layers")
    total = deep.counts.synaptic_operations() + deep.counts.multiply_accumulates()
    assert sum(int(row[1]) + int(row[2]) for row in rows) == total


def test_the_targets_own_model_answers_where_it_can_run_the_graph() -> None:
    report = energy_report(TWO_LAYERS, COUNTS, refusals=lambda _: [], target="loihi")
    found = facts(report)
    assert title(report).startswith("two_layers on loihi,")
    assert found["model"] == "loihi (profile loihi), grade simulated; figures of loihi itself"
    assert found["dense net"] == "no baseline is published for this hardware"
    assert "refused" not in found


def test_a_target_that_cannot_run_the_graph_gives_no_figure_of_its_own() -> None:
    report = energy_report(TWO_LAYERS, COUNTS, refusals=lambda _: REFUSALS, target="loihi")
    found = facts(report)
    assert found["model"] == "int8-with-memory (profile 45nm), grade inherited; of no chip"
    assert found["refused"] == (
        "loihi cannot run this graph: first (dense): weight is 300, beyond 255 (and 1 more)"
    )
    assert "(refused)" in found["others"]


def test_figures_of_another_target_are_called_so() -> None:
    report = energy_report(TWO_LAYERS, COUNTS, ["loihi"], refusals=lambda _: REFUSALS)
    found = facts(report)
    assert found["model"].endswith("of loihi: these profiles have no figures of cpu")
    assert found["refused"].startswith("loihi cannot run this graph")


@pytest.mark.parametrize(
    ("profiles", "why"),
    [
        (["loihi2"], "no figure: no constants are published for loihi2, so only counts"),
        ([], "no figure: no profile was asked for, so only counts"),
    ],
)
def test_without_figures_that_is_said(profiles: list[str], why: str) -> None:
    found = facts(energy_report(TWO_LAYERS, COUNTS, profiles))
    assert found["energy"].startswith(why)
    assert not {"model", "dense net", "others"} & set(found)


def test_zero_joules_are_explained(tmp_path: Path) -> None:
    """No sample has an event, so there is no synaptic operation to charge."""
    path = tmp_path / "mine.toml"
    path.write_text(
        'format = 1\nname = "mine"\ntitle = "Mine"\nnote = "None."\n'
        'models = ["fp32-spiking-only"]\n'
        + "".join(
            f'[constants.{name}]\nvalue = 1\nlow = 1\nhigh = 1\nunit = "pJ"\nsource = "me"\n'
            'year = 2020\ngrade = "measured"\nnote = "None."\n'
            for name in ("fp32_add", "fp32_multiply_accumulate")
        )
    )
    found = facts(energy_report(TWO_LAYERS, counts_of(TWO_LAYERS, np.array([[0, 0]])), [path]))
    assert found["energy"] == "0 J a sample (0 J)"
    assert found["why 0 J"].startswith("It is 0 J because this run has no synaptic operations")
    assert "times" not in found["dense net"]
    assert "break-even" not in found or found["break-even"].startswith("none")
    assert found["silent"].startswith("pixels, spikes: not one event in the whole run")


def test_each_number_of_passes_has_its_dense_baseline() -> None:
    report = energy_report(THREE_STEPS, counts_of(THREE_STEPS, THREE_STEP_SAMPLES))
    first, second = facts(report)["dense net"].split("; ")
    assert first.endswith("one pass a sample)")
    assert second.endswith("times this (3 passes)")


def test_break_even_and_the_busiest_core_are_said_where_they_are_known() -> None:
    report = energy_report(TWO_LAYERS, COUNTS, cores=CoreLoad("Loihi 1", 3, "first", 10, 4.0))
    assert facts(report)["busiest"] == (
        "a core of first: 5 events a sample at its synapses, 2.5 times the mean of 3 cores "
        "(Loihi 1)"
    )
    rows = tuple(replace(row, break_even=0.25, rate=0.5) for row in report.estimates)
    found = facts(replace(report, estimates=rows))
    assert found["break-even"] == "at 0.25 events a neuron in a sample, this run has 0.5"
    never = [replace(row, break_even=None, rate=1.0, why_no_break_even="W") for row in rows]
    assert facts(replace(report, estimates=tuple(never)))["break-even"] == "none: W"
    unasked = [replace(row, break_even=None, rate=None) for row in rows]
    assert "break-even" not in facts(replace(report, estimates=tuple(unasked)))


@pytest.mark.parametrize(
    ("count", "samples", "text"),
    [
        (0, 3, "0"),
        (9, 3, "3"),
        (5, 2, "2.5"),
        (1, 3, "0.333"),
        (299, 2, "150"),
        (300_000, 7, "42,857"),
        (10**30, 3, "3.333e+29"),
    ],
)
def test_means_have_three_digits_or_are_whole(count: int, samples: int, text: str) -> None:
    assert mean(count, samples) == text
