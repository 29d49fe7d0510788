"""What a target would refuse is named before a net is trained, with the value to change."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edgespike.converters import convert  # noqa: E402
from edgespike.errors import UnsupportedError  # noqa: E402
from edgespike.nn import (  # noqa: E402
    ConvSpec,
    DenseSpec,
    NetSpec,
    RecurrentSpec,
    ResidualSpec,
    build,
    forecast,
    load_draft,
    load_recipe,
    shipped_recipes,
)
from edgespike.targets import UnknownTargetError, get_target  # noqa: E402

pytestmark = pytest.mark.torch

NET = NetSpec((1, 28, 28), 10, (ConvSpec(48, pool=2), ConvSpec(32, pool=2), DenseSpec(32)))


def with_bits(bits: int) -> NetSpec:
    return replace(NET, layers=(ConvSpec(48, pool=2, bits=bits), *NET.layers[1:]))


def test_a_first_layer_of_8_bits_on_8_bit_data_is_named_with_the_bits_that_fit() -> None:
    found = forecast(NET, "loihi")
    assert found.certain == ()
    (line,) = found.likely
    assert re.match(
        r"spikes1 \(threshold\): its accumulator can reach -?\d+\.\.\d+; the limit is \+-131071, "
        r".*; in net\.layers\[0\], bits=6 is small enough for any weights",
        line,
    )


def test_the_bits_that_fit_are_the_most_that_do() -> None:
    """9 weights of 8-bit pixels: 9 * 31 * 255 = 71,145 fits into 131,071, 9 * 63 * 255 does not."""
    assert forecast(with_bits(6), "loihi").likely == ()
    assert not any("spikes1" in line for line in forecast(with_bits(6), "loihi").possible)
    seven = forecast(with_bits(7), "loihi")
    assert seven.likely == ()
    assert (
        "spikes1 (threshold): its accumulator can reach 0..144585; the limit" in seven.possible[0]
    )


def test_with_those_bits_the_largest_weights_are_deployed() -> None:
    """Any weights, here equal ones, which are all the largest integer."""
    model = build(with_bits(6))
    with torch.no_grad():
        model[1].weight.fill_(1.0)  # type: ignore[operator]
    loihi = get_target("loihi")
    assert loihi.violations(convert(model, (1, 28, 28))) == []
    model = build(NET)
    with torch.no_grad():
        model[1].weight.fill_(1.0)  # type: ignore[operator]
    with pytest.raises(UnsupportedError, match=r"its accumulator can reach 0\.\.291465"):
        loihi.check(convert(model, (1, 28, 28)))


def test_a_wide_layer_that_only_the_largest_weights_would_exceed_may_fit() -> None:
    found = forecast(
        replace(with_bits(6), layers=(*with_bits(6).layers[:2], DenseSpec(8))), "loihi"
    )
    assert (found.certain, found.likely) == ((), ())
    assert len(found.possible) == 1
    # 32 * 7 * 7 inputs, each a spike.
    assert "its accumulator can reach 0..199136" in found.possible[0]
    assert "in net.layers[2], bits=7 is small enough" in found.possible[0]


TOO_LARGE_FOR_LOIHI = ("cifar10_resnet18_s3nn", "cifar10_vgg11_s3nn")
CLOSED = [name for name in shipped_recipes() if not load_draft(name).open]


def _with_time(name: str, target: str) -> Any:
    marks = pytest.mark.slow if name in TOO_LARGE_FOR_LOIHI else ()
    return pytest.param(name, target, marks=marks)


@pytest.mark.parametrize(
    ("name", "target"),
    [
        _with_time(name, target)
        for name in CLOSED
        for target in ("cpu", "loihi", "tflite")
        if (name in TOO_LARGE_FOR_LOIHI, target) != (True, "loihi")
    ],
)
def test_shipped_nets_fit_unless_they_are_floats(name: str, target: str) -> None:
    net = load_recipe(name).net
    found = forecast(net, target)
    if (name, target) == ("fashion_rows_gru", "loihi"):
        products = [f"product{number} (multiply)" for number in (1, 2, 3)]
        assert [line.partition(":")[0] for line in found.certain] == products
        assert all(line.endswith("a recurrent layer without gates") for line in found.certain)
        return
    assert found.likely == ()
    if net.spiking:
        assert found.certain == ()
    else:
        assert "a net of floats, which no graph computes" in found.certain[0]


def test_a_net_with_more_synapses_than_loihi_has_is_named() -> None:
    """One of `TOO_LARGE_FOR_LOIHI`; the other one's synapses take 20 seconds to count."""
    (line,) = forecast(load_recipe("cifar10_vgg11_s3nn").net, "loihi").likely
    assert line == (
        "it has up to 153,304,064 synapses; the limit is 134,217,728, use smaller layers"
    )


def test_layers_of_a_residual_block_and_the_readout_are_named() -> None:
    layers = (ConvSpec(16, bits=6), ResidualSpec(20, stride=2), DenseSpec(2000))
    net = NetSpec((1, 28, 28), 10, layers, readout_bits=8)
    places = [
        re.search(r"; in (\S+), (\S+)=(\d)", line) for line in forecast(net, "loihi").possible
    ]
    # Where two spikes meet, two arrive: 20 * 14 * 14 * 2 * 15 = 117,600. 2,000 * 63 = 126,000.
    assert {place.groups() for place in places if place} == {
        ("net.layers[2]", "bits", "5"),
        ("net", "readout_bits", "7"),
    }


def test_states_are_the_way_out_of_a_net_of_levels() -> None:
    layers = (ConvSpec(8, states=255), DenseSpec(8))
    net = NetSpec((1, 8, 8), 3, layers, activation="levels", normalisation="layer_batch")
    found = forecast(net, "loihi")
    lines = [line for line in found.likely + found.possible if "net.layers[0]" in line]
    assert len(lines) == 1
    # 9 * 57 * 255 = 130,815 fits into 131,071.
    assert "in net.layers[0], states=115 is small enough for any weights" in lines[0]


def test_a_recurrent_net_is_examined_in_the_same_way() -> None:
    net = RecurrentSpec((5, 28), 10, 16, nonlinearity="relu", activation="levels")
    found = forecast(net, "loihi")
    assert found.certain == ()
    # 28 pixels of 255 and 16 units of 16 levels: (28 * 255 + 16 * 16) * 15 = 110,940 fits.
    assert any("in net, bits=5 is small enough" in line for line in found.likely + found.possible)


def test_the_bits_of_a_gated_net_are_the_way_out() -> None:
    net = RecurrentSpec((5, 28), 10, 16, cell="gru", activation="levels", activation_states=255)
    lines = forecast(net, "tflite").possible
    assert lines == ()
    large = replace(net, input_shape=(5, 600), hidden=4)
    assert any("in net, bits=" in line for line in forecast(large, "tflite").possible)


def test_a_normalisation_that_no_graph_has_is_certain() -> None:
    found = forecast(replace(NET, normalisation="group"), "cpu")
    assert any("GroupNorm" in line for line in found.certain)


def test_the_random_state_of_torch_is_left_alone() -> None:
    before = torch.random.get_rng_state().numpy().copy()
    forecast(NET, "cpu")
    assert np.array_equal(before, torch.random.get_rng_state().numpy())


def test_a_target_that_does_not_exist_is_named() -> None:
    with pytest.raises(UnknownTargetError, match="no target is named 'moon'"):
        forecast(NET, "moon")
