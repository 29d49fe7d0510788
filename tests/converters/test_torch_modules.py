"""Conversion: the graph computes what the trained module computes, or says what it cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from edgespike.converters import convert, load  # noqa: E402
from edgespike.converters.base import Converter  # noqa: E402
from edgespike.counting import Convention, count  # noqa: E402
from edgespike.errors import FileFormatError, UnsupportedError  # noqa: E402
from edgespike.graph import Conv2d, Dense, MaxPool2d, Threshold  # noqa: E402
from edgespike.interpreter import interpret  # noqa: E402
from edgespike.nn.layers.count import count_synaptic_operations  # noqa: E402
from edgespike.nn.layers.penalty import SpikePenalty  # noqa: E402
from edgespike.nn.layers.spike import SpikeActivation  # noqa: E402
from edgespike.nn.layers.weighted import InputScale, QuantConv2d, QuantLinear, SumPool2d  # noqa: E402

pytestmark = pytest.mark.torch


def small_net(seed: int, *, sum_pool: bool = False) -> nn.Sequential:
    """Build a net with strides, groups, pools and normalisation of both signs."""
    torch.manual_seed(seed)
    events = 8 if sum_pool else 8 * 2 * 2
    net = nn.Sequential(
        InputScale(255),
        nn.Sequential(
            QuantConv2d(2, 6, 3, padding=1, bits=6),
            nn.BatchNorm2d(6),
            nn.MaxPool2d(2),
            SpikeActivation(),
        ),
        QuantConv2d(6, 8, (3, 2), stride=(1, 2), padding=(1, 0), dilation=(2, 1), groups=2),
        nn.BatchNorm2d(8),
        SpikeActivation(threshold=0.5),
        SumPool2d(2) if sum_pool else nn.Dropout(),
        nn.Flatten(),
        QuantLinear(events, 12),
        nn.BatchNorm1d(12),
        SpikeActivation(),
        QuantLinear(12, 4, bias=True),
    )
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.weight, 0.0, 2.0)
            nn.init.normal_(module.bias, 0.5)
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.normal_(module.running_mean, 0.0, 0.3)
            nn.init.uniform_(module.running_var, 0.1, 1.0)
    return net.eval()


@pytest.mark.parametrize("sum_pool", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_every_spike_equals_the_module_unless_it_is_on_a_tie(seed: int, sum_pool: bool) -> None:
    net = small_net(seed, sum_pool=sum_pool)
    graph = convert(net, (2, 8, 8))
    images = np.random.default_rng(seed).integers(0, 256, (40, 2, 8, 8), dtype=np.uint8)
    trace = interpret(graph, images)
    potentials, spikes = run_module(net.double(), images)
    names = [node.name for node in graph.nodes if isinstance(node.op, Threshold)]
    for name, potential, spike, activation in zip(
        names,
        potentials,
        spikes,
        (m for m in net.modules() if isinstance(m, SpikeActivation)),
        strict=True,
    ):
        # What leaves the module's activation is pooled already.
        pooled = f"pool{name.removeprefix('spikes')}"
        found = trace.values[pooled if pooled in trace.values else name][:, 0]
        clear = np.abs(potential - activation.first) > 1e-9
        assert (found == spike)[clear].all()
        assert clear.mean() > 0.999
    logits = trace.accumulators(graph) * graph.readout_op.scale
    with torch.no_grad():
        expected = net(torch.from_numpy(images).double()).numpy()
    # The readout's bias is rounded to a whole unit of the accumulator, nothing else differs.
    assert np.abs(logits - expected).max() <= graph.readout_op.scale[0] / 2 + 1e-9


def run_module(net: nn.Module, images: Any) -> tuple[list[Any], list[Any]]:
    """Record what enters and what leaves each spike activation."""
    potentials: list[Any] = []
    spikes: list[Any] = []

    def record(_: nn.Module, inputs: tuple[Any], output: Any) -> None:
        potentials.append(inputs[0].numpy())
        spikes.append(output.numpy())

    for module in net.modules():
        if isinstance(module, SpikeActivation):
            module.register_forward_hook(record)
    with torch.no_grad():
        net(torch.from_numpy(images).double())
    return potentials, spikes


def test_a_pool_before_the_neuron_becomes_an_or_behind_it() -> None:
    kinds = [type(node.op) for node in convert(small_net(0), (2, 8, 8)).nodes]
    assert kinds[1:4] == [Conv2d, Threshold, MaxPool2d]


def test_weights_pruned_in_float_and_weights_rounded_to_zero_are_told_apart() -> None:
    net = small_net(0)
    layer = net[7]
    assert isinstance(layer, QuantLinear)
    with torch.no_grad():
        layer.weight[0, 0] = 0.0
        layer.weight[0, 1] = layer.weight.abs().max() / 1000
    dense = next(node.op for node in convert(net, (2, 8, 8)).nodes if node.name == "dense1")
    assert isinstance(dense, Dense)
    assert dense.float_nonzero is not None
    assert dense.weight[0, :2].tolist() == [0, 0]
    assert dense.float_nonzero[0, :2].tolist() == [False, True]


def test_all_unsupported_modules_are_named_by_their_path() -> None:
    net = nn.Sequential(
        InputScale(255), nn.Sequential(nn.Conv2d(1, 2, 3), nn.GELU()), nn.LSTM(3, 4)
    )
    with pytest.raises(UnsupportedError) as caught:
        convert(net, (1, 8, 8))
    text = str(caught.value)
    assert "1.0 is a Conv2d" in text
    assert "1.1 is a GELU" in text
    assert "2 is a LSTM" in text
    assert "supported are" in text
    assert "QuantConv2d" in text


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([QuantLinear(4, 4), QuantLinear(4, 2)], "1 follows a weighted layer without"),
        ([SpikeActivation(), QuantLinear(4, 2)], "0 follows no weighted layer"),
        ([QuantLinear(4, 4), SpikeActivation()], "ends in spikes"),
        ([QuantLinear(5, 2)], "weight takes 5 inputs, its input has 4"),
        ([QuantLinear(4, 2), InputScale(255)], "1 scales values inside the net"),
        ([QuantLinear(4, 2), nn.BatchNorm1d(2), nn.BatchNorm1d(2)], "2 must directly follow a wei"),
        ([QuantLinear(4, 2), nn.MaxPool2d(2)], "readout is pooled"),
        (
            [QuantLinear(4, 4), nn.BatchNorm1d(4, track_running_stats=False), SpikeActivation()],
            "1 keeps no running statistics",
        ),
    ],
)
def test_a_net_out_of_order_is_refused(layers: list[nn.Module], message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        convert(nn.Sequential(*layers), (4,))


def test_weights_that_are_not_finite_are_refused() -> None:
    layer = QuantLinear(4, 2)
    with torch.no_grad():
        layer.weight[0, 0] = float("nan")
    with pytest.raises(UnsupportedError, match="0 has 1 weights that are not finite"):
        convert(nn.Sequential(layer), (4,))


def test_something_that_is_not_a_module_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="no converter takes a dict"):
        convert({}, (4,))


def test_a_foreign_safetensors_file_is_refused(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    path = tmp_path / "foreign.safetensors"
    save_file({"x": np.zeros(3)}, path)
    with pytest.raises(FileFormatError, match="neither an edgespike graph nor a trained model"):
        load(path)


def test_a_converter_says_what_it_takes_without_importing_torch() -> None:
    from edgespike.converters.torch import CONVERTER, floats

    class Net(nn.Sequential):
        pass

    models = (3, nn.Module(), nn.Sequential(nn.Linear(2, 2)), Net(QuantLinear(2, 2)))
    found = []
    for converter in (CONVERTER, floats.CONVERTER):
        assert isinstance(converter, Converter)
        assert converter.accepts is not None
        found.append([converter.accepts(model) for model in models])
    assert found == [[None, None, None, 2], [None, 0, 1, None]]


@pytest.mark.parametrize(
    "option",
    [{"bits": 4}, {"input_range": (0, 1)}, {"input_scale": 1.0}, {"calibrate": np.ones((1, 1))}],
)
def test_what_the_module_states_itself_is_no_option(option: dict[str, Any]) -> None:
    (name,) = option
    with pytest.raises(
        UnsupportedError,
        match=f"{name} is .*, but converter 'torch' does not use it; it takes input_shape, name",
    ):
        convert(nn.Sequential(QuantLinear(4, 2)), (4,), **option)


def test_a_module_does_not_state_its_input_shape() -> None:
    with pytest.raises(UnsupportedError, match="input_shape is missing, and a torch module does"):
        convert(nn.Sequential(QuantLinear(4, 2)))


@pytest.mark.parametrize("sum_pool", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_the_training_penalty_is_the_count_of_the_converted_graph(
    seed: int, sum_pool: bool
) -> None:
    """In double precision the module has the graph's spikes, so all numbers are equal."""
    net = small_net(seed, sum_pool=sum_pool)
    graph = convert(net, (2, 8, 8))
    images = np.random.default_rng(seed).integers(0, 256, (20, 2, 8, 8), dtype=np.uint8)
    counted = count(graph, images, interpret(graph, images))
    net.double()
    with SpikePenalty(net, torch.zeros(1, 2, 8, 8).double()) as penalty, torch.no_grad():
        net(torch.from_numpy(images).double())
        mean = float(penalty())
    every = counted.synaptic_operations(Convention.EVERY)
    # The penalty is a mean in floating point; its sum is a whole number far below 2**53.
    assert round(mean * len(images)) == every
    assert mean == pytest.approx(every / len(images), rel=1e-12)
    for convention in Convention:
        by_layer = count_synaptic_operations(net, torch.from_numpy(images).double(), convention)
        total = sum(int(operations.sum()) for operations in by_layer.values())
        assert total == counted.synaptic_operations(convention)
