from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from edgespike.counting import Convention
from edgespike.errors import UnsupportedError
from edgespike.nn import (
    ConvSpec,
    DenseSpec,
    NetSpec,
    QuantConv2d,
    QuantLinear,
    ResidualSpec,
    SpikeActivation,
    SpikePenalty,
    build,
    count_synaptic_operations,
    penalty_weight,
)
from edgespike.nn.layers.activation import LevelActivation
from edgespike.nn.layers.fanout import CountedLayer
from edgespike.nn.layers.penalty import KINDS
from tests.nn.small import random_images, random_net
from tests.nn.walk import walked_operations


def after_the_first_spike(net: nn.Sequential) -> dict[str, CountedLayer]:
    kinds = [type(module) for module in net]
    later = list(net.named_children())[kinds.index(SpikeActivation) :]
    return {name: layer for name, layer in later if isinstance(layer, nn.Conv2d | nn.Linear)}


def masks(net: nn.Sequential, convention: Convention) -> dict[str, torch.Tensor]:
    layers = after_the_first_spike(net).items()
    if convention is Convention.EVERY:
        return {name: torch.ones_like(layer.weight) for name, layer in layers}
    if convention is Convention.NONZERO:
        return {name: layer.weight != 0 for name, layer in layers}
    quantised = {
        name: layer for name, layer in layers if isinstance(layer, QuantConv2d | QuantLinear)
    }
    return {name: layer.integer_weight() != 0 for name, layer in quantised.items()}


def sparse_net() -> nn.Sequential:
    """A net with weights that are zero, and others that become zero when quantised."""
    net = random_net()
    for layer in after_the_first_spike(net).values():
        layer.weight.data[:, ::2] = 0
        layer.weight.data[::2] *= 1e-4
    return net


@pytest.mark.parametrize("convention", list(Convention))
def test_the_count_of_each_sample_is_what_a_walk_finds(convention: Convention) -> None:
    net, images = sparse_net().double(), random_images(3).double()
    counts = count_synaptic_operations(net, images, convention)
    expected = walked_operations(net, images, masks(net, convention))
    assert list(counts) == list(after_the_first_spike(net))
    total = torch.stack(list(counts.values())).sum(dim=0)
    assert total.dtype == torch.int64
    assert np.array_equal(total.numpy(), expected)
    assert (expected > 0).all()


def test_the_conventions_differ_where_weights_are_zero() -> None:
    net, images = sparse_net(), random_images(2)
    totals = [
        sum(int(layer.sum()) for layer in count_synaptic_operations(net, images, c).values())
        for c in (Convention.EVERY, Convention.NONZERO, Convention.QUANTISED)
    ]
    assert totals[0] > totals[1] > totals[2] > 0


def test_counting_leaves_the_module_as_it_was() -> None:
    net = random_net().train()
    net[1].eval()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    count_synaptic_operations(net, random_images(2))
    assert [module.training for module in list(net)[:3]] == [True, False, True]
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())


def test_float_layers_have_no_integer_weights_to_count_by() -> None:
    net = nn.Sequential(SpikeActivation(), nn.Linear(2, 2), SpikeActivation(), nn.Linear(2, 1))
    with pytest.raises(UnsupportedError) as caught:
        count_synaptic_operations(net, torch.ones(1, 2))
    assert len(caught.value.violations) == 2
    counts = count_synaptic_operations(net, torch.ones(1, 2), Convention.EVERY)
    assert counts["1"].tolist() == [4]


def test_the_penalty_of_power_one_is_the_mean_number_of_synaptic_operations() -> None:
    net, images = random_net().double(), random_images(8).double()
    with SpikePenalty(net, images) as penalty, torch.no_grad():
        net(images)
        omega = penalty()
    counts = count_synaptic_operations(net, images, Convention.EVERY)
    assert omega.item() == sum(int(layer.sum()) for layer in counts.values()) / 8


@pytest.mark.parametrize("power", [1, 2])
def test_the_penalty_of_spikes_is_the_same_for_every_power_but_for_its_factor(power: int) -> None:
    net, images = random_net().double(), random_images(4).double()
    with SpikePenalty(net, images) as first, SpikePenalty(net, images, p=power) as penalty:
        net(images)
        assert penalty().item() * power == pytest.approx(first().item(), rel=1e-12)


def test_the_costs_of_the_family() -> None:
    first = QuantLinear(4, 3)
    first.weight.data.fill_(1.0)
    net = nn.Sequential(SpikeActivation(), first, SpikeActivation(), QuantLinear(3, 2))
    spikes = torch.tensor([[1.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]])
    values = {}
    for kind in KINDS:
        with SpikePenalty(net, spikes, kind) as penalty:
            net(spikes)
            values[kind] = penalty().item()
    # 1.5 of 4 neurons fire in the first layer's input, 3 of 3 in the second one's.
    assert values["synaptic"] == 1.5 * 3 + 3 * 2
    assert values["spike_count"] == 1.5 + 3
    assert values["layer_balanced"] == pytest.approx(1.5 / 4 + 3 / 3)


@pytest.mark.parametrize("power", [1, 2])
def test_the_gradient_is_the_fan_out_times_the_surrogate(power: int) -> None:
    net = nn.Sequential(SpikeActivation(), QuantLinear(3, 5))
    potential = torch.tensor([[-1.0, 1.0, 2.0]], requires_grad=True)
    with SpikePenalty(net, potential, p=power) as penalty:
        net(potential)
        (gradient,) = torch.autograd.grad(penalty(), potential)
    silent = 4 * torch.sigmoid(torch.tensor(-8.0)) * torch.sigmoid(torch.tensor(8.0))
    # With power 2 the gradient holds the spike itself: none for a silent neuron.
    expected = torch.tensor([[5 * silent if power == 1 else 0.0, 5.0, 2.5]])
    torch.testing.assert_close(gradient, expected)


def test_each_forward_pass_starts_anew_and_a_layer_that_runs_twice_counts_twice() -> None:
    shared = QuantLinear(2, 2)
    net = nn.Sequential(SpikeActivation(), shared, SpikeActivation(-9.0), shared)
    with SpikePenalty(net, torch.ones(1, 2)) as penalty:
        for _ in range(2):
            net(torch.ones(1, 2))
        assert penalty().item() == 8


def test_the_penalty_of_a_pass_is_the_same_however_often_it_is_asked_for() -> None:
    net, images = random_net().double(), random_images(4).double()
    with SpikePenalty(net, images, "layer_balanced", 2) as penalty, torch.no_grad():
        net(images)
        first, operations = penalty(), penalty.synaptic_operations()
        assert penalty() == first > 0
    counts = count_synaptic_operations(net, images, Convention.EVERY)
    assert operations.item() == sum(int(layer.sum()) for layer in counts.values()) / 4


def test_a_penalty_first_seen_in_inference_mode_can_be_trained_with() -> None:
    net, images = random_net(), random_images(4)
    with SpikePenalty(net, images) as penalty:
        with torch.inference_mode():
            net(images)
            first = penalty()
        net(images)
        second = penalty()
        gradients = torch.autograd.grad(second, list(net[2].parameters()))
    assert first.item() == second.item()
    assert all(gradient.any() for gradient in gradients)


def test_a_closed_penalty_has_seen_nothing() -> None:
    net = random_net()
    penalty = SpikePenalty(net, random_images(1))
    net(random_images(1))
    penalty.close()
    with pytest.raises(UnsupportedError, match="no forward pass of the model was seen"):
        penalty()


def test_a_net_without_spikes_has_no_penalty() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    with pytest.raises(UnsupportedError, match=r"of the Sequential ran after neurons.*use a net"):
        SpikePenalty(net, torch.ones(1, 2))
    assert not net._forward_hooks
    assert not net[0]._forward_pre_hooks


@pytest.mark.parametrize("p", [0, 3, 1.5, True, float("nan")])
def test_impossible_powers_are_refused(p: Any) -> None:
    with pytest.raises(ValueError, match=f"p is {p}; it must be 1 or 2"):
        SpikePenalty(nn.Sequential(), torch.ones(1), p=p)


@pytest.mark.parametrize("kind", ["joules", None, 1])
def test_unknown_kinds_are_refused(kind: Any) -> None:
    with pytest.raises(ValueError, match=f"is {kind!r}; it must be one of synaptic, spike_count"):
        SpikePenalty(nn.Sequential(), torch.ones(1), kind)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"neurons": ["lif1"]}, "neurons has 'lif1'; it must have modules or classes of modules"),
        ({"neurons": [int]}, "neurons has <class 'int'>"),
        ({"samples_axis": 4}, "samples_axis is 4; it must be an axis, and .* first tensor has 4"),
        ({"samples_axis": "x"}, "samples_axis is 'x'"),
    ],
)
def test_impossible_options_are_refused(options: Any, said: str) -> None:
    net, images = random_net(), random_images(2)
    with pytest.raises(ValueError, match=said):
        SpikePenalty(net, images, **options)


def test_the_weight_of_the_penalty_rises_linearly_to_its_strength() -> None:
    assert [penalty_weight(8.0, epoch, 4) for epoch in range(4)] == [2.0, 4.0, 6.0, 8.0]


RESIDUAL = (
    ConvSpec(4, pool=2, pooling="sum"),
    ResidualSpec(4),
    ResidualSpec(6, stride=2),
    ConvSpec(6, pool=2),
    DenseSpec(5),
)


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("activation", ["spike", "levels"])
def test_each_neuron_weighs_once_however_many_layers_it_feeds(activation: Any, p: int) -> None:
    torch.manual_seed(1)
    net, images = (
        build(NetSpec((1, 8, 8), 3, RESIDUAL, activation)).double(),
        random_images(6).double(),
    )
    sent: list[torch.Tensor] = []
    for module in net.modules():
        if isinstance(module, LevelActivation):
            module.register_forward_hook(
                lambda module, _, output: sent.append((output.detach() / module.scale).round())
            )
    count = SpikePenalty(net, images[:1], "spike_count", p)
    balanced = SpikePenalty(net, images[:1], "layer_balanced", p)
    sent.clear()
    net(images)
    found = count().item(), balanced().item()
    assert len(sent) == 8
    assert found[0] == pytest.approx(sum(float((x**p).sum()) for x in sent) / 6 / p)
    assert found[1] == pytest.approx(sum(float((x**p).mean()) for x in sent) / p)


@pytest.mark.parametrize("activation", ["spike", "levels"])
def test_the_power_is_taken_before_events_are_added_up(activation: Any) -> None:
    torch.manual_seed(1)
    net, images = (
        build(NetSpec((1, 8, 8), 3, RESIDUAL, activation)).double(),
        random_images(6).double(),
    )
    # Penalties that observe one model do not disturb each other, in either order.
    twice = SpikePenalty(net, images[:1], p=2)
    with SpikePenalty(net, images[:1]) as once, SpikePenalty(net, images[:1], p=2) as again:
        with torch.no_grad():
            net(images)
        first, second, operations = once(), 2 * twice(), twice.synaptic_operations()
        assert again() == twice()
    twice.close()
    if activation == "spike":
        assert first == pytest.approx(second.item(), rel=1e-12)
        assert first == operations
    else:  # levels up to 3
        assert operations < first < second < 9 * operations
    for _ in range(30):  # so that the running statistics are those of these images
        net(images)
    counts = count_synaptic_operations(net.eval(), images, Convention.EVERY)
    assert len(counts) == 8
    with SpikePenalty(net, images[:1]) as penalty, torch.no_grad():
        net(images)
        total = sum(int(layer.sum()) for layer in counts.values())
        assert total > 0
        assert penalty.synaptic_operations() * 6 == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize("strength", [-1.0, float("nan"), float("inf")])
def test_a_weight_that_is_no_number_from_0_is_refused(strength: float) -> None:
    with pytest.raises(ValueError, match=f"lambda is {strength}; .* at least 0, and 0 means no"):
        penalty_weight(strength, 0, 4)


@pytest.mark.parametrize(("epoch", "epochs"), [(4, 4), (-1, 4), (0, 0), (0, -3)])
def test_epochs_are_counted_from_0(epoch: int, epochs: int) -> None:
    with pytest.raises(ValueError, match=f"the epoch is {epoch}, of {epochs}; .* from 0"):
        penalty_weight(1.0, epoch, epochs)


def test_fractions_of_spikes_are_an_error_and_not_counted_as_none() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        QuantConv2d(1, 2, 3),
        SpikeActivation(),
        nn.Upsample((2, 2), mode="bilinear"),
        nn.Flatten(),
        QuantLinear(8, 3),
    )
    with pytest.raises(UnsupportedError, match="receives what the function interpolate made"):
        count_synaptic_operations(net, torch.rand(20, 1, 6, 6) * 9)
