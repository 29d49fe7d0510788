"""Padding of torch nets that differs on opposite sides: logits, counts, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from edgespike.converters import convert  # noqa: E402
from edgespike.converters.torch.modules import convert_module  # noqa: E402
from edgespike.counting import Convention, audit, count  # noqa: E402
from edgespike.errors import UnsupportedError  # noqa: E402
from edgespike.graph import Conv2d, MaxPool2d, SumPool2d  # noqa: E402
from edgespike.interpreter import evaluate, interpret  # noqa: E402
from edgespike.nn.layers.count import count_synaptic_operations  # noqa: E402
from edgespike.nn.layers.penalty import SpikePenalty  # noqa: E402
from edgespike.nn.layers.residual import Residual  # noqa: E402
from edgespike.nn.layers.spike import SpikeActivation  # noqa: E402
from edgespike.nn.layers.weighted import InputScale, QuantConv2d, QuantLinear  # noqa: E402
from edgespike.nn.layers.weighted import SumPool2d as SumOfEvents  # noqa: E402

pytestmark = [
    pytest.mark.torch,
    # torch pads a copy of the input where "same" needs one side more, and says so.
    pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths"),
]

PADDINGS = [(0, 1, 0, 1), (1, 0, 2, 0), (0, 2, 1, 1), (2, 1, 0, 0)]


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(("stride", "dilation", "groups"), [(2, 1, 1), (1, 2, 2), (3, 1, 2)])
def test_a_convolution_equals_torch_s_behind_a_pad(
    padding: tuple[int, int, int, int], stride: int, dilation: int, groups: int
) -> None:
    rng = np.random.default_rng(0)
    weight = rng.integers(-9, 10, (4, 4 // groups, 3, 2))
    bias, x = rng.integers(-9, 10, 4), rng.integers(-20, 21, (3, 4, 6, 7))
    op = Conv2d(weight, bias, None, (stride,) * 2, padding, (dilation,) * 2, groups)
    top, bottom, left, right = padding
    padded = functional.pad(torch.from_numpy(x).double(), (left, right, top, bottom))
    kernel, shift = torch.from_numpy(weight).double(), torch.from_numpy(bias).double()
    expected = functional.conv2d(padded, kernel, shift, stride, 0, dilation, groups)
    assert np.array_equal(evaluate(op, [x])[0], expected.numpy())


@pytest.mark.parametrize("padding", [(0, 1, 0, 1), (1, 0, 1, 0), (0, 2, 1, 0)])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_pools_equal_torch_s_behind_a_pad(padding: tuple[int, int, int, int], stride: int) -> None:
    x = np.random.default_rng(0).integers(0, 9, (3, 2, 6, 7))
    top, bottom, left, right = padding
    padded = functional.pad(torch.from_numpy(x).double(), (left, right, top, bottom))
    steps = (stride, stride)
    largest = functional.max_pool2d(padded, (3, 2), stride)
    assert np.array_equal(evaluate(MaxPool2d((3, 2), steps, padding), [x])[0], largest.numpy())
    sums = functional.avg_pool2d(padded, (3, 2), stride, divisor_override=1)
    assert np.array_equal(evaluate(SumPool2d((3, 2), steps, padding), [x])[0], sums.numpy())


def ended(*layers: Any, features: int) -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(InputScale(9), *layers, nn.Flatten(), QuantLinear(features, 2))


NETS: dict[str, tuple[Callable[[], nn.Sequential], list[tuple[int, ...]]]] = {
    "an even kernel, same": (
        lambda: ended(
            QuantConv2d(2, 3, 2, padding="same"),
            SpikeActivation(0.2),
            QuantConv2d(3, 3, (4, 3), padding="same", dilation=(1, 2)),
            SpikeActivation(0.2),
            features=3 * 6 * 6,
        ),
        [(0, 1, 0, 1), (1, 2, 2, 2)],
    ),
    "an odd kernel, same": (
        lambda: ended(
            QuantConv2d(2, 3, 3, padding="same"), SpikeActivation(0.2), features=3 * 6 * 6
        ),
        [(1, 1)],
    ),
    "valid": (
        lambda: ended(
            QuantConv2d(2, 3, 3, padding="valid"), SpikeActivation(0.2), features=3 * 4 * 4
        ),
        [(0, 0)],
    ),
    "SAME of TensorFlow": (
        lambda: ended(
            nn.ZeroPad2d((0, 1, 0, 1)),
            QuantConv2d(2, 3, 3, stride=2),
            SpikeActivation(0.2),
            nn.ConstantPad2d((0, 1, 0, 1), 0),
            QuantConv2d(3, 3, 3, stride=2),
            SpikeActivation(0.1),
            features=3,
        ),
        [(0, 1, 0, 1), (0, 1, 0, 1)],
    ),
    "two pads and a layer's own": (
        lambda: ended(
            nn.Sequential(nn.ZeroPad2d((1, 0, 2, 0)), nn.Identity(), nn.ZeroPad2d((0, 0, 0, 1))),
            nn.Dropout(),
            QuantConv2d(2, 3, 3, stride=2, padding=(0, 1)),
            SpikeActivation(0.2),
            features=3 * 4 * 4,
        ),
        [(2, 1, 2, 1)],
    ),
    "pads that together are equal": (
        lambda: ended(
            nn.ZeroPad2d((1, 0, 1, 0)),
            nn.ZeroPad2d((0, 1, 0, 1)),
            QuantConv2d(2, 3, 3),
            SpikeActivation(0.2),
            features=3 * 6 * 6,
        ),
        [(1, 1)],
    ),
    "pools": (
        lambda: ended(
            nn.ZeroPad2d((0, 1, 1, 0)),
            nn.MaxPool2d(2, stride=1),
            QuantConv2d(2, 3, 3),
            SpikeActivation(0.2),
            nn.ZeroPad2d((1, 1, 0, 1)),
            SumOfEvents(2),
            nn.ZeroPad2d((0, 1, 0, 0)),
            QuantConv2d(3, 3, 2),
            SpikeActivation(0.2),
            features=3 * 1 * 3,
        ),
        [(1, 0, 0, 1), (0, 0), (0, 1, 1, 1), (0, 0, 0, 1)],
    ),
    "a residual block": (
        lambda: ended(
            QuantConv2d(2, 3, 3, padding=1),
            SpikeActivation(0.2),
            Residual(
                nn.Sequential(
                    nn.ZeroPad2d((0, 1, 0, 1)), QuantConv2d(3, 3, 2), SpikeActivation(0.2)
                ),
                nn.Identity(),
            ),
            features=3 * 6 * 6,
        ),
        [(1, 1), (0, 1, 0, 1)],
    ),
}


@pytest.mark.parametrize("name", NETS)
def test_a_net_with_padding_of_one_side(name: str) -> None:
    """It has the module's logits, and training counts what the graph's events reach."""
    make, paddings = NETS[name]
    net = make().double().eval()
    graph = convert(net, (2, 6, 6))
    assert [
        node.op.padding
        for node in graph.nodes
        if isinstance(node.op, Conv2d | MaxPool2d | SumPool2d)
    ] == paddings
    samples = np.random.default_rng(0).integers(0, 10, (20, 2, 6, 6))
    images = torch.from_numpy(samples).double()
    trace = interpret(graph, samples)
    scale = graph.readout.op.scale  # type: ignore[union-attr]
    with SpikePenalty(net, images) as penalty, torch.no_grad():
        logits = net(images).numpy()
        mean = float(penalty())
    assert trace.accumulators(graph) * scale == pytest.approx(logits, abs=1e-6)
    assert np.ptp(logits, axis=0).all()
    counts = count(graph, samples, trace)
    assert audit(graph, samples, trace).agrees(counts)
    for convention in Convention:
        by_layer = count_synaptic_operations(net, images, convention).values()
        operations = counts.synaptic_operations(convention)
        assert sum(int(found.sum()) for found in by_layer) == operations
        if convention is Convention.EVERY:
            assert mean * len(samples) == pytest.approx(operations, rel=1e-12)


def conv() -> QuantConv2d:
    return QuantConv2d(2, 2, 3)


PAD = nn.ZeroPad2d((0, 1, 0, 1))


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([nn.ConstantPad2d(1, 2.0), conv()], r"0 pads with 2.0, \(1, 1, 1, 1\) elements; only zer"),
        ([nn.ZeroPad2d((0, -1, 0, 0)), conv()], r"0 pads with 0.*, \(0, -1, 0, 0\) elements; only"),
        ([conv(), PAD, SpikeActivation()], "1 precedes an activation; move it after the activati"),
        ([conv(), PAD, nn.MaxPool2d(2), SpikeActivation()], "1 precedes an activation; move it af"),
        ([PAD, nn.Flatten()], r"0 pads the input of 1; put it right before a convolution or pool"),
        ([PAD, Residual(nn.Sequential(conv()), nn.Identity())], "0 pads the input of 1; put it r"),
        (
            [Residual(nn.Sequential(conv(), SpikeActivation(), PAD), nn.Identity())],
            "0.body.2 pads the input of 0; put it right before a convolution or pool",
        ),
        (
            [nn.ZeroPad2d((0, 0, 0, 2)), nn.MaxPool2d(2, stride=1)],
            r"1 \(pool\): padding \(0, 2, 0, 0\) makes windows of kernel \(2, 2\) that ho",
        ),
        ([conv(), SpikeActivation(), PAD], "the net ends in spikes"),
    ],
)
def test_pads_in_other_places_are_refused(layers: list[nn.Module], message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        convert_module(nn.Sequential(*layers), (2, 8, 8), "model")


def test_padding_that_torch_chooses_is_that_of_the_graph() -> None:
    """torch keeps the padding of "same" as (left, right, top, bottom) for itself."""
    for kernel, dilation in ((2, 1), (4, 1), (3, 2), (2, 3), (4, 3), (1, 1)):
        layer = QuantConv2d(1, 1, kernel, padding="same", dilation=dilation)
        graph = convert(
            nn.Sequential(layer, SpikeActivation(0.1), nn.Flatten(), QuantLinear(64, 2)), (1, 8, 8)
        )
        ((_, op),) = graph.of_type(Conv2d)
        left, right, top, bottom = layer._reversed_padding_repeated_twice
        assert list(chain(*op.sides)) == [top, bottom, left, right]
