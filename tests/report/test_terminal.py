"""The report on a terminal shows figures, models, grades, and what is not charged."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from edgespike.energy import EnergyReport, energy_report
from edgespike.graph import Graph, Input, Node, Readout
from edgespike.report import print_report
from tests.energy.examples import (
    THREE_STEP_SAMPLES,
    THREE_STEPS,
    TWO_LAYERS,
    TWO_SAMPLES,
    counts_of,
    dense,
)


def printed(report: EnergyReport, width: int = 200, *, details: bool = True) -> str:
    stream = io.StringIO()
    asked = dict.fromkeys(("layers", "steps", "models", "sources"), details)
    print_report(report, Console(file=stream, width=width), **asked)
    return stream.getvalue()


@pytest.fixture(scope="module")
def report() -> EnergyReport:
    return energy_report(TWO_LAYERS, counts_of(TWO_LAYERS, TWO_SAMPLES))


@pytest.mark.parametrize(
    "row",
    [
        # layer, synaptic operations, multiply-accumulates, neuron updates, spikes, pool operations
        "first 0 5 0 0 0",
        "spikes 0 0 4 3 0",
        "second 4 0 0 0 0",
        "answer 0 0 4 0 0",
        "total 4 5 8 3 0",
        # layer, weights, states in use, zeros, entropy, bytes in the file, entropy bound
        "first 4 4 25.0% 2.00 1 1",
        "total 8 – 25.0% 2.00 2 2",
        # model, typical, range, memory share, dense baseline, all samples
        "fp32-spiking-only 2.70 pJ 2.55 to 2.85 pJ – 18.4 pJ 5.40 pJ",
        "int8-with-memory 183 pJ 91.4 to 216 pJ 99.3% 52.8 pJ 365 pJ",
        "45nm, inherited",
        "loihi, simulated",
    ],
)
def test_rows(report: EnergyReport, row: str) -> None:
    assert row in [" ".join(line.split()) for line in printed(report).splitlines()]


@pytest.mark.parametrize(
    "sentence",
    [
        "Counts of two_layers over 2 samples",
        "every synapse: 6",
        "non-zero float weights: 4",
        "non-zero quantised weights: 4",
        "E = synaptic operations x E_add(fp32)",
        "dense fp32 ReLU, the same layers, one pass a sample: 18.4 pJ (18.0 to 18.8 pJ)",
        "Not charged: event transport (6).",
        "coding one weight at a time takes at least their entropy, 2 bytes",
        "No energy per operation of Loihi 2 has been published",
    ],
)
def test_sentences(report: EnergyReport, sentence: str) -> None:
    assert sentence in printed(report)


@pytest.mark.parametrize("width", [80, 120])
def test_nothing_is_wider_than_the_terminal(report: EnergyReport, width: int) -> None:
    assert max(map(len, printed(report, width).splitlines())) <= width


def test_on_a_narrow_terminal_sentences_are_folded_and_tables_are_whole(
    report: EnergyReport,
) -> None:
    tables = [
        [line.split() for line in printed(report, width).splitlines() if "─" in line]
        for width in (40, 200)
    ]
    assert tables[0] != []
    assert len(tables[0]) == len(tables[1])
    narrow = printed(report, 40)
    for line in printed(report, 200).splitlines():
        if re.match(r" (first|spikes|second|answer|total)\b", line):
            assert line.split() in [other.split() for other in narrow.splitlines()]


def test_steps_are_named() -> None:
    counts = counts_of(THREE_STEPS, THREE_STEP_SAMPLES)
    text = printed(energy_report(THREE_STEPS, counts))
    assert "1 sample of 3 steps" in text
    assert "one pass a step" in text


def test_dense_baselines_of_several_steps_say_how_many_passes_each_makes() -> None:
    """Four connections a pass, 4.6 pJ each; 3 x 2 + 4 x 1 spikes at synapses, 0.9 pJ each."""
    counts = counts_of(THREE_STEPS, THREE_STEP_SAMPLES)
    report = energy_report(THREE_STEPS, counts)
    text = " ".join(printed(report).split())
    assert "18.4 pJ (1 pass) 9.00 pJ" in text
    assert "55.2 pJ (3 passes)" in text
    found = report.estimates[0].to_json(1)["baselines"]
    assert [baseline["passes"] for baseline in found] == [1, 3]


def test_an_energy_of_zero_says_why() -> None:
    """No layer of this graph receives spikes, and this model charges for nothing else."""
    graph = Graph(
        "levels",
        (
            Node("pixels", Input((1,), 0, 255, 1.0)),
            Node("first", dense([[1], [2]]), ("pixels",)),
            Node("answer", Readout(np.ones(2)), ("first",)),
        ),
    )
    report = energy_report(graph, counts_of(graph, np.array([[5]])))
    text = " ".join(printed(report).split())
    why = (
        "It is 0 J because this run has no synaptic operations; that does not mean that the run "
        "costs nothing, since the model charges for nothing else."
    )
    assert text.count(why) == 1
    assert "Not charged: multiply-accumulates (2)" in text


def test_without_a_model_there_are_counts_alone(report: EnergyReport) -> None:
    text = printed(energy_report(TWO_LAYERS, report.counts, ["loihi2"]))
    assert "second" in text
    assert "Energy per sample" not in text
    assert "no figure: no constants are published for loihi2" in text


def test_markup_of_a_profile_is_shown_as_it_is(report: EnergyReport, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'format = 1\nname = "mine"\ntitle = "[red]Mine[/red]"\nnote = "[/]"\nmodels = []\n'
    )
    text = printed(energy_report(TWO_LAYERS, report.counts, [path]))
    assert "[red]Mine[/red]" in text
    assert "[/]" in text


REFUSALS = ["first (dense): weight is 300, beyond 255", "second (dense): too wide"]


def test_energy_of_a_target_that_refuses_the_graph_is_marked(report: EnergyReport) -> None:
    refused = energy_report(TWO_LAYERS, report.counts, refusals=lambda _: REFUSALS)
    text = printed(refused)
    rows = [" ".join(line.split()) for line in text.splitlines()]
    assert rows[rows.index("loihi, simulated") + 1] == "refused by target loihi"
    assert (
        "Target loihi cannot run this graph, so no such hardware would use this energy: first "
        "(dense): weight is 300, beyond 255 (and 1 more). 'edgespike export --target loihi' lists "
        "all reasons." in " ".join(text.split())
    )
    assert text.count("refused by") == 1
    assert "(refused)" in printed(refused, details=False)


def test_a_target_that_runs_the_graph_or_was_not_asked_is_said(report: EnergyReport) -> None:
    runs = energy_report(TWO_LAYERS, report.counts, refusals=lambda _: [])
    assert "Target loihi can run this graph." in printed(runs)
    assert "Whether target loihi can run this graph was not checked." in printed(report)
    assert "refused by" not in printed(runs) + printed(report)


SILENT = "spikes: not one event in the whole run; look at their inputs and thresholds"


def test_silent_layers_are_named(report: EnergyReport) -> None:
    quiet = energy_report(TWO_LAYERS, counts_of(TWO_LAYERS, np.array([[0, 1]])))
    assert SILENT in " ".join(printed(quiet).split())
    assert "silent none" in " ".join(printed(report).split())
