from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from edgespike.counting import Convention
from edgespike.errors import UnsupportedError
from edgespike.nn import (
    QuantConv2d,
    QuantLinear,
    SpikeActivation,
    SpikePenalty,
    count_synaptic_operations,
)
from edgespike.nn.layers.fanout import layer_fan_out
from edgespike.nn.layers.spike_inputs import SpikeInputs
from tests.nn.walk import walked_fan_out


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[nn.Conv2d, tuple[int, int, int]]:
    def pair(low: int, high: int) -> tuple[int, int]:
        return draw(st.integers(low, high)), draw(st.integers(low, high))

    groups = draw(st.integers(1, 2))
    inputs, outputs = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    kernel, stride, dilation = pair(1, 3), pair(1, 3), pair(1, 2)
    if draw(st.booleans()) and draw(st.booleans()):
        layer = QuantConv2d(inputs, outputs, kernel, 1, "same", dilation, groups)
        return layer, (inputs, draw(st.integers(1, 6)), draw(st.integers(1, 6)))
    padding = pair(0, 3)
    reach = [dilation[i] * (kernel[i] - 1) + 1 - 2 * padding[i] for i in (0, 1)]
    shape = (inputs, *(max(1, needed) + draw(st.integers(0, 4)) for needed in reach))
    layer = QuantConv2d(inputs, outputs, kernel, stride, padding, dilation, groups)
    return layer, (shape[0], shape[1], shape[2])


@settings(max_examples=150)
@given(convolutions(), st.integers(0, 2**32), st.sampled_from([0.3, 1.0]))
def test_fan_out_of_a_convolution_is_what_a_walk_over_its_synapses_counts(
    drawn: tuple[nn.Conv2d, tuple[int, int, int]], seed: int, share: float
) -> None:
    layer, shape = drawn
    generator = torch.Generator().manual_seed(seed)
    mask = torch.rand(layer.weight.shape, generator=generator) < share
    counted = layer_fan_out(layer, torch.Size(shape), mask)
    assert np.array_equal(counted.numpy(), walked_fan_out(layer, shape, mask))


def test_fan_out_of_a_dense_layer_is_the_number_of_its_outputs() -> None:
    layer = QuantLinear(3, 5)
    assert layer_fan_out(layer, torch.Size([3]), torch.ones(5, 3)).tolist() == [5, 5, 5]
    mask = torch.tensor([[1, 0, 1], [0, 0, 1], [0, 0, 1], [0, 0, 1], [1, 0, 1]])
    assert layer_fan_out(layer, torch.Size([3]), mask).tolist() == [2, 0, 5]


def test_a_neuron_at_the_border_reaches_fewer_synapses() -> None:
    layer = QuantConv2d(1, 10, 3, padding=1)
    counted = layer_fan_out(layer, torch.Size([1, 3, 3]), torch.ones_like(layer.weight))
    assert counted.tolist() == [[[40, 60, 40], [60, 90, 60], [40, 60, 40]]]


@pytest.mark.parametrize(
    ("padding", "expected"),
    [
        # Windows of 2x2 begin at each neuron, and reach beyond the last row and column.
        ("same", [[1, 2, 2], [2, 4, 4], [2, 4, 4]]),
        ("valid", [[1, 2, 1], [2, 4, 2], [1, 2, 1]]),
    ],
)
def test_an_even_kernel_pads_the_end_more(
    padding: Literal["same", "valid"], expected: list[list[int]]
) -> None:
    layer = QuantConv2d(1, 1, 2, padding=padding)
    counted = layer_fan_out(layer, torch.Size([1, 3, 3]), torch.ones_like(layer.weight))
    assert counted.tolist() == [expected]


def entered(net: nn.Module, x: torch.Tensor) -> list[str]:
    inputs = SpikeInputs(net, x)
    net(x)
    names = [events.layer for events in inputs.latest()]
    inputs.close()
    return names


def test_layers_before_the_first_spike_receive_none() -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3),
        nn.Conv2d(2, 2, 3),
        SpikeActivation(),
        nn.Sequential(QuantConv2d(2, 2, 3), SpikeActivation()),
        nn.Flatten(),
        QuantLinear(8, 2),
    )
    assert entered(net, torch.zeros(1, 1, 8, 8)) == ["3.0", "5"]


def test_values_that_are_no_events_are_not_counted_as_some() -> None:
    net = nn.Sequential(SpikeActivation(), QuantLinear(2, 2), nn.ReLU(), QuantLinear(2, 2))
    assert entered(net, torch.ones(1, 2)) == ["1"]


class OutOfOrder(nn.Module):
    """A net that registers modules in another order than they run, with one shared activation."""

    def __init__(self, order: str) -> None:
        super().__init__()
        modules = {
            "a": QuantLinear(4, 4),
            "b": QuantLinear(4, 3),
            "c": QuantLinear(3, 2),
            "s": SpikeActivation(-99.0),
        }
        for name in order:
            self.add_module(name, modules[name])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a, b, c, s = (self.get_submodule(name) for name in "abcs")
        logits: torch.Tensor = c(s(b(s(a(x)))))
        return logits


@pytest.mark.parametrize("order", ["abcs", "sabc", "csba"])
def test_the_order_of_execution_decides_not_that_of_registration(order: str) -> None:
    net, x = OutOfOrder(order), torch.ones(1, 4)
    assert entered(net, x) == ["b", "c"]
    # All neurons fire: 4 with 3 synapses each, then 3 with 2.
    with SpikePenalty(net, x) as penalty:
        net(x)
        assert penalty().item() == 4 * 3 + 3 * 2
    counts = count_synaptic_operations(net, x, Convention.EVERY)
    assert {name: found.tolist() for name, found in counts.items()} == {"b": [12], "c": [6]}


def test_a_layer_that_is_called_on_its_own_is_no_part_of_the_pass() -> None:
    layer = QuantLinear(4, 2)
    net = nn.Sequential(SpikeActivation(), layer)
    inputs = SpikeInputs(net, torch.ones(1, 4))
    net(torch.ones(1, 4))
    layer(torch.ones(1, 4))
    assert [events.layer for events in inputs.latest()] == ["1"]


@pytest.mark.parametrize("layer", [nn.Linear(2, 2), nn.Conv2d(2, 2, 1)])
def test_a_net_without_spikes_is_refused(layer: nn.Module) -> None:
    with pytest.raises(UnsupportedError, match="no Conv2d or Linear of the Sequential ran after"):
        entered(nn.Sequential(layer, nn.ReLU(), layer), torch.ones(2, 2, 2, 2))


def test_a_net_that_did_not_run_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="no forward pass of the model was seen"):
        SpikeInputs(nn.Sequential(SpikeActivation(), nn.Linear(2, 2)), torch.ones(1, 2)).latest()


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (nn.Conv1d(2, 3, 3), "1 (Conv1d): events enter its weights; use Conv2d or Linear"),
        (nn.ConvTranspose2d(2, 3, 3), "1 (ConvTranspose2d): events enter its weights; use"),
        (nn.RNN(4, 3), "1 (RNN): events enter its weights; use"),
        (nn.ReflectionPad2d(1), "1 (ReflectionPad2d): repeats events at the border; use Zero"),
        (nn.ReplicationPad2d(1), "1 (ReplicationPad2d): repeats events at the border; use Zero"),
        (nn.CircularPad2d(1), "1 (CircularPad2d): repeats events at the border; use ZeroPad2d"),
        (nn.ConstantPad2d(1, 1.0), "1 (ConstantPad2d): pads with 1.0; use zeros"),
        (nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"), "1 (Conv2d): padding_mode is 'ref"),
    ],
    ids=[
        "Conv1d",
        "ConvTranspose2d",
        "RNN",
        "mirror",
        "edge",
        "circle",
        "ones",
        "reflect",
    ],
)
def test_synapses_that_cannot_be_counted_are_no_silent_zero(layer: nn.Module, why: str) -> None:
    x = torch.ones(2, 4, 4) if isinstance(layer, nn.Conv1d | nn.RNN) else torch.ones(2, 2, 4, 4)
    if isinstance(layer, nn.Conv1d):
        x = x[:, :2]
    with pytest.raises(UnsupportedError, match="cannot be counted") as caught:
        entered(nn.Sequential(SpikeActivation(-1.0), layer), x)
    (line,) = caught.value.violations
    assert line.startswith(why)


def test_weights_that_no_events_enter_may_be_of_any_kind() -> None:
    net = nn.Sequential(nn.Conv1d(2, 3, 3), nn.Flatten(), SpikeActivation(), QuantLinear(6, 2))
    assert entered(net, torch.ones(1, 2, 4)) == ["3"]
