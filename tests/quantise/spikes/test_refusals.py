"""What has no place in a graph of spikes is refused, by path, all at once, with the way out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgespike.converters.base import ConvertOptions
from edgespike.errors import UnsupportedError
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
    FloatOp,
    FloatPool2d,
    FloatReadout,
    FloatRelu,
    FloatReshape,
    FloatTanh,
    Pooling,
)
from edgespike.quantise.spikes.quantising import quantise_spikes

IMAGE = (2, 4, 4)
NO_OPTIONS = ConvertOptions()


def dense(outputs: int = 32, inputs: int = 32, value: float = 0.5) -> FloatDense:
    return FloatDense(np.full((outputs, inputs), value), np.zeros(outputs))


def conv(padding: int = 0) -> FloatConv2d:
    return FloatConv2d(np.ones((2, 2, 3, 3)), np.zeros(2), padding=(padding,) * 4)


def neurons(channels: int = 32, **changes: Any) -> FloatNeurons:
    return replace(FloatNeurons(np.ones(channels), np.ones(channels)), **changes)


def chain(*ops: FloatOp, shape: tuple[int, ...] = (32,)) -> FloatNet:
    """Return a net of operations, each of which takes the one before it."""
    all_ops = (FloatInput(shape), *ops, FloatReadout())
    nodes = [
        FloatNode(f"n{i}", op, (f"n{i - 1}",) if i else (), f"net.{i}")
        for i, op in enumerate(all_ops)
    ]
    return FloatNet(tuple(nodes), 4)


def with_nodes(*nodes: FloatNode) -> FloatNet:
    first = FloatNode("input", FloatInput((32,)))
    last = FloatNode("readout", FloatReadout(), (nodes[-1].name,), "net")
    return FloatNet((first, *nodes, last), 4)


def refusal(net: FloatNet, options: ConvertOptions = NO_OPTIONS) -> str:
    with pytest.raises(UnsupportedError) as caught:
        quantise_spikes(net, options, "net")
    return str(caught.value)


FLAT = FloatReshape((32,))
POOL = FloatPool2d(Pooling.MAX, (2, 2), (2, 2))
NORM = FloatAffine(np.ones(2), np.ones(2))


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (chain(dense(), FloatRelu(), dense(), neurons()), "net.2: is a ReLU"),
        (chain(dense(), FloatTanh(), dense(), neurons()), "net.2: is a tanh"),
        (chain(dense(), dense(), neurons()), "net.2: takes the sums of another layer"),
        (
            chain(NORM, POOL, conv(1), neurons(2), shape=IMAGE),
            "net.2 takes the largest of normalised events",
        ),
        (
            chain(dense(), neurons(emits_potential=True), dense(), neurons()),
            "net.3: takes potentials",
        ),
        (chain(dense(value=np.nan), neurons()), "net.1: weight has 1024 values that are not fin"),
        (chain(dense(31), neurons()), "net.2: threshold has shape (32,); expected (31,)"),
        (chain(dense(), neurons(threshold=np.zeros(32))), "net.2: threshold goes down to 0"),
        (chain(dense(), neurons(beta=np.full(32, 1.5))), "net.2: beta is 1.5..1.5"),
        (chain(dense(), neurons(alpha=np.full(32, -0.5))), "net.2: alpha is -0.5..-0.5"),
        (chain(dense(), neurons(gain=np.zeros(32))), "net.2: gain goes down to 0"),
        (chain(dense(), neurons(floor=np.ones(32))), "net.2: floor goes up to 1"),
        (chain(dense(), neurons(max_spikes=0)), "net.2: max_spikes is 0"),
        (chain(dense(5, 31), neurons(5)), "net.1: takes (31,) inputs and gets (32,)"),
        (chain(conv(), neurons(2)), "net.1: takes 2 channels of an image and gets (32,)"),
        (chain(POOL, dense(), neurons()), "net.1: kernel (2, 2) does not fit into (32,)"),
        (chain(FloatReshape((5,)), dense(5, 5), neurons(5)), "net.1: makes (5,) of (32,)"),
        (chain(neurons(4097), shape=(4097,)), "net.1: takes 4097 events without weights between"),
    ],
)
def test_what_has_no_integer_form_is_refused(net: FloatNet, message: str) -> None:
    assert message in refusal(net)


def test_all_faults_are_listed_at_once() -> None:
    message = refusal(chain(dense(value=np.inf), neurons(threshold=-np.ones(32))))
    assert "net.1: weight has 1024 values" in message
    both = chain(dense(), FloatRelu(), neurons())
    second = with_nodes(
        FloatNode("a", dense(), ("input",), "net.a"),
        FloatNode("b", FloatRelu(), ("a",), "net.b"),
        FloatNode("c", dense(), ("input",), "net.c"),
        FloatNode("d", dense(), ("c",), "net.d"),
        FloatNode("e", neurons(), ("d",), "net.e"),
    )
    assert "net.2" in refusal(both)
    message = refusal(second)
    assert "net.b" in message
    assert "net.d" in message


def test_a_delay_of_sums_is_refused() -> None:
    net = with_nodes(
        FloatNode("fc", dense(), ("input",), "net.fc"),
        FloatNode("before", FloatDelay((32,)), ("fc",), "net.before"),
        FloatNode("add", FloatAdd(), ("fc", "before"), "net.add"),
        FloatNode("lif", neurons(), ("add",), "net.lif"),
    )
    assert "net.before: delays sums or potentials of fc" in refusal(net)


def test_a_loop_in_which_nothing_fires_is_refused() -> None:
    net = with_nodes(
        FloatNode("before", FloatDelay((32,)), ("add",), "net.before"),
        FloatNode("add", FloatAdd(), ("input", "before"), "net.add"),
        FloatNode("fc", dense(), ("add",), "net.fc"),
        FloatNode("lif", neurons(), ("fc",), "net.lif"),
    )
    assert "a loop without neurons" in refusal(net)


def test_events_of_different_worth_cannot_be_added() -> None:
    net = with_nodes(
        FloatNode("half", FloatAffine(np.full(32, 0.5), np.zeros(32)), ("input",), "net.half"),
        FloatNode("add", FloatAdd(), ("input", "half"), "net.add"),
        FloatNode("fc", dense(), ("add",), "net.fc"),
        FloatNode("lif", neurons(), ("fc",), "net.lif"),
    )
    assert "net.add adds events that are worth 1, 0.5" in refusal(net)


NET = chain(dense(), neurons())
SAMPLES = np.random.default_rng(0).integers(0, 2, (5, 4, 32))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bits": 1}, "bits is 1; weights of spiking nets have 2 to 24"),
        ({"bits": 25}, "bits is 25"),
        ({"calibrate": SAMPLES[:, :, :31]}, "calibrate has shape (5, 4, 31)"),
        ({"calibrate": np.zeros((5, 32))}, "calibrate has one value alone"),
        ({"calibrate": SAMPLES + np.where(SAMPLES, 0, np.nan)}, "values that are not finite"),
        ({"calibrate": SAMPLES, "labels": np.zeros(4, np.int64)}, "labels have shape (4,)"),
        ({"labels": np.zeros(4, np.int64)}, "labels are given without samples"),
        ({"calibrate": SAMPLES * 3, "input_range": (0, 2)}, "outside"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], message: str) -> None:
    assert message in refusal(NET, ConvertOptions(**options))
