"""Delays on Lava's simulator: loops, skips of a step, and a readout of the last step alone."""

from __future__ import annotations

import numpy as np
import pytest

from edgespike.counting import count
from edgespike.graph import (
    Add,
    Comparison,
    Delay,
    Graph,
    Input,
    MaxPool2d,
    Membrane,
    Node,
    ReadoutMode,
    Reset,
    Signal,
    Threshold,
)
from edgespike.graph.inputs import as_samples
from edgespike.interpreter import interpret
from edgespike.passes.unary import unary
from edgespike.targets.loihi.lower import lower
from tests.available import run_on
from tests.targets.loihi.graphs import (
    conv,
    delayed,
    dense,
    ended,
    levels,
    loop,
    run,
    samples,
    threshold,
)
from tests.unary import assert_decodes

pytestmark = [pytest.mark.loihi, pytest.mark.usefixtures("lava")]

ROW = Input((12,), 0, 255, 1 / 255)
EVENTS = Input((12,), 0, 1, 1.0)


def recurrent(op: Threshold | Membrane, initial: int = 0, steps: int = 4) -> Graph:
    nodes = [Node("input", EVENTS), *loop("state", "input", 12, op, initial)]
    return ended(nodes, steps)


@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize(("number", "initial"), [(1, 0), (1, 1), (15, 0), (15, 7)])
def test_a_loop_begins_each_sample_anew(number: int, initial: int, steps: int) -> None:
    """Samples follow each other on Lava; none knows of the one before."""
    op = levels(6, number, flipped=[1, 4]) if number > 1 else threshold([0] * 6, [1, 4])
    graph = recurrent(op, initial, steps)
    run(graph, samples(graph, 6))


@pytest.mark.parametrize(
    "op",
    [
        pytest.param(Membrane(np.full(6, 9), reset=Reset.ZERO), id="stock"),
        pytest.param(Membrane(np.arange(4, 10), decay=300), id="own"),
        pytest.param(
            Membrane(np.full(6, 5), 64, comparison=Comparison.GREATER, max_spikes=3), id="several"
        ),
    ],
)
def test_membranes_that_take_their_own_spikes(op: Membrane) -> None:
    graph = recurrent(op, initial=op.max_spikes, steps=5)
    run(graph, samples(graph, 5))


@pytest.mark.parametrize("steps", [2, 6])
def test_loops_in_a_row_are_deeper_than_a_sample_is_long(steps: int) -> None:
    nodes = [Node("input", ROW), *loop("a", "input", 12, levels(6, 5, low=-900, high=900), 5)]
    nodes += loop("bb", "a", 6, Membrane(np.full(6, 9), decay=100), 1)
    nodes += loop("ccc", "bb", 6, levels(6, 3, low=-5, high=5))
    graph = ended(nodes, steps)
    run(graph, samples(graph, 5))


def test_a_loop_of_two_populations_with_a_delay_between_each_two() -> None:
    op = levels(6, 3, low=-9, high=9)
    nodes = [
        Node("input", EVENTS),
        Node("before", delayed(op, 2), ("second",)),
        Node("in", dense(6, 12, 1), ("input",)),
        Node("back", dense(6, 6, 2), ("before",)),
        Node("sum", Add(), ("in", "back")),
        Node("first", op, ("sum",)),
        Node("later", delayed(op, 1), ("first",)),
        Node("on", dense(6, 6, 3), ("later",)),
        Node("second", op, ("on",)),
    ]
    graph = ended(nodes, steps=4)
    run(graph, samples(graph, 5))


def test_a_loop_without_synapses_of_its_own() -> None:
    """Each neuron remembers whether its input ever fired."""
    op = threshold([1] * 12)
    nodes = [
        Node("input", EVENTS),
        Node("before", delayed(op), ("seen",)),
        Node("sum", Add(), ("input", "before")),
        Node("seen", op, ("sum",)),
    ]
    graph = ended(nodes, steps=5)
    x = samples(graph, 5)
    seen = run(graph, x).values["seen"]
    np.testing.assert_array_equal(seen, np.maximum.accumulate(x, axis=1))


@pytest.mark.parametrize("initial", [0, -100])
def test_a_delayed_input(initial: int) -> None:
    source = Input((12,), -100, 27, 1.0)
    nodes = [
        Node("input", source),
        Node("before", Delay((12,), -100, 27, Signal.GRADED, initial), ("input",)),
        Node("now", dense(6, 12, 1), ("input",)),
        Node("then", dense(6, 12, 2), ("before",)),
        Node("change", Add(), ("now", "then")),
        Node("level", levels(6, 5, low=-900, high=900), ("change",)),
    ]
    graph = ended(nodes, steps=3)
    run(graph, samples(graph, 4))


def test_delays_of_one_population_that_begin_differently_and_end_at_different_depths() -> None:
    op = levels(6, 3)
    nodes = [
        Node("input", EVENTS),
        Node("dense1", dense(6, 12, 1), ("input",)),
        Node("first", op, ("dense1",)),
        Node("none", delayed(op, 0), ("first",)),
        Node("all", delayed(op, 3), ("first",)),
        Node("dense2", dense(6, 6, 2), ("none",)),
        Node("second", op, ("dense2",)),
        Node("dense3", dense(6, 6, 3), ("second",)),
        Node("third", op, ("dense3",)),
        Node("sum", Add(), ("third", "first", "none", "all", "all")),
    ]
    graph = ended(nodes, steps=4)
    run(graph, samples(graph, 5))


def test_pools_of_delayed_levels_and_delays_of_pools() -> None:
    nodes = [
        Node("input", Input((2, 6, 5), 0, 255, 1 / 255)),
        Node("conv", conv(2, 2), ("input",)),
        Node("level", levels(2, 4, low=-900, high=900), ("conv",)),
        Node("before", Delay((2, 4, 3), 0, 4, Signal.GRADED, 2), ("level",)),
        Node("pool", MaxPool2d((2, 2), (1, 1)), ("before",)),
        Node("again", Delay((2, 3, 2), 0, 4, Signal.GRADED, 1), ("pool",)),
    ]
    graph = ended(nodes, steps=4)
    run(graph, samples(graph, 4))


def test_a_readout_of_the_last_step_sums_up_nothing() -> None:
    nodes = [Node("input", EVENTS), *loop("state", "input", 12, levels(6, 4))]
    graph = ended(nodes, steps=4, mode=ReadoutMode.LAST)
    run(graph, samples(graph, 4))


@pytest.mark.parametrize("initial", [0, 3])
def test_lava_s_own_spikes_and_synapses_give_the_counts(initial: int) -> None:
    """A loop's synapses get what begins the sample, and all recorded steps but the last."""
    graph = recurrent(levels(6, 5), initial)
    x = samples(graph, 4)
    found = run_on("loihi", graph, x)
    values = {"input": as_samples(graph, x), **found.values}
    operations = 0
    for connection in lower(graph).connections:
        arrives = values[connection.source]
        if connection.initial is not None:
            begins = np.full_like(arrives[:, :1], connection.initial)
            arrives = np.concatenate([begins, arrives[:, :-1]], axis=1)
        events = np.count_nonzero(arrives, axis=(0, 1))
        operations += int(events @ np.bincount(connection.indices, minlength=events.size))
    counts = count(graph, x, found).total.totals()
    assert counts == count(graph, x, interpret(graph, x)).total.totals()
    spikes = counts["synaptic_operations"]["quantised"]
    assert counts["multiply_accumulates"] + spikes == operations


@pytest.mark.parametrize("initial", [0, 5])
def test_the_unary_form_of_a_loop(initial: int) -> None:
    graph = recurrent(levels(6, 5, flipped=[2]), initial)
    x = samples(graph, 4)
    assert_decodes(graph, run(graph, x), run(unary(graph), x))
