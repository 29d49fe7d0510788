"""Whole graphs on the native engine: what is joined, delayed, read out, counted; its laws."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgespike.graph import (
    Add,
    Concatenate,
    Conv2d,
    Delay,
    Dense,
    Graph,
    Input,
    MaxPool2d,
    Membrane,
    Multiply,
    Node,
    Readout,
    ReadoutMode,
    Reset,
    Reshape,
    Signal,
    SumPool2d,
    Threshold,
)
from edgespike.graph.inputs import as_samples
from edgespike.interpreter import interpret
from edgespike.targets.cpu import run
from edgespike.targets.cpu.native import engine, program
from edgespike.targets.cpu.native.program import program_of
from edgespike.threads import at_most
from tests.example_graphs import (
    membrane_graph,
    recurrent_graph,
    residual_graph,
    samples_for,
    weights,
)
from tests.random_graphs import up_to
from tests.strategies import MIXES, cases
from tests.targets.cpu.graphs import chain, dense_spikes, random_samples
from tests.targets.cpu.native_runners import (
    assert_equal_tallies,
    assert_native,
    on_every_kernel_set,
    runs_natively,
)
from tests.targets.cpu.test_loops import clock_graph, delayed_graph, stacked_graph

OUT = Readout(np.ones(3), ReadoutMode.LAST)


def dense(seed: int, outputs: int, inputs: int) -> Dense:
    return Dense(weights(seed, outputs, inputs), weights(seed + 1, outputs))


def levels(seed: int, channels: int, offset: int = 0) -> Threshold:
    theta = np.sort(weights(seed, channels, 3) * 3, axis=1)
    return Threshold(theta, np.eye(channels)[1] > 0, offset)


def delays_of_delays(steps: int = 7) -> Graph:
    """The input three steps late, by delays that stand in any order, each of which is read."""
    delay = [Delay((4,), -1, 9, Signal.GRADED, initial) for initial in (-1, 0, 9)]
    copy = Threshold(np.tile(np.arange(10), (4, 1)), np.zeros(4, bool), -1)
    return Graph(
        "delays",
        (
            Node("input", Input((4,), 0, 9, 1.0)),
            Node("third", delay[2], ("copy2",)),
            Node("first", delay[0], ("input",)),
            Node("copy1", copy, ("first",)),
            Node("second", delay[1], ("copy1",)),
            Node("copy2", copy, ("second",)),
            Node("all", Add(), ("input", "first", "second", "third")),
            Node("dense", dense(3, 3, 4), ("all",)),
            Node("out", OUT, ("dense",)),
        ),
        steps,
    )


def swapping_delays(steps: int = 6) -> Graph:
    """Two loops whose neurons change places at each step, and a membrane's spikes, delayed."""
    return Graph(
        "swapping",
        (
            Node("input", Input((4,), 0, 1, 1.0)),
            Node("late-left", Delay((4,), 0, 3, Signal.GRADED, 2), ("left",)),
            Node("late-right", Delay((4,), 0, 3, Signal.GRADED, 1), ("right",)),
            Node("from-input", dense(1, 4, 4), ("input",)),
            Node("from-right", dense(5, 4, 4), ("late-right",)),
            Node("left-sum", Add(), ("from-input", "from-right")),
            Node("left", levels(7, 4), ("left-sum",)),
            Node("from-left", dense(9, 4, 4), ("late-left",)),
            Node("right", levels(11, 4), ("from-left",)),
            Node("joined", Concatenate(), ("left", "right", "late-left", "input")),
            Node("cells", dense(13, 5, 16), ("joined",)),
            Node("spikes", Membrane(np.full(5, 3), max_spikes=3), ("cells",)),
            Node("late-spikes", Delay((5,), 0, 3, Signal.SPIKES, 3), ("spikes",)),
            Node("dense", dense(15, 3, 5), ("late-spikes",)),
            Node("out", OUT, ("dense",)),
        ),
        steps,
    )


def products(steps: int = 2) -> Graph:
    """Products of levels with signs, of one with itself, and with a sum; types widen."""
    return Graph(
        "products",
        (
            Node("input", Input((6,), -9, 9, 1.0)),
            Node("dense1", dense(1, 33, 6), ("input",)),
            Node("signed", levels(3, 33, offset=-2), ("dense1",)),
            Node("square", Multiply(), ("signed", "signed")),
            Node("cube", Multiply(), ("square", "signed")),
            Node("sum", Add(), ("cube", "square", "signed", "signed")),
            Node("product", Multiply(), ("sum", "cube")),
            Node("dense", dense(5, 3, 33), ("product",)),
            Node("out", OUT, ("dense",)),
        ),
        steps,
    )


def planes(steps: int = 3) -> Graph:
    """Planes of unlike numbers of channels and types, side by side, pooled and reshaped."""
    five = levels(5, 5, offset=-1)
    return Graph(
        "planes",
        (
            Node("input", Input((3, 4, 6), 0, 300, 1.0)),
            Node(
                "conv1", Conv2d(weights(1, 5, 3, 3, 3), weights(2, 5), padding=(1, 1)), ("input",)
            ),
            Node("signed", five, ("conv1",)),
            Node("conv2", Conv2d(weights(3, 1, 3, 1, 1), weights(4, 1)), ("input",)),
            Node("spikes", Threshold(np.array([[9]]), np.array([False])), ("conv2",)),
            Node("joined", Concatenate(), ("spikes", "input", "signed", "spikes")),
            Node("pooled", SumPool2d((2, 3), (2, 3)), ("joined",)),
            Node("or", MaxPool2d((3, 3), (2, 2), (1, 1)), ("spikes",)),
            Node("flat-pooled", Reshape((40,)), ("pooled",)),
            Node("flat-or", Reshape((6,)), ("or",)),
            Node("flat", Concatenate(), ("flat-pooled", "flat-or", "flat-or")),
            Node("dense", dense(7, 3, 52), ("flat",)),
            Node("out", OUT, ("dense",)),
        ),
        steps,
    )


def one_source_of_many(steps: int = 3) -> Graph:
    """Neurons that two layers, a pool, a delay and the readout's layer read."""
    return Graph(
        "many-readers",
        (
            Node("input", Input((2, 4, 4), 0, 1, 1.0)),
            Node(
                "conv1", Conv2d(weights(1, 4, 2, 3, 3), weights(2, 4), padding=(1, 1)), ("input",)
            ),
            Node("spikes", Membrane(np.full(4, 2), decay=500), ("conv1",)),
            Node("late", Delay((4, 4, 4), 0, 1, Signal.SPIKES), ("spikes",)),
            Node("conv2", Conv2d(weights(3, 4, 4, 1, 1), weights(4, 4)), ("spikes",)),
            Node("conv3", Conv2d(weights(5, 4, 4, 3, 3), weights(6, 4), padding=(1, 1)), ("late",)),
            Node("sum", Add(), ("conv2", "conv3", "conv2")),
            Node("more", levels(9, 4), ("sum",)),
            Node("pool", SumPool2d((2, 2), (2, 2)), ("spikes",)),
            Node("pool-more", SumPool2d((2, 2), (2, 2)), ("more",)),
            Node("flat1", Reshape((16,)), ("pool",)),
            Node("flat2", Reshape((16,)), ("pool-more",)),
            Node("flat", Concatenate(), ("flat1", "flat2")),
            Node("dense", dense(7, 3, 32), ("flat",)),
            Node("out", OUT, ("dense",)),
        ),
        steps,
    )


GRAPHS = (
    delays_of_delays,
    swapping_delays,
    products,
    planes,
    one_source_of_many,
    stacked_graph,
    delayed_graph,
    clock_graph,
    recurrent_graph,
    membrane_graph,
)


@pytest.mark.parametrize("make", GRAPHS)
@pytest.mark.parametrize("steps", [1, 2, 9])
def test_whole_graphs(make: Callable[..., Graph], steps: int) -> None:
    graph = make(steps=steps)
    assert_native(graph, samples_for(graph, 13))
    assert_native(graph, samples_for(graph, 13)[:, 0])


def test_a_graph_of_one_step_with_a_shortcut() -> None:
    assert_native(residual_graph(), samples_for(residual_graph(), 30))


SHAPES = [(24,), (24, 1, 1), (1, 24, 1), (1, 1, 24), (2, 3, 4), (4, 2, 3), (3, 8, 1), (12, 1, 2)]


@pytest.mark.parametrize(("first", "second"), list(product(SHAPES, SHAPES)))
def test_reshapes_between_all_shapes(first: tuple[int, ...], second: tuple[int, ...]) -> None:
    """Before a layer, between neurons and a layer, and of sums before neurons."""
    fire = Threshold(np.arange(second[0])[:, None], np.zeros(second[0], bool))
    last = Dense(weights(1, 3, 24), weights(2, 3))
    flat = [Reshape((24,))] if len(second) == 3 else []
    graph = chain(Input(first, 0, 25, 1.0), Reshape(second), *flat, last)
    samples = np.arange(48).reshape(2, *first) % 25
    assert_native(graph, samples)
    if len(second) == 3:
        layer: Conv2d | Dense = Conv2d(
            np.eye(second[0], dtype=np.int64)[:, :, None, None], np.zeros(second[0], int)
        )
    else:
        layer = Dense(np.eye(24, dtype=np.int64), np.zeros(24, np.int64))
    assert_native(
        chain(Input(first, 0, 25, 1.0), Reshape(second), layer, fire, *flat, last), samples
    )
    assert_native(
        chain(Input(second, 0, 25, 1.0), layer, Reshape(first), Reshape(second), fire),
        samples.reshape(2, *second),
    )


def read_out(mode: ReadoutMode, steps: int, source: Input, *layers: Any) -> Graph:
    graph = chain(source, *layers, steps=steps)
    last = graph.nodes[-1]
    return Graph(
        "read-out", (*graph.nodes[:-1], Node("out", Readout(np.ones(3), mode), last.inputs)), steps
    )


@pytest.mark.parametrize("mode", ReadoutMode)
@pytest.mark.parametrize("steps", [1, 2, 300])
@pytest.mark.parametrize("shape", [(20,), (20, 1, 1), (5, 2, 2)])
@pytest.mark.parametrize("high", [1, 9, 255, 4000])
def test_readouts(mode: ReadoutMode, steps: int, shape: tuple[int, ...], high: int) -> None:
    """A sum of a dense layer over steps takes one product of the numbers of events."""
    last = Dense(weights(1, 3, 20), np.array([-1, 900, 0]))
    flat = [Reshape((20,))] if len(shape) == 3 else []
    op = Input(shape, 0, high, 1.0)
    graph = read_out(mode, steps, op, *flat, last)
    assert_native(graph, random_samples(op, 3, steps))
    assert_native(graph, random_samples(op, 3))
    neurons = Membrane(np.full(20, 40), reset=Reset.ZERO, max_spikes=3)
    graph = read_out(mode, steps, Input((20,), 0, high, 1.0), dense(3, 20, 20), neurons, last)
    assert_native(graph, random_samples(graph.input_op, 3, steps))


@pytest.mark.parametrize("weight", [2**31 // 600 - 1, 2**31 // 600 + 1, 2**31 - 2])
def test_a_readout_s_sum_at_the_end_of_32_bits_and_beyond(weight: int) -> None:
    rows = np.array([[weight, 0], [-weight, 0], [weight // 2, -(weight // 2)]])
    op = Input((2,), 0, 1, 1.0)
    graph = read_out(ReadoutMode.SUM, 600, op, Dense(rows, np.zeros(3, np.int64)))
    for samples in (np.ones((1, 2), np.uint8), random_samples(op, 3, 600)):
        assert_native(graph, samples)


def test_a_layer_that_is_read_out_and_by_neurons_too() -> None:
    graph = Graph(
        "both",
        (
            Node("input", Input((4,), 0, 1, 1.0)),
            Node("dense", dense(1, 3, 4), ("input",)),
            Node("spikes", Membrane(np.full(3, 2)), ("dense",)),
            Node("dense2", dense(3, 3, 3), ("spikes",)),
            Node("sum", Add(), ("dense", "dense2")),
            Node("out", Readout(np.ones(3), ReadoutMode.SUM), ("sum",)),
        ),
        5,
    )
    assert_native(graph, samples_for(graph, 9))


# ---- sums of events ----


@pytest.mark.parametrize("samples", [254, 255, 256, 300, 511])
@pytest.mark.parametrize("most", [1, 3, 85, 128, 255, 256])
@pytest.mark.parametrize("in_bytes", [True, False], ids=["in bytes first", "directly"])
def test_sums_of_events_outgrow_their_bytes(
    samples: int, most: int, in_bytes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All neurons at their most, and none, in parts of any size; spikes and graded events."""
    if not in_bytes:
        monkeypatch.setattr(program, "BYTES_OF_SUMS", 0)
    monkeypatch.setattr(run, "PART_SAMPLES", 290)
    copy = Dense(np.eye(70, dtype=np.int64), np.zeros(70, np.int64))
    neurons = Membrane(np.ones(70, np.int64), reset=Reset.ZERO, max_spikes=most)
    thetas = np.tile(np.arange(1, 4), (70, 1))
    graded = Threshold(thetas, np.arange(70) % 2 == 1)
    graph = chain(Input((70,), 0, most, 1.0), copy, neurons, copy, graded, dense(1, 3, 70), steps=2)
    batch = np.full((samples, 70), most)
    batch[:, ::3] = 0
    batch[::7, 1] = most // 2
    assert_native(graph, batch)


def test_more_sums_than_are_kept_in_bytes() -> None:
    op = Input((3, 256, 256), 0, 1, 1.0)
    assert op.shape[0] * 256 * 256 > program.BYTES_OF_SUMS - 2**14
    layer = Conv2d(weights(1, 2, 3, 1, 1), weights(2, 2), stride=(3, 3))
    fire = Threshold(np.array([[1], [0]]), np.array([False, True]))
    pool = MaxPool2d((80, 80), (80, 80))
    assert_native(chain(op, layer, fire, pool), random_samples(op, 3))


def test_long_calls_are_cut_where_sums_or_values_would_not_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "SUM_LIMIT", 40)
    monkeypatch.setattr(engine, "KEPT_BYTES", 1000)
    for graph in (recurrent_graph(), planes(), swapping_delays()):
        assert_native(graph, samples_for(graph, 50))


# ---- laws ----


@pytest.mark.parametrize("mix", MIXES)
@given(data=st.data())
@settings(max_examples=up_to(15))
def test_samples_do_not_know_of_each_other(mix: str, data: st.DataObject) -> None:
    """In any order, in any parts and threads: the same answers, and counts that add up."""
    case = data.draw(cases(mix))
    batch = np.concatenate([as_samples(case.graph, case.samples)] * 3)
    order = np.random.default_rng(len(batch)).permutation(len(batch))
    cut = data.draw(st.integers(1, len(batch) - 1))
    for runner in on_every_kernel_set(case.graph).values():
        once = runner.tally(batch)
        again = runner.tally(batch[order])
        np.testing.assert_array_equal(again.accumulators, once.accumulators[order])
        parts = [runner.tally(part) for part in (batch[:cut], batch[cut:])]
        with pytest.MonkeyPatch.context() as patch, at_most(3):
            patch.setattr(run, "THREAD_VALUES", 1)
            patch.setattr(run, "PART_SAMPLES", 2)
            assert_equal_tallies(runner.tally(batch), once)
            np.testing.assert_array_equal(runner.answers(batch), once.accumulators)
        for name, events in once.events.items():
            np.testing.assert_array_equal(again.events[name], events)
            np.testing.assert_array_equal(sum(part.events[name] for part in parts), events)


# ---- what is left to other engines ----


def wide_values() -> Graph:
    copy = Dense(np.eye(3, dtype=np.int64) * 2**20, np.zeros(3, np.int64))
    far = Threshold(np.array([[5], [2**22], [-(2**22)]]), np.zeros(3, bool))
    return chain(Input((3,), -(2**14), 2**14, 1.0), copy, far, dense(1, 3, 3))


def wide_input() -> Graph:
    far = Threshold(np.array([[5], [2**40], [-(2**40)]]), np.zeros(3, bool))
    layer = Dense(np.eye(3, dtype=np.int64), np.zeros(3, np.int64))
    return chain(Input((3,), -(2**41), 2**41, 1.0), layer, far, dense(1, 3, 3))


def wide_products() -> Graph:
    high = Threshold(np.array([[0]] * 3), np.zeros(3, bool), 1, 2**17)
    return Graph(
        "wide-products",
        (
            Node("input", Input((3,), -1, 1, 1.0)),
            Node("dense1", dense(1, 3, 3), ("input",)),
            Node("high", high, ("dense1",)),
            Node("square", Multiply(), ("high", "high")),
            Node("dense", dense(3, 3, 3), ("square",)),
            Node("out", OUT, ("dense",)),
        ),
    )


@pytest.mark.parametrize("make", [wide_values, wide_input, wide_products])
def test_graphs_that_it_does_not_hold_run_on_other_engines(make: Callable[[], Graph]) -> None:
    graph = make()
    assert program_of(graph) is None
    assert not runs_natively(graph)
    samples = random_samples(graph.input_op, 9)
    runner = run.CpuRunner(graph)
    assert "native" not in runner.runtime
    np.testing.assert_array_equal(
        runner.answers(samples), interpret(graph, samples).accumulators(graph)
    )


def test_a_readout_beyond_32_bits_is_held() -> None:
    """Only readouts have 64 bits."""
    wide = Dense(np.array([[2**30, 1]] * 3), np.zeros(3, np.int64))
    graph = read_out(ReadoutMode.SUM, 9, Input((2,), 0, 1, 1.0), wide)
    assert graph.tensors["out"].bounds[1] > 2**33
    assert_native(graph, np.ones((2, 2), np.uint8))


def test_dense_spikes_of_every_neuron_and_of_none() -> None:
    layer, fire = dense_spikes(100, 100)
    graph = chain(Input((100,), 0, 1, 1.0), layer, fire, layer, fire, steps=2)
    assert_native(graph, np.array([[0], [1], [0]], np.uint8).repeat(100, axis=1))
