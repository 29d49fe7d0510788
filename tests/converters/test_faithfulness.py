"""Nothing is converted wrongly in silence: the graph has the module's logits, or there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn.utils import parametrizations, prune  # noqa: E402

from edgespike.converters import convert  # noqa: E402
from edgespike.errors import GraphError, UnsupportedError  # noqa: E402
from edgespike.interpreter import interpret  # noqa: E402
from edgespike.nn.layers.penalty import SynapticPenalty  # noqa: E402
from edgespike.nn.layers.spike import SpikeActivation  # noqa: E402
from edgespike.nn.layers.weighted import InputScale, QuantConv2d, QuantLinear  # noqa: E402

pytestmark = pytest.mark.torch


LAYER = QuantLinear(4, 4)


def dense(threshold: float = 0.3) -> list[nn.Module]:
    return [QuantLinear(4, 4), SpikeActivation(threshold)]


def trained(norm: Any) -> Any:
    """Set the statistics of a normalisation as some training would, and return it."""
    for values in (norm.running_mean, norm.running_var):
        values.uniform_(0.1, 0.8)
    return norm


def check_equal(net: nn.Module, shape: tuple[int, ...]) -> None:
    """Compare all logits on random input with the module's in double precision."""
    graph = convert(net, shape)
    high = graph.input.op.high  # type: ignore[union-attr]
    samples = np.random.default_rng(0).integers(0, high + 1, (50, *shape))
    scale = graph.readout.op.scale  # type: ignore[union-attr]
    logits = interpret(graph, samples).accumulators(graph) * scale
    with torch.no_grad():
        expected = net.double().eval()(torch.from_numpy(samples).double()).numpy()
    assert np.ptp(expected, axis=0).all()
    assert logits == pytest.approx(expected, abs=1e-6)


FAITHFUL: dict[str, tuple[Callable[[], list[Any]], tuple[int, ...]]] = {
    "a layer used twice": (
        lambda: [same := QuantLinear(4, 4), fire := SpikeActivation(0.2), same, fire, LAYER],
        (4,),
    ),
    "a block used twice": (
        lambda: [block := nn.Sequential(*dense()), block, QuantLinear(4, 2)],
        (4,),
    ),
    "input scaling behind dropout": (
        lambda: [nn.Dropout(), nn.Identity(), InputScale(9), *dense(), QuantLinear(4, 2)],
        (4,),
    ),
    "input scaling by one": (
        lambda: [InputScale(1), InputScale(9), *dense(), QuantLinear(4, 2)],
        (4,),
    ),
    "a threshold for each layer": (
        lambda: [InputScale(9), *dense(0.1), *dense(-0.2), *dense(0), QuantLinear(4, 2)],
        (4,),
    ),
    "statistics without momentum": (
        lambda: [
            InputScale(9),
            QuantLinear(4, 4),
            trained(nn.BatchNorm1d(4, momentum=None)),
            SpikeActivation(-0.5),
            QuantLinear(4, 2),
        ],
        (4,),
    ),
    "normalisation without gamma and beta": (
        lambda: [
            InputScale(9),
            QuantLinear(4, 4, bias=True),
            trained(nn.BatchNorm1d(4, affine=False)),
            SpikeActivation(-0.5),
            QuantLinear(4, 2),
        ],
        (4,),
    ),
    "pools that overlap, are padded and leave a rest": (
        lambda: [
            InputScale(9),
            QuantConv2d(2, 3, 3, padding=1),
            trained(nn.BatchNorm2d(3)),
            nn.MaxPool2d([3, 2], stride=(2, 3), padding=1),  # type: ignore[arg-type]
            SpikeActivation(0.2),
            nn.MaxPool2d(2, stride=1),
            nn.Flatten(),
            QuantLinear(3 * 3 * 2, 2),
        ],
        (2, 7, 8),
    ),
    "a pool of the input": (
        lambda: [InputScale(9), nn.MaxPool2d(2), nn.Flatten(), QuantLinear(8, 2)],
        (2, 5, 4),
    ),
}


@pytest.mark.parametrize("name", FAITHFUL)
def test_the_graph_has_the_logits_of_the_module(name: str) -> None:
    make, shape = FAITHFUL[name]
    torch.manual_seed(3)
    check_equal(nn.Sequential(*make()), shape)


def test_a_module_in_training_mode_is_read_as_in_evaluation_mode() -> None:
    torch.manual_seed(3)
    norm = trained(nn.BatchNorm1d(4))
    net = nn.Sequential(nn.Dropout(), QuantLinear(4, 4), norm, SpikeActivation(-0.5), LAYER)
    trained_graph = convert(net.train(), (4,))
    assert net.training
    assert trained_graph == convert(net.eval(), (4,))


class Residual(nn.Sequential):
    def forward(self, x: Any) -> Any:
        return x + super().forward(x)  # type: ignore[no-untyped-call]


class Named(nn.Sequential):
    """A sequence with another name."""


def test_a_sequence_that_runs_otherwise_is_listed() -> None:
    net = nn.Sequential(Residual(*dense()), nn.Sequential(nn.GELU()), QuantLinear(4, 2))
    with pytest.raises(UnsupportedError, match=r"0 is a Residual[\s\S]*1.0 is a GELU"):
        convert(net, (4,))


def test_a_sequence_under_another_name_is_a_sequence() -> None:
    torch.manual_seed(3)
    check_equal(Named(Named(*dense()), QuantLinear(4, 2)), (4,))


def hooked(net: nn.Sequential) -> None:
    net[0].register_forward_hook(lambda module, inputs, output: -output)


def hooked_before(net: nn.Sequential) -> None:
    net.register_forward_pre_hook(lambda module, inputs: (1 - inputs[0],))


def pruned(net: nn.Sequential) -> None:
    prune.l1_unstructured(net[0], "weight", 0.5)  # type: ignore[no-untyped-call]


def patched(net: nn.Sequential) -> None:
    net[1].forward = torch.sigmoid


def parametrised(net: nn.Sequential) -> None:
    parametrizations.weight_norm(net[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (hooked, "0 has forward hooks, which may change"),
        (hooked_before, "the model has forward hooks, which may change"),
        (pruned, r"0 has forward hooks.*prune\.remove"),
        (SynapticPenalty, r"2 has forward hooks.*close\(\)"),
        (patched, "1 has a forward function of its own"),
        (parametrised, "0 is a ParametrizedQuantLinear"),
        (lambda net: net.add_module("none", None), "none is a NoneType"),
        (lambda net: net.half(), "0 computes in float16"),
        (lambda net: setattr(net[1], "first", float("nan")), "1 has first nan"),
        (lambda net: setattr(net[1], "first", torch.ones(4)), "1 has first tensor"),
        (lambda net: nn.init.constant_(net[2].bias, 1e30), "readout's bias is .* the limit is"),
        (lambda net: nn.init.constant_(net[2].bias, float("nan")), "bias is not finite"),
    ],
)
def test_what_may_compute_something_else_is_refused(
    change: Callable[[nn.Sequential], Any], message: str
) -> None:
    net = nn.Sequential(*dense(), QuantLinear(4, 2, bias=True))
    change(net)
    with pytest.raises(UnsupportedError, match=message):
        convert(net, (4,))


@pytest.mark.parametrize(
    ("register", "hook"),
    [
        (nn.modules.module.register_module_forward_hook, lambda module, inputs, out: 2 * out),
        (nn.modules.module.register_module_forward_pre_hook, lambda module, inputs: None),
    ],
)
def test_hooks_on_all_modules_are_refused(register: Any, hook: Callable[..., Any]) -> None:
    net = nn.Sequential(*dense(), QuantLinear(4, 2, bias=True))
    handle = register(hook)
    try:
        with pytest.raises(UnsupportedError, match="torch has forward hooks for all modules"):
            convert(net, (4,))
    finally:
        handle.remove()
    assert convert(net, (4,))


def conv(**changes: Any) -> QuantConv2d:
    layer = QuantConv2d(1, 2, 3, padding=1)
    for name, value in changes.items():
        setattr(layer, name, value)
    return layer


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([*dense(), InputScale(9), LAYER], "2 scales values inside the net"),
        ([InputScale(9), InputScale(9), LAYER], "1 scales values inside the net"),
        ([LAYER, nn.BatchNorm1d(3), SpikeActivation(), LAYER], "1 normalises 3 channels"),
        ([LAYER, nn.Dropout(), LAYER], "2 follows a weighted layer without"),
        ([LAYER, SpikeActivation(), SpikeActivation(), LAYER], "2 follows no weighted layer"),
        ([LAYER, nn.Flatten(), SpikeActivation(), LAYER], "1 precedes an activation"),
    ],
)
def test_layers_in_a_wrong_place_are_refused(layers: list[nn.Module], message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        convert(nn.Sequential(*layers), (4,))


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([conv(padding_mode="reflect")], "0 pads with reflect"),
        ([nn.Flatten(), conv()], "input has shape"),
        ([nn.Flatten(0), QuantLinear(64, 2)], "0 must flatten all axes after"),
        ([conv(), nn.MaxPool2d(2), nn.BatchNorm2d(2), SpikeActivation()], "2 must directly follow"),
        ([conv(), nn.MaxPool2d(2, ceil_mode=True), SpikeActivation()], "1 has ceil_mode"),
        ([conv(), nn.MaxPool2d(2), nn.MaxPool2d(2), SpikeActivation()], "2 follows another pool"),
        ([QuantLinear(8, 2)], "flatten it with a reshape first"),
    ],
)
def test_image_layers_that_mean_something_else_are_refused(
    layers: list[nn.Module], message: str
) -> None:
    with pytest.raises(UnsupportedError, match=message):
        convert(nn.Sequential(*layers), (1, 8, 8))


@pytest.mark.parametrize("shape", [4, [4], (4.0,), "4", None])
def test_a_shape_that_is_not_a_tuple_of_whole_numbers_is_refused(shape: Any) -> None:
    with pytest.raises(UnsupportedError, match="give the shape of one sample as a tuple"):
        convert(nn.Sequential(LAYER), shape)


def test_a_name_that_a_graph_may_not_have_is_refused() -> None:
    with pytest.raises(GraphError, match="name 'my net' may hold"):
        convert(nn.Sequential(LAYER), (4,), name="my net")


def test_statistics_that_cannot_be_folded_name_the_module() -> None:
    norm = trained(nn.BatchNorm1d(4))
    norm.running_var.fill_(-1.0)
    with pytest.raises(UnsupportedError, match="2: variance of channel 0 plus epsilon is -"):
        convert(nn.Sequential(LAYER, norm, SpikeActivation(), LAYER), (4,))


@pytest.mark.parametrize("maximum", [2.5, 0, -255, "255", float("nan")])
def test_a_scale_has_a_whole_positive_maximum(maximum: Any) -> None:
    with pytest.raises(ValueError, match="it must be a whole number of at least 1"):
        InputScale(maximum)
