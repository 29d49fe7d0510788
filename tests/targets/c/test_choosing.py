"""Which kernel a layer has: lists of events, or products where windows are small."""

from __future__ import annotations

import numpy as np
import pytest

from edgespike.graph import Conv2d, Dense, Graph, Input, MaxPool2d, Operation, Threshold
from edgespike.models import MODELS, shipped_model
from edgespike.targets.c.layers import Kernel
from edgespike.targets.c.layout import make_layout
from edgespike.targets.c.numbers import layer_numbers
from tests.targets.c.programs import first_kernels
from tests.targets.cpu.graphs import chain


def layer(channels: int, size: int, levels: int, outputs: int = 16) -> Graph:
    """Return a convolution of values of some levels; a dense layer if ``size`` is 0."""
    rng, zeros = np.random.default_rng(1), np.zeros(outputs, np.int64)
    if not size:
        weight = rng.integers(-3, 4, (outputs, channels))
        return chain(Input((channels,), 0, levels, 1.0), Dense(weight, zeros))
    weight = rng.integers(-3, 4, (outputs, channels, size, size))
    return chain(Input((channels, 8, 8), 0, levels, 1.0), Conv2d(weight, zeros))


@pytest.mark.parametrize(
    ("graph", "kernel"),
    [
        (layer(24, 1, 7), Kernel.PAIRS),
        (layer(64, 1, 1, 64), Kernel.EVENTS),
        (layer(16, 3, 6), Kernel.PAIRS),
        (layer(64, 3, 1), Kernel.EVENTS),
        (layer(64, 3, 2), Kernel.EVENTS),
        (layer(40, 0, 3), Kernel.PAIRS),
        (layer(40, 0, 1, 64), Kernel.EVENTS),
        (layer(24, 1, 7, 5), Kernel.ROWS),
    ],
)
def test_products_are_for_windows_of_few_numbers_and_several_levels(
    graph: Graph, kernel: Kernel
) -> None:
    (found,) = make_layout(graph).kernels.values()
    assert found is kernel


def test_values_that_a_pool_keeps_as_bits_are_listed() -> None:
    rng, zeros = np.random.default_rng(1), np.zeros(16, np.int64)
    ops: list[Operation] = [
        Conv2d(rng.integers(-3, 4, (16, 9, 1, 1)), zeros),
        Threshold(np.tile(np.arange(1, 8), (16, 1)), np.zeros(16, bool)),
        Conv2d(rng.integers(-3, 4, (16, 16, 1, 1)), zeros),
    ]
    source = Input((9, 8, 8), 0, 255, 1.0)
    plain = chain(source, *ops)
    pooled = chain(source, *ops[:2], MaxPool2d((3, 3), (1, 1)), ops[2])
    assert make_layout(plain).kernels["conv2d2"] is Kernel.PAIRS
    assert make_layout(pooled).kernels["conv2d3"] is Kernel.EVENTS


@pytest.mark.parametrize("name", MODELS)
def test_shipped_nets_have_lists_wherever_these_are_exact(name: str) -> None:
    graph = shipped_model(name)
    assert make_layout(graph).kernels == first_kernels(graph)


def test_the_reason_is_said() -> None:
    graph = layer(24, 1, 7)
    (row,) = layer_numbers(graph)
    assert row.why.startswith("windows are of 24 numbers up to 7, too few for lists of events, ")
    (row,) = layer_numbers(graph, {"conv2d0": Kernel.EVENTS})
    assert row.why == "asked for, instead of PAIRS"
    (row,) = layer_numbers(graph, {"conv2d0": Kernel.PAIRS})
    assert row.why.startswith("windows are of 24 numbers")


def test_wide_weights_are_a_reason_too() -> None:
    weight = np.full((8, 40), 3)
    weight[0, 0] = 900
    graph = chain(Input((40,), 0, 1, 1.0), Dense(weight, np.zeros(8, np.int64)))
    (row,) = layer_numbers(graph)
    assert row.numbers.startswith("PAIRS")
    assert row.why.startswith("weights 3..900 take more than 8 bits, sums are ")


@pytest.mark.parametrize(
    ("inputs", "low", "high", "why"),
    [
        (40, -1, 1, "values down to -1 are below 0, "),
        (40, 0, 8, "values up to 8 are above 7, "),
        (40, 3, 3, "values are always 3, "),
        (2**16, 0, 1, "a row or a window has more than 65535 numbers, "),
    ],
)
def test_whatever_cannot_be_listed_is_the_reason(
    inputs: int, low: int, high: int, why: str
) -> None:
    weight = np.zeros((8, inputs), np.int64)
    weight[:, :40] = 3
    graph = chain(Input((inputs,), low, high, 1.0), Dense(weight, np.zeros(8, np.int64)))
    (row,) = layer_numbers(graph)
    assert row.numbers.startswith("PAIRS")
    assert row.why.startswith(why)
