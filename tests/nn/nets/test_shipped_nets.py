"""The net of every shipped recipe becomes a graph that is exact, and its penalty counts it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import edgespike
from edgespike.counting import Convention, Counts
from edgespike.graph import Graph
from edgespike.nn import (
    ConvSpec,
    DenseSpec,
    NetSpec,
    RecurrentSpec,
    ResidualSpec,
    SpikePenalty,
    build,
    load_draft,
    load_recipe,
    shipped_recipes,
)
from edgespike.nn.nets.from_relu import is_relu_net_of
from edgespike.nn.training.averaging import measure_statistics
from tests.available import available

pytestmark = pytest.mark.torch

LARGE = ("cifar10_resnet18_s3nn", "cifar10_vgg11_s3nn")
"""Millions of weights."""

NETS = {name: load_recipe(name).net for name in shipped_recipes() if not load_draft(name).open}
OF_EVENTS = [
    pytest.param(name, marks=pytest.mark.slow if name in LARGE else ())
    for name, net in NETS.items()
    if isinstance(net, NetSpec) and net.spiking
]


def random_net(spec: NetSpec) -> nn.Module:
    """Return a net with random weights whose neurons fire, in double precision."""
    torch.manual_seed(0)
    net = build(spec)
    measure_statistics(net, [random_images(spec, 4)])
    return net.double().eval()


def random_images(spec: NetSpec, samples: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(
        0, 256, (samples, *spec.input_shape), generator=generator, dtype=torch.uint8
    )


def operations_of_events(graph: Graph, counts: Counts) -> int:
    """Return the operations of spikes and levels, without those of the pixels."""
    first = next(node.name for node in graph.nodes if "input" in node.inputs)
    return sum(
        int(layer.synaptic_operations[Convention.EVERY].sum())
        + int(layer.multiply_accumulates[Convention.EVERY].sum())
        for layer in counts.layers
        if layer.name != first
    )


@pytest.mark.parametrize("name", OF_EVENTS)
def test_the_net_is_exact_and_fan_outs_times_events_are_the_graphs_count(name: str) -> None:
    spec = NETS[name]
    assert isinstance(spec, NetSpec)
    net, images = random_net(spec), random_images(spec, 1 if name in LARGE else 3)
    graph = edgespike.convert(net, spec.input_shape)
    targets = ["cpu"] if name in LARGE else ["cpu", available("tflite").name]
    assert edgespike.verify(graph, images.numpy(), targets).equal
    real = images.double()
    with SpikePenalty(net, real[:1]) as penalty, torch.no_grad():
        net(real)
        found = float(penalty.synaptic_operations()) * len(images)
        if spec.activation == "spike":  # then the penalty is the number of operations
            assert float(penalty()) * len(images) == found
    expected = operations_of_events(graph, edgespike.count(graph, images.numpy()))
    assert expected > 0
    assert round(found) == expected
    assert found == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("name", ["cifar10_resnet_s3nn", "fashion_small_s3nn"])
def test_the_small_nets_are_exact_in_c(name: str) -> None:
    spec = NETS[name]
    assert isinstance(spec, NetSpec)
    graph = edgespike.convert(random_net(spec), spec.input_shape)
    images = random_images(spec, 2).numpy()
    assert edgespike.verify(graph, images, [available("c").name]).equal


@pytest.mark.parametrize(
    ("floats", "of_events"),
    [
        ("fashion_relu", ("fashion_s3nn", "fashion_maqd")),
        ("fashion_small_relu", ("fashion_small_s3nn",)),
        ("cifar10_resnet_relu", ("cifar10_resnet_s3nn", "cifar10_resnet")),
    ],
)
def test_nets_of_events_can_start_from_their_float_net(
    floats: str, of_events: tuple[str, ...]
) -> None:
    found = NETS[floats]
    assert isinstance(found, NetSpec)
    for name in of_events:
        wanted = NETS[name]
        assert isinstance(wanted, NetSpec)
        assert is_relu_net_of(found, wanted)


def widths(name: str) -> list[int]:
    """Return the outputs of each layer of weights on the longest way, without the readout."""
    spec = NETS[name]
    assert not isinstance(spec, RecurrentSpec)
    found = []
    for layer in spec.layers:
        match layer:
            case ConvSpec():
                found.append(layer.channels)
            case ResidualSpec():
                found += [layer.channels] * 2
            case DenseSpec():
                found.append(layer.features)
    return found


def test_the_nets_that_the_paper_of_the_penalty_names_have_their_depth() -> None:
    """With the readout 7, 11 and 18 layers of weights; shortcuts of the ResNet do not count."""
    assert widths("fashion_cnn7_s3nn") == [64, 64, 128, 128, 256, 256]
    assert widths("cifar10_vgg11_s3nn") == [64, 128, 256, 256, 512, 512, 512, 512, 512, 512]
    stages = [width for width in (64, 128, 256, 512) for _ in range(4)]
    assert widths("cifar10_resnet18_s3nn") == [64, *stages]
