from __future__ import annotations

from typing import Any, get_args

import pytest
import torch
from torch import nn
from torch.nn import functional

from edgespike.errors import InputError
from edgespike.nn import LayerBatchNorm
from edgespike.nn.layers.normalise import Reading

READINGS = get_args(Reading)


def layer(reading: Reading, channels: int = 4) -> LayerBatchNorm:
    norm = LayerBatchNorm(channels, reading).double()
    generator = torch.Generator().manual_seed(1)
    nn.init.normal_(norm.weight, generator=generator)
    nn.init.normal_(norm.bias, generator=generator)
    return norm


def expected(norm: LayerBatchNorm, x: torch.Tensor) -> torch.Tensor:
    """Return ``x`` normalised by the definition of each reading."""
    flat = x.flatten(1)
    if norm.reading == "joint":
        mean, variance = flat.mean(), flat.var(correction=0)
    else:
        mean, variance = flat.mean(1), flat.var(1, correction=0)
        if norm.reading == "averaged":
            mean, variance = mean.mean(), variance.mean()
        else:
            mean, variance = (v.reshape(-1, *[1] * (x.ndim - 1)) for v in (mean, variance))
    shape = (-1, *[1] * (x.ndim - 2))
    normalised = (x - mean) / torch.sqrt(variance + norm.epsilon)
    return normalised * norm.weight.reshape(shape) + norm.bias.reshape(shape)


@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 3, 2)])
@pytest.mark.parametrize("reading", READINGS)
def test_training_normalises_as_the_reading_says(reading: Reading, shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, dtype=torch.float64) * 3 + 2
    norm = layer(reading)
    torch.testing.assert_close(norm(x), expected(norm, x))


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 2, 3)])
@pytest.mark.parametrize("reading", READINGS)
def test_the_gradient_is_that_of_the_definition(reading: Reading, shape: tuple[int, ...]) -> None:
    norm = layer(reading)
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    wanted = torch.randn(shape, dtype=torch.float64)
    inputs = (x, norm.weight, norm.bias)
    found = torch.autograd.grad(((norm(x) - wanted) ** 2).sum(), inputs)
    by_definition = torch.autograd.grad(((expected(norm, x) - wanted) ** 2).sum(), inputs)
    for one, other in zip(found, by_definition, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("reading", READINGS)
def test_the_memory_layout_changes_no_result(reading: Reading) -> None:
    norm = layer(reading)
    x = torch.randn(5, 4, 3, 2, dtype=torch.float64)
    torch.testing.assert_close(norm(x.to(memory_format=torch.channels_last)), norm(x))


@pytest.mark.parametrize("reading", READINGS)
def test_inference_uses_two_running_numbers(reading: Reading) -> None:
    norm = layer(reading).eval()
    norm.running_mean.fill_(0.5)
    norm.running_var.fill_(4.0)
    x = torch.randn(3, 4, 2, 2, dtype=torch.float64)
    shape = (-1, 1, 1)
    normalised = (x - 0.5) / (4 + norm.epsilon) ** 0.5
    affine = normalised * norm.weight.reshape(shape) + norm.bias.reshape(shape)
    torch.testing.assert_close(norm(x), affine)
    assert norm.running_mean.shape == norm.running_var.shape == ()


@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("reading", READINGS)
def test_running_numbers_follow_the_batches(reading: Reading, momentum: float | None) -> None:
    norm = LayerBatchNorm(4, reading, momentum=momentum).double()
    batches = [torch.randn(6, 4, 2, 2, dtype=torch.float64) * k + k for k in (1, 2, 3)]
    mean, variance = torch.zeros(()), torch.ones(())
    for number, batch in enumerate(batches, 1):
        norm(batch)
        share = momentum or 1 / number
        own = batch if reading == "joint" else batch.flatten(1)
        axis = None if reading == "joint" else 1
        mean = mean + share * (own.mean(axis).mean() - mean)
        variance = variance + share * (own.var(axis, correction=0).mean() - variance)
    torch.testing.assert_close(norm.running_mean, mean)
    torch.testing.assert_close(norm.running_var, variance)


def test_one_sample_is_normalised_the_same_whatever_is_beside_it_when_read_per_sample() -> None:
    norm, x = layer("per_sample"), torch.randn(6, 4, 3, 3, dtype=torch.float64)
    torch.testing.assert_close(norm(x)[:1], norm(x[:1]))


def test_per_sample_is_layer_normalisation_in_training() -> None:
    norm, x = layer("per_sample"), torch.randn(6, 4, dtype=torch.float64)
    wanted = functional.layer_norm(x, (4,), norm.weight, norm.bias, norm.epsilon)
    torch.testing.assert_close(norm(x), wanted)


def test_equal_values_are_no_division_by_zero() -> None:
    for reading in READINGS:
        norm = layer(reading)
        assert torch.isfinite(norm(torch.full((3, 4), 7.0, dtype=torch.float64))).all()
        assert torch.isfinite(norm.eval()(torch.zeros(3, 4, dtype=torch.float64))).all()


def test_statistics_can_be_forgotten() -> None:
    norm = layer("joint")
    norm(torch.randn(3, 4, dtype=torch.float64))
    norm.reset_running_stats()
    found = [norm.running_mean, norm.running_var, norm.num_batches_tracked]
    assert [value.item() for value in found] == [0, 1, 0]


def test_unknown_readings_and_an_epsilon_of_zero_are_refused() -> None:
    with pytest.raises(ValueError, match="reading is 'all'; known are joint, averaged"):
        LayerBatchNorm(4, "all")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="epsilon is 0; it must be positive"):
        LayerBatchNorm(4, epsilon=0)


@pytest.mark.parametrize("channels", [0, -1, 2.5, True, "4"])
def test_impossible_numbers_of_channels_are_refused(channels: Any) -> None:
    with pytest.raises(ValueError, match=f"channels is {channels!r}; 1 to"):
        LayerBatchNorm(channels)


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("shape", [(2, 3, 5, 5), (4,), (0, 4, 3, 3), (2, 4, 0, 0)])
def test_input_that_does_not_fit_is_refused_before_statistics_change(
    reading: Reading, shape: tuple[int, ...]
) -> None:
    norm = LayerBatchNorm(4, reading)
    with pytest.raises(InputError, match=r"received shape .*; it needs \(samples, 4, ...\)"):
        norm(torch.randn(shape))
    assert norm.num_batches_tracked == 0
    assert norm.running_var == 1


def test_no_samples_pass_at_inference() -> None:
    assert LayerBatchNorm(4).eval()(torch.ones(0, 4, 3, 3)).shape == (0, 4, 3, 3)
