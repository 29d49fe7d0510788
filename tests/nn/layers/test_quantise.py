from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgespike.nn import InputScale, QuantConv2d, QuantLinear
from edgespike.nn.layers.optimal_step import optimal_step
from edgespike.nn.layers.quantise import (
    StandardisedQuantiser,
    SymmetricQuantiser,
    round_clip,
    round_half_up,
)

WIDTHS = st.integers(2, 8)
WEIGHTS = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=1, max_dims=4, max_side=5),
    elements=st.floats(-100, 100, width=32),
).map(torch.from_numpy)


@pytest.mark.parametrize(
    ("x", "rounded"), [(-1.5, -1), (-0.5, 0), (0.49, 0), (0.5, 1), (1.5, 2), (2.5, 3)]
)
def test_ties_are_rounded_upwards(x: float, rounded: int) -> None:
    assert round_half_up(torch.tensor(x)).item() == rounded


@given(WEIGHTS, WIDTHS)
def test_integers_stay_within_the_symmetric_range(weight: torch.Tensor, bits: int) -> None:
    integers = SymmetricQuantiser(bits).integers(weight)
    assert integers.dtype == torch.int64
    assert integers.abs().max() <= 2 ** (bits - 1) - 1


@given(WEIGHTS, WIDTHS)
def test_the_quantised_weight_is_exactly_integer_times_scale(
    weight: torch.Tensor, bits: int
) -> None:
    quantiser = SymmetricQuantiser(bits)
    expected = quantiser.integers(weight).float() * quantiser.scale(weight)
    assert torch.equal(quantiser(weight), expected)


@given(WEIGHTS, WIDTHS)
def test_no_weight_moves_by_more_than_half_a_step(weight: torch.Tensor, bits: int) -> None:
    quantiser = SymmetricQuantiser(bits)
    step = quantiser.scale(weight)
    assert ((quantiser(weight) - weight).abs() <= step * 0.50001).all()


@given(WEIGHTS, WIDTHS)
def test_a_module_in_double_precision_has_the_same_integers(
    weight: torch.Tensor, bits: int
) -> None:
    quantiser = SymmetricQuantiser(bits)
    integers, scale = quantiser.integers(weight), quantiser.scale(weight)
    assert torch.equal(quantiser.integers(weight.double()), integers)
    assert torch.equal(quantiser(weight.double()), integers.double() * scale.double())


@given(WEIGHTS, WIDTHS)
def test_quantising_again_changes_nothing(weight: torch.Tensor, bits: int) -> None:
    quantiser = SymmetricQuantiser(bits)
    assert torch.equal(quantiser.integers(quantiser(weight)), quantiser.integers(weight))


def test_the_gradient_passes_straight_through_where_nothing_is_clipped() -> None:
    x = torch.tensor([-9.0, -3.4, 0.3, 2.0, 3.4, 9.0], requires_grad=True)
    quantised = round_clip(x, torch.tensor(1.0), -3, 3)
    assert quantised.tolist() == [-3.0, -3.0, 0.0, 2.0, 3.0, 3.0]
    (gradient,) = torch.autograd.grad((quantised * torch.arange(1.0, 7.0)).sum(), x)
    assert gradient.tolist() == [0.0, 2.0, 3.0, 4.0, 5.0, 0.0]


def test_every_weight_of_a_layer_is_trained() -> None:
    weight = torch.randn(50, generator=torch.Generator().manual_seed(0), requires_grad=True)
    (gradient,) = torch.autograd.grad(SymmetricQuantiser(3)(weight).sum(), weight)
    assert (gradient == 1).all()


def test_a_layer_of_zeros_is_quantised_to_zeros() -> None:
    assert not SymmetricQuantiser(8)(torch.zeros(3)).any()


@pytest.mark.parametrize("bits", [-1, 0, 1, 9, 8.0, "8"])
def test_impossible_widths_are_refused(bits: Any) -> None:
    with pytest.raises(ValueError, match=f"weights have {bits!r} bits; 2 to 8 are possible"):
        SymmetricQuantiser(bits)


def test_a_convolution_computes_with_its_integer_weights() -> None:
    layer = QuantConv2d(4, 6, 3, stride=2, padding=2, dilation=2, groups=2, bits=5).double()
    x = torch.randn(2, 4, 9, 9, dtype=torch.float64)
    weight = layer.integer_weight().double() * layer.weight_scale()
    expected = torch.nn.functional.conv2d(x, weight, None, 2, 2, 2, 2)
    assert torch.equal(layer(x), expected)
    assert layer.integer_weight().abs().max() == 15


def test_a_dense_layer_computes_with_its_integer_weights() -> None:
    layer = QuantLinear(7, 3, bias=True, bits=4)
    x = torch.randn(5, 7)
    weight = layer.integer_weight().float() * layer.weight_scale()
    assert torch.equal(layer(x), torch.nn.functional.linear(x, weight, layer.bias))
    assert layer.integer_weight().abs().max() == 7


def test_layers_name_their_width_in_the_text_form() -> None:
    assert "bits=6" in repr(QuantConv2d(1, 2, 3, bits=6))
    assert "bits=5" in repr(QuantLinear(2, 2, bits=5))


@pytest.mark.parametrize(
    ("dtype", "result"),
    [
        (torch.uint8, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_pixels_are_scaled_to_one(dtype: torch.dtype, result: torch.dtype) -> None:
    scaled = InputScale(255)(torch.tensor([0, 51, 255]).to(dtype))
    assert scaled.dtype == result
    assert torch.equal(scaled, torch.tensor([0, 51, 255]).to(result) / 255)


STATES = st.sampled_from([2, 3, 4, 5, 7, 8, 15, 16, 255, 256])
KERNELS = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=4, max_side=6),
    elements=st.floats(-100, 100, width=32),
).map(torch.from_numpy)


@given(KERNELS, STATES)
def test_standardised_weights_have_the_states_that_were_asked_for(
    weight: torch.Tensor, states: int
) -> None:
    integers = StandardisedQuantiser(states).integers(weight)
    allowed = range(1 - states, states, 2) if states % 2 == 0 else range(-(states // 2), states)
    assert set(integers.flatten().tolist()) <= set(allowed)


@given(KERNELS, STATES)
def test_standardised_weights_are_exactly_integer_times_scale(
    weight: torch.Tensor, states: int
) -> None:
    quantiser = StandardisedQuantiser(states)
    integers, scale = quantiser.integers(weight), quantiser.scale(weight)
    assert torch.equal(quantiser(weight), integers.float() * scale)
    assert torch.equal(quantiser(weight.double()), integers.double() * scale.double())


@pytest.mark.parametrize("states", [2, 3, 4, 8, 15])
def test_each_channel_is_standardised_and_rounded_to_the_nearest_state(states: int) -> None:
    weight = torch.randn(6, 5, 3, 3) * torch.arange(1.0, 7).reshape(-1, 1, 1, 1) + 2
    quantiser = StandardisedQuantiser(states)
    flat = weight.flatten(1).double()
    standardised = (flat - flat.mean(1, keepdim=True)) / flat.std(1, correction=0, keepdim=True)
    step = optimal_step(states)
    values = torch.tensor([(k - (states - 1) / 2) * step for k in range(states)])
    nearest = values[(standardised[..., None] - values).abs().argmin(-1)]
    found = quantiser(weight).flatten(1) * 45**0.5
    torch.testing.assert_close(found, nearest.float())


@pytest.mark.parametrize(("states", "integer"), [(3, 0), (2, 1), (15, 0), (16, 1)])
def test_a_channel_of_equal_weights_has_the_documented_state(states: int, integer: int) -> None:
    weight = torch.stack([torch.full((4,), 0.7), torch.randn(4)])
    quantised = StandardisedQuantiser(states).integers(weight)
    assert (quantised[0] == integer).all()
    x = weight.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(StandardisedQuantiser(states)(x).sum(), x)
    assert torch.isfinite(gradient).all()


def test_the_gradient_passes_through_the_standardisation() -> None:
    """Where nothing is clipped, the gradient is that of the standardised weights."""
    weight = torch.randn(3, 8, dtype=torch.float64, requires_grad=True)
    towards = torch.randn(3, 8, dtype=torch.float64)
    (found,) = torch.autograd.grad((StandardisedQuantiser(256)(weight) * towards).sum(), weight)
    centred = weight - weight.mean(1, keepdim=True)
    standardised = centred / centred.norm(dim=1, keepdim=True)
    (expected,) = torch.autograd.grad((standardised * towards).sum(), weight)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("states", [3, 4])
def test_a_kernel_keeps_its_memory_layout(states: int) -> None:
    weight = torch.randn(4, 1, 3, 3).to(memory_format=torch.channels_last)
    assert StandardisedQuantiser(states)(weight).stride() == weight.stride()


@pytest.mark.parametrize("states", [-1, 0, 1, 257, 3.0, True, "3"])
def test_impossible_numbers_of_states_are_refused(states: Any) -> None:
    with pytest.raises(ValueError, match=f"weights have {states!r} states; 2 to 256 are possible"):
        StandardisedQuantiser(states)


def test_a_depthwise_convolution_computes_with_its_states() -> None:
    layer = QuantConv2d(4, 8, 3, groups=4, states=3).double()
    x = torch.randn(2, 4, 6, 6, dtype=torch.float64)
    weight = layer.integer_weight().double() * layer.weight_scale()
    torch.testing.assert_close(layer(x), torch.nn.functional.conv2d(x, weight, groups=4))
    assert "states=3" in repr(layer)
