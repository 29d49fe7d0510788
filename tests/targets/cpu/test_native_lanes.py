"""Many samples at once, each in a lane: the same integers as one by one, for every operation."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgespike.graph import (
    Add,
    Conv2d,
    Delay,
    Dense,
    Graph,
    Input,
    MaxPool2d,
    Membrane,
    Node,
    Operation,
    Readout,
    ReadoutMode,
    Reshape,
    Signal,
    Threshold,
)
from edgespike.graph.tensor import Integers
from edgespike.models import shipped_images, shipped_model
from edgespike.targets.cpu.native.engine import NativeEngine
from edgespike.targets.cpu.native.library import kernel_sets, library, missing
from edgespike.targets.cpu.native.program import program_of
from tests.random_graphs import examine, up_to
from tests.strategies import MIXES, Case
from tests.targets.cpu.graphs import assert_exact, chain, random_samples
from tests.targets.cpu.native_runs import engines, found, in_lanes
from tests.targets.cpu.test_levels import rounded_twice

pytestmark = pytest.mark.skipif(bool(missing()), reason="the native engine is not built")

LANES = {"portable": 16, "avx2": 32, "avx512": 64}
"""Samples that run at once on each kernel set."""


def engines_of(graph: Graph) -> list[NativeEngine]:
    """Return an engine for each kernel set."""
    program = program_of(graph)
    assert program is not None
    return [NativeEngine(graph, program, kernels) for kernels in kernel_sets()]


def fewest(engine: NativeEngine) -> int:
    """Return how many samples run in lanes at least; 0 if none do."""
    _, lib = library()
    return int(lib.es_lanes(engine._net))


def assert_in_lanes(graph: Graph, samples: NDArray[Any] | None = None) -> None:
    """Compare samples that run in lanes with the interpreter's, on every kernel set."""
    if samples is None:
        samples = random_samples(graph.input_op, 70, graph.steps)
    for engine in engines_of(graph):
        assert 0 < fewest(engine) <= len(samples)
        assert_exact(graph, samples, engine)


# ---- random graphs ----


@pytest.mark.parametrize("mix", MIXES)
def test_random_graphs_in_lanes_equal_the_interpreter(mix: str) -> None:
    ran = dict.fromkeys(kernel_sets(), 0)

    def compare(case: Case) -> None:
        for engine in engines(case):
            least, lanes = fewest(engine), LANES[engine.kernels]
            if not least:
                continue
            ran[engine.kernels] += 1
            sizes = (least, least + 1, lanes - 1, lanes, lanes + 1, lanes + least, 2 * lanes + 3)
            size = sizes[ran[engine.kernels] % len(sizes)]
            assert_exact(case.graph, in_lanes(case, size).samples, engine)

    number = up_to(60)
    examine(mix, number, compare)
    assert all(count >= number // 2 for count in ran.values())


@pytest.mark.parametrize("mix", MIXES)
def test_what_memory_held_before_changes_nothing_in_lanes(mix: str) -> None:
    def look(case: Case) -> None:
        for engine in engines(case):
            many = in_lanes(case, LANES[engine.kernels] + 5)
            in_zeros = found(engine, many, 0)
            for byte in (1, 255):
                np.testing.assert_equal(found(engine, many, byte), in_zeros)

    examine(mix, up_to(15), look)


@pytest.mark.parametrize("size", [1, 7, 8, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 100])
def test_any_number_of_samples_is_the_sum_of_single_ones(size: int) -> None:
    graph, (images, _) = shipped_model("fashion_rnn"), shipped_images("fashion_rnn")
    samples = images[:size]
    for engine in engines_of(graph):
        together = next(engine.counted(samples))
        alone = [next(engine.counted(samples[i : i + 1])) for i in range(size)]
        np.testing.assert_array_equal(
            together.accumulators, np.concatenate([each.accumulators for each in alone])
        )
        answers = np.empty_like(together.accumulators)
        list(engine.answer(samples, answers))
        np.testing.assert_array_equal(together.accumulators, answers)
        for name, sums in together.sums.items():
            np.testing.assert_array_equal(sums, sum(each.sums[name].astype(int) for each in alone))


def test_the_shipped_recurrent_net_runs_in_lanes() -> None:
    graph, (images, _) = shipped_model("fashion_rnn"), shipped_images("fashion_rnn")
    assert_in_lanes(graph, images[:70])


def test_large_nets_do_not() -> None:
    weight = np.ones((300, 800), np.int64)
    dense = Dense(weight, np.zeros(300, np.int64))
    large = chain(Input((800,), 0, 1, 1.0), dense, Membrane(np.full(300, 9)), steps=2)
    for graph in (shipped_model("fashion_s3nn"), shipped_model("fashion_maqd"), large):
        assert all(fewest(engine) == 0 for engine in engines_of(graph))


# ---- lanes without samples ----


def test_lanes_without_samples_count_nothing() -> None:
    """Neurons fire at zeros: what runs in lanes that no sample takes must not be counted."""
    fire = Threshold(np.array([[-3, 0, 9], [0, 0, 0]]), np.array([False, True]), offset=1)
    dense = Dense(np.array([[1, -1], [2, 1]]), np.array([5, -4]))
    graph = chain(Input((2,), 3, 9, 1.0), dense, fire, steps=2)
    for size in (*range(8, 36), 63, 64, 65):
        for engine in engines_of(graph):
            assert_exact(graph, random_samples(graph.input_op, size, 2), engine)


# ---- sums ----


def no_bias(outputs: int) -> Integers:
    return np.zeros(outputs, np.int64)


SOURCES = [(0, 1), (0, 3), (0, 255), (0, 256), (-7, 200), (-40_000, 40_000)]


PRODUCTS = [
    (source, largest, inputs, outputs)
    for source, largest, inputs, outputs in product(
        SOURCES, [1, 64, 127, 128, 2**15 - 1, 2**15], [1, 3, 31], [1, 7, 70]
    )
    if inputs * largest * source[1] < 2**31 - 1000
]


@pytest.mark.parametrize(("source", "largest", "inputs", "outputs"), PRODUCTS)
def test_products_of_numbers(
    source: tuple[int, int], largest: int, inputs: int, outputs: int
) -> None:
    low, high = source
    rng = np.random.default_rng(inputs)
    weight = rng.integers(-largest, largest + 1, (outputs, inputs))
    weight[0] = largest
    weight[-1, ::2] = -largest
    op = Input((inputs,), low, high, 1.0)
    samples = random_samples(op, 70)
    samples[3], samples[4], samples[5, ::2] = high, low, high
    assert_in_lanes(chain(op, Dense(weight, rng.integers(-900, 901, outputs))), samples)


ENDS = [-(2**15) - 1, -(2**15), 2**15 - 1, 2**15, 2**16 + 5]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("theta", [0, 17, -(2**15) + 1, -(2**15) + 2, 2**15 - 2, 2**15 - 1, 2**15])
def test_thresholds_of_sums_beyond_16_bits(end: int, theta: int) -> None:
    """Sums that reach an end, and one more or less, of pieces that add up in either order."""
    inputs = 40
    row = np.full(inputs, end // inputs)
    row[: abs(end) % inputs] += np.sign(end) * (end % inputs != 0)
    rows = np.stack([row, row[::-1], -row, np.where(np.arange(inputs) % 2, row, -row)])
    rows = np.clip(rows, -127 * 16, 127 * 16) // 16
    op = Input((inputs,), 0, 16, 1.0)
    levels = np.array([[theta - 1, theta, theta + 1]] * 4)
    fire = Threshold(levels, np.array([False, True, False, True]))
    samples = random_samples(op, 70)
    samples[0], samples[1, ::2], samples[2, 1::2] = 16, 16, 16
    assert_in_lanes(chain(op, Dense(rows, np.array([0, 0, theta, -theta])), fire), samples)


def added(first: Operation, second: Operation, *after: Operation, high: int, steps: int) -> Graph:
    """Add what two layers make of the same input, and put operations behind it."""
    nodes = [Node("input", Input((6,), 0, high, 1.0))]
    nodes += [Node("first", first, ("input",)), Node("second", second, ("input",))]
    nodes.append(Node("sum", Add(), ("first", "second")))
    for op in after:
        nodes.append(Node(f"{op.kind}{len(nodes)}", op, (nodes[-1].name,)))
    return Graph("sum", (*nodes, _readout(nodes[-1].name, 5)), steps)


def _readout(name: str, classes: int) -> Node:
    return Node("out", Readout(np.ones(classes)), (name,))


ADDED = [(1, 1), (127, 127), (1, 127), (127, 2**13), (2**13, 127), (2**17, 127), (2**17, 2**17)]


@pytest.mark.parametrize(("one", "other"), ADDED)
@pytest.mark.parametrize("high", [1, 3, 255])
def test_sums_that_begin_with_other_sums(one: int, other: int, high: int) -> None:
    rng = np.random.default_rng(one)
    layers = [
        Dense(rng.integers(-most, most + 1, (5, 6)), rng.integers(-9, 10, 5))
        for most in (one, other)
    ]
    positive = Dense(np.abs(layers[0].weight) % 8, no_bias(5))
    fire = Threshold(np.sort(rng.integers(-500, 500, (5, 4))), rng.random(5) < 0.5)
    plain = Membrane(np.full(5, 50), decay=300)
    behind: tuple[tuple[Operation, ...], ...] = ((), (fire,), (plain,))
    for first, after in product((layers[0], positive), behind):
        graph = added(first, layers[1], *after, high=high, steps=2)
        assert_in_lanes(graph)
        for engine in engines_of(graph):  # and not in lanes
            assert_exact(graph, random_samples(graph.input_op, 3, 2), engine)


def test_spikes_of_the_step_before_add_to_a_bias() -> None:
    """A loop through a layer of spikes, whose sums begin with those of the input."""
    rng = np.random.default_rng(5)
    for largest in (3, 127, 5000):
        nodes = (
            Node("input", Input((9,), 0, 1, 1.0)),
            Node("before", Delay((30,), 0, 1, Signal.SPIKES), ("spikes",)),
            Node("forward", Dense(rng.integers(-9, 10, (30, 9)), no_bias(30)), ("input",)),
            Node(
                "back", Dense(rng.integers(-largest, largest, (30, 30)), no_bias(30)), ("before",)
            ),
            Node("sum", Add(), ("back", "forward")),
            Node("spikes", Membrane(rng.integers(1, 40, 30)), ("sum",)),
            Node("dense", Dense(rng.integers(-9, 10, (4, 30)), no_bias(4)), ("spikes",)),
            _readout("dense", 4),
        )
        graph = Graph("loop", nodes, 6)
        assert_in_lanes(graph)
        for engine in engines_of(graph):
            assert_exact(graph, random_samples(graph.input_op, 4, 6), engine)


# ---- thresholds ----


def levels_at(theta: Integers, *, most: int, sign: Sequence[int] = (1, 1, -1, -1)) -> Graph:
    """Put thresholds after a layer that gives each number of a range, and its negative."""
    digits = np.array([[1, 256, 65_536]] * 4) * np.array(sign)[:, None]
    digits = digits[:, : 1 + int(np.log2(most) // 8)]
    op = Input((digits.shape[1],), 0, 255, 1.0)
    flipped = np.array([False, True, False, True])
    return chain(op, Dense(digits, no_bias(4)), Threshold(theta, flipped))


@pytest.mark.parametrize("levels", [1, 2, 8, 15, 16, 17, 24, 25, 56, 62, 63, 64, 65, 200])
@pytest.mark.parametrize("spread", [40, 3000, 32_760, 60_000])
def test_levels_of_any_thresholds(levels: int, spread: int) -> None:
    rng = np.random.default_rng(levels)
    theta = np.sort(rng.integers(-spread, spread, (4, levels)), axis=1)
    theta[:, 0] = np.minimum(theta[:, 0], [-spread, 0, -spread, 0])
    graph = levels_at(np.sort(theta, axis=1), most=2**16 - 1)
    near = np.unique(np.abs(theta)[..., None] + np.array([-1, 0, 1]))
    near = near[(near >= 0) & (near < 2**16)]
    samples = np.stack([near % 256, near // 256], axis=1)
    assert_in_lanes(graph, np.concatenate([samples, random_samples(graph.input_op, 70)]))


@pytest.mark.parametrize(("step", "levels"), [(1.7, 40), (17.3, 63), (151.9, 30), (3.01, 99)])
def test_levels_near_a_line(step: float, levels: int) -> None:
    theta = rounded_twice(step, 4, 2**15)[[0, 1, 2, 0], :levels]
    graph = levels_at(theta, most=2**16 - 1)
    numbers = np.concatenate([np.arange(1500), np.arange(2**15 - 30, 2**15 + 30)])
    assert_in_lanes(graph, np.stack([numbers % 256, numbers // 256], axis=1))


# ---- answers ----


@pytest.mark.parametrize("mode", ReadoutMode)
@pytest.mark.parametrize("changing", [False, True])
def test_readouts(mode: ReadoutMode, changing: bool) -> None:
    """What only the last answer reads is computed once; traces show it at every step."""
    rng = np.random.default_rng(3)
    conv = Conv2d(rng.integers(-9, 10, (3, 2, 2, 2)), no_bias(3), padding=(1, 0))
    whole = (
        Node("input", Input((2, 4, 4), 0, 255, 1.0)),
        Node("conv", conv, ("input",)),
        Node("spikes", Membrane(np.array([90, 300, 700]), decay=40), ("conv",)),
        Node("pool", MaxPool2d((2, 2), (1, 1)), ("spikes",)),
        Node("flat", Reshape((24,)), ("pool",)),
        Node("dense", Dense(rng.integers(-9, 10, (7, 24)), np.arange(7)), ("flat",)),
        Node("out", Readout(np.ones(7), mode), ("dense",)),
    )
    graph = Graph("answers", whole, 3)
    samples = random_samples(graph.input_op, 70, 3 if changing else None)
    assert_in_lanes(graph, samples)
    for engine in engines_of(graph):
        assert_exact(graph, samples[:4], engine)
