"""Nets of dyadic numbers become graphs whose every spike is the net's own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgespike import verify
from edgespike.converters.base import ConvertOptions
from edgespike.floats.net import FloatNeurons
from edgespike.graph import Comparison, Dense, Membrane, Reset
from edgespike.graph.ops.membrane import SATURATION
from edgespike.quantise.spikes.quantising import quantise_spikes
from edgespike.targets import get_target
from tests.available import available
from tests.quantise.spikes.nets import (
    KINDS,
    differences,
    dyadic_nets,
    small_net,
    spike_samples,
)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_every_spike_and_answer_of_a_dyadic_net_is_kept(
    kind: str, data: st.DataObject, seed: int
) -> None:
    net = data.draw(dyadic_nets(kind))
    found = quantise_spikes(net, ConvertOptions(), "net")
    assert found.exact
    assert not any(differences(found, spike_samples(net, seed)).values())


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=4)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_exact_nets_of_every_kind_run_on_tflite(kind: str, data: st.DataObject, seed: int) -> None:
    available("tflite")
    net = data.draw(dyadic_nets(kind))
    graph = quantise_spikes(net, ConvertOptions(), "net").graph
    if get_target("tflite").violations(graph):
        return  # wider than float32, and refused for that
    assert verify(graph, spike_samples(net, seed, 4), ["tflite"]).equal


@pytest.mark.parametrize("reset", [Reset.ZERO, Reset.NONE])
@pytest.mark.parametrize("comparison", Comparison)
@pytest.mark.parametrize("threshold", [0.3, 1.0, 7.1, 1e-9])
def test_any_threshold_is_exact_where_whole_potentials_are_compared_with_it(
    threshold: float, comparison: Comparison, reset: Reset
) -> None:
    rng = np.random.default_rng(0)
    op = FloatNeurons(np.full(4, threshold), np.ones(4), reset=reset, comparison=comparison)
    net = small_net(rng.integers(-9, 12, (4, 9)) / 4, op)
    found = quantise_spikes(net, ConvertOptions(), "net")
    assert found.exact
    assert not any(differences(found, rng.integers(0, 2, (50, net.steps, 9))).values())


@pytest.mark.parametrize(("bits", "steps", "exact"), [(1, 35, True), (1, 45, False), (2, 18, True)])
def test_a_net_is_exact_as_long_as_a_graph_has_the_bits(bits: int, steps: int, exact: bool) -> None:
    rng = np.random.default_rng(0)
    op = FloatNeurons(np.full(4, 9.0), np.full(4, 1 - 2.0**-bits))
    net = small_net(rng.integers(-9, 12, (4, 9)), op, steps=steps)
    found = quantise_spikes(net, ConvertOptions(), "net")
    assert found.exact is exact
    assert not any(differences(found, rng.integers(0, 2, (50, steps, 9))).values())


def test_bits_make_a_wide_net_one_for_all_targets() -> None:
    rng = np.random.default_rng(0)
    op = FloatNeurons(np.full(4, 9.0), np.full(4, 0.5))
    net = small_net(rng.integers(-9, 12, (4, 9)), op, steps=20)
    wide, common = (quantise_spikes(net, ConvertOptions(bits=bits), "net") for bits in (None, 8))
    ((_, exact),), ((_, rounded),) = (x.graph.of_type(Membrane) for x in (wide, common))
    assert wide.exact
    assert exact.fraction_bits == 19
    assert any("net.lif: exact for all 20 steps" in line for line in wide.assumed)
    assert not common.exact
    assert (rounded.fraction_bits, rounded.saturation) == (6, SATURATION)


def test_whole_numbers_stay_what_they_are() -> None:
    rng = np.random.default_rng(0)
    weight = rng.integers(-18, 23, (4, 9))
    op = FloatNeurons(np.full(4, 60 / 16), np.full(4, 1.0))
    found = quantise_spikes(small_net(weight / 16, op), ConvertOptions(), "net")
    layer, membrane = (found.graph[name].op for name in ("fc", "lif"))
    assert isinstance(layer, Dense)
    assert isinstance(membrane, Membrane)
    np.testing.assert_array_equal(layer.weight, weight)
    np.testing.assert_array_equal(membrane.theta, np.full(4, 60))
    assert membrane.fraction_bits == 6
    assert membrane.saturation == SATURATION
