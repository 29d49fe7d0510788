"""The numpy engine: equal to the interpreter for every operation, geometry, range and cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgespike.graph import (
    Comparison,
    Conv2d,
    Dense,
    Input,
    MaxPool2d,
    Membrane,
    Operation,
    Reset,
    ResetTime,
    SumPool2d,
    Threshold,
)
from edgespike.targets.cpu.numpy_engine import NumpyEngine
from tests.random_graphs import up_to
from tests.strategies import MIXES, cases
from tests.targets.cpu.graphs import assert_exact, chain, dense_spikes, random_samples

IMAGE = Input((4, 7, 6), 0, 255, 1.0)
SIGNED = Input((4, 7, 6), -8, 7, 1.0)


def weights(*shape: int) -> dict[str, Any]:
    rng = np.random.default_rng(3)
    return {
        "weight": rng.integers(-127, 128, shape),
        "bias": rng.integers(-1000, 1000, shape[0]),
    }


@pytest.mark.parametrize("mix", MIXES)
@given(data=st.data())
@settings(max_examples=up_to(100))
def test_random_graphs(mix: str, data: st.DataObject) -> None:
    case = data.draw(cases(mix))
    assert_exact(case.graph, case.samples)


@pytest.mark.parametrize("source", [IMAGE, SIGNED], ids=["unsigned", "signed"])
@pytest.mark.parametrize(
    "op",
    [
        pytest.param(Conv2d(**weights(5, 4, 1, 1)), id="1x1"),
        pytest.param(Conv2d(**weights(5, 4, 3, 2)), id="oblong"),
        pytest.param(Conv2d(**weights(5, 4, 3, 3), padding=(2, 1)), id="padded"),
        pytest.param(Conv2d(**weights(5, 4, 3, 3), padding=(0, 2, 1, 0)), id="one-sided"),
        pytest.param(
            Conv2d(**weights(5, 4, 3, 2), stride=(2, 2), padding=(1, 0, 0, 1)),
            id="one-sided stride",
        ),
        pytest.param(Conv2d(**weights(5, 4, 3, 3), stride=(3, 2)), id="strided"),
        pytest.param(Conv2d(**weights(5, 4, 2, 3), dilation=(3, 2)), id="dilated"),
        pytest.param(Conv2d(**weights(6, 2, 3, 3), groups=2), id="grouped"),
        pytest.param(Conv2d(**weights(8, 1, 3, 3), groups=4, padding=(1, 1)), id="depthwise"),
        pytest.param(Conv2d(**weights(5, 4, 7, 6)), id="whole image"),
        pytest.param(SumPool2d((2, 2), (2, 2)), id="sum"),
        pytest.param(SumPool2d((3, 2), (2, 1), (1, 1)), id="sum overlapping and padded"),
        pytest.param(SumPool2d((3, 2), (2, 2), (0, 2, 1, 0)), id="sum one-sided"),
        pytest.param(SumPool2d((1, 1), (2, 3)), id="sum of one"),
        pytest.param(SumPool2d((7, 6), (1, 1)), id="sum of all"),
    ],
)
def test_geometry(op: Operation, source: Input) -> None:
    assert_exact(chain(source, op), random_samples(source, 3))


@pytest.mark.parametrize("stride", [(1, 1), (2, 3)])
@pytest.mark.parametrize("padding", [(0, 0), (1, 1), (0, 1, 1, 0), (2, 0, 0, 1)])
def test_max_pool(stride: tuple[int, int], padding: tuple[int, ...]) -> None:
    assert_exact(chain(IMAGE, MaxPool2d((3, 2), stride, padding)), random_samples(IMAGE, 3))


@pytest.mark.parametrize("levels", [1, 2, 127, 128, 300])
def test_levels(levels: int) -> None:
    theta = np.sort(np.random.default_rng(4).integers(0, 256, (4, levels)), axis=1)
    threshold = Threshold(theta, np.array([False, True, False, True]))
    assert_exact(chain(IMAGE, threshold), random_samples(IMAGE, 3))


def test_thresholds_beyond_every_number_type_are_never_or_always_reached() -> None:
    theta = np.array([[2**62], [-(2**62)], [2**24 + 1], [0]])
    threshold = Threshold(theta, np.array([False, False, True, True]))
    convolution = Conv2d(**weights(4, 4, 3, 3))
    assert_exact(chain(IMAGE, convolution, threshold), random_samples(IMAGE, 3))


@pytest.mark.parametrize("total", [*range(2**24 - 2, 2**24 + 3), *range(2**53 - 2, 2**53 + 1)])
def test_sums_around_the_largest_exact_integer(total: int) -> None:
    """The last term is an odd one that a too narrow type would round away."""
    weight = np.array([[total // 2, total - total // 2 - 1, 1]])
    graph = chain(Input((3,), 0, 1, 1.0), Dense(weight, np.array([0])))
    assert_exact(graph, np.array([[1, 1, 1], [1, 1, 0], [0, 1, 1]]))


def test_partial_sums_beyond_the_range_of_the_result() -> None:
    """The inputs never change, so that the result's range is a single number."""
    weight = np.array([[2**53, 1, -(2**53)]])
    graph = chain(Input((3,), 1, 1, 1.0), Dense(weight, np.array([0])))
    assert graph.tensors["dense0"].bounds == (1, 1)
    assert_exact(graph, np.ones((1, 3), np.int64))


def test_a_bias_counts_towards_the_range() -> None:
    graph = chain(Input((2,), 0, 1, 1.0), Dense(np.array([[1, 2]]), np.array([2**24 - 1])))
    assert_exact(graph, np.array([[1, 0], [0, 1], [1, 1]]))


@pytest.mark.parametrize("scale", [1, 2**18, 2**26, 2**34])
@pytest.mark.parametrize("decay", [0, 1, 300, 4096])
@pytest.mark.parametrize("comparison", Comparison)
@pytest.mark.parametrize("reset_time", [ResetTime.SAME_STEP, ResetTime.NEXT_STEP])
@pytest.mark.parametrize("reset", Reset)
@pytest.mark.parametrize("max_spikes", [1, 3])
def test_membranes(
    scale: int,
    decay: int,
    comparison: Comparison,
    reset_time: ResetTime,
    reset: Reset,
    max_spikes: int,
) -> None:
    """Potentials that are exact in float32, in float64, and in int64 alone."""
    source = Input((12,), -7, 7, 1.0)
    membrane = Membrane(
        np.arange(1, 13) * scale,
        decay=decay,
        reset=reset,
        reset_time=reset_time,
        comparison=comparison,
        max_spikes=max_spikes,
        saturation=2**53,
    )
    dense = Dense(np.eye(12, dtype=np.int64) * scale, np.zeros(12, np.int64))
    graph = chain(source, dense, membrane, steps=9)
    assert_exact(graph, random_samples(source, 5, steps=9))


@pytest.mark.parametrize("reset", Reset)
@pytest.mark.parametrize("same", [False, True], ids=["theta of each channel", "one theta"])
def test_membranes_of_images(reset: Reset, same: bool) -> None:
    theta = np.full(4, 9) if same else np.array([3, 9, 27, 81])
    graph = chain(IMAGE, Membrane(theta, reset=reset, max_spikes=2), steps=6)
    assert_exact(graph, random_samples(IMAGE, 3, steps=6))


@pytest.mark.parametrize("fraction_bits", [6, 20, 31])
@pytest.mark.parametrize("saturation", [2**45, 2**53])
def test_a_floor_and_a_bias_near_the_largest_integers(fraction_bits: int, saturation: int) -> None:
    """Times 2**fraction_bits, they do not fit 64 bits."""
    source = Input((3,), -(2**18), 2**18, 1.0)
    membrane = Membrane(
        np.full(3, 5),
        decay=1000,
        bias=np.array([-3, -(2**40), 2**40]),
        floor=np.array([0, -(2**44) - 7, -saturation]),
        saturation=saturation,
        fraction_bits=fraction_bits,
        reset_time=ResetTime.NEXT_STEP,
    )
    dense = Dense(np.eye(3, dtype=np.int64) * 2**9, np.zeros(3, np.int64))
    graph = chain(source, dense, membrane, steps=6)
    assert_exact(graph, random_samples(source, 5, steps=6))


@pytest.mark.parametrize("block_bytes", [1, 500, 2000, 10**9])
@pytest.mark.parametrize("samples", [1, 7])
@pytest.mark.parametrize("constant", [False, True], ids=["changing", "constant"])
def test_blocks_cut_samples_and_steps_anywhere(
    block_bytes: int, samples: int, constant: bool
) -> None:
    source = Input((6,), 0, 1, 1.0)
    membrane = Membrane(np.full(5, 7), decay=100, reset_time=ResetTime.NEXT_STEP)
    graph = chain(source, *dense_spikes(6, 8), dense_spikes(8, 5)[0], membrane, steps=10)
    batch = random_samples(source, samples, steps=None if constant else 10)
    assert_exact(graph, batch, NumpyEngine(graph, block_bytes))


def test_a_convolution_larger_than_the_cache_is_cut() -> None:
    """One sample unfolds to 41 * 41 * 9 * 64 floats, 3.9 MB."""
    source = Input((64, 41, 41), 0, 1, 1.0)
    graph = chain(source, Conv2d(**weights(2, 64, 3, 3), padding=(1, 1)))
    assert_exact(graph, random_samples(source, 2))
