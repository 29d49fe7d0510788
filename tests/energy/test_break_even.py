"""The break-even: compared with real runs in which one more neuron after the other fires."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from edgespike.counting import Counts
from edgespike.energy import EnergyReport, Estimate, energy_report
from edgespike.energy.break_even import activity
from edgespike.energy.shapes import activation_bits
from edgespike.graph import (
    Add,
    Comparison,
    Delay,
    Dense,
    Graph,
    Input,
    Membrane,
    Node,
    Readout,
    Reset,
    Signal,
    Threshold,
)
from tests.energy.examples import TWO_LAYERS, TWO_SAMPLES, counts_of
from tests.example_graphs import recurrent_graph, samples_for

HIDDEN, OUTPUTS = 40, 30


def net(steps: int = 1) -> Graph:
    """Neuron i fires where the one pixel is above i: the pixel sets how many fire."""
    thresholds = np.arange(1, HIDDEN + 1)
    fire = (
        Threshold(thresholds[:, None], np.zeros(HIDDEN, bool))
        if steps == 1
        else Membrane(
            thresholds, decay=2**12, reset=Reset.NONE, comparison=Comparison.GREATER_EQUAL
        )
    )
    return Graph(
        "net",
        (
            Node("pixel", Input((1,), 0, 255, 1.0)),
            Node("first", Dense(np.ones((HIDDEN, 1), int), np.zeros(HIDDEN, int)), ("pixel",)),
            Node("spikes", fire, ("first",)),
            Node(
                "second",
                Dense(np.ones((OUTPUTS, HIDDEN), int), np.zeros(OUTPUTS, int)),
                ("spikes",),
            ),
            Node("answer", Readout(np.ones(OUTPUTS)), ("second",)),
        ),
        steps,
    )


def report(graph: Graph, firing: int) -> EnergyReport:
    return energy_report(graph, counts_of(graph, np.array([[firing]])), ["45nm"])


def by_name(found: EnergyReport) -> dict[str, Estimate]:
    return {row.model.name: row for row in found.estimates}


@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize(
    "model",
    ["fp32-spiking-only", "fp32-all-layers", "int8-operations", "int8-with-memory", "lemaire"],
)
def test_it_is_where_real_runs_cross_the_baseline(steps: int, model: str) -> None:
    graph = net(steps)
    found = by_name(report(graph, 3))[model]
    assert found.rate == pytest.approx(steps * 3 / HIDDEN)
    assert found.rival is not None
    energies = []
    for firing in range(1, HIDDEN + 1):
        one = by_name(report(graph, firing))[model]
        assert one.rate == pytest.approx(steps * firing / HIDDEN)
        energies.append(one.energy.typical)
    rival = found.rival.energy.typical
    if found.break_even is None:
        assert found.why_no_break_even == (
            "with silent neurons it would still cost more than the baseline"
        )
        assert energies[0] > rival
        return
    below = [firing for firing, energy in enumerate(energies, 1) if energy <= rival]
    crossing = found.break_even * HIDDEN / steps  # neurons that fire
    assert len(below) == min(HIDDEN, math.floor(crossing + 1e-9))
    slope = energies[1] - energies[0]
    assert energies[0] + (crossing - 1) * slope == pytest.approx(rival, rel=1e-9)


@pytest.mark.parametrize("model", ["int8-operations", "lemaire", "fp32-all-layers"])
def test_it_does_not_depend_on_how_active_the_run_was(model: str) -> None:
    graph = net()
    found = {by_name(report(graph, firing))[model].break_even for firing in (1, 7, 40)}
    assert len({f"{rate:.9g}" for rate in found}) == 1


def test_without_events_of_neurons_there_is_none() -> None:
    found = by_name(report(net(), 0))
    assert found["int8-operations"].break_even is None
    assert found["int8-operations"].why_no_break_even == (
        "the model charges nothing for the events of this run's neurons"
    )


def test_a_model_without_a_baseline_has_none() -> None:
    counts = counts_of(TWO_LAYERS, TWO_SAMPLES)
    (found,) = energy_report(TWO_LAYERS, counts, ["loihi"]).estimates
    assert (found.break_even, found.rival) == (None, None)
    assert found.why_no_break_even == "the model has no dense baseline"


def test_by_hand() -> None:
    """3 of 4 neuron-samples fire. Silent: MACs 5, updates 8; each of the 4 operations is an add."""
    counts = counts_of(TWO_LAYERS, TWO_SAMPLES)
    found = by_name(energy_report(TWO_LAYERS, counts, ["45nm"]))["int8-operations"]
    # 2 samples of 8 products, 4 by 8 bits and 4 by 1 bit; 8 updates.
    fair = 16 * 0.1 + 2 * (4 * 8 + 4 * 1) * 0.025 + 8 * 0.1
    assert found.fair is not None
    assert (found.fair.bits, found.fair.operations) == (1, 16)
    assert found.fair.energy.typical == pytest.approx(fair * 1e-12, rel=1e-12)
    assert found.rate == 3 / 4
    assert found.break_even == pytest.approx(3 / 4 * (fair - 5 * 0.3 - 8 * 0.1) / (4 * 0.1))
    row = json.loads(json.dumps(found.to_json(2)))
    assert row["break_even_events_per_neuron"] == found.break_even
    assert row["events_per_neuron"] == 0.75
    assert row["break_even_against"] == "dense, activations of 1 bit"
    assert row["fair_baseline"]["multiply_accumulates"] == 16


def residual(delay: bool) -> Graph:
    """The input and a neuron meet before the second layer; or a delay that begins with a spike."""
    begin = (Node("late", Delay((1,), 0, 1, Signal.SPIKES, 1), ("spikes",)),) if delay else ()
    return Graph(
        "residual",
        (
            Node("pixel", Input((1,), 0, 1, 1.0)),
            Node("first", Dense(np.ones((1, 1), int), np.zeros(1, int)), ("pixel",)),
            Node("spikes", Threshold(np.ones((1, 1), int), np.zeros(1, bool)), ("first",)),
            *begin,
            Node("sum", Add(), ("pixel" if not delay else "late", "spikes")),
            Node("second", Dense(np.ones((1, 1), int), np.zeros(1, int)), ("sum",)),
            Node("answer", Readout(np.ones(1)), ("second",)),
        ),
        2,
    )


@pytest.mark.parametrize("delay", [False, True])
def test_where_events_of_two_origins_meet_there_is_none(delay: bool) -> None:
    graph = residual(delay)
    counts = counts_of(graph, np.ones((1, 1), int))
    found = by_name(energy_report(graph, counts, ["45nm"]))["int8-operations"]
    assert found.break_even is None
    assert found.why_no_break_even == (
        "events of the input and of neurons cannot be told apart at second"
    )


def test_at_rest_the_input_still_arrives() -> None:
    counts = counts_of(TWO_LAYERS, TWO_SAMPLES)
    rest = activity(TWO_LAYERS, counts).at_rest
    assert isinstance(rest, Counts)
    assert rest.multiply_accumulates() == counts.multiply_accumulates() == 5
    assert rest.synaptic_operations() == 0
    assert rest.total.totals()["neuron_updates"] == 8
    assert rest.total.totals()["events"] == 3


@pytest.mark.parametrize(
    ("steps", "spikes", "bits"),
    [(1, 1, 1), (3, 1, 2), (4, 1, 3), (5, 3, 4), (255, 1, 8), (256, 1, 9)],
)
def test_bits_are_the_logarithm_of_the_values_of_a_neuron_rounded_up(
    steps: int, spikes: int, bits: int
) -> None:
    graph = Graph(
        "bits",
        (
            Node("pixel", Input((1,), -7, 255, 1.0)),
            Node("first", Dense(np.ones((1, 1), int), np.zeros(1, int)), ("pixel",)),
            Node("spikes", Membrane(np.array([1]), max_spikes=spikes), ("first",)),
            Node("second", Dense(np.ones((1, 1), int), np.zeros(1, int)), ("spikes",)),
            Node("answer", Readout(np.ones(1)), ("second",)),
        ),
        steps,
    )
    assert activation_bits(graph) == {"first": 9, "second": bits}  # 8 bits and a sign
    assert bits == math.ceil(math.log2(steps * spikes + 1))


@pytest.mark.parametrize(
    ("low", "high", "bits"),
    [(-128, 127, 8), (-129, 127, 9), (-100, 27, 8), (-3, 0, 3), (-1, 0, 1), (-1, 1, 2), (3, 9, 4)],
)
def test_bits_of_an_input_hold_its_lowest_and_its_highest_number(
    low: int, high: int, bits: int
) -> None:
    graph = Graph(
        "signed",
        (
            Node("pixel", Input((1,), low, high, 1.0)),
            Node("only", Dense(np.ones((1, 1), int), np.zeros(1, int)), ("pixel",)),
            Node("answer", Readout(np.ones(1)), ("only",)),
        ),
    )
    assert activation_bits(graph) == {"only": bits}


def test_a_recurrent_graph_is_compared_with_a_net_that_takes_every_step() -> None:
    graph = recurrent_graph(steps=4)
    counts = counts_of(graph, samples_for(graph, 3))
    found = by_name(energy_report(graph, counts, ["45nm"]))["int8-operations"]
    assert found.fair is not None
    assert found.fair.passes == 4
    assert found.fair.bits == max(
        graph.tensors[node.inputs[0]].bounds[1].bit_length()
        for node, _ in graph.of_type(Dense)
        if node.inputs[0] != graph.input.name
    )
