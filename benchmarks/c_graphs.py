"""Nets of many kinds whose instructions are measured: random weights, thresholds set to a rate.

The shipped nets are measured beside them. They cover every kernel of the c target with each width
of weights, thresholds of few and of many levels, membranes with each kind of state, and every
other operation, at different rates of events.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import (
    Add,
    Concatenate,
    Conv2d,
    Delay,
    Dense,
    Graph,
    Input,
    MaxPool2d,
    Membrane,
    Multiply,
    Node,
    Readout,
    Reset,
    ResetTime,
    Reshape,
    Signal,
    SumPool2d,
    Threshold,
)
from edgespike.graph.inputs import as_samples
from edgespike.graph.ops import Operation
from edgespike.interpreter import evaluate
from edgespike.models import MODELS, shipped_images, shipped_model
from edgespike.targets.c.layers import Kernel, kernels_of
from edgespike.targets.c.layout import make_layout

SAMPLES = 4
"""Samples that are measured of each net."""

_WEIGHTS = {8: (-127, 127), 4: (-7, 8), 3: (-3, 4), 2: (-1, 1)}


@dataclass(frozen=True)
class Case:
    """A net and samples ``(samples, steps, *shape)``, and kernels that layers would not have."""

    graph: Graph
    samples: NDArray[Any]
    forced: Mapping[str, Kernel] = field(default_factory=dict)


class _Net:
    """A net under construction, with the values of its samples."""

    def __init__(
        self, name: str, shape: tuple[int, ...], high: int, rate: float, steps: int = 1
    ) -> None:
        self.name, self.steps = name, steps
        self.rng = np.random.default_rng(sum(map(ord, name)))
        x = self.rng.integers(1, high + 1, (SAMPLES, steps, *shape))
        x[self.rng.random(x.shape) >= rate] = 0
        self.samples = x
        self.nodes = [Node("input", Input(shape, 0, high, 1.0))]
        self.values = {"input": [x[:, t] for t in range(steps)]}

    @property
    def last(self) -> str:
        return self.nodes[-1].name

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values[self.last][0].shape[1:]

    def add(self, op: Operation, *inputs: str) -> str:
        inputs = inputs or (self.last,)
        name = f"{op.kind}{len(self.nodes)}"
        self.nodes.append(Node(name, op, inputs))
        state, found = None, []
        for t in range(self.steps):
            value, state = evaluate(op, [self.values[each][t] for each in inputs], state)
            found.append(value)
        self.values[name] = found
        return name

    def conv(
        self, outputs: int, bits: int = 8, size: int = 3, stride: int = 1, groups: int = 1
    ) -> _Net:
        weight = self.drawn(bits, outputs, self.shape[0] // groups, size, size)
        pad = (size // 2, size // 2)
        bias = self.rng.integers(-20, 20, outputs)
        self.add(Conv2d(weight, bias, stride=(stride, stride), padding=pad, groups=groups))
        return self

    def dense(self, outputs: int, bits: int = 8) -> _Net:
        if len(self.shape) > 1:
            self.add(Reshape((int(np.prod(self.shape)),)))
        weight = self.drawn(bits, outputs, self.shape[0])
        self.add(Dense(weight, self.rng.integers(-20, 20, outputs)))
        return self

    def drawn(self, bits: int, *shape: int) -> NDArray[np.int64]:
        low, high = _WEIGHTS[bits]
        if bits == 2:
            return self.rng.choice([-1, 0, 1], shape)
        drawn = np.rint(self.rng.normal(0, high / 3, shape)).clip(low, high).astype(np.int64)
        drawn.flat[:2] = low, high
        return drawn

    def fire(self, levels: int, rate: float, even: bool = False) -> _Net:
        sums = np.stack(self.values[self.last])
        channels = np.moveaxis(sums, 2, 0).reshape(self.shape[0], -1)
        first, last = np.quantile(channels, [1 - rate, 0.995], axis=1)
        last = np.maximum(last, first + levels)
        grid = np.linspace(0, 1, levels) if even else np.sort(self.rng.random(levels))
        theta = np.sort((first[:, None] + (last - first)[:, None] * grid).astype(np.int64), axis=1)
        self.add(Threshold(theta, np.zeros(len(theta), bool)))
        return self

    def lif(self, rate: float, **options: Any) -> _Net:
        sums = np.abs(np.stack(self.values[self.last]))
        theta = np.full(self.shape[0], max(1, int(np.quantile(sums, 1 - rate))))
        self.add(Membrane(theta, **options))
        return self

    def pool(self, size: int = 2, stride: int | None = None) -> _Net:
        self.add(MaxPool2d((size, size), (stride or size,) * 2))
        return self

    def case(self, classes: int = 10, bits: int = 8) -> Case:
        self.dense(classes, bits)
        self.add(Readout(np.ones(classes)))
        return Case(Graph(self.name, tuple(self.nodes), self.steps), self.samples)


def _convolutions(name: str, bits: int, levels: int, rate: float) -> Case:
    net = _Net(name, (1, 16, 16), 255, 0.5)
    net.conv(24, bits).fire(levels, rate).pool().conv(40, bits).fire(levels, rate)
    net.conv(32, bits, stride=2).fire(levels, rate)
    return net.dense(48, bits).fire(levels, rate).case(bits=bits)


def _dense(name: str, bits: int, levels: int, rate: float, even: bool = False) -> Case:
    net = _Net(name, (200,), 1 if levels < 8 else 255, rate)
    net.dense(96, bits).fire(levels, rate, even).dense(64, bits).fire(levels, rate, even)
    return net.case(bits=bits)


def _membranes(name: str, steps: int, rate: float, conv: bool, **options: Any) -> Case:
    if conv:
        net = _Net(name, (2, 10, 10), 1, rate, steps)
        net.conv(16).lif(rate, **options).pool().conv(24, 4).lif(rate, **options)
    else:
        net = _Net(name, (120,), 1, rate, steps)
        net.dense(80).lif(rate, **options).dense(40, 4).lif(rate, **options)
    return net.case()


def _residual(name: str, levels: int, groups: int) -> Case:
    net = _Net(name, (8, 10, 10), 15, 0.6)
    net.conv(16, 4).fire(levels, 0.4)
    before = net.last
    net.conv(16, 8, groups=groups).fire(levels, 0.4)
    net.add(Add(), before, net.last)
    net.conv(16, 8, groups=groups).fire(levels, 0.3)
    net.add(SumPool2d((2, 2), (2, 2)))
    return net.dense(24).fire(1, 0.3).case()


def _depthwise(name: str, channels: int, size: int, stride: int, levels: int) -> Case:
    net = _Net(name, (3, 14, 14), 255, 0.7)
    net.conv(channels, 4, size=1).fire(levels, 0.4)
    net.conv(channels, 8, size=size, stride=stride, groups=channels).fire(levels, 0.3)
    return net.conv(24, 8, size=1).fire(levels, 0.3).case()


def _overlapping(name: str, levels: int) -> Case:
    net = _Net(name, (3, 12, 12), 255, 0.8)
    net.conv(16, 4, size=5, stride=2).fire(levels, 0.3)
    net.pool(3, 1).conv(20, 2, size=1).fire(levels, 0.3)
    net.pool(2, 2)
    return net.case(5)


def _wide(name: str, inputs: int, bits: int, levels: int) -> Case:
    net = _Net(name, (inputs,), levels, 0.2)
    return net.dense(40, bits).fire(3, 0.4).case(bits=bits)


def _joined(name: str) -> Case:
    net = _Net(name, (40,), 3, 0.5)
    left = net.dense(32).fire(15, 0.5).last
    net.add(Dense(net.drawn(8, 32, 40), np.zeros(32, np.int64)), "input")
    net.fire(7, 0.5)
    right = net.last
    net.add(Multiply(), left, right)
    product = net.last
    net.add(Concatenate(), left, product)
    return net.dense(24, 4).fire(3, 0.4).case()


def _recurrent(name: str, units: int, levels: int, steps: int, bits: int) -> Case:
    rng = np.random.default_rng(levels + units)
    low, high = _WEIGHTS[bits]

    def draw(*shape: int) -> NDArray[np.int64]:
        return rng.integers(low, high + 1, shape)

    theta = np.sort(rng.integers(-high * 20, high * 60, (units, levels)), axis=1)
    signal = Signal.SPIKES if levels == 1 else Signal.GRADED
    zero = np.zeros(units, np.int64)
    nodes = (
        Node("input", Input((20,), 0, 15, 1.0)),
        Node("before", Delay((units,), 0, levels, signal), ("state",)),
        Node("forward", Dense(draw(units, 20), zero), ("input",)),
        Node("back", Dense(draw(units, units), zero), ("before",)),
        Node("sum", Add(), ("forward", "back")),
        Node("state", Threshold(theta, np.zeros(units, bool)), ("sum",)),
        Node("classes", Dense(draw(6, units), np.zeros(6, np.int64)), ("state",)),
        Node("out", Readout(np.ones(6)), ("classes",)),
    )
    samples = rng.integers(0, 16, (SAMPLES, steps, 20))
    return Case(Graph(name, nodes, steps), samples)


def _by(kernel: Kernel, case: Case, most: int = 100) -> Case:
    """Return a net with a kernel in its first layers that fit it."""
    layers = make_layout(case.graph).layers
    fitting = [name for name, each in layers.items() if kernel in kernels_of(case.graph, each)]
    return replace(case, forced=dict.fromkeys(fitting[:most], kernel))


def _shipped(name: str) -> Case:
    graph = shipped_model(name)
    return Case(graph, as_samples(graph, shipped_images(name)[0][:8]))


def cases() -> Sequence[Case]:
    """Return all nets; those whose name begins with ``fashion`` are shipped."""
    builders: list[Callable[[], Case]] = [
        *(partial(_shipped, name) for name in MODELS),
        lambda: _convolutions("conv-8-spikes", 8, 1, 0.1),
        lambda: _convolutions("conv-4-spikes", 4, 1, 0.25),
        lambda: _convolutions("conv-2-spikes", 2, 1, 0.4),
        lambda: _convolutions("conv-8-levels3", 8, 3, 0.3),
        lambda: _convolutions("conv-4-levels7", 4, 7, 0.3),
        lambda: _convolutions("conv-2-levels2", 2, 2, 0.2),
        lambda: _convolutions("conv-4-levels15", 4, 15, 0.5),
        lambda: _convolutions("conv-8-levels31", 8, 31, 0.6),
        lambda: _dense("dense-8-spikes", 8, 1, 0.05),
        lambda: _dense("dense-4-spikes", 4, 1, 0.5),
        lambda: _dense("dense-2-levels3", 2, 3, 0.3),
        lambda: _dense("dense-8-levels5", 8, 5, 0.7),
        lambda: _dense("dense-4-levels15", 4, 15, 0.5),
        lambda: _dense("dense-8-even63", 8, 63, 0.5, True),
        lambda: _dense("dense-4-even15", 4, 15, 0.3, True),
        lambda: _membranes("lif", 8, 0.2, False, decay=1024),
        lambda: _membranes("lif-conv", 6, 0.15, True, decay=512),
        lambda: _membranes("if-conv", 5, 0.4, True, reset=Reset.ZERO),
        lambda: _membranes("current", 6, 0.2, False, decay=1024, decay_syn=512),
        lambda: _membranes("current-conv", 4, 0.3, True, decay=700, decay_syn=900),
        lambda: _membranes("late", 6, 0.3, False, decay=800, reset_time=ResetTime.NEXT_STEP),
        lambda: _membranes("late-conv", 4, 0.3, True, reset_time=ResetTime.NEXT_STEP),
        lambda: _membranes("bursts", 6, 0.3, False, decay=300, max_spikes=3),
        lambda: _membranes("raised", 6, 0.3, False, reset_time=ResetTime.SAME_STEP_RAISED),
        lambda: _residual("residual-levels", 3, 1),
        lambda: _residual("depthwise", 7, 16),
        lambda: _depthwise("depthwise-5x5", 24, 5, 2, 7),
        lambda: _depthwise("depthwise-many", 64, 3, 1, 31),
        lambda: _residual("groups", 1, 2),
        lambda: _residual("groups-4", 3, 4),
        lambda: _overlapping("overlapping-levels", 3),
        lambda: _overlapping("overlapping-many", 15),
        lambda: _joined("joined"),
        lambda: _by(Kernel.EVENTS, _wide("wide-8", 500, 8, 3)),
        lambda: _by(Kernel.EVENTS, _wide("wide-4", 1500, 4, 7)),
        lambda: _by(Kernel.EVENTS, _wide("wide-2", 6000, 2, 6)),
        # Kernels that are not the fastest, so that reports can say what they would take.
        lambda: _by(Kernel.EVENTS_WIDE, _convolutions("conv-4-wide", 4, 1, 0.2)),
        lambda: _by(Kernel.PAIRS, _convolutions("conv-8-pairs", 8, 1, 0.15)),
        lambda: _by(Kernel.EIGHTS, _convolutions("conv-8-eights", 8, 1, 0.2)),
        lambda: _by(Kernel.EIGHTS, _dense("dense-8-eights", 8, 1, 0.1), 1),
        lambda: _by(Kernel.ROWS, _convolutions("conv-8-rows", 8, 1, 0.15)),
        lambda: _by(Kernel.ROWS, _dense("dense-8-rows", 8, 3, 0.3)),
        lambda: _recurrent("recurrent-spikes", 32, 1, 10, 4),
        lambda: _recurrent("recurrent-levels", 24, 15, 12, 8),
        lambda: _recurrent("recurrent-few", 40, 3, 8, 3),
    ]
    return [build() for build in builders]
