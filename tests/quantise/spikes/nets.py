"""Random spiking nets in real numbers, dyadic ones among them, and how to compare them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgespike.floats.net import (
    FloatAdd,
    FloatAffine,
    FloatConcatenate,
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
    FloatReshape,
    Pooling,
    Reals,
)
from edgespike.floats.run import run_steps
from edgespike.graph import Comparison, ReadoutMode, Reset, ResetTime
from edgespike.interpreter import interpret
from edgespike.quantise.result import Quantised

KINDS = (
    "dense",
    "recurrent",
    "image",
    "residual",
    "currents",
    "branches",
    "normalised",
    "pooled",
    "standardised",
)
"""Shapes of nets, see `_Drawn`."""


class _Drawn:
    """A net under construction; parameters are multiples of powers of two."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        self.nodes: list[FloatNode] = []
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.unit = 2.0 ** draw(st.integers(-8, 3))

    def add(self, op: FloatOp, shape: tuple[int, ...], *inputs: str, name: str = "") -> str:
        name = name or f"n{len(self.nodes)}"
        self.nodes.append(FloatNode(name, op, inputs, f"net.{name}"))
        self.shapes[name] = shape
        return name

    def reals(self, low: int, high: int, shape: tuple[int, ...]) -> Reals:
        return np.asarray(self.rng.integers(low, high + 1, shape) * self.unit, np.float64)

    def dense(self, source: str, outputs: int) -> str:
        (inputs,) = self.shapes[source]
        op = FloatDense(self.reals(-9, 12, (outputs, inputs)), self.reals(-4, 6, (outputs,)))
        return self.add(op, (outputs,), source)

    def conv(self, source: str, outputs: int) -> str:
        channels, height, width = self.shapes[source]
        groups = self.draw(st.sampled_from([1, channels])) if outputs == channels else 1
        weight = self.reals(-9, 12, (outputs, channels // groups, 3, 3))
        op = FloatConv2d(weight, self.reals(-4, 6, (outputs,)), padding=(1, 1, 1, 1), groups=groups)
        return self.add(op, (outputs, height, width), source)

    def pool(self, source: str, pooling: Pooling) -> str:
        channels, height, width = self.shapes[source]
        op = FloatPool2d(pooling, (2, 2), (2, 2))
        return self.add(op, (channels, height // 2, width // 2), source)

    def flat(self, source: str) -> str:
        size = int(np.prod(self.shapes[source]))
        return self.add(FloatReshape((size,)), (size,), source)

    def neurons(
        self, source: str, *, potential: bool = False, gains: bool = True, name: str = ""
    ) -> str:
        shape = self.shapes[source]
        return self.add(self.neuron_op(shape, potential, gains), shape, source, name=name)

    def neuron_op(self, shape: tuple[int, ...], potential: bool, gains: bool) -> FloatNeurons:
        draw = self.draw
        reset, time = draw(st.sampled_from(Reset)), draw(st.sampled_from(ResetTime))
        if time is ResetTime.SAME_STEP_RAISED:
            reset = Reset.SUBTRACT
        each = {"layer": (1,), "channel": shape[:1], "neuron": shape}
        sizes = st.sampled_from(list(each.values()))

        def parameter(choices: Any) -> Reals:
            size = draw(sizes)
            values = self.rng.choice(np.asarray(choices), size)
            return np.broadcast_to(values, shape[:1]).copy() if size == (1,) else values

        kept, maybe = [0.0, 0.25, 0.5, 0.75, 1.0], st.booleans()
        gain = draw(st.sampled_from([None, [1.0, 0.5], [0.25, 0.75]])) if gains else None
        scale = self.unit * (1.0 if gain is None else gain[0])
        return FloatNeurons(
            threshold=parameter(np.arange(1, 24) * scale),
            beta=parameter(kept),
            alpha=parameter(kept) if draw(maybe) else None,
            gain=None if gain is None else parameter(gain),
            bias=parameter(np.arange(-4, 8) * scale / 4) if draw(maybe) else None,
            floor=parameter(np.arange(-8, 1) * scale) if draw(maybe) else None,
            reset=reset,
            reset_time=time,
            comparison=draw(st.sampled_from(Comparison)),
            max_spikes=1 if time is ResetTime.SAME_STEP_RAISED else draw(st.sampled_from([1, 3])),
            emits_potential=potential,
        )


@st.composite
def dyadic_nets(draw: st.DrawFn, kind: str) -> FloatNet:
    """Draw a net of a kind of `KINDS` whose numbers are whole multiples of a power of two."""
    net = _Drawn(draw)
    image = kind in ("image", "residual", "normalised", "currents", "pooled", "standardised")
    shape = (2, 4, 4) if image else (6,)
    last = net.add(FloatInput(shape), shape, name="input")
    last = _BUILD[kind](net, last)
    answer = draw(st.sampled_from(["sums", "spikes", "potential"]))
    if answer == "sums" or (answer == "potential" and len(net.shapes[last]) == 3):
        last = net.dense(net.flat(last) if len(net.shapes[last]) == 3 else last, 3)
    elif answer == "potential":
        last = net.neurons(net.dense(last, 3), potential=True)
    mode = draw(st.sampled_from(ReadoutMode))
    net.add(FloatReadout(mode), net.shapes[last], last, name="readout")
    return FloatNet(tuple(net.nodes), draw(st.integers(1, 7)))


def _dense(net: _Drawn, x: str) -> str:
    return net.neurons(net.dense(net.neurons(net.dense(x, 5)), 4))


def _recurrent(net: _Drawn, x: str) -> str:
    before = net.add(FloatDelay((5,)), (5,), "cell", name="before")
    total = net.add(FloatAdd(), (5,), net.dense(x, 5), net.dense(before, 5))
    return net.neurons(net.dense(net.neurons(total, name="cell"), 4))


def _image(net: _Drawn, x: str) -> str:
    pooling = net.draw(st.sampled_from(Pooling))
    first = net.pool(net.neurons(net.conv(x, 2)), pooling)
    return net.neurons(net.conv(first, 3))


def _residual(net: _Drawn, x: str) -> str:
    first = net.neurons(net.conv(x, 2))
    second = net.neurons(net.conv(first, 2))
    return net.neurons(net.conv(net.add(FloatAdd(), (2, 4, 4), first, second), 2))


def _currents(net: _Drawn, x: str) -> str:
    first = net.neurons(net.conv(x, 2))
    parts = [net.conv(first, 2), net.conv(x, 2), first]
    total = net.add(FloatAdd(), (2, 4, 4), *parts[: net.draw(st.integers(2, 3))])
    pooling = net.draw(st.sampled_from([Pooling.SUM, Pooling.AVERAGE]))
    return net.neurons(net.pool(total, pooling))


def _branches(net: _Drawn, x: str) -> str:
    left, right = net.neurons(net.dense(x, 3)), net.neurons(net.dense(x, 2))
    joined = net.add(FloatConcatenate(), (5,), left, right)
    sums = [net.dense(joined, 2), net.dense(x, 3)]
    return net.neurons(net.add(FloatConcatenate(), (5,), *sums))


def _normalised(net: _Drawn, x: str) -> str:
    def norm(source: str) -> str:
        shape = net.shapes[source]
        scale = net.rng.choice([-1.0, 0.5, 1.0, 2.0], shape[0])
        return net.add(FloatAffine(scale, net.reals(-3, 3, shape[:1])), shape, source)

    first = net.neurons(norm(net.pool(net.conv(x, 2), Pooling.AVERAGE)))
    worth = net.add(FloatAffine(np.full(2, 0.5), np.zeros(2)), (2, 2, 2), first)
    return net.neurons(norm(net.conv(net.pool(worth, Pooling.AVERAGE), 2)))


def _pooled(net: _Drawn, x: str) -> str:
    weight = net.reals(-6, 6, (2, 1, 3, 3))  # at most 109 different sums: each has its level
    op = FloatConv2d(weight, net.reals(-4, 6, (2,)), padding=(1, 1, 1, 1), groups=2)
    sums = net.pool(net.add(op, (2, 4, 4), x), Pooling.MAX)
    norm = net.rng.choice([1.0, 2.0], 2)
    sums = net.add(FloatAffine(norm, net.reals(-3, 3, (2,))), (2, 2, 2), sums)
    return net.neurons(net.conv(net.neurons(sums, gains=False), 2))


def _standardised(net: _Drawn, x: str) -> str:
    scale = net.rng.choice([-1.0, 0.5, 2.0], 2)
    inputs = net.add(FloatAffine(scale, net.rng.integers(-3, 4, 2) / 4), (2, 4, 4), x)
    return net.neurons(net.conv(net.neurons(net.conv(inputs, 2)), 3))


_BUILD = {
    "dense": _dense,
    "recurrent": _recurrent,
    "image": _image,
    "residual": _residual,
    "currents": _currents,
    "branches": _branches,
    "normalised": _normalised,
    "pooled": _pooled,
    "standardised": _standardised,
}


def in_real_numbers(net: FloatNet, seed: int) -> FloatNet:
    """Return a net of the same structure whose numbers are not dyadic any more."""
    rng = np.random.default_rng(seed)
    return replace(net, nodes=tuple(replace(node, op=_real(node.op, rng)) for node in net.nodes))


def _real(op: FloatOp, rng: np.random.Generator) -> FloatOp:
    if isinstance(op, FloatDense | FloatConv2d):
        weight = op.weight * rng.uniform(0.5, 1.5, op.weight.shape)
        return replace(op, weight=weight, bias=op.bias * 1.1)
    if isinstance(op, FloatNeurons):
        return replace(
            op,
            threshold=op.threshold * 1.3,
            beta=op.beta * 0.95,
            alpha=None if op.alpha is None else op.alpha * 0.9,
            gain=None if op.gain is None else op.gain * 0.77,
        )
    return op


def spike_samples(net: FloatNet, seed: int, number: int = 6) -> NDArray[np.int64]:
    """Return random spikes ``(samples, steps, *shape)``."""
    rng = np.random.default_rng(seed)
    (shape,) = (node.op.shape for node in net.nodes if isinstance(node.op, FloatInput))
    return rng.integers(0, 2, (number, net.steps, *shape))


def differences(found: Quantised, samples: NDArray[Any]) -> dict[str, int]:
    """Count where neurons, or the answer, of a net and of its graph differ, by name and step."""
    trace = interpret(found.graph, samples)
    scale = found.graph.readout_op.scale
    counted: dict[str, int] = {}
    for t, values in enumerate(run_steps(found.net, samples)):
        for node in found.net.nodes:
            if isinstance(node.op, FloatNeurons) and not node.op.emits_potential:
                got: Any = trace.values[found.nodes[node.name]][:, t]
            elif isinstance(node.op, FloatReadout):
                got = trace.values[found.graph.readout.name][:, t] * scale
            else:
                continue
            wrong = got.reshape(len(got), -1) != values[node.name].reshape(len(got), -1)
            counted[node.name] = counted.get(node.name, 0) + int(wrong.sum())
    return counted


def small_net(weight: Any, op: FloatNeurons, bias: Any = None, steps: int = 8) -> FloatNet:
    """Return one layer of neurons behind weights ``(4, inputs)``, read out by counting."""
    weight = np.asarray(weight, np.float64)
    bias = np.zeros(len(weight)) if bias is None else np.asarray(bias, np.float64)
    nodes = (
        FloatNode("input", FloatInput((weight.shape[1],))),
        FloatNode("fc", FloatDense(weight, bias), ("input",), "net.fc"),
        FloatNode("lif", op, ("fc",), "net.lif"),
        FloatNode("readout", FloatReadout(), ("lif",), "net"),
    )
    return FloatNet(nodes, steps)
