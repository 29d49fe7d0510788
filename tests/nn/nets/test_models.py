from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from edgespike.nn import (
    ConvSpec,
    DenseSpec,
    NetSpec,
    QuantConv2d,
    QuantLinear,
    Residual,
    ResidualSpec,
    SpikeActivation,
    SumPool2d,
    build,
)
from edgespike.nn.layers.quantise import SymmetricQuantiser
from edgespike.nn.layers.surrogates import SumOfBumps
from edgespike.nn.nets.spec import read_spec
from tests.nn.small import NET, random_images


def test_a_net_has_normalisation_and_pooling_before_each_neuron() -> None:
    assert [type(module).__name__ for module in build(NET)] == [
        *("InputScale", "QuantConv2d", "BatchNorm2d", "MaxPool2d", "SpikeActivation"),
        *("QuantConv2d", "BatchNorm2d", "SpikeActivation", "Flatten"),
        *("QuantLinear", "BatchNorm1d", "SpikeActivation", "QuantLinear"),
    ]


def test_the_relu_twin_has_the_same_parameters_without_quantisation() -> None:
    spiking, twin = build(NET), build(replace(NET, activation="relu"))
    shapes = [{n: t.shape for n, t in net.state_dict().items()} for net in (spiking, twin)]
    assert shapes[0] == shapes[1]
    assert {type(m) for m in twin} & {nn.Conv2d, nn.Linear, nn.ReLU} == {
        *(nn.Conv2d, nn.Linear, nn.ReLU)
    }


@pytest.mark.parametrize("activation", ["spike", "relu"])
def test_a_net_maps_8_bit_images_to_logits(activation: str) -> None:
    net = build(replace(NET, activation=activation))  # type: ignore[arg-type]
    logits = net(random_images(4))
    assert logits.shape == (4, 3)
    assert logits.dtype == torch.float32


def test_bits_threshold_and_surrogate_come_from_the_description() -> None:
    net = build(replace(NET, threshold=0.5, alpha=3.0, beta=2.0, readout_bits=4))
    first, spike, readout = net[1], net[4], net[-1]
    assert isinstance(first, QuantConv2d)
    assert isinstance(readout, QuantLinear)
    assert isinstance(spike, SpikeActivation)
    assert (first.quantiser, readout.quantiser) == (SymmetricQuantiser(6), SymmetricQuantiser(4))
    assert (spike.first, spike.surrogate) == (0.5, SumOfBumps(3.0, 2.0))


@pytest.mark.parametrize("gamma", [1.0, -1.0])
def test_pooling_before_the_neuron_is_an_or_of_its_spikes(gamma: float) -> None:
    norm, pool, spike = nn.BatchNorm2d(2).eval(), nn.MaxPool2d(2), SpikeActivation()
    nn.init.constant_(norm.weight, gamma)
    u = norm(3 * torch.randn(4, 2, 6, 6, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(spike(pool(u)), pool(spike(u)))


def test_a_description_survives_the_way_through_json() -> None:
    faults: list[str] = []
    assert read_spec(json.loads(json.dumps(NET.to_table())), "net", faults) == NET
    assert faults == []


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ([], "net is \\[\\], expected a table"),
        ({"layers": 3}, "net.layers is 3, expected a list of tables"),
        (
            {"layers": [{"kind": "lstm"}]},
            "net.layers\\[0\\].kind is 'lstm'; 'conv', 'residual' and 'dense'",
        ),
        ({"layers": [7]}, "net.layers\\[0\\].kind is None"),
        (
            {"layers": [{"kind": "conv", "channels": "4"}]},
            "net.layers\\[0\\].channels is '4', expected int",
        ),
        (
            {"layers": [{"kind": "conv", "channels": 4, "bits": 1}]},
            "net.layers\\[0\\]: bits is 1; it must be a whole number from 2 to 8",
        ),
        (
            {"layers": [{"kind": "dense", "features": 0}]},
            "net.layers\\[0\\]: features is 0; it must be a whole number from 1 to 4194304",
        ),
        ({"layers": []}, "net.input_shape is missing"),
        ({"layers": [], "input_shape": [1, 2, 3], "classes": True}, "net.classes is True"),
        ({"layers": [], "input_shape": [1, 2], "classes": 2}, "input_shape is \\(1, 2\\)"),
        ({"layers": [], "input_shape": [1, 0, 1], "classes": 2}, "input_shape is \\(1, 0, 1\\)"),
    ],
)
def test_faults_of_a_description_are_named(table: object, fault: str) -> None:
    faults: list[str] = []
    assert read_spec(table, "net", faults) is None
    with pytest.raises(ValueError, match=fault):
        raise ValueError("\n".join(faults))


def test_all_faults_of_a_table_are_named_at_once() -> None:
    faults: list[str] = []
    read_spec({"layers": [], "classes": "ten", "colour": 1, "alpha": None}, "net", faults)
    assert len(faults) == 4


def test_faults_of_layers_do_not_hide_those_of_the_net() -> None:
    faults: list[str] = []
    layers = [{"kind": "dense", "features": 0}]
    table = {"layers": layers, "input_shape": [1, 8, 8], "classes": 3, "weight_states": 1}
    assert read_spec(table, "net", faults) is None
    assert [fault.partition(" is ")[0] for fault in faults] == [
        "net.layers[0]: features",
        "net: weight_states",
    ]


@pytest.mark.parametrize(
    ("layers", "fault"),
    [
        ((DenseSpec(3), ConvSpec(3)), "convolutions must come before dense layers"),
        ((ConvSpec(3, groups=3),), "layer 0 has 3 groups of 2 inputs"),
        ((ConvSpec(3, pool=2), ConvSpec(4, pool=5)), "layer 1 gives 0x0"),
    ],
)
def test_layers_that_do_not_fit_each_other_are_refused(
    layers: tuple[ConvSpec | DenseSpec, ...], fault: str
) -> None:
    with pytest.raises(ValueError, match=fault):
        NetSpec((2, 8, 8), 3, layers)


@pytest.mark.parametrize(
    "changes", [{"layers": (DenseSpec(4, states=3),)}, {"readout_states": 3}], ids=str
)
def test_states_of_weights_are_not_ignored_in_a_net_of_spikes(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="have states, which a spiking net does not use"):
        replace(NET, **changes)
    assert replace(NET, **changes, activation="levels")


@pytest.mark.parametrize("normalisation", ["batch", "layer_batch", "layer", "group"])
@pytest.mark.parametrize("activation", ["spike", "levels", "relu"])
def test_a_residual_net_of_any_kind_gives_logits(activation: str, normalisation: str) -> None:
    layers = (ConvSpec(4), ResidualSpec(4), ResidualSpec(6, stride=2), DenseSpec(8))
    net = build(replace(NET, layers=layers, activation=activation, normalisation=normalisation))  # type: ignore[arg-type]
    assert net(random_images(4)).shape == (4, 3)


@pytest.mark.parametrize(("activation", "kind"), [("spike", SumPool2d), ("relu", nn.AvgPool2d)])
def test_a_pool_may_follow_a_residual_block(activation: Any, kind: type[nn.Module]) -> None:
    layers = (ConvSpec(4), ResidualSpec(6, stride=2, pool=4))
    net = build(replace(NET, layers=layers, activation=activation))
    assert [type(module) for module in net][-4:-2] == [Residual, kind]
    assert net[:-2](random_images(4)).shape == (4, 6, 1, 1)
    with pytest.raises(ValueError, match="layer 1 gives 0x0"):
        replace(NET, layers=(ConvSpec(4), ResidualSpec(6, stride=2, pool=5)))
    with pytest.raises(ValueError, match="pool is 0; it must be a whole number from 1"):
        ResidualSpec(6, pool=0)


def test_the_table_of_a_block_without_a_pool_is_that_of_older_files() -> None:
    spec = replace(NET, layers=(ConvSpec(4), ResidualSpec(4), ResidualSpec(4, pool=2)))
    tables = spec.to_table()["layers"]
    assert ["pool" in table for table in tables] == [True, False, True]
    assert read_spec(json.loads(json.dumps(spec.to_table())), "net", []) == spec


def test_a_residual_block_does_not_come_first() -> None:
    with pytest.raises(ValueError, match="a convolution must come before the first residual"):
        replace(NET, layers=(ResidualSpec(4),))


def test_all_faults_of_net_and_layers_are_named_at_once() -> None:
    with pytest.raises(ValueError, match=r"channels is 0.*pool is 0.*bits is 77.*states is 1;"):
        ConvSpec(0, pool=0, bits=77, states=1)
    with pytest.raises(
        ValueError, match=r"input_shape is \(1, 8\).*classes is 0.*weight_states is 0.*alpha is nan"
    ):
        NetSpec((1, 8), 0, (), weight_states=0, alpha=float("nan"))  # type: ignore[arg-type]


@pytest.mark.parametrize("states", [-1, 1, 257, 3.0, True, "3"])
def test_impossible_numbers_of_states_are_refused(states: Any) -> None:
    for make in (ConvSpec, ResidualSpec, DenseSpec):
        with pytest.raises(
            ValueError, match=f"states is {states!r}; it must be a whole number from 2 to 256, or 0"
        ):
            make(4, states=states)
    for name in ("activation_states", "weight_states", "readout_states"):
        with pytest.raises(
            ValueError, match=f"{name} is {states!r}; it must be a whole number from 2 to 256"
        ):
            NetSpec((1, 8, 8), 3, (), **{name: states})


def test_layers_that_no_memory_holds_are_refused() -> None:
    with pytest.raises(
        ValueError, match="channels is 1000000000; it must be a whole number from 1 to 4194304"
    ):
        ConvSpec(10**9)
    with pytest.raises(ValueError, match="layer 1 has 16000000000000 weights, at most 134217728"):
        NetSpec((1, 8, 8), 3, (DenseSpec(4_000_000), DenseSpec(4_000_000)))
