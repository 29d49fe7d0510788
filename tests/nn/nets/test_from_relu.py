"""A net of spikes or levels that starts from a trained float ReLU net."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import edgespike
from edgespike.errors import InputError
from edgespike.nn.layers.normalise import LayerBatchNorm
from edgespike.nn.nets.from_relu import from_relu, is_relu_net_of
from edgespike.nn.nets.models import build
from edgespike.nn.nets.spec import ConvSpec, DenseSpec, NetSpec, ResidualSpec

RELU = NetSpec(
    (1, 8, 8),
    4,
    (ConvSpec(6, pool=2), ConvSpec(8, pool=2, pooling="sum"), DenseSpec(12)),
    activation="relu",
)
RESIDUAL = replace(RELU, layers=(ConvSpec(6), ResidualSpec(6), ResidualSpec(8, stride=2)))
POOLED = replace(RELU, layers=(ConvSpec(6), ResidualSpec(6, pool=8)))
SPIKES: dict[str, Any] = {"activation": "spike"}
LEVELS: dict[str, Any] = {"activation": "levels", "weight_states": 255, "readout_states": 255}


def trained(spec: NetSpec, seed: int = 0) -> tuple[nn.Sequential, Tensor]:
    """Return a net whose normalisations have seen images, with random factors, and the images."""
    torch.manual_seed(seed)
    net = build(spec)
    images = torch.randint(0, 256, (128, *spec.input_shape), dtype=torch.uint8)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | LayerBatchNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    for _ in range(30):
        net(images)
    return net.eval(), images


def correlation(left: Tensor, right: Tensor) -> float:
    pair = torch.stack([left.flatten(), right.flatten()])
    return float(torch.corrcoef(pair)[0, 1])


@pytest.mark.parametrize("normalisation", ["batch", "layer_batch"])
@pytest.mark.parametrize(
    ("spec", "kind", "least"),
    [
        (RELU, {**LEVELS, "activation_states": 64}, 0.9),
        (RELU, {**LEVELS, "activation_states": 4}, 0.8),
        (RELU, SPIKES, 0.7),
        (RESIDUAL, {**LEVELS, "activation_states": 64}, 0.75),
        (RESIDUAL, SPIKES, 0.5),
    ],
)
def test_the_last_neurons_follow_those_of_the_float_net(
    spec: NetSpec, kind: dict[str, Any], least: float, normalisation: Any
) -> None:
    """Without training, and with random weights, which lose more than trained ones."""
    relu, images = trained(spec)
    wanted = replace(spec, **kind, normalisation=normalisation)
    net = from_relu(relu, wanted, images[:64])
    with torch.no_grad():
        float_values, got = (each[:-1](images[64:]) for each in (relu, net))
    assert correlation(float_values, got) > least


@pytest.mark.parametrize(
    "last",
    [
        ConvSpec(8, pool=2, pooling="sum"),
        ConvSpec(8, pool=2),
        ResidualSpec(6, pool=4),
        ResidualSpec(6),
    ],
    ids=str,
)
def test_the_answers_have_the_size_of_the_float_nets_after_any_pool(last: Any) -> None:
    """Where a pool adds up what the float net takes the mean of, up to 16 numbers here."""
    spec = replace(RELU, layers=(ConvSpec(6, pool=2), last))
    relu, images = trained(spec)
    net = from_relu(relu, replace(spec, **SPIKES), images[:64])
    with torch.no_grad():
        before, after = ((each(images) - each[-1].bias).flatten() for each in (relu, net))
    assert 0.5 < float(before @ after / (before @ before)) < 2


@pytest.mark.parametrize("kind", [SPIKES, LEVELS])
@pytest.mark.parametrize("spec", [RELU, RESIDUAL, POOLED])
def test_the_net_converts_to_a_graph(spec: NetSpec, kind: dict[str, Any]) -> None:
    relu, images = trained(spec)
    net = from_relu(relu, replace(spec, **kind), images)
    graph = edgespike.convert(net, input_shape=spec.input_shape)
    with torch.no_grad():
        classes = net(images).argmax(dim=1)
    answers = edgespike.run(graph, images.numpy()).classes(graph)
    assert (torch.from_numpy(answers) == classes).float().mean() > 0.97  # near ties


def test_the_float_net_keeps_its_state() -> None:
    relu, images = trained(RELU)
    before = {name: value.clone() for name, value in relu.state_dict().items()}
    relu.train()
    from_relu(relu, replace(RELU, **SPIKES), images)
    assert relu.training
    assert all(torch.equal(before[name], value) for name, value in relu.state_dict().items())


@pytest.mark.parametrize(
    "change",
    [
        {"layers": RELU.layers[:2]},
        {"classes": 5},
        {"normalisation": "group"},
        {"activation": "relu"},
    ],
)
def test_only_a_net_of_the_same_shape_takes_its_weights(change: dict[str, Any]) -> None:
    wanted = replace(RELU, **SPIKES)
    assert is_relu_net_of(RELU, wanted)
    finer = tuple(replace(layer, bits=4) for layer in wanted.layers)
    assert is_relu_net_of(RELU, replace(wanted, layers=finer))
    assert not is_relu_net_of(RELU, replace(wanted, **change))
    assert not is_relu_net_of(wanted, wanted)


def test_values_beyond_all_numbers_are_refused() -> None:
    relu, images = trained(RELU)
    nn.init.constant_(relu.get_parameter("1.weight"), 1e38)
    with pytest.raises(InputError, match="become infinite or NaN on the training data"):
        from_relu(relu, replace(RELU, **SPIKES), images)


def test_train_starts_from_the_float_net(tmp_path: Path) -> None:
    from edgespike.nn import save_model
    from edgespike.nn.training.start import load_start

    relu, images = trained(RELU)
    save_model(tmp_path / "relu", relu, RELU)
    start = load_start(tmp_path / "relu", replace(RELU, **SPIKES), images.numpy())
    expected = from_relu(relu, replace(RELU, **SPIKES), images)
    for name, value in expected.state_dict().items():
        assert torch.allclose(value.float(), start.model.state_dict()[name].float(), atol=1e-5)
