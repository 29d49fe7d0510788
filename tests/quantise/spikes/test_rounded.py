"""Nets whose numbers must be rounded: what that changes, and what it must not change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgespike import verify
from edgespike.converters.base import ConvertOptions
from edgespike.floats.net import (
    FloatAdd,
    FloatAffine,
    FloatConv2d,
    FloatDelay,
    FloatDense,
    FloatInput,
    FloatNet,
    FloatNeurons,
    FloatNode,
    FloatPool2d,
    FloatReadout,
    Pooling,
)
from edgespike.floats.run import answers
from edgespike.graph import Dense, Membrane, ReadoutMode, Reset, ResetTime
from edgespike.graph.ops.membrane import SATURATION
from edgespike.interpreter import interpret
from edgespike.quantise.inputs import as_integers
from edgespike.quantise.result import Quantised
from edgespike.quantise.spikes.quantising import quantise_spikes
from edgespike.quantise.spikes.report import SpikeLoss, spike_loss
from edgespike.quantise.spikes.rounded_units import MOST_FACTOR
from edgespike.targets import get_target
from tests.available import available
from tests.quantise.spikes.clothes import CALIBRATION, TEST, clothes_net, images, with_neurons
from tests.quantise.spikes.nets import (
    KINDS,
    differences,
    dyadic_nets,
    in_real_numbers,
    small_net,
    spike_samples,
)


def quantised(bits: int | None = None, net: FloatNet | None = None) -> Quantised:
    """Quantise the clothes net on its images for calibration."""
    x, labels = images()
    options = ConvertOptions(calibrate=x[CALIBRATION], labels=labels[CALIBRATION], bits=bits)
    return quantise_spikes(net or clothes_net(), options, "clothes")


def on_test_images(found: Quantised) -> SpikeLoss:
    x = images()[0][TEST]
    return spike_loss(found.net, found.graph, x, as_integers(x, found.graph))


def shares(loss: SpikeLoss) -> list[float]:
    """Return the share of different spikes of each layer, in percent."""
    return [100 * count.different / count.values for count in loss.counts.values()]


def neurons(count: int, **changes: Any) -> FloatNeurons:
    return replace(FloatNeurons(np.ones(count), np.full(count, 0.9)), **changes)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1), bits=st.sampled_from([None, 2, 4, 8, 16]))
def test_nets_of_every_kind_are_rounded_and_run(
    kind: str, data: st.DataObject, seed: int, bits: int | None
) -> None:
    net = in_real_numbers(data.draw(dyadic_nets(kind)), seed)
    samples = spike_samples(net, seed, 8)
    calibrate = samples if data.draw(st.booleans()) else None
    found = quantise_spikes(net, ConvertOptions(bits=bits, calibrate=calibrate), "net")
    assert not found.exact
    assert verify(found.graph, samples, ["cpu"]).equal


# Measured on 80 images that were not calibrated with, and a third more. The input's 16 levels alone
# change 1.3 % of the hidden spikes (16 bits); weights are felt from 4 bits down.
@pytest.mark.parametrize(
    ("bits", "hidden", "output", "flipped"),
    [(16, 1.7, 2.8, 2), (8, 1.7, 2.8, 2), (4, 2.5, 3.5, 3), (2, 7.3, 9.4, 14)],
)
def test_rounding_changes_no_more_spikes_than_measured(
    bits: int, hidden: float, output: float, flipped: int
) -> None:
    loss = on_test_images(quantised(bits))
    assert shares(loss)[0] <= hidden
    assert shares(loss)[1] <= output
    assert loss.flipped <= flipped


def test_a_layer_that_gets_the_nets_own_spikes_differs_by_its_own_rounding_alone() -> None:
    loss = on_test_images(quantised(16))
    first, last = loss.counts.values()
    assert first.alone == first.different  # nothing comes before it but the input
    assert last.alone <= last.values // 2000  # 12 bits of leak, 6 of the potential
    assert last.different > last.alone


def test_accuracy_is_counted_before_and_after() -> None:
    found = quantised(8)
    x, labels = (part[CALIBRATION] for part in images())
    classes = answers(found.net, x).argmax(axis=1)
    assert found.accuracy_before == (classes == labels).mean()
    trace = interpret(found.graph, as_integers(x, found.graph))
    after = trace.classes(found.graph)
    assert found.accuracy_after == (after == labels).mean()
    assert found.flipped == (after != classes).sum()
    assert found.samples == len(x)


@pytest.mark.parametrize("bits", [None, 8, 4])
@pytest.mark.parametrize("target", ["cpu", "tflite"])
def test_rounded_nets_run_on_targets(target: str, bits: int | None) -> None:
    available(target)
    found = quantised(bits)
    samples = as_integers(images()[0][TEST][:20], found.graph)
    assert verify(found.graph, samples, [target]).equal


RESETS = [
    (reset, time)
    for reset in Reset
    for time in ResetTime
    if reset is Reset.SUBTRACT or time is not ResetTime.SAME_STEP_RAISED
]


@pytest.mark.parametrize(
    ("target", "reset", "time"),
    [(target, reset, time) for target in ("cpu", "tflite") for reset, time in RESETS],
)
def test_every_reset_runs_on_targets(target: str, reset: Reset, time: ResetTime) -> None:
    available(target)
    found = quantised(8, with_neurons(clothes_net(), reset=reset, reset_time=time))
    samples = as_integers(images()[0][TEST][:6], found.graph)
    assert verify(found.graph, samples, [target]).equal


def test_neurons_have_the_format_that_all_targets_take() -> None:
    for _, op in quantised(8).graph.of_type(Membrane):
        assert (op.fraction_bits, op.decay_bits, op.saturation) == (6, 12, SATURATION)


def test_first_and_last_layer_keep_8_bits_of_three() -> None:
    rng = np.random.default_rng(0)
    nodes = [FloatNode("input", FloatInput((6,)))]
    for i in range(3):
        weight = rng.normal(0, 1, (6, 6))
        nodes.append(FloatNode(f"fc{i}", FloatDense(weight, np.zeros(6)), (nodes[-1].name,)))
        nodes.append(FloatNode(f"lif{i}", neurons(6), (f"fc{i}",)))
    net = FloatNet((*nodes, FloatNode("readout", FloatReadout(), ("lif2",))), 4)
    graph = quantise_spikes(net, ConvertOptions(bits=3), "net").graph
    states = []
    for i in range(3):
        op = graph[f"fc{i}"].op
        assert isinstance(op, Dense)
        unit = np.gcd.reduce(op.weight.ravel())
        states.append(int(np.abs(op.weight).max() // unit))
    assert states == [127, 3, 127]


def test_weights_of_zero_stay_zero() -> None:
    rng = np.random.default_rng(0)
    weight = np.where(rng.random((4, 9)) < 0.5, 0, rng.normal(0, 1, (4, 9)))
    samples = rng.integers(0, 2, (50, 8, 9))
    options = ConvertOptions(calibrate=samples, bits=3)
    op = quantise_spikes(small_net(weight, neurons(4)), options, "net").graph["fc"].op
    assert isinstance(op, Dense)
    assert not op.weight[weight == 0].any()


def test_dyadic_weights_of_few_bits_are_kept_where_leaks_are_not_dyadic() -> None:
    weight = np.random.default_rng(0).integers(-90, 100, (4, 9)) / 16
    found = quantise_spikes(small_net(weight, neurons(4)), ConvertOptions(), "net")
    op = found.graph["fc"].op
    assert isinstance(op, Dense)
    factor = op.weight.max() / (weight * 16).max()
    assert factor.is_integer()
    np.testing.assert_array_equal(op.weight, weight * 16 * factor)
    assert not found.exact
    assert any("kept as they are" in line for line in found.assumed)
    assert any("beta is rounded" in line for line in found.assumed)


def test_kept_weights_are_scaled_up_until_thresholds_and_leaks_are_fine() -> None:
    op = neurons(4, threshold=np.full(4, 0.7), bias=np.full(4, 0.12), reset=Reset.ZERO)
    net = small_net(np.eye(4), op, steps=50)
    found = quantise_spikes(net, ConvertOptions(), "net")
    ((_, membrane),) = found.graph.of_type(Membrane)
    assert (membrane.theta >= 0.7 * MOST_FACTOR).all()
    assert not list(get_target("loihi").violations(found.graph))
    samples = np.random.default_rng(0).integers(0, 2, (40, 50, 4))
    assert differences(found, samples)["lif"] <= 8  # of 8,000; 0.7 itself is rounded


def recurrent_net(ratio: float) -> FloatNet:
    """Return neurons whose recurrent weights are a multiple of those of the input."""
    rng = np.random.default_rng(0)
    nodes = (
        FloatNode("input", FloatInput((12,))),
        FloatNode("fc", FloatDense(rng.normal(0, 0.4, (8, 12)), rng.normal(0, 0.1, 8)), ("input",)),
        FloatNode("before", FloatDelay((8,)), ("lif",)),
        FloatNode("rec", FloatDense(rng.normal(0, 0.4 * ratio, (8, 8)), np.zeros(8)), ("before",)),
        FloatNode("sum", FloatAdd(), ("fc", "rec")),
        FloatNode("lif", neurons(8, alpha=np.full(8, 0.7), reset=Reset.ZERO), ("sum",)),
        FloatNode("readout", FloatReadout(), ("lif",)),
    )
    return FloatNet(nodes, 40)


@pytest.mark.parametrize("ratio", [1 / 16, 1, 16])
def test_layers_that_are_added_have_all_their_bits(ratio: float) -> None:
    graph = quantise_spikes(recurrent_net(ratio), ConvertOptions(bits=6), "net").graph
    largest = {}
    for name in ("fc", "rec"):
        op = graph[name].op
        assert isinstance(op, Dense)
        largest[name] = np.abs(op.weight).max() / np.gcd.reduce(op.weight.ravel())
    assert min(largest.values()) >= 24  # of 31: layers are a power of two apart
    assert not list(get_target("loihi").violations(graph))


def test_weights_of_many_bits_are_for_tflite_with_much_room() -> None:
    available("tflite")
    net = recurrent_net(4)
    found = quantise_spikes(net, ConvertOptions(bits=16), "net")
    ((_, op),) = found.graph.of_type(Membrane)
    assert op.fraction_bits < 6
    assert op.decay_bits == 24
    assert op.saturation == SATURATION
    assert any("not for Loihi" in line for line in found.assumed)
    samples = np.random.default_rng(0).integers(0, 2, (20, 40, 12))
    assert verify(found.graph, samples[:4], ["tflite"]).equal
    assert differences(found, samples)["lif"] <= 12  # of 6,400


def test_dyadic_weights_of_many_bits_are_rounded_only_if_bits_are_given() -> None:
    weight = np.random.default_rng(0).integers(-900, 1000, (4, 9)) / 1024
    net = small_net(weight, neurons(4, beta=np.full(4, 0.5)))
    assert quantise_spikes(net, ConvertOptions(), "net").exact
    rounded = quantise_spikes(net, ConvertOptions(bits=8), "net")
    assert not rounded.exact
    op = rounded.graph["fc"].op
    assert isinstance(op, Dense)
    assert np.abs(op.weight).max() == 127 * np.gcd.reduce(op.weight.ravel())


def test_leaks_that_need_too_many_bits_for_the_steps_get_as_many_as_there_are() -> None:
    rng = np.random.default_rng(0)
    net = small_net(rng.integers(-9, 15, (4, 9)), neurons(4, beta=np.full(4, 0.75)), steps=30)
    found = quantise_spikes(net, ConvertOptions(), "net")
    assert not found.exact
    assert any("more fraction bits than a graph has for 30 steps" in x for x in found.assumed)
    samples = rng.integers(0, 2, (20, 30, 9))
    assert not any(differences(found, samples).values())


def test_sums_beyond_all_targets_but_one_get_finer_neurons_and_say_so() -> None:
    rng = np.random.default_rng(0)
    net = small_net(rng.normal(0, 1, (4, 200)), neurons(4, threshold=np.full(4, 9e4)))
    found = quantise_spikes(net, ConvertOptions(input_range=(0, 255)), "net")
    ((_, op),) = found.graph.of_type(Membrane)
    assert op.fraction_bits > 6
    assert op.decay_bits == 24
    assert any("more than Loihi and TFLite hold" in line for line in found.assumed)


@pytest.mark.parametrize("reset", [Reset.NONE, Reset.SUBTRACT])
@pytest.mark.parametrize("mode", ReadoutMode)
def test_potentials_are_answers(reset: Reset, mode: ReadoutMode) -> None:
    rng = np.random.default_rng(0)
    op = neurons(4, reset=reset, emits_potential=True, gain=np.array([0.1, 0.2, 0.3, 0.4]))
    net = small_net(rng.normal(0, 1, (4, 9)), op)
    net = replace(net, nodes=(*net.nodes[:-1], FloatNode("readout", FloatReadout(mode), ("lif",))))
    found = quantise_spikes(net, ConvertOptions(bits=12), "net")
    samples = rng.integers(0, 2, (20, 8, 9))
    got = interpret(found.graph, samples).accumulators(found.graph) * found.graph.readout_op.scale
    wanted = answers(net, samples)
    # 12 bits of weights and leaks: about 1 in 4,000 each, and a few of them add.
    np.testing.assert_allclose(got, wanted, atol=np.abs(wanted).max() / 300)


@pytest.mark.parametrize(
    ("threshold", "warning"), [(1e3, "net.lif never fires"), (1e-3, "net.lif fires at every step")]
)
def test_silent_and_ever_firing_layers_are_named(threshold: float, warning: str) -> None:
    op = neurons(4, threshold=np.full(4, threshold), reset_time=ResetTime.SAME_STEP)
    samples = np.random.default_rng(0).integers(0, 2, (5, 8, 3))
    samples[:, :, 0] = 1
    net = small_net(np.full((4, 3), 0.3), op)
    found = quantise_spikes(net, ConvertOptions(calibrate=samples), "net")
    assert any(line.startswith(warning) for line in found.warnings)


def test_a_neuron_without_weights_is_converted() -> None:
    net = small_net([[1.3, -0.7], [0, 0], [0, 0], [0.1, 0.2]], neurons(4), bias=[0, 0, 2.5, 0])
    found = quantise_spikes(net, ConvertOptions(), "net")
    samples = np.random.default_rng(0).integers(0, 2, (20, 8, 2))
    assert differences(found, samples)["lif"] <= 2


def image_net(pooling: Pooling, op: FloatNeurons) -> FloatNet:
    """Return a convolution whose sums are pooled before neurons fire."""
    weight = np.random.default_rng(0).normal(0, 0.4, (3, 2, 3, 3))
    conv = FloatConv2d(weight, np.array([0.1, 0, -0.1]), padding=(1, 1, 1, 1))
    nodes = (
        FloatNode("input", FloatInput((2, 8, 8))),
        FloatNode("conv", conv, ("input",), "net.conv"),
        FloatNode("pool", FloatPool2d(pooling, (2, 2), (2, 2)), ("conv",), "net.pool"),
        FloatNode("lif", op, ("pool",), "net.lif"),
        FloatNode("readout", FloatReadout(), ("lif",), "net"),
    )
    return FloatNet(nodes, 10)


IMAGES = np.random.default_rng(1).integers(0, 2, (60, 10, 2, 8, 8))


def test_the_largest_of_sums_is_taken_of_64_levels() -> None:
    net = image_net(Pooling.MAX, neurons(3))
    found = quantise_spikes(net, ConvertOptions(calibrate=IMAGES[:30]), "net")
    assert any("net.pool" in line and "64 levels" in line for line in found.assumed)
    wrong, values = differences(found, IMAGES[30:])["lif"], 30 * 10 * 3 * 4 * 4
    assert 100 * wrong / values < 3  # measured: 1.7 %; 64 levels are 6 bits of a current


def test_the_largest_of_sums_keeps_silence_silent() -> None:
    net = image_net(Pooling.MAX, neurons(3, threshold=np.full(3, 0.3)))
    found = quantise_spikes(net, ConvertOptions(calibrate=IMAGES[:30]), "net")
    assert not any(differences(found, np.zeros((1, 10, 2, 8, 8), np.int64)).values())


def test_potentials_of_single_neurons_have_scales_of_their_own() -> None:
    gain = np.random.default_rng(0).uniform(0.2, 1, (3, 4, 4))
    op = neurons(3, gain=gain, reset=Reset.NONE, emits_potential=True)
    net = image_net(Pooling.SUM, op)
    found = quantise_spikes(net, ConvertOptions(bits=12), "net")
    trace = interpret(found.graph, IMAGES)
    got = trace.accumulators(found.graph) * found.graph.readout_op.scale
    wanted = answers(net, IMAGES).reshape(len(IMAGES), -1)
    np.testing.assert_allclose(got, wanted, atol=np.abs(wanted).max() / 300)


def test_a_plane_carries_the_offset_of_a_padded_input() -> None:
    net = image_net(Pooling.SUM, neurons(3))
    norm = FloatAffine(np.array([2.0, 0.7]), np.array([-0.5, 0.3]))
    nodes = [net.nodes[0], FloatNode("norm", norm, ("input",), "net.norm")]
    nodes += [replace(net.nodes[1], inputs=("norm",)), *net.nodes[2:]]
    found = quantise_spikes(replace(net, nodes=tuple(nodes)), ConvertOptions(bits=16), "net")
    assert any("net.conv: it pads a normalised input" in line for line in found.assumed)
    assert differences(found, IMAGES)["lif"] / (60 * 10 * 3 * 4 * 4) < 0.005


@pytest.mark.parametrize(("smaller", "bits", "warned"), [(16, 8, False), (2000, 4, True)])
def test_weights_that_are_lost_beside_larger_ones_are_named(
    smaller: int, bits: int, warned: bool
) -> None:
    """Input and recurrent weights of one membrane are added, so they share a unit."""
    rng = np.random.default_rng(0)
    own, again = rng.uniform(-1, 1, (8, 12)), rng.uniform(-1, 1, (8, 8))
    nodes = (
        FloatNode("input", FloatInput((12,))),
        FloatNode("fc", FloatDense(own / smaller, np.zeros(8)), ("input",), "net.fc"),
        FloatNode("delay", FloatDelay((8,)), ("lif",)),
        FloatNode("again", FloatDense(again, np.zeros(8)), ("delay",), "net.again"),
        FloatNode("sum", FloatAdd(), ("fc", "again")),
        FloatNode("lif", FloatNeurons(np.full(8, 1.1), np.full(8, 0.9)), ("sum",)),
        FloatNode("out", FloatDense(rng.normal(0, 1, (3, 8)), np.zeros(3)), ("lif",)),
        FloatNode("readout", FloatReadout(), ("out",)),
    )
    options = ConvertOptions(bits=bits, input_range=(0, smaller))
    found = quantise_spikes(FloatNet(nodes, 10), options, "added")
    (line,) = found.warnings or ("",)
    assert line.startswith(f"net.fc: of {bits} bits, its weights use less than 2 in") == warned
