"""Layers of the native engine that work on rows: levels, sums in bytes, small windows, maxima."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edgespike.graph import (
    Add,
    Conv2d,
    Dense,
    Graph,
    Input,
    MaxPool2d,
    Node,
    Readout,
    Reshape,
    Threshold,
)
from edgespike.graph.tensor import Integers
from edgespike.targets.cpu.native.codes import LARGEST_IN_BYTES, Product
from edgespike.targets.cpu.native.products import MANY_OUTPUTS, product_of, window_of
from tests.targets.cpu.graphs import chain
from tests.targets.cpu.native_runners import assert_native
from tests.targets.cpu.test_native_sums import on_and_off


def weights(shape: tuple[int, ...], largest: int) -> Integers:
    """Return random weights, of which the first outputs have the largest sums that there can be."""
    found = np.random.default_rng(sum(shape)).integers(-largest, largest + 1, shape)
    found[0], found[-1] = largest, -largest
    return found


def product_of_first(graph: Graph) -> Product:
    """Return how the first layer multiplies."""
    node = graph.nodes[1]
    assert isinstance(node.op, Conv2d | Dense)
    window = window_of(graph, node, node.op)
    return product_of(graph, window, graph.tensors[node.name], as_events=False)


LEVELS = [(2, 3), (3, 2), (7, 1), (2, 4), (8, 1), (3, 3)]


@pytest.mark.parametrize("outputs", [MANY_OUTPUTS - 1, MANY_OUTPUTS, 96, 200])
@pytest.mark.parametrize(("high", "largest"), LEVELS)
def test_levels_and_small_weights(high: int, largest: int, outputs: int) -> None:
    """So many of the largest products that they fill bytes many times, of one position or more."""
    listed = high * largest <= LARGEST_IN_BYTES and outputs >= MANY_OUTPUTS
    flat = Input((700,), 0, high, 1.0)
    dense = Dense(weights((outputs, 700), largest), np.arange(outputs))
    graph = chain(flat, dense)
    assert (product_of_first(graph) is Product.LEVELS) == listed
    assert_native(graph, on_and_off(flat))
    plane = Input((67, 5, 4), 0, high, 1.0)
    conv = Conv2d(weights((outputs, 67, 3, 3), largest), np.arange(outputs), padding=(1, 1))
    assert_native(chain(plane, conv), on_and_off(plane))
    fire = Threshold(np.sort(weights((outputs, 3), 40)), np.arange(outputs) % 2 == 1)
    assert_native(chain(plane, conv, fire), on_and_off(plane))


@pytest.mark.parametrize("high", [1, 3, 255, 70_000])
def test_weights_that_are_all_zero(high: int) -> None:
    source = Input((3, 5, 5), 0, high, 1.0)
    conv = Conv2d(np.zeros((MANY_OUTPUTS, 3, 3, 3), np.int64), np.arange(MANY_OUTPUTS))
    assert_native(chain(source, conv), on_and_off(source))


@pytest.mark.parametrize("largest", [7, 8, 127, 300])
def test_a_source_that_is_always_zero(largest: int) -> None:
    source = Input((3, 5, 5), 0, 0, 1.0)
    conv = Conv2d(weights((MANY_OUTPUTS, 3, 3, 3), largest), np.arange(MANY_OUTPUTS))
    assert_native(chain(source, conv), np.zeros((2, 3, 5, 5), np.int64))


def test_sums_of_levels_beyond_16_bits() -> None:
    inputs = 2**15 // 6 + 10
    source = Input((inputs,), 0, 3, 1.0)
    graph = chain(source, Dense(weights((MANY_OUTPUTS, inputs), 2), np.zeros(MANY_OUTPUTS, int)))
    assert product_of_first(graph) is not Product.LEVELS
    assert_native(graph, on_and_off(source))


@pytest.mark.parametrize("largest", [1, LARGEST_IN_BYTES, LARGEST_IN_BYTES + 1])
@pytest.mark.parametrize("outputs", [1, 48, 96, 300])
def test_spikes_and_small_weights(largest: int, outputs: int) -> None:
    """Windows that are too large for tables of bits."""
    source = Input((130, 4, 5), 0, 1, 1.0)
    conv = Conv2d(weights((outputs, 130, 3, 2), largest), np.arange(outputs), padding=(0, 1))
    fire = Threshold(np.full((outputs, 1), 3), np.zeros(outputs, bool))
    assert_native(chain(source, conv), on_and_off(source))
    assert_native(chain(source, conv, fire), on_and_off(source))


@pytest.mark.parametrize("width", [1, 3, 4, 5, 9])
@pytest.mark.parametrize("outputs", [1, 16, 33, 100])
@pytest.mark.parametrize(
    ("low", "high", "largest"), [(0, 255, 20), (0, 255, 127), (-300, 300, 300), (0, 70_000, 9)]
)
def test_small_windows(low: int, high: int, largest: int, outputs: int, width: int) -> None:
    """Every product; as many windows as are summed at once, one less and one more."""
    source = Input((1, 4, 2 * width + 1), low, high, 1.0)
    for kernel, stride in (((3, 3), (1, 2)), ((4, 1), (1, 2)), ((2, 2), (2, 2)), ((4, 4), (1, 1))):
        if kernel[1] > source.shape[2]:
            continue
        conv = Conv2d(
            weights((outputs, 1, *kernel), largest),
            np.arange(outputs),
            stride=stride,
            padding=(1, 0),
        )
        assert_native(chain(source, conv), on_and_off(source))


SOURCES = {
    "bytes": Input((1, 11, 9), 0, 255, 1.0),
    "spikes": Input((40, 7, 9), 0, 1, 1.0),
    "levels": Input((40, 7, 9), 0, 3, 1.0),
    "wide": Input((3, 7, 9), 0, 1000, 1.0),
}


def thresholds(levels: int, outputs: int) -> NDArray[np.int64]:
    """Return thresholds around zero: one, a few, or so many that they are searched or a line."""
    rng = np.random.default_rng(levels)
    return np.sort(rng.integers(-30, 30, (outputs, levels)), axis=1)


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("levels", [1, 3, 30])
@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize(
    "pool",
    [
        MaxPool2d((2, 2), (2, 2)),
        MaxPool2d((3, 2), (3, 2)),
        MaxPool2d((1, 4), (1, 4)),
        MaxPool2d((3, 3), (2, 2)),
        MaxPool2d((2, 2), (3, 3)),
        MaxPool2d((1, 4), (1, 4), (0, 1)),
    ],
)
def test_the_largest_level_is_that_of_the_largest_sum(
    name: str, levels: int, flipped: bool, pool: MaxPool2d
) -> None:
    """Pools side by side, whatever they leave at the border; with gaps, overlapping, padded."""
    source, outputs = SOURCES[name], 48
    conv = Conv2d(
        weights((outputs, source.shape[0], 3, 3), 2), np.zeros(outputs, np.int64), padding=(1, 1)
    )
    sides = np.arange(outputs) % 2 == 1 if flipped else np.zeros(outputs, bool)
    fire = Threshold(thresholds(levels, outputs), sides)
    assert_native(chain(source, conv, fire, pool), on_and_off(source))


@pytest.mark.parametrize("kernel", [(2, 2), (5, 4)], ids=["tile by tile", "one position"])
def test_largest_levels_that_are_read_as_bits(kernel: tuple[int, int]) -> None:
    source = SOURCES["bytes"]
    conv = Conv2d(weights((8, 1, 3, 3), 2), np.zeros(8, np.int64), padding=(1, 1))
    fire = Threshold(np.full((8, 1), 3), np.zeros(8, bool))
    again = Conv2d(weights((6, 8, *kernel), 9), np.zeros(6, np.int64))
    assert_native(chain(source, conv, fire, MaxPool2d((2, 2), (2, 2)), again), on_and_off(source))


def test_levels_that_something_else_reads_are_kept() -> None:
    source = SOURCES["bytes"]
    conv = Conv2d(weights((8, 1, 3, 3), 2), np.zeros(8, np.int64))
    nodes = (
        Node("input", source),
        Node("conv", conv, ("input",)),
        Node("fire", Threshold(np.zeros((8, 1), np.int64), np.zeros(8, bool)), ("conv",)),
        Node("pool", MaxPool2d((3, 7), (3, 7)), ("fire",)),
        Node("again", Conv2d(weights((8, 8, 9, 7), 2), np.zeros(8, np.int64)), ("fire",)),
        Node("flat", Reshape((8,)), ("again",)),
        Node("beside", Reshape((24,)), ("pool",)),
        Node("dense", Dense(weights((8, 24), 3), np.zeros(8, np.int64)), ("beside",)),
        Node("sum", Add(), ("flat", "dense")),
        Node("out", Readout(np.ones(8)), ("sum",)),
    )
    assert_native(Graph("both", nodes), on_and_off(source))
