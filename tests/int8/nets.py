"""Random nets of stored numbers, of all operations and roundings, and samples for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

from edgespike.graph.tensor import Integers
from edgespike.int8.additions import FixedPointAddition, Float32Addition, OneShiftAddition
from edgespike.int8.averages import FixedPointMean, Float32Mean, RawAverage
from edgespike.int8.net import (
    Int8Add,
    Int8AveragePool,
    Int8Concatenate,
    Int8Conv2d,
    Int8Dense,
    Int8Function,
    Int8Input,
    Int8MaxPool,
    Int8Net,
    Int8Node,
    Int8Op,
    Int8Pad,
    Int8Readout,
    Int8Reshape,
    Stored,
)
from edgespike.int8.rounding import Requantise, Rounding

TYPES = ((-128, 127), (0, 255))
ADDITIONS = (FixedPointAddition, OneShiftAddition, Float32Addition)


def integers(least: int, most: int) -> st.SearchStrategy[int]:
    return st.integers(least, most)


@dataclass
class Draft:
    """A net under construction; every node's shape is known."""

    draw: Callable[..., int]
    rng: np.random.Generator
    low: int
    high: int
    nodes: list[Int8Node] = field(default_factory=list)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def whole(self, least: int, most: int) -> int:
        return self.draw(integers(least, most))

    def flag(self) -> bool:
        return bool(self.draw(st.booleans()))

    def stored(self) -> Stored:
        """Draw how a tensor is stored; scales are float32, as in files."""
        zero = (self.low, self.high, (self.low + self.high) // 2, self.whole(self.low, self.high))
        scale = float(np.float32(self.rng.uniform(0.01, 0.1)))
        return Stored(scale, zero[self.whole(0, 3)], self.low, self.high)

    def add(self, op: Int8Op, stored: Stored, shape: tuple[int, ...], *inputs: str) -> str:
        name = f"n{len(self.nodes)}"
        self.nodes.append(Int8Node(name, op, stored, inputs))
        self.shapes[name] = shape
        return name

    def stored_of(self, name: str) -> Stored:
        return next(node.stored for node in self.nodes if node.name == name)

    def clip(self, stored: Stored) -> tuple[int, int]:
        """Draw what a fused activation leaves of the type's range."""
        low = max(stored.zero_point, self.low) if self.flag() else self.low
        return low, self.whole(low, self.high) if self.flag() else self.high

    def finish(self, channels: int, fan_in: int, stored: Stored) -> Requantise:
        """Draw a rounding, and factors for which sums are neither all 0 nor all clipped."""
        factor = np.exp(self.rng.uniform(-1, 2, channels)) / (20 * np.sqrt(fan_in) + 1)
        if self.flag():  # ties are frequent
            factor = 2.0 ** np.round(np.log2(factor))
        rounding = list(Rounding)[self.whole(0, len(Rounding) - 1)]
        return Requantise(factor, rounding, stored.zero_point, *self.clip(stored))

    def weights(self, *shape: int) -> Integers:
        return self.rng.integers(-20, 21, shape)

    def padding(self, most: int) -> tuple[int, int, int, int]:
        top, bottom, left, right = (self.whole(0, most) if self.flag() else 0 for _ in range(4))
        return top, bottom, left, right


def conv(draft: Draft, source: str) -> str:
    channels, *size = draft.shapes[source]
    depthwise, dilation = draft.flag(), (draft.whole(1, 2), draft.whole(1, 2))
    padding = draft.padding(2)
    height, width = padded(size, padding)
    kernel = [
        draft.whole(1, min(3, (each - 1) // gap + 1))
        for each, gap in zip((height, width), dilation, strict=True)
    ]
    outputs = channels * draft.whole(1, 2) if depthwise else draft.whole(1, 4)
    weight = draft.weights(outputs, 1 if depthwise else channels, *kernel)
    stored, stride = draft.stored(), (draft.whole(1, 2), draft.whole(1, 2))
    finish = draft.finish(outputs, weight[0].size, stored)
    bias = draft.rng.integers(-500, 501, outputs)
    groups = channels if depthwise else 1
    op = Int8Conv2d(weight, bias, finish, stride, padding, dilation, groups)
    high, wide = (
        (each - gap * (places - 1) - 1) // step + 1
        for each, gap, places, step in zip((height, width), dilation, kernel, stride, strict=True)
    )
    return draft.add(op, stored, (outputs, high, wide), source)


def padded(size: list[int], padding: tuple[int, int, int, int]) -> tuple[int, int]:
    return size[0] + padding[0] + padding[1], size[1] + padding[2] + padding[3]


def pool(draft: Draft, source: str) -> str:
    channels, *size = draft.shapes[source]
    kernel = (draft.whole(1, min(3, size[0])), draft.whole(1, min(3, size[1])))
    stride = (draft.whole(1, 2), draft.whole(1, 2))
    padding = draft.padding(min(kernel) - 1)
    height, width = padded(size, padding)
    shape = (channels, (height - kernel[0]) // stride[0] + 1, (width - kernel[1]) // stride[1] + 1)
    before = draft.stored_of(source)
    if draft.flag():
        return draft.add(Int8MaxPool(kernel, stride, padding), before, shape, source)
    stored = draft.stored()
    means = (
        RawAverage(*draft.clip(stored)),
        FixedPointMean(before, stored),
        Float32Mean(before, stored),
    )
    op = Int8AveragePool(kernel, stride, means[draft.whole(0, 2)], padding)
    return draft.add(op, stored, shape, source)


def add(draft: Draft, source: str) -> str:
    """Draw a sum with an earlier tensor of this shape, or with a layer of the same input."""
    shape = draft.shapes[source]
    equal = [name for name, each in draft.shapes.items() if each == shape]
    other = equal[draft.whole(0, len(equal) - 1)]
    if draft.flag():
        other = function(draft, source)
    stored = draft.stored()
    kind = ADDITIONS[draft.whole(0, 2)]
    combine = kind(draft.stored_of(source), draft.stored_of(other), stored, *draft.clip(stored))
    return draft.add(Int8Add(combine), stored, shape, source, other)


def function(draft: Draft, source: str) -> str:
    """Draw a monotone table: flat in parts, or steep, ascending or descending."""
    numbers = np.sort(draft.rng.integers(draft.low, draft.high + 1, 256))
    table = numbers if draft.flag() else numbers[::-1].copy()
    op = Int8Function(lambda x: table[x - draft.low])
    return draft.add(op, draft.stored(), draft.shapes[source], source)


def pad(draft: Draft, source: str) -> str:
    channels, *size = draft.shapes[source]
    padding = draft.padding(2)
    shape = (channels, *padded(size, padding))
    return draft.add(Int8Pad(padding), draft.stored_of(source), shape, source)


def concatenate(draft: Draft, source: str) -> str:
    shape, stored = draft.shapes[source], draft.stored_of(source)
    other = source
    if draft.flag():  # numbers from elsewhere, stored in the same way
        numbers = np.sort(draft.rng.integers(draft.low, draft.high + 1, 256))
        op = Int8Function(lambda x: numbers[x - draft.low])
        other = draft.add(op, stored, shape, source)
    return draft.add(Int8Concatenate(), stored, (2 * shape[0], *shape[1:]), source, other)


IMAGE_STEPS = (conv, conv, pool, add, function, pad, concatenate)
FEATURE_STEPS = (add, function, concatenate)


def dense(draft: Draft, source: str) -> str:
    outputs, stored = draft.whole(1, 4), draft.stored()
    (inputs,) = draft.shapes[source]
    finish = draft.finish(outputs, inputs, stored)
    bias = draft.rng.integers(-500, 501, outputs)
    op = Int8Dense(draft.weights(outputs, inputs), bias, finish)
    return draft.add(op, stored, (outputs,), source)


@st.composite
def int8_nets(draw: Callable[..., int]) -> tuple[Int8Net, Integers]:
    """Draw a net, and samples in the numbers that its input stores."""
    rng = np.random.default_rng(draw(integers(0, 2**32 - 1)))
    draft = Draft(draw, rng, *TYPES[draw(integers(0, 1))])
    shape = (draft.whole(1, 2), draft.whole(1, 4), draft.whole(1, 4))
    last = draft.add(Int8Input(shape), draft.stored(), shape)
    for _ in range(draft.whole(0, 5)):
        last = IMAGE_STEPS[draft.whole(0, len(IMAGE_STEPS) - 1)](draft, last)
    if draft.flag():
        flat = (int(np.prod(draft.shapes[last])),)
        last = draft.add(Int8Reshape(flat), draft.stored_of(last), flat, last)
        for _ in range(draft.whole(0, 3)):
            last = (dense, *FEATURE_STEPS)[draft.whole(0, len(FEATURE_STEPS))](draft, last)
    draft.add(Int8Readout(), draft.stored_of(last), draft.shapes[last], last)
    samples = rng.integers(draft.low, draft.high + 1, (5, *shape))
    return Int8Net(tuple(draft.nodes)), samples
