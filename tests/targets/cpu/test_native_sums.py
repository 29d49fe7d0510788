"""Weighted sums of the native engine: every product, at the ends of its lanes, any geometry."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgespike.graph import (
    Conv2d,
    Dense,
    Graph,
    Input,
    Membrane,
    Operation,
    Reset,
    SumPool2d,
    Threshold,
)
from edgespike.graph.tensor import ACCUMULATOR_LIMIT, Integers
from edgespike.targets.cpu.native.program import program_of
from tests.random_graphs import up_to
from tests.targets.cpu.graphs import chain
from tests.targets.cpu.native_runners import assert_native

LARGEST = {8: 127, 16: 2**15 - 1, 32: 2**26}
"""Weights that need so many bits."""

SOURCES = {
    "events": Input((1,), 0, 1, 1.0),
    "bytes": Input((1,), 0, 255, 1.0),
    "signed": Input((1,), -300, 300, 1.0),
    "16 bits": Input((1,), -(2**15) + 1, 2**15 - 1, 1.0),
    "32 bits": Input((1,), -70_000, 70_000, 1.0),
}
"""Inputs that are multiplied in different ways."""


def no_bias(outputs: int) -> Integers:
    return np.zeros(outputs, np.int64)


def row_of(total: int, inputs: int, largest: int) -> Integers:
    """Return weights of at most a size that add up to a total."""
    left, row = abs(total), np.zeros(inputs, np.int64)
    for place in range(inputs):
        row[place] = min(left, largest)
        left -= row[place]
    assert left == 0
    return row if total >= 0 else -row


def on_and_off(op: Input, rows: int = 6) -> NDArray[Any]:
    """Return samples: nothing, all, all but one, one alone, and random ones."""
    rng = np.random.default_rng(len(op.shape))
    samples = rng.integers(op.low, op.high, (rows, *op.shape), endpoint=True)
    samples[rng.random(samples.shape) < 0.5] = max(op.low, 0)
    flat = samples.reshape(rows, -1)
    flat[0], flat[1], flat[2], flat[3] = max(op.low, 0), op.high, op.high, max(op.low, 0)
    flat[2, 0] = flat[3, -1] = op.low
    flat[3, 0] = op.high
    return samples


ENDS = [
    (bits, end, bias)
    for bits, end, bias in product(
        LARGEST, [2**15 - 2, 2**15 - 1, 2**15, 2**15 + 1, 2**31 - 2], [0, 100, -40_000]
    )
    if end + abs(bias) <= 400 * LARGEST[bits] and (bias >= 0 or end < 2**20)
]
"""Of 400 events: how many bits their weights have, what they add up to, and the bias in it."""


@pytest.mark.parametrize(("bits", "end", "bias"), ENDS)
def test_sums_of_events_at_the_ends_of_16_and_32_bits(bits: int, end: int, bias: int) -> None:
    """All events together give the end, and its negative; the bias is a part of it."""
    largest, inputs = LARGEST[bits], 400
    rows = [row_of(end - bias, inputs, largest), row_of(-end - bias, inputs, largest)]
    weight = np.stack([*rows, rows[0][::-1], no_bias(inputs)])
    graph = chain(Input((inputs,), 0, 1, 1.0), Dense(weight, np.full(4, bias)))
    assert_native(graph, on_and_off(graph.input_op))


@pytest.mark.parametrize("end", [2**15 - 1, 2**15])
def test_no_more_events_than_16_bits_hold_are_added_in_16_bits(end: int) -> None:
    """Sums of 32 bits stay in 16 as long as few events arrive; one more event does not fit."""
    inputs = 3 * end // 127
    weight = np.full((2, inputs), 127)
    weight[1] = -127
    samples = np.zeros((2 * 260, inputs), np.uint8)
    for row in range(260):
        samples[row, :row] = samples[260 + row, inputs - row :] = 1
    assert_native(chain(Input((inputs,), 0, 1, 1.0), Dense(weight, no_bias(2))), samples)
    bias = np.array([end - 127 * 100, -end + 127 * 100])
    assert_native(chain(Input((inputs,), 0, 1, 1.0), Dense(weight, bias)), samples)


@pytest.mark.parametrize("bits", LARGEST)
def test_a_bias_beyond_16_bits_that_events_always_take_back(bits: int) -> None:
    """Neurons that always fire: their sum is small, though bias and weights are not."""
    always, inputs = 700, 720
    theta = np.where(np.arange(inputs) < always, 0, 1)[:, None]
    fire = Threshold(theta, np.zeros(inputs, bool))
    weight = np.ones((3, inputs), np.int64) * LARGEST[bits] // (1 if bits < 32 else 2**6)
    weight[1] *= -1
    weight[:, always:] = 1
    dense = Dense(weight, -weight[:, :always].sum(axis=1))
    graph = chain(Input((inputs,), 0, 1, 1.0), Dense(np.eye(inputs, dtype=int), no_bias(inputs)))
    graph = chain(graph.input_op, *[node.op for node in graph.nodes[1:-1]], fire, dense)
    assert graph.tensors["dense2"].bounds == (0, 20)
    assert_native(graph, on_and_off(graph.input_op))


PRODUCTS = [
    (source, largest, inputs)
    for source, largest, inputs in product(
        SOURCES, [1, 63, 64, 127, 128, 2**15 - 1, 2**15, 2**17], [1, 2, 3, 5, 64, 67]
    )
    if inputs * largest * SOURCES[source].high < 2**31 - 1000
]


@pytest.mark.parametrize(("source", "largest", "inputs"), PRODUCTS)
def test_products_of_numbers(source: str, largest: int, inputs: int) -> None:
    """Pairs of the largest bytes and weights fill 16 bits, or are too large for them."""
    single = SOURCES[source]
    op = Input((inputs,), single.low, single.high, 1.0)
    rng = np.random.default_rng(inputs)
    weight = rng.integers(-largest, largest + 1, (5, inputs))
    weight[0], weight[1], weight[2, ::2], weight[3, 1::2] = largest, -largest, largest, -largest
    bias = np.array([0, 999, -999, 0, 7])
    assert_native(chain(op, Dense(weight, bias)), on_and_off(op))
    fire = Threshold(
        np.array([[-5, 0, 9], [0, 0, 1], [-99, 5, 70], [1, 2, 3], [0, 4, 4]]), bias > 0
    )
    assert_native(chain(op, Dense(weight, bias), fire), on_and_off(op))


def spiking(inputs: int, most: int) -> tuple[Input, Dense, Membrane]:
    """Return neurons that spike as often as their input says."""
    op = Input((inputs,), 0, most, 1.0)
    neurons = Membrane(
        np.ones(inputs, np.int64), reset=Reset.ZERO, max_spikes=most, saturation=ACCUMULATOR_LIMIT
    )
    return op, Dense(np.eye(inputs, dtype=np.int64), no_bias(inputs)), neurons


SPIKES = [
    (most, largest)
    for most, largest in product(
        [1, 2, 3, 4, 5, 6, 127, 255, 256, 300, 65_536], [1, 127, 2**14, 2**20]
    )
    if 20 * most * largest < 2**31
]


@pytest.mark.parametrize(("most", "largest"), SPIKES)
@pytest.mark.parametrize("steps", [1, 3])
def test_events_of_many_spikes(most: int, largest: int, steps: int) -> None:
    inputs = 20
    weight = np.random.default_rng(most).integers(-largest, largest + 1, (3, inputs))
    weight[0] = largest
    op, copy, neurons = spiking(inputs, most)
    graph = chain(op, copy, neurons, Dense(weight, np.array([5, -5, 0])), steps=steps)
    samples = on_and_off(op)
    samples[4] = np.arange(inputs) % 7  # 0, few and many in a row
    samples[4] = np.minimum(samples[4], most)
    assert_native(graph, samples)


def pooled_counts(shape: tuple[int, int, int], *ops: Operation) -> Graph:
    """Put numbers of spikes before operations: overlapping sums of windows of events."""
    return chain(Input(shape, 0, 1, 1.0), SumPool2d((3, 3), (1, 1), (1, 1)), *ops)


@pytest.mark.parametrize("width", [3, 8, 62, 63, 64, 65, 66])
@pytest.mark.parametrize("rate", [0.02, 0.3, 1.0])
def test_rows_of_few_and_of_many_spikes_meet_in_a_window(width: int, rate: float) -> None:
    rng = np.random.default_rng(width)
    weight = rng.integers(-127, 128, (4, 2, 3, 3))
    graph = pooled_counts((2, 6, width), Conv2d(weight, rng.integers(-9, 9, 4), padding=(1, 1)))
    samples = rng.random((3, 2, 6, width)) < rate
    samples[0, :, :2] = False
    assert_native(graph, samples)


CHANNELS = [1, 2, 3, 15, 16, 17, 31, 33, 64, 65, 100, 300]


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("source", SOURCES)
def test_any_number_of_channels_enters_and_leaves(channels: int, source: str) -> None:
    rng = np.random.default_rng(channels)
    single = SOURCES[source]
    for entering, leaving in ((channels, 3), (3, channels)):
        op = Input((entering, 3, 4), single.low, single.high, 1.0)
        most = max(1, min(127, (2**31 - 10) // (entering * 4 * op.high)))
        weight = rng.integers(-most, most + 1, (leaving, entering, 2, 2))
        layer = Conv2d(weight, rng.integers(-50, 51, leaving), padding=(1, 0))
        fire = Threshold(rng.integers(-50, 51, (leaving, 1)), rng.random(leaving) < 0.5)
        assert_native(chain(op, layer), on_and_off(op))
        again = Conv2d(rng.integers(-9, 10, (5, leaving, 2, 1)), no_bias(5))
        assert_native(chain(op, layer, fire, again), on_and_off(op))


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("largest", [127, 2**12, 2**17])
def test_channels_by_themselves(channels: int, source: str, largest: int) -> None:
    """Depthwise layers; at 127, sums of bytes fit 16 bits or do not."""
    rng = np.random.default_rng(channels)
    op = Input((channels, 4, 5), SOURCES[source].low, SOURCES[source].high, 1.0)
    largest = min(largest, (2**31 - 1000) // (9 * op.high))
    weight = rng.integers(-largest, largest + 1, (channels, 1, 3, 3))
    weight[-1] = largest
    bias = rng.integers(-900, 901, channels)
    for stride, padding, dilation in (
        ((1, 1), (0, 0), (1, 1)),
        ((2, 2), (1, 1), (1, 1)),
        ((1, 1), (0, 0), (1, 2)),
    ):
        layer = Conv2d(
            weight, bias, stride=stride, padding=padding, dilation=dilation, groups=channels
        )
        assert_native(chain(op, layer), on_and_off(op))
        fire = Threshold(rng.integers(-900, 901, (channels, 1)), rng.random(channels) < 0.5)
        assert_native(chain(op, layer, fire), on_and_off(op))


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("outputs", [191, 192, 193, 385, 770, 1600])
def test_more_outputs_than_registers(source: str, outputs: int) -> None:
    single = SOURCES[source]
    op = Input((9,), single.low, single.high, 1.0)
    weight = np.random.default_rng(outputs).integers(-100, 101, (outputs, 9))
    assert_native(chain(op, Dense(weight, np.arange(outputs))), on_and_off(op))


def conv(
    outputs: int, channels: int, kernel: tuple[int, int], groups: int = 1, **geometry: Any
) -> Conv2d:
    rng = np.random.default_rng(outputs + channels)
    weight = rng.integers(-20, 21, (outputs, channels // groups, *kernel))
    return Conv2d(weight, rng.integers(-20, 21, outputs), groups=groups, **geometry)


PAIRS = SumPool2d((2, 2), (2, 2))

GEOMETRIES: dict[str, tuple[tuple[int, int, int], tuple[Operation, ...]]] = {
    "padding larger than the kernel": ((2, 3, 4), (conv(3, 2, (2, 2), padding=(4, 5)),)),
    "a kernel larger than the input": ((2, 2, 3), (conv(3, 2, (5, 6), padding=(2, 2)),)),
    "padding on one side": ((2, 4, 4), (conv(3, 2, (2, 3), padding=(0, 2, 3, 0)),)),
    "one position": ((5, 1, 1), (conv(7, 5, (1, 1)),)),
    "one position, padded": ((5, 1, 1), (conv(7, 5, (3, 3), padding=(1, 1)),)),
    "one row": ((3, 1, 9), (conv(4, 3, (1, 3), padding=(0, 1)),)),
    "one column": ((3, 9, 1), (conv(4, 3, (3, 1), padding=(1, 0)),)),
    "64 positions": ((2, 3, 64), (conv(3, 2, (2, 3)),)),
    "64 positions, padded": ((2, 3, 62), (conv(3, 2, (3, 3), padding=(1, 1)),)),
    "65 positions": ((2, 3, 65), (conv(3, 2, (2, 3)),)),
    "65 positions, padded": ((2, 3, 63), (conv(3, 2, (3, 3), padding=(1, 1)),)),
    "65 positions, strided": ((2, 3, 65), (conv(3, 2, (2, 3), stride=(1, 3)),)),
    "64 positions, strided": ((2, 3, 64), (conv(3, 2, (2, 3), stride=(1, 7)),)),
    "200 positions": ((1, 2, 200), (conv(3, 1, (1, 5), padding=(0, 2)),)),
    "a kernel of 60": ((1, 2, 64), (conv(3, 1, (1, 60)),)),
    "a stride beyond the kernel": ((2, 7, 8), (conv(3, 2, (1, 2), stride=(3, 4)),)),
    "dilated": ((2, 7, 8), (conv(3, 2, (2, 3), dilation=(3, 2)),)),
    "dilated and padded": ((2, 5, 5), (conv(3, 2, (2, 3), dilation=(2, 3), padding=(2, 3)),)),
    "two groups": ((4, 4, 4), (conv(6, 4, (2, 2), groups=2),)),
    "depthwise": ((5, 4, 4), (conv(5, 5, (3, 3), groups=5, padding=(1, 1)),)),
    "depthwise, several each": ((3, 4, 4), (conv(9, 3, (2, 2), groups=3),)),
    "all that is cropped": ((2, 5, 6), (conv(3, 2, (2, 2), stride=(2, 3)),)),
    "pooled": ((2, 6, 6), (PAIRS, conv(3, 2, (2, 2)))),
    "pooled and cropped": ((2, 7, 8), (SumPool2d((2, 3), (2, 3)), conv(3, 2, (2, 2)))),
    "pooled and strided": ((2, 8, 9), (PAIRS, conv(3, 2, (1, 2), stride=(2, 2)))),
    "pooled and dilated": ((2, 9, 9), (PAIRS, conv(3, 2, (2, 2), dilation=(2, 3)))),
    "pooled and padded": ((2, 6, 6), (PAIRS, conv(3, 2, (3, 3), padding=(2, 1)))),
    "pooled groups": ((4, 6, 6), (SumPool2d((3, 2), (3, 2)), conv(6, 4, (2, 2), groups=2))),
    "pooled rows of 65": ((1, 4, 130), (PAIRS, conv(3, 1, (2, 3)))),
    "pooled to one": ((3, 4, 5), (SumPool2d((4, 5), (4, 5)), conv(6, 3, (1, 1)))),
    "a pool that overlaps": ((2, 6, 6), (SumPool2d((2, 2), (1, 1)), conv(3, 2, (2, 2)))),
    "a padded pool": ((2, 6, 6), (SumPool2d((2, 2), (2, 2), (1, 0)), conv(3, 2, (2, 2)))),
    "two pools": (
        (2, 9, 8),
        (PAIRS, PAIRS, conv(3, 2, (2, 2))),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GEOMETRIES)
@pytest.mark.parametrize("source", SOURCES)
def test_windows(name: str, source: str) -> None:
    """Also with thresholds, and with membranes that rest where no event arrives."""
    shape, layers = GEOMETRIES[name]
    op = Input(shape, SOURCES[source].low, SOURCES[source].high, 1.0)
    outputs = len(layers[-1].weight) if isinstance(layers[-1], Conv2d) else 0
    samples = on_and_off(op)
    samples[-1] = 0
    samples[-1, 0, -1, -1] = op.high
    assert_native(chain(op, *layers), samples)
    fire = Threshold(np.arange(outputs)[:, None] * 9 - 9, np.arange(outputs) % 2 == 1)
    assert_native(chain(op, *layers, fire), samples)
    neurons = Membrane(np.arange(outputs) + 5, decay=300, saturation=ACCUMULATOR_LIMIT)
    assert_native(chain(op, *layers, neurons, steps=3), samples)


@pytest.mark.parametrize("seed", range(up_to(60)))
def test_geometries_at_random(seed: int) -> None:
    rng = np.random.default_rng(seed)
    single = list(SOURCES.values())[seed % len(SOURCES)]
    channels = int(rng.choice([1, 2, 3, 4, 16, 17]))
    shape = (channels, int(rng.integers(1, 9)), int(rng.choice([1, 2, 5, 8, 63, 64, 65, 70])))
    layers: list[Operation] = []
    height, width = shape[1:]
    if rng.random() < 0.5 and single.low >= 0:
        kernel = int(rng.integers(1, height + 1)), int(rng.integers(1, width + 1))
        layers.append(SumPool2d(kernel, kernel))
        height, width = height // kernel[0], width // kernel[1]
    sides = tuple(int(side) for side in rng.integers(0, 4, 4))
    dilation = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    room = height + sides[0] + sides[1], width + sides[2] + sides[3]
    kernel = (
        int(rng.integers(1, (room[0] - 1) // dilation[0] + 2)),
        int(rng.integers(1, min(9, (room[1] - 1) // dilation[1] + 2))),
    )
    outputs = int(rng.choice([1, 3, 8, 33]))
    stride = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    weight = rng.integers(-30, 31, (outputs, channels, *kernel))
    layers.append(Conv2d(weight, no_bias(outputs), stride=stride, padding=sides, dilation=dilation))
    op = Input(shape, single.low, single.high, 1.0)
    rests = Membrane(
        rng.integers(1, 60, outputs), decay=int(rng.choice([0, 900])), saturation=ACCUMULATOR_LIMIT
    )
    samples = on_and_off(op)
    samples[4:] *= rng.random(samples[4:].shape) < 0.1
    assert_native(chain(op, *layers), samples)
    assert_native(chain(op, *layers, rests, steps=3), samples)


def test_a_layer_of_zeros_alone() -> None:
    op = Input((3, 4, 4), 0, 1, 1.0)
    nothing = Conv2d(np.zeros((2, 3, 2, 2), np.int64), no_bias(2))
    assert_native(chain(op, nothing), on_and_off(op))


@pytest.mark.parametrize("end", [2**31 - 1, 2**31, 2**40])
def test_what_32_bits_do_not_hold_is_left_to_other_engines(end: int) -> None:
    op = Input((2,), 0, 1, 1.0)
    for dense in (
        Dense(np.array([[end, 1]]), no_bias(1)),
        Dense(np.ones((1, 2), int), no_bias(1) - end),
    ):
        assert program_of(chain(op, dense)) is None


@pytest.mark.parametrize("rate", [0.0001, 0.001, 0.1])
def test_weights_of_32_bits_that_meet_no_event(rate: float) -> None:
    """They fit no sum of 16 bits, but no sum is larger: the last channel never fires."""
    source = Input((130, 9, 9), 0, 1, 1.0)
    kept = np.eye(130, dtype=np.int64)[:, :, None, None]
    theta = np.array([1] * 129 + [5])[:, None]
    weight = np.ones((16, 130, 3, 3), np.int64)
    weight[:, 129] = LARGEST[32]
    graph = chain(
        source,
        Conv2d(kept, no_bias(130)),
        Threshold(theta, np.zeros(130, bool)),
        Conv2d(weight, np.arange(16)),
    )
    samples = np.random.default_rng(1).random((4, *source.shape)) < rate
    assert_native(graph, samples.astype(np.uint8))
