"""Random valid graphs and samples for them.

The structure of a graph (operations, geometry, number of layers) is drawn by hypothesis; weights
come from a drawn seed. Thresholds are set to values that the accumulators actually take: ties,
where ``>`` and ``>=`` differ, are frequent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgespike.graph import (
    Add,
    Comparison,
    Concatenate,
    Conv2d,
    Delay,
    Dense,
    Emits,
    Graph,
    Input,
    MaxPool2d,
    Membrane,
    Multiply,
    Node,
    Operation,
    Readout,
    ReadoutMode,
    Reset,
    ResetTime,
    Reshape,
    Signal,
    SumPool2d,
    Tensor,
    Threshold,
)
from edgespike.graph.ops.membrane import FRACTION_BITS, SATURATION
from edgespike.graph.tensor import ACCUMULATOR_LIMIT
from edgespike.interpreter import delay, evaluate

LEVEL_MIXES = ("levels", "pooled-levels", "residual-levels", "even-levels")
"""Operation mixes whose neurons have several levels."""

STEPPED_MIXES = ("membrane", "recurrent", "delays", "gated")
"""Operation mixes of several steps: membranes, loops of one layer, any delays, gates."""

PRODUCT_MIXES = ("product", "gated")
"""Operation mixes that multiply events by events: of one step, and in loops with delays."""

STATELESS_MIXES = ("dense", "convolution", "pooling", "residual", "concatenation", "signed")
"""Operation mixes of one step, or of the same step several times."""

MIXES = (*STATELESS_MIXES, *STEPPED_MIXES, *LEVEL_MIXES, "product")
"""Names of the operation mixes that :func:`cases` can draw.

Each operation occurs in at least one of them, see :func:`one_of_each`.
"""


@dataclass(frozen=True)
class Case:
    """A graph and samples for it."""

    graph: Graph
    samples: NDArray[Any]


@st.composite
def cases(draw: st.DrawFn, mix: str) -> Case:
    """Draw a graph of one operation mix, and samples that fit it."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    stepped_mix = mix in STEPPED_MIXES
    steps = draw(st.integers(2, 5)) if stepped_mix else draw(st.sampled_from((1, 1, 2)))
    shape: tuple[int, ...] = (draw(st.integers(1, 20)),)
    if mix != "dense" and (not stepped_mix or draw(st.booleans())):
        shape = (draw(st.integers(1, 4)), draw(st.integers(3, 7)), draw(st.integers(3, 7)))
    low, high = draw(st.sampled_from(((0, 1), (0, 255), (-100, 27), (3, 9))))
    stepped = (steps,) if steps > 1 and draw(st.booleans()) else ()
    samples = rng.integers(low, high + 1, (draw(st.integers(1, 4)), *stepped, *shape))
    samples[rng.random(samples.shape) < 0.3] = max(low, 0)
    if samples.shape == (steps, *shape) and steps > 1:  # could be one sample
        samples = np.repeat(samples[:, None], steps, axis=1)
    builder = Builder(draw, rng, Input(shape, low, high, 1 / high), steps, samples)
    for _ in range(draw(st.integers(1, 3))):
        LAYERS[mix](builder)
    builder.flatten()
    classes = draw(st.integers(1, 5))
    builder.dense(classes)
    if stepped_mix and builder.pick(True, False, False):
        builder.potentials()
    builder.append(Readout(rng.uniform(0.1, 2.0, classes), builder.pick(*ReadoutMode)))
    graph = Graph("random", tuple(builder.nodes), steps)
    return Case(graph, samples.astype(np.uint8 if low >= 0 else np.int16))


class Builder:
    """A graph under construction: the nodes so far, and samples that run through them."""

    def __init__(
        self,
        draw: st.DrawFn,
        rng: np.random.Generator,
        op: Input,
        steps: int,
        samples: NDArray[np.int64],
    ) -> None:
        self.draw, self.rng, self.steps = draw, rng, steps
        self.nodes = [Node("input", op)]
        self.tensors: dict[str, Tensor] = {"input": op.infer([], steps)}
        spread = samples if samples.ndim > len(op.shape) + 1 else samples[:, None]
        self.values = {"input": [spread[:, min(t, spread.shape[1] - 1)] for t in range(steps)]}

    @property
    def last(self) -> str:
        return self.nodes[-1].name

    @property
    def shape(self) -> tuple[int, ...]:
        return self.tensors[self.last].shape

    def append(self, op: Operation, *inputs: str) -> str:
        """Add a node after the last one, or after ``inputs``, and run it; return its name."""
        sources = inputs or (self.last,)
        name = f"{op.kind}{len(self.nodes)}"
        self.nodes.append(Node(name, op, sources))
        self.tensors[name] = op.infer([self.tensors[source] for source in sources], self.steps)
        self.run(len(self.nodes) - 1)
        return name

    def open_loop(self, shape: tuple[int, ...], high: int, signal: Signal) -> int:
        """Add a delay of neurons that come later; return its place, to close the loop."""
        place = len(self.nodes)
        op = Delay(shape, 0, high, signal, self.pick(0, 0, high, high // 2))
        self.delay(op, "to come")
        # Until the loop is closed, anything that the delay may give stands in for its values.
        size = (self.steps, len(self.values["input"][0]), *shape)
        self.values[self.last] = list(self.rng.integers(0, high + 1, size))
        return place

    def close_loop(self, place: int) -> None:
        """Connect the delay at a place to the last node, and run it and all nodes after it."""
        opened = self.nodes[place]
        self.nodes[place] = Node(opened.name, opened.op, (self.last,))
        self.run(place)

    def delay(self, op: Delay, source: str) -> None:
        """Add a delay of any node."""
        name = f"delay{len(self.nodes)}"
        self.nodes.append(Node(name, op, (source,)))
        self.tensors[name] = op.infer([], self.steps)
        if source in self.values:
            self.run(len(self.nodes) - 1)

    def run(self, place: int) -> None:
        """Run the nodes at a place and after it, step by step, on the values of those before."""
        nodes = self.nodes[place:]
        for node in nodes:
            if node.name in self.values:
                del self.values[node.name]
        state: dict[str, Any] = {}
        for t in range(self.steps):
            for node in nodes:
                made = self.values.setdefault(node.name, [])
                if isinstance(node.op, Delay):
                    before = self.values[node.inputs[0]][t - 1] if t else None
                    made.append(delay(node.op, before, len(self.values["input"][0])))
                    continue
                inputs = [self.values[source][t] for source in node.inputs]
                value, state[node.name] = evaluate(node.op, inputs, state.get(node.name))
                made.append(value)

    def pick(self, *choices: Any) -> Any:
        """Draw one of some choices."""
        return self.draw(st.sampled_from(choices))

    def weights(self, *shape: int) -> dict[str, Any]:
        """Return a sparse weight, sometimes with the largest values, its mask, and a bias."""
        high = self.pick(1, 7, 127)
        weight = self.rng.integers(-high, high + 1, shape)
        weight[self.rng.random(shape) < 0.3] = 0
        bias = self.rng.integers(-20, 21, shape[0]) if self.draw(st.booleans()) else 0
        trained = (weight != 0) | (self.rng.random(shape) < 0.5)
        return {
            "weight": weight,
            "bias": np.zeros(shape[0], np.int64) + bias,
            "float_nonzero": self.pick(None, trained),
        }

    def dense(self, outputs: int | None = None) -> None:
        self.flatten()
        outputs = outputs or self.draw(st.integers(1, 12))
        self.append(Dense(**self.weights(outputs, *self.shape)))

    def flatten(self) -> None:
        if len(self.shape) == 3:
            self.append(Reshape((int(np.prod(self.shape)),)))

    def convolution(self, outputs: int | None = None, source: str | None = None) -> str:
        """Add a convolution of any geometry; with ``outputs``, one that keeps the size."""
        channels, height, width = self.tensors[source or self.last].shape
        if outputs is not None:
            kernel, padding = self.pick(*2 * [(3, (1, 1))], (2, (0, 1, 0, 1)), (2, (1, 0, 0, 1)))
            weights = self.weights(outputs, channels, kernel, kernel)
            return self.append(Conv2d(**weights, padding=padding), source or self.last)
        groups = self.pick(*(g for g in range(1, channels + 1) if channels % g == 0))
        kernel = self.pick(1, 2, 3), self.pick(1, 2, 3)
        dilation = self.pick(1, 1, 2), self.pick(1, 1, 2)
        sides = [self.pick((0, 0), (1, 1), (2, 2), (0, 1), (1, 0), (0, 2), (2, 1)) for _ in "yx"]
        stride = self.pick(1, 2, 3), self.pick(1, 2, 3)
        extents = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
        if extents[0] > height + sum(sides[0]) or extents[1] > width + sum(sides[1]):
            kernel = (1, 1)
        padding = (*sides[0], *sides[1])
        outputs = groups * self.draw(st.integers(1, 3))
        weights = self.weights(outputs, channels // groups, *kernel)
        op = Conv2d(**weights, stride=stride, padding=padding, dilation=dilation, groups=groups)
        return self.append(op)

    def pool(self) -> None:
        """Add a max or sum pool with or without overlap and padding."""
        _, height, width = self.shape
        kernel = min(self.pick(1, 2, 3), height), min(self.pick(1, 2, 3), width)
        stride = self.pick(1, 2, 3), self.pick(1, 2, 3)
        padding = tuple(self.pick(0, 0, size // 2, size - 1) for size in kernel for _ in "ab")
        kind = self.pick(MaxPool2d, SumPool2d)
        self.append(kind(kernel, stride, padding))

    def threshold(self, levels: int = 1, offset: int = 0, unit: int = 1) -> None:
        """Add thresholds at values that are actually reached, in both directions."""
        channels = self.shape[0]
        reached = np.unique(np.stack(self.values[self.last]))
        theta = np.sort(self.rng.choice(reached, (channels, levels)), axis=1)
        self.append(Threshold(theta, self.rng.random(channels) < 0.3, offset, unit))

    def branch(self, source: str, outputs: int | None = None) -> str:
        """Add a weighted layer after a node that keeps an image's size; return its name."""
        outputs = outputs or self.draw(st.integers(1, 4))
        if len(self.tensors[source].shape) == 3:
            return self.convolution(outputs, source=source)
        inputs = self.tensors[source].shape[0]
        return self.append(Dense(**self.weights(outputs, inputs)), source)

    def neurons_after(self, source: str, offset: int = 0) -> str:
        """Add thresholds after a node that is not the last; return their name."""
        channels = self.tensors[source].shape[0]
        reached = np.unique(np.stack(self.values[source]))
        levels = self.pick(1, 1, 3)
        theta = np.sort(self.rng.choice(reached, (channels, levels)), axis=1)
        return self.append(Threshold(theta, self.rng.random(channels) < 0.3, offset), source)

    def same_size(self, *names: str) -> bool:
        """Return whether nodes have the same height and width, or are vectors."""
        return len({self.tensors[name].shape[1:] for name in names}) == 1

    def even_threshold(self, levels: int) -> None:
        """Add thresholds like those of folding: least integers at evenly spaced levels or above."""
        channels = self.shape[0]
        reached = np.stack(self.values[self.last])
        ends = np.sort(self.rng.choice(reached.ravel(), (2, channels)), axis=0)
        middle = (np.arange(1, levels + 1) - self.rng.random((channels, 1))) / levels
        theta = np.ceil(ends[0][:, None] + middle * (ends[1] - ends[0])[:, None])
        self.append(Threshold(theta.astype(np.int64), self.rng.random(channels) < 0.3))

    def membrane(self, max_spikes: int | None = None) -> None:
        """Add integrate-and-fire neurons of any kind, about half of them plain ones."""
        reached = np.abs(np.stack(self.values[self.last])).max()
        theta = self.rng.integers(1, max(int(reached), 1) + 1, self.shape[0])
        max_spikes = max_spikes or self.pick(1, 1, 3)
        least = (int(theta.max()) * max_spikes << FRACTION_BITS) + 1  # the smallest that is allowed
        plain = Membrane(
            theta,
            decay=self.pick(0, 1, 410, 2048, 4095, 4096),
            reset=self.pick(*Reset),
            reset_time=self.pick(ResetTime.SAME_STEP, ResetTime.NEXT_STEP),
            comparison=self.pick(*Comparison),
            max_spikes=max_spikes,
            saturation=self.pick(
                max(SATURATION, least),
                least,
                least + int(self.rng.integers(least)),
                least + 63 & -64,  # a whole number
                ACCUMULATOR_LIMIT,
            ),
        )
        self.append(plain if self.draw(st.booleans()) else self.extended(plain))

    def extended(self, op: Membrane) -> Membrane:
        """Add a current, a bias, a floor, parameters of channels or neurons, another format."""
        changes: dict[str, Any] = {
            "decay_syn": self.pick(None, 0, 1, 1024, 4095, 4096),
            "bias": self.pick(0, 64, -64, 37, -200),
            "floor": self.pick(None, 0, -64, -op.saturation // 3),
        }
        if self.draw(st.booleans()):
            changes |= {
                name: self._spread(value) for name, value in changes.items() if value is not None
            }
            changes["decay"] = self._spread(op.decay)
        if self.draw(st.booleans()):
            changes["theta"] = self.rng.integers(1, int(op.theta.max()) + 1, self.shape)
        fraction_bits, decay_bits = self.pick((6, 12), (6, 12), (0, 12), (9, 16), (12, 20))
        scale = 2.0 ** (fraction_bits - 6)
        changes |= {"fraction_bits": fraction_bits, "decay_bits": decay_bits}
        for name, factor in (("bias", scale), ("floor", scale), ("saturation", scale)):
            value = changes.get(name, getattr(op, name))
            if value is not None:
                changes[name] = np.trunc(np.asarray(value) * factor).astype(np.int64)
        for name in ("decay", "decay_syn"):
            value = changes.get(name, getattr(op, name))
            if value is not None:
                changes[name] = np.asarray(value) << decay_bits - 12
        theta = int(np.max(changes.get("theta", op.theta)))
        least = (theta * op.max_spikes << fraction_bits) + 1
        raised = op.reset is Reset.SUBTRACT and op.max_spikes == 1 and self.draw(st.booleans())
        if raised:
            changes["reset_time"], least = ResetTime.SAME_STEP_RAISED, 2 * least
        changes["saturation"] = int(np.clip(changes["saturation"], least, ACCUMULATOR_LIMIT))
        limit = changes["saturation"]
        for name in ("bias", "floor"):
            if changes[name] is not None:
                changes[name] = np.clip(changes[name], -limit, limit)
        return replace(op, **changes)

    def _spread(self, value: int | NDArray[np.int64]) -> NDArray[np.int64]:
        """Let a parameter differ between channels or neurons: some keep it, some have less."""
        shape = self.shape if self.draw(st.booleans()) else self.shape[:1]
        factors = self.rng.choice((0.0, 0.5, 1.0), shape)
        return np.trunc(factors * value).astype(np.int64)

    def potentials(self) -> None:
        """Add neurons that give their potentials to the readout."""
        self.membrane()
        node = self.nodes[-1]
        assert isinstance(node.op, Membrane)
        self.remove_last()
        self.append(replace(node.op, emits=Emits.POTENTIAL))

    def remove_last(self) -> None:
        """Take the last node away."""
        node = self.nodes.pop()
        del self.tensors[node.name], self.values[node.name]


def _dense_layer(builder: Builder) -> None:
    builder.dense()
    builder.threshold()


def _convolution_layer(builder: Builder) -> None:
    builder.convolution()
    builder.threshold()


def _pooling_layer(builder: Builder, levels: int = 1) -> None:
    if builder.tensors[builder.last].low.min() < 0 or builder.draw(st.booleans()):
        builder.convolution()
        builder.threshold(levels)
    builder.pool()


def _residual_layer(builder: Builder, levels: int = 1) -> None:
    """Add a block with a shortcut of events, or of accumulators through a convolution."""
    channels = builder.draw(st.integers(1, 4))
    builder.convolution(channels)
    builder.threshold(levels)
    start = builder.last
    builder.convolution(channels)
    if builder.draw(st.booleans()):
        branch = builder.last
        shortcut = builder.convolution(channels, source=start)
        builder.append(Add(), branch, shortcut)
        builder.threshold(levels)
    else:
        builder.threshold(levels)
        more = builder.pick((), (start,), (start, builder.last))
        builder.append(Add(), start, builder.last, *more)


def _concatenation_layer(builder: Builder) -> None:
    """Add two branches side by side, of events or of accumulators."""
    start = builder.last
    branches = []
    for _ in range(builder.pick(2, 2, 3)):
        branches.append(builder.branch(start))
    before_neurons = builder.draw(st.booleans())
    if not before_neurons:
        branches = [builder.neurons_after(branch) for branch in branches]
        branches += builder.pick([], [branches[0]])
        if builder.same_size(start, branches[0]):
            branches += builder.pick([], [start])
    builder.append(Concatenate(), *branches)
    if before_neurons:
        builder.threshold(_some_levels(builder))


def _signed_layer(builder: Builder) -> None:
    _weighted_layer(builder)
    levels, unit = builder.pick((1, 2), (2, 1), (3, 1), (6, 1), (14, 1))
    builder.threshold(levels, offset=-(levels * unit // 2), unit=unit)


def _product_layer(builder: Builder) -> None:
    """Add a product of two branches, or of one with itself or with the sum of both."""
    start, outputs = builder.last, builder.draw(st.integers(1, 4))
    left = builder.neurons_after(builder.branch(start, outputs), builder.pick(0, -1))
    if builder.draw(st.booleans()):
        builder.append(Multiply(), left, left)
        return
    right = builder.neurons_after(builder.branch(start, outputs), builder.pick(0, -1))
    if builder.draw(st.booleans()):
        right = builder.append(Add(), left, right)
    builder.append(Multiply(), left, right)
    if builder.draw(st.booleans()):
        builder.append(Add(), left, builder.last)
        builder.threshold(_some_levels(builder))


def _gated_layer(builder: Builder) -> None:
    """Add neurons that keep a part of their state: one gate before the synapses, two after them."""
    start, outputs = builder.last, builder.draw(st.integers(1, 4))
    forget, reset = (builder.neurons_after(builder.branch(start, outputs)) for _ in range(2))
    forward = builder.branch(start, outputs)
    levels = _some_levels(builder)
    signal = Signal.SPIKES if levels == 1 else Signal.GRADED
    place = builder.open_loop(builder.tensors[forget].shape, levels, signal)
    state = builder.last
    builder.append(Multiply(), reset, state)
    _through_delay(builder)
    builder.append(Add(), forward, builder.last)
    candidate = builder.neurons_after(builder.last, builder.pick(0, -1))
    kept = builder.append(Multiply(), forget, state)
    builder.append(Add(), kept, builder.append(Multiply(), reset, candidate))
    builder.threshold(levels)
    builder.close_loop(place)


def _membrane_layer(builder: Builder) -> None:
    if len(builder.shape) == 3:
        builder.convolution()
    else:
        builder.dense()
    builder.membrane()


def _levels_layer(builder: Builder) -> None:
    _weighted_layer(builder)
    builder.threshold(_some_levels(builder))


def _some_levels(builder: Builder) -> int:
    levels: int = builder.pick(1, 2, 3, 6, 15)
    return levels


def _even_levels_layer(builder: Builder) -> None:
    """Add a layer of levels, sometimes pooled, added to the previous layer, or dense."""
    levels = builder.pick(2, 3, 4, 7, 15)
    start, shape = builder.last, builder.shape
    if len(shape) == 1 or builder.pick(False, False, True):
        builder.dense()
    elif len(builder.nodes) > 1 and builder.draw(st.booleans()):
        builder.convolution(shape[0])
        builder.even_threshold(levels)
        builder.append(Add(), start, builder.last)
        return
    else:
        builder.convolution()
    builder.even_threshold(levels)
    if len(builder.shape) == 3 and builder.draw(st.booleans()):
        builder.pool()


def _weighted_layer(builder: Builder) -> None:
    if len(builder.shape) == 3 and builder.pick(True, True, False):
        builder.convolution()
    else:
        builder.dense()


def _through_delay(builder: Builder) -> None:
    """Add synapses after a delay whose sums have the shape of what is delayed."""
    if len(builder.shape) == 3:
        builder.convolution(builder.shape[0])
    else:
        builder.dense(builder.shape[0])


def _recurrent_layer(builder: Builder) -> None:
    """Add a layer whose neurons also take their previous step's output, through synapses."""
    _weighted_layer(builder)
    forward, levels = builder.last, _some_levels(builder)
    signal = Signal.SPIKES if levels == 1 else Signal.GRADED
    place = builder.open_loop(builder.shape, levels, signal)
    _through_delay(builder)
    builder.append(Add(), forward, builder.last)
    builder.threshold(levels)
    builder.close_loop(place)


def _delays_layer(builder: Builder) -> None:
    """Add a loop through one or two layers of membranes or thresholds, or a delay alone."""
    _weighted_layer(builder)
    forward, shape = builder.last, builder.shape
    if builder.pick(True, False, False):
        builder.threshold(_some_levels(builder))
        neurons = builder.last
        builder.delay(Delay.behind(builder.tensors[neurons]), neurons)
        delayed = builder.last
        if builder.draw(st.booleans()):
            builder.append(Add(), neurons, delayed)
        return
    spikes, membranes = builder.pick(1, 3), builder.draw(st.booleans())
    signal = Signal.SPIKES if membranes or spikes == 1 else Signal.GRADED
    place = builder.open_loop(shape, spikes, signal)
    _through_delay(builder)
    builder.append(Add(), forward, builder.last)
    if builder.draw(st.booleans()):
        builder.threshold(_some_levels(builder))
        _through_delay(builder)
    if membranes:
        builder.membrane(spikes)
    else:
        builder.threshold(spikes)
    builder.close_loop(place)


LAYERS: dict[str, Callable[[Builder], None]] = {
    "dense": _dense_layer,
    "convolution": _convolution_layer,
    "pooling": _pooling_layer,
    "residual": _residual_layer,
    "concatenation": _concatenation_layer,
    "membrane": _membrane_layer,
    "recurrent": _recurrent_layer,
    "delays": _delays_layer,
    "levels": _levels_layer,
    "pooled-levels": lambda builder: _pooling_layer(builder, _some_levels(builder)),
    "residual-levels": lambda builder: _residual_layer(builder, _some_levels(builder)),
    "even-levels": _even_levels_layer,
    "signed": _signed_layer,
    "product": _product_layer,
    "gated": _gated_layer,
}


@dataclass(frozen=True)
class Drawn:
    """A node, and the case that it was drawn in."""

    node: Node
    case: Case


@cache
def one_of_each() -> dict[str, Drawn]:
    """Return a node of each kind that few examples of all mixes hold."""
    found: dict[str, Drawn] = {}

    def collect(case: Case) -> None:
        for node in case.graph.nodes:
            found.setdefault(node.op.kind, Drawn(node, case))

    for mix in MIXES:
        settings(max_examples=20, database=None)(given(cases(mix))(collect))()
    return found
