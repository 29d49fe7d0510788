"""Layers that read bits: tiles of any shape, potentials at the ends of 16 bits, counters."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgespike.counting import tally_trace
from edgespike.graph import (
    Comparison,
    Conv2d,
    Delay,
    Dense,
    Graph,
    Input,
    Membrane,
    Node,
    Operation,
    Readout,
    Reset,
    Reshape,
    Signal,
    SumPool2d,
    Threshold,
)
from edgespike.interpreter import interpret
from tests.targets.cpu.graphs import chain
from tests.targets.cpu.native_runners import (
    assert_equal_tallies,
    assert_native,
    on_every_kernel_set,
)

STEPS = 5


def spikes(shape: tuple[int, ...], share: float, seed: int = 0) -> NDArray[np.int8]:
    drawn = np.random.default_rng(seed).random(shape, np.float32)
    return (drawn < share).astype(np.int8)


def convolution(
    inputs: int,
    outputs: int,
    kernel: tuple[int, int],
    seed: int = 0,
    largest: int = 127,
    **options: Any,
) -> Conv2d:
    rng = np.random.default_rng(seed)
    weight = rng.integers(-largest, largest, (outputs, inputs, *kernel), endpoint=True)
    return Conv2d(weight, np.zeros(outputs, np.int64), **options)


def layer(weights: list[int], outputs: int, positions: int) -> tuple[Conv2d, Input]:
    """Return a convolution that is the same for all outputs, and an input for it."""
    weight = np.tile(np.array(weights)[None, :, None, None], (outputs, 1, 1, 1))
    source = Input((len(weights), 2, positions), 0, 1, 1.0)
    return Conv2d(weight, np.zeros(outputs, np.int64)), source


@pytest.mark.parametrize(
    ("channels", "outputs"), [(1, 1), (2, 16), (3, 5), (5, 8), (16, 16), (24, 3), (64, 2), (65, 2)]
)
@pytest.mark.parametrize(
    ("kernel", "options"),
    [
        ((3, 3), {"padding": (1, 1)}),
        ((5, 5), {"padding": (1, 1), "stride": (2, 2)}),
        ((4, 1), {"padding": (0, 2), "stride": (3, 1)}),
        ((2, 3), {"padding": (3, 0), "stride": (1, 3)}),
        ((3, 2), {"dilation": (2, 3), "padding": (2, 5)}),
        ((1, 1), {}),
        ((1, 2), {"stride": (2, 2)}),
    ],
)
def test_tiles_of_any_shape(
    channels: int, outputs: int, kernel: tuple[int, int], options: dict[str, Any]
) -> None:
    source = Input((channels, 9, 11), 0, 1, 1.0)
    op = convolution(channels, outputs, kernel, **options)
    graph = chain(source, op, Membrane(np.full(outputs, 150)), steps=STEPS)
    for share in (0.02, 0.3, 1.0):
        assert_native(graph, spikes((2, STEPS, *source.shape), share))


@pytest.mark.parametrize("pool", [(2, 2), (1, 3), (3, 1), (4, 4)])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_sum_pool_before_tiles(pool: tuple[int, int], stride: int) -> None:
    source = Input((4, 16, 13), 0, 1, 1.0)
    op = convolution(4, 8, (3, 3), stride=(stride, stride), padding=(1, 1))
    graph = chain(source, SumPool2d(pool, pool), op, Membrane(np.full(8, 200)), steps=STEPS)
    assert_native(graph, spikes((2, STEPS, *source.shape), 0.2))


def test_layers_in_a_row_hand_on_bits() -> None:
    source = Input((2, 17, 33), 0, 1, 1.0)  # rows of more than one word
    ops: list[Operation] = [
        convolution(2, 16, (3, 3), padding=(1, 1)),
        Membrane(np.arange(90, 106)),
        convolution(16, 6, (3, 3), 1, stride=(2, 2), padding=(1, 1)),
        Membrane(np.full(6, 200)),
        SumPool2d((2, 2), (2, 2)),
        Reshape((6 * 4 * 8,)),
        Dense(np.random.default_rng(2).integers(-99, 99, (300, 192)), np.zeros(300, np.int64)),
        Membrane(np.full(300, 99), reset=Reset.ZERO),
        Dense(np.random.default_rng(3).integers(-99, 99, (9, 300)), np.zeros(9, np.int64)),
    ]
    graph = chain(source, *ops, steps=STEPS)
    for share in (0.01, 0.2, 0.7):
        assert_native(graph, spikes((3, STEPS, *source.shape), share))


@pytest.mark.parametrize("bias", [-7, 0, 9])
@pytest.mark.parametrize("cell", ["threshold", "membrane", "resonates", "leaks", "several"])
def test_any_neuron_behind_tiles(cell: str, bias: int) -> None:
    source = Input((3, 7, 10), 0, 1, 1.0)
    op = replace(convolution(3, 5, (3, 3), padding=(1, 1)), bias=np.full(5, bias))
    theta = np.full(5, 60)
    cells: dict[str, Operation] = {
        "threshold": Threshold(np.arange(5)[:, None] * 20, np.zeros(5, bool)),
        "membrane": Membrane(theta),
        "resonates": Membrane(theta, decay_syn=1 << 10, decay=1 << 9),
        "leaks": Membrane(theta, decay=1 << 11),
        "several": Membrane(theta, max_spikes=3),
    }
    graph = chain(source, op, cells[cell], steps=STEPS)
    assert_native(graph, spikes((2, STEPS, *source.shape), 0.2))


SHIFTS = [1 << 12, (1 << 12) - 1, (1 << 12) - 2, 1 << 11, 3 << 10, 1, 3000]
"""Decays that keep nothing, a power of two, and other shares."""


@pytest.mark.parametrize("comparison", list(Comparison))
@pytest.mark.parametrize("reset", list(Reset))
@pytest.mark.parametrize("decay", [0, *SHIFTS])
@pytest.mark.parametrize("shape", [(3, 4, 5), (7, 3, 32), (70,)])
def test_membranes_that_write_bits(
    shape: tuple[int, ...], decay: int, reset: Reset, comparison: Comparison
) -> None:
    source = Input(shape, 0, 1, 1.0)
    rng = np.random.default_rng(1)
    ops: list[Operation] = [
        convolution(shape[0], 5, (3, 3), padding=(1, 1))
        if len(shape) == 3
        else Dense(rng.integers(-60, 80, (130, shape[0])), np.zeros(130, np.int64))
    ]
    theta = rng.integers(1, 200, 5 if len(shape) == 3 else 130)
    ops.append(Membrane(theta, decay, reset, comparison=comparison))
    graph = chain(source, *ops, steps=6)
    assert_native(graph, spikes((2, 6, *shape), 0.3))


def test_each_neuron_may_have_its_own_parameters() -> None:
    source = Input((2, 6, 7), 0, 1, 1.0)
    rng = np.random.default_rng(4)
    for decay in (0, rng.integers(0, 1 << 12, (5, 6, 7))):
        cell = Membrane(rng.integers(1, 99, (5, 6, 7)), decay)
        graph = chain(source, convolution(2, 5, (3, 3), padding=(1, 1)), cell, steps=STEPS)
        assert_native(graph, spikes((2, STEPS, *source.shape), 0.2))


@pytest.mark.parametrize("bound", [300, 32_767, 32_768, 40_000])
@pytest.mark.parametrize("positions", [4, 64])
def test_potentials_that_saturate_near_16_bits(positions: int, bound: int) -> None:
    op, source = layer([20_000, -20_000, 127], 1, positions)
    for floor in (None, 0, -bound, -100):
        cell = Membrane(
            np.array([100]), saturation=bound, floor=floor, fraction_bits=0, reset=Reset.SUBTRACT
        )
        graph = chain(source, op, cell, steps=8)
        assert_native(graph, spikes((3, 8, *source.shape), 0.4))


@pytest.mark.parametrize("theta", [1, 32_766, 32_767, 32_768, 32_769, 65_536])
@pytest.mark.parametrize("reset", list(Reset))
@pytest.mark.parametrize(
    "weights", [(32_767,), (-32_768,), (16_384, 16_383), (-16_384, -16_384), (32_767, -32_768)]
)
def test_potentials_at_the_ends_of_16_bits(
    weights: tuple[int, ...], reset: Reset, theta: int
) -> None:
    op, source = layer(list(weights), 3, 5)
    for comparison in Comparison:
        cell = Membrane(np.array([theta, 1, 7]), reset=reset, comparison=comparison)
        graph = chain(source, op, cell, steps=6)
        samples = spikes((4, 6, *source.shape), 0.6)
        samples[0] = 1
        assert_native(graph, samples)


@pytest.mark.parametrize("sign", [1, -1])
def test_rows_leave_16_bits_at_the_step_at_which_they_must(sign: int) -> None:
    # Each row leaves them at another step, or never; what it does then shows in later spikes.
    op, source = layer([sign * 10_923, 1, -sign * 10_000], 2, 3)
    source = Input((3, 8, 3), 0, 1, 1.0)
    samples = np.zeros((2, 16, 3, 8, 3), np.int8)
    for row, sample in product(range(8), range(2)):
        samples[sample, : row + sample, 0, row] = 1
        samples[sample, 8:, 2, row] = 1
        samples[sample, :, 1, row] = row % 2
    for theta, reset in product((10_922, 30_000), Reset):
        graph = chain(source, op, Membrane(np.array([theta, 1]), reset=reset), steps=16)
        assert_native(graph, samples)


@pytest.mark.parametrize("inputs", [63, 64, 65, 300, 301])
@pytest.mark.parametrize("largest", [127, 128, 129])
def test_pairs_of_rows(inputs: int, largest: int) -> None:
    outputs = 1 + 2**16 // inputs  # too many weights for rows of 16 bits
    rng = np.random.default_rng(5)
    weight = rng.integers(-largest, min(largest, 127), (outputs, inputs), endpoint=True)
    weight[0], weight[-1] = -largest, min(largest, 127)
    cell = Membrane(rng.integers(1, 999, outputs))
    graph = chain(Input((inputs,), 0, 1, 1.0), Dense(weight, np.arange(outputs) % 3), cell, steps=3)
    for share in (0.01, 0.5, 1.0):
        assert_native(graph, spikes((2, 3, inputs), share))


@pytest.mark.parametrize("samples", [1, 7, 8, 255, 256, 513])
def test_counters_of_bits_do_not_overflow(samples: int) -> None:
    source = Input((2, 3, 3), 0, 1, 1.0)
    graph = chain(source, convolution(2, 3, (2, 2)), Membrane(np.array([1, 50, 90])), steps=2)
    batch = spikes((samples, 2, *source.shape), 0.9)
    batch[:, :, 0, 0] = 1
    expected = tally_trace(graph, batch, interpret(graph, batch))
    for runner in on_every_kernel_set(graph).values():
        assert_equal_tallies(runner.tally(batch), expected)


def test_bits_that_are_too_many_for_counters_are_counted() -> None:
    source = Input((2, 40, 33), 0, 1, 1.0)
    graph = chain(source, convolution(2, 4, (1, 1)), Membrane(np.full(4, 90)), steps=150)
    batch = spikes((9, 150, *source.shape), 0.05)
    expected = tally_trace(graph, batch, interpret(graph, batch))
    for runner in on_every_kernel_set(graph).values():
        assert_equal_tallies(runner.tally(batch), expected)


@pytest.mark.parametrize("steps", [2, 255, 256])
def test_a_readout_counts_spikes_of_many_steps(steps: int) -> None:
    rng = np.random.default_rng(6)
    graph = chain(
        Input((70,), 0, 1, 1.0),
        Dense(rng.integers(-9, 20, (75, 70)), np.ones(75, np.int64)),
        Membrane(np.full(75, 3)),
        Dense(rng.integers(-127, 127, (11, 75)), np.arange(11)),
        steps=steps,
    )
    assert_native(graph, spikes((2, steps, 70), 0.5))


@pytest.mark.parametrize("kind", ["i1", "u1", "i2", "i8"])
@pytest.mark.parametrize(
    "shape", [(1, 5, 70), (2, 8, 8), (3, 4, 16), (4, 16, 33), (32, 3, 3), (64, 1, 1), (5, 1, 1)]
)
def test_samples_of_any_type_become_bits(shape: tuple[int, ...], kind: str) -> None:
    op = convolution(shape[0], 4, (1, 1))
    graph = chain(Input(shape, 0, 1, 1.0), op, Membrane(np.full(4, 99)), steps=STEPS)
    assert_native(graph, spikes((3, STEPS, *shape), 0.3).astype(kind))


@pytest.mark.parametrize("initial", [0, 1])
def test_delayed_spikes_become_bits(initial: int) -> None:
    nodes = (
        Node("input", Input((2, 5, 5), 0, 1, 1.0)),
        Node("late", Delay((2, 5, 5), 0, 1, Signal.SPIKES, initial), ("input",)),
        Node("layer", convolution(2, 3, (3, 3), padding=(1, 1)), ("late",)),
        Node("fire", Membrane(np.full(3, 99)), ("layer",)),
        Node("flat", Reshape((75,)), ("fire",)),
        Node("out", Readout(np.ones(75)), ("flat",)),
    )
    assert_native(Graph("delayed", nodes, STEPS), spikes((2, STEPS, 2, 5, 5), 0.3))
