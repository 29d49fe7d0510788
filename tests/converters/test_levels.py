"""Nets of few levels become graphs that give the same level for every neuron."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

import edgespike  # noqa: E402
from edgespike.converters import convert  # noqa: E402
from edgespike.converters.torch.agreement import agreement  # noqa: E402
from edgespike.counting import Convention  # noqa: E402
from edgespike.errors import UnsupportedError  # noqa: E402
from edgespike.graph import Add, Threshold  # noqa: E402
from edgespike.graph import SumPool2d as SumOfWindows  # noqa: E402
from edgespike.graph.ops import Weighted  # noqa: E402
from edgespike.interpreter import interpret  # noqa: E402
from edgespike.nn import (  # noqa: E402
    ConvSpec,
    DenseSpec,
    InputScale,
    LayerBatchNorm,
    NetSpec,
    QuantConv2d,
    QuantLinear,
    Residual,
    ResidualSpec,
    RoundClip,
    SpikeActivation,
    SumPool2d,
    build,
    count_synaptic_operations,
)
from edgespike.nn.layers.normalise import Reading  # noqa: E402

pytestmark = pytest.mark.torch

SHAPE = (2, 8, 8)


LAYERS = (
    ConvSpec(6, pool=2, states=15),
    ConvSpec(6, groups=6, pooling="sum", pool=2, states=7),
    ResidualSpec(6),
    ResidualSpec(8, stride=2),
    DenseSpec(12),
)


def net(activation_states: int = 4, weight_states: int = 3, **changes: Any) -> nn.Sequential:
    """Build a net with pools, depthwise, residual and dense layers, as after some training."""
    spec = NetSpec(
        SHAPE,
        5,
        activation="levels",
        activation_states=activation_states,
        weight_states=weight_states,
        **{"layers": LAYERS, "normalisation": "layer_batch", **changes},
    )
    torch.manual_seed(7)
    model = build(spec)
    for module in model.modules():
        if isinstance(module, LayerBatchNorm | nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    model.train()(torch.from_numpy(images(64)))
    return model.eval()


def images(samples: int) -> Any:
    return np.random.default_rng(1).integers(0, 256, (samples, *SHAPE), dtype=np.uint8)


@pytest.mark.parametrize("activation_states", [2, 3, 4, 16, 256])
@pytest.mark.parametrize("weight_states", [2, 3, 4, 16])
def test_every_level_equals_the_module_unless_it_is_near_a_tie(
    activation_states: int, weight_states: int
) -> None:
    model = net(activation_states, weight_states)
    found = agreement(model.double(), SHAPE, images(50))
    assert len(found) == 8
    assert [layer.different for layer in found] == [0] * 8
    # In double precision hardly anything is near a tie, so that nothing hides there.
    assert sum(layer.near_ties for layer in found) <= 2


@pytest.mark.parametrize("last", [(), (DenseSpec(12),)], ids=["readout", "dense"])
@pytest.mark.parametrize("activation_states", [2, 4])
def test_a_pool_after_a_residual_block_adds_up_its_events(
    activation_states: int, last: tuple[DenseSpec, ...]
) -> None:
    """As in a ResNet before its readout: over the whole image."""
    layers = (ConvSpec(6), ResidualSpec(6, stride=2, pool=4), *last)
    model = net(activation_states, layers=layers).double()
    found = agreement(model, SHAPE, images(50))
    assert [layer.different for layer in found] == [0] * (4 + len(last))
    graph = edgespike.convert(model, SHAPE)
    (pool,) = (op for _, op in graph.of_type(SumOfWindows))
    assert (pool.kernel, pool.stride) == ((4, 4), (4, 4))


@pytest.mark.parametrize(
    "changes",
    [
        *({"normalisation": "layer_batch", "reading": reading} for reading in get_args(Reading)),
        {"normalisation": "batch"},
    ],
    ids=str,
)
def test_single_precision_differs_near_ties_only(changes: dict[str, Any]) -> None:
    found = agreement(net(**changes), SHAPE, images(50))
    assert [layer.unexplained for layer in found] == [0] * 8
    assert all(layer.near_ties < layer.neurons / 100 for layer in found)


def test_a_tie_in_double_precision_is_near_a_tie() -> None:
    # Single precision puts a threshold of 0.05 millions of roundings elsewhere.
    layers = (QuantLinear(1, 1, bias=True), RoundClip(4, step=0.1), QuantLinear(1, 2))
    model = nn.Sequential(*layers).double()
    with torch.no_grad():
        model.get_parameter("0.weight").zero_()
        model.get_parameter("0.bias").fill_(0.05)
    (layer,) = agreement(model, (1,), np.array([[0], [1]]))
    assert layer.near_ties == layer.neurons == 2


def test_a_graph_that_is_wrong_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def shifted(*arguments: Any) -> Any:
        trace = interpret(*arguments)
        trace.values["levels3"][:] = np.maximum(trace.values["levels3"], 1)
        return trace

    monkeypatch.setattr("edgespike.converters.torch.agreement.interpret", shifted)
    found = agreement(net(), SHAPE, images(10))
    # The layer behind it receives what the graph claims, and differs then too.
    wrong = next(layer for layer in found if layer.unexplained)
    assert wrong.node == "levels3"
    assert wrong.path == "9.body.2"


def test_the_logits_are_those_of_the_module() -> None:
    model = net().double()
    graph = convert(model, SHAPE)
    scale = graph.readout_op.scale
    logits = interpret(graph, images(40)).accumulators(graph) * scale
    with torch.no_grad():
        expected = model(torch.from_numpy(images(40)).double()).numpy()
    # The readout's bias is rounded to a whole unit of the accumulator, nothing else differs.
    assert np.abs(logits - expected).max() <= scale[0] / 2 + 1e-9


@pytest.mark.parametrize("activation_states", [2, 4])
def test_operations_are_those_that_the_module_counts(activation_states: int) -> None:
    model = net(activation_states).double()
    found = count_synaptic_operations(model, torch.from_numpy(images(30)).double())
    total = sum(int(layer.sum()) for layer in found.values())
    counts = edgespike.count(convert(model, SHAPE), images(30))
    spikes, levels = (
        {layer.name: getattr(layer, kind)[Convention.QUANTISED].sum() for layer in counts.layers}
        for kind in ("synaptic_operations", "multiply_accumulates")
    )
    # What the first layer receives are pixels, in either case.
    levels.pop("conv1")
    kind, other = (spikes, levels) if activation_states == 2 else (levels, spikes)
    assert sum(kind.values()) == total
    assert sum(other.values()) == 0


def convolved(inputs: int, activation: nn.Module) -> nn.Sequential:
    layer = QuantConv2d(inputs, 4, 3, padding=1, states=3)
    return nn.Sequential(layer, nn.BatchNorm2d(4), activation)


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param(
            (convolved(2, RoundClip(4)), nn.MaxPool2d(2), Residual(convolved(4, RoundClip(4)))),
            id="pool before the block",
        ),
        pytest.param(
            (
                convolved(2, RoundClip(4)),
                Residual(
                    nn.Sequential(convolved(4, RoundClip(4)), nn.MaxPool2d(2)), nn.MaxPool2d(2)
                ),
            ),
            id="pools in the branches",
        ),
        pytest.param(
            (
                convolved(2, RoundClip(4, step=0.5)),
                Residual(convolved(4, RoundClip(3)), convolved(4, RoundClip(3))),
            ),
            id="another scale before the block",
        ),
        pytest.param(
            (
                convolved(2, RoundClip(4, step=1.0)),
                Residual(convolved(4, SpikeActivation()), convolved(4, SpikeActivation())),
            ),
            id="spikes behind levels",
        ),
        pytest.param(
            (
                convolved(2, RoundClip(4, step=1.0)),
                Residual(convolved(4, SpikeActivation())),
            ),
            id="spikes added to levels",
        ),
        pytest.param(
            (convolved(2, RoundClip(4)), SumPool2d(2), nn.MaxPool2d(2)), id="largest of sums"
        ),
    ],
)
def test_operations_do_not_depend_on_what_else_ran_in_between(parts: tuple[nn.Module, ...]) -> None:
    samples = images(20)
    body = nn.Sequential(InputScale(255), *parts, nn.Flatten())
    readout = QuantLinear(body(torch.from_numpy(samples)).shape[1], 3, states=3)
    model, inputs = nn.Sequential(body, readout).double(), torch.from_numpy(samples).double()
    model(inputs)
    every = Convention.EVERY
    found = count_synaptic_operations(model, inputs, every)
    counts = edgespike.count(convert(model, SHAPE), samples)
    expected = [
        int((layer.synaptic_operations[every] + layer.multiply_accumulates[every]).sum())
        for layer in counts.layers
        if layer.name.startswith(("conv", "dense"))
    ]
    # What the first layer receives are pixels.
    assert [int(layer.sum()) for layer in found.values()] == expected[1:]


def test_a_residual_block_adds_levels() -> None:
    graph = convert(net(), SHAPE)
    adds = [node for node in graph.nodes if isinstance(node.op, Add)]
    assert [node.inputs for node in adds] == [("levels4", "pool2"), ("levels6", "levels7")]
    thresholds = [node.op for node in graph.nodes if isinstance(node.op, Threshold)]
    assert [op.levels for op in thresholds] == [3] * 8


def dense(*layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(InputScale(9), *layers, QuantLinear(4, 2))


def block(activation: nn.Module) -> nn.Sequential:
    return nn.Sequential(QuantLinear(4, 4, states=3), activation)


def test_levels_of_different_scales_are_not_added() -> None:
    model = dense(*block(RoundClip(4)), Residual(block(RoundClip(3))))
    with pytest.raises(UnsupportedError, match=r"3 adds events of the scales 0.65\d+, 0.84\d+"):
        convert(model, (4,))


def test_a_branch_that_ends_in_sums_is_refused() -> None:
    model = dense(*block(RoundClip(4)), Residual(QuantLinear(4, 4)))
    with pytest.raises(UnsupportedError, match="3 has a branch that ends in sums"):
        convert(model, (4,))


def test_the_contents_of_a_branch_are_examined() -> None:
    model = dense(*block(RoundClip(4)), Residual(nn.Sequential(nn.GELU())))
    with pytest.raises(UnsupportedError, match=r"3\.body\.0 is a GELU"):
        convert(model, (4,))


@pytest.mark.parametrize("normalisation", ["layer", "group"])
def test_statistics_of_each_sample_cannot_be_folded(normalisation: str) -> None:
    with pytest.raises(UnsupportedError, match="2 is a GroupNorm"):
        convert(net(normalisation=normalisation), SHAPE)


def normalised(**values: float) -> nn.Sequential:
    norm = LayerBatchNorm(4)
    for name, value in values.items():
        tensor = getattr(norm, name)
        with torch.no_grad():
            tensor.reshape(-1)[0] = value
    torch.manual_seed(2)
    return dense(QuantLinear(4, 4, states=3), norm, RoundClip(4))


def test_a_channel_with_gamma_0_has_one_level() -> None:
    model = normalised(weight=0.0, bias=1.0).eval()
    samples = np.random.default_rng(0).integers(0, 10, (30, 4))
    levels = interpret(convert(model, (4,)), samples).values["levels1"]
    assert set(levels[..., 0].flat) == {2}
    assert [layer.different for layer in agreement(model, (4,), samples)] == [0]


def test_a_running_variance_of_0_is_folded_with_its_epsilon() -> None:
    samples = np.random.default_rng(0).integers(0, 10, (30, 4))
    (layer,) = agreement(normalised(running_var=0.0).double(), (4,), samples)
    assert layer.different == 0


@pytest.mark.parametrize("name", ["weight", "bias", "running_mean", "running_var"])
def test_statistics_that_are_not_numbers_are_refused(name: str) -> None:
    with pytest.raises(UnsupportedError, match="of channel 0 is nan; it must be finite"):
        convert(normalised(**{name: float("nan")}), (4,))


def test_a_spike_and_two_levels_of_scale_1_are_the_same_graph() -> None:
    torch.manual_seed(0)
    layer = QuantLinear(4, 4, states=3)
    readout = QuantLinear(4, 2)
    spiking = nn.Sequential(InputScale(9), layer, SpikeActivation(0.5), readout)
    levels = nn.Sequential(InputScale(9), layer, RoundClip(2, step=1.0), readout)
    assert convert(spiking, (4,)) == convert(levels, (4,))


@pytest.mark.parametrize("weight_states", [2, 3, 4, 16])
def test_channels_of_equal_weights_have_their_documented_states_in_the_graph(
    weight_states: int,
) -> None:
    model = net(weight_states=weight_states).double()
    for part in model.modules():
        if isinstance(part, QuantConv2d | QuantLinear):
            part.weight.data[1] = 0.7
    assert [layer.different for layer in agreement(model, SHAPE, images(20))] == [0] * 8
    graph = convert(model, SHAPE)
    weights = {
        node.name: node.op.weight[1] for node in graph.nodes if isinstance(node.op, Weighted)
    }
    assert (weights["conv2"] == 0).all()  # 7 states
    assert (weights["conv3"] == (weight_states % 2 == 0)).all()
    # What the first layer receives are pixels, which the module does not count.
    counts = edgespike.count(graph, images(5))
    layers = [layer for layer in counts.layers if layer.name != "conv1"]
    for convention in Convention:
        found = count_synaptic_operations(model, torch.from_numpy(images(5)).double(), convention)
        assert sum(int(layer.sum()) for layer in found.values()) == sum(
            int(layer.multiply_accumulates[convention].sum()) for layer in layers
        )


def test_what_may_change_the_sum_of_a_residual_block_is_refused() -> None:
    model = net()
    block = next(part for part in model if isinstance(part, Residual))
    hook = block.sum.register_forward_hook(lambda _module, _inputs, output: 2 * output)
    with pytest.raises(UnsupportedError, match=r"\.sum has forward hooks"):
        convert(model, SHAPE)
    hook.remove()
    block.sum.forward = torch.maximum  # type: ignore[method-assign]
    with pytest.raises(UnsupportedError, match=r"\.sum has a forward function of its own"):
        convert(model, SHAPE)
