"""Event sums: equal to plain sums at every number of samples at which a byte could overflow."""

from __future__ import annotations

import numpy as np
import pytest

from edgespike.counting.events import sum_events
from edgespike.graph import Signal, Tensor


def tensor(low: int, high: int, signal: Signal) -> Tensor:
    return Tensor((5,), np.full(5, low), np.full(5, high), signal)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.int64])
@pytest.mark.parametrize("largest", [1, 2, 3, 127])
@pytest.mark.parametrize("samples", [1, 84, 85, 86, 127, 128, 254, 255, 256, 257, 511])
def test_spikes_are_summed(samples: int, largest: int, dtype: type) -> None:
    """One neuron always emits as much as it can, one never emits."""
    values = np.random.default_rng(6).integers(0, largest, (samples, 2, 5), endpoint=True)
    values[:, :, 0], values[:, :, 1] = largest, 0
    sums = sum_events(values.astype(dtype), tensor(0, largest, Signal.SPIKES))
    assert sums.dtype == np.int64
    np.testing.assert_array_equal(sums, values.sum(axis=0))


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int64])
@pytest.mark.parametrize("samples", [1, 255, 256, 600])
def test_graded_events_are_counted(samples: int, dtype: type) -> None:
    values = np.random.default_rng(7).integers(-3, 4, (samples, 2, 5))
    values[:, :, 0] = -1
    sums = sum_events(values.astype(dtype), tensor(-3, 3, Signal.GRADED))
    np.testing.assert_array_equal(sums, np.count_nonzero(values, axis=0))


@pytest.mark.parametrize("order", [(0, 3, 1, 2), (0, 2, 1, 3)])
def test_memory_order_does_not_matter(order: tuple[int, int, int, int]) -> None:
    values = np.random.default_rng(8).integers(0, 2, (300, 4, 5, 6)).astype(np.int8)
    turned = values.transpose(order)
    sums = sum_events(turned, tensor(0, 1, Signal.SPIKES))
    np.testing.assert_array_equal(sums, turned.sum(axis=0, dtype=np.int64))
