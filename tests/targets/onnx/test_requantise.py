"""What ``QLinearConv`` is proven to compute, tried at every sum."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgespike.graph import Graph, Input, Tensor, Threshold
from edgespike.graph.tensor import Integers
from edgespike.interpreter import interpret
from edgespike.targets import prepare
from edgespike.targets.onnx.requantise import requantised
from edgespike.targets.onnx.walk import merged
from tests.available import available
from tests.targets.onnx.graphs import chain, conv, random_samples, thresholds

SOURCE = Input((2, 4, 4), 0, 255, 1.0)


def levels_of(op: Threshold, sums: Integers, channel: int) -> Integers:
    reached = np.searchsorted(op.theta[channel], sums, side="right")
    return op.levels - reached if op.flipped[channel] else reached


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    largest=st.sampled_from([1, 7, 60, 127]),
    levels=st.sampled_from([1, 2, 3, 15, 255]),
)
def test_every_sum_has_its_level(seed: int, largest: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    op = conv(rng.integers(-largest, largest + 1, (3, 2, 2, 2)), rng.integers(-50, 50, 3))
    source = SOURCE.infer([], 1)
    sums = op.infer([source], 1)
    width = rng.uniform(0.1, 1.3, (3, 1)) * (sums.high - sums.low)[:, None]
    line = sums.low[:, None] + width * (np.arange(levels) + rng.random((3, 1))) / levels
    counted = thresholds(np.ceil(line), flipped=[False, True, False])
    plan = requantised(op, counted, source, sums)
    if plan is None:
        return
    stored = plan.weights.values.astype(np.int64) - plan.weights.zero_point
    assert np.abs(stored).max() <= 128
    for channel, flipped in enumerate(counted.flipped):
        nonzero = op.weight[channel] != 0
        ratios = np.unique(stored[channel][nonzero] / op.weight[channel][nonzero])
        (factor,) = ratios if len(ratios) else (-1 if flipped else 1,)
        every = np.arange(sums.low[channel], sums.high[channel] + 1)
        x = factor * (every - op.bias[channel]) + plan.bias[channel]
        product = np.float32(x) * plan.multiplier[channel]
        found = np.clip(np.rint(product) + plan.zero_point, 0, 255)
        assert found.max() <= plan.largest
        assert np.array_equal(found.clip(0, levels), levels_of(counted, every, channel))


def quantised(zero_point: int, levels: int = 255) -> Graph:
    """Return a layer that float32 requantises, as int8 files do, its rounding in thresholds."""
    rng = np.random.default_rng(zero_point)
    op = conv(rng.integers(-127, 128, (4, 2, 3, 3)), rng.integers(-999, 999, 4), padding=(1, 1))
    sums = op.infer([SOURCE.infer([], 1)], 1)
    theta = []
    for low, high in zip(sums.low, sums.high, strict=True):
        every = np.arange(low, high + 1)
        scaled = every.astype(np.float32) * np.float32(rng.uniform(5e-4, 2e-3))
        stored = np.clip(np.rint(scaled) + zero_point, 0, levels)
        theta.append(low + np.searchsorted(stored, np.arange(1, levels + 1)))
    return chain(SOURCE, op, thresholds(theta, offset=-zero_point))


@pytest.mark.parametrize("zero_point", [0, 1, 37, 128, 255])
def test_layers_that_float32_requantised_are_merged(zero_point: int) -> None:
    """Their thresholds need another zero point than 0, and the very multiplier that made them."""
    available("onnx")
    graph = quantised(zero_point)
    (plan,) = merged(graph).values()
    assert plan.zero_point == zero_point
    samples = random_samples(graph, 200)
    expected, found = interpret(graph, samples), prepare(graph, "onnx").trace(samples)
    for name, values in expected.values.items():
        assert np.array_equal(found.values[name], values), name


def test_what_has_no_line_is_not_merged() -> None:
    op = conv(np.full((1, 2, 2, 2), 9))
    source = SOURCE.infer([], 1)
    sums = op.infer([source], 1)
    assert requantised(op, thresholds([[10, 20, 30]]), source, sums) is not None
    assert requantised(op, thresholds([[10, 20, 300]]), source, sums) is None
    many = thresholds(np.arange(256)[None] * 10)
    assert requantised(op, many, source, sums) is None


@pytest.mark.parametrize(("width", "merges"), [(2**24 - 2, True), (2**24 - 1, False)])
def test_sums_far_from_their_threshold_are_not_merged(width: int, merges: bool) -> None:
    """Sums themselves may be large; what float32 must hold is their distance from it, plus 1."""
    for lowest in (-(2**23), 2**30):
        op = conv(np.ones((1, 2, 1, 1)), lowest)
        source = SOURCE.infer([], 1)
        sums = op.infer([source], 1)
        wide = Tensor(sums.shape, sums.low, sums.low + width, sums.signal)
        assert (requantised(op, thresholds([[lowest]]), source, wide) is not None) == merges
