"""Hand-written graphs: every operation and geometry, in int8 and in float32."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import (
    Add,
    Comparison,
    Conv2d,
    Dense,
    Graph,
    Input,
    MaxPool2d,
    Membrane,
    Node,
    Operation,
    Readout,
    Reset,
    ResetTime,
    Reshape,
    SumPool2d,
    Tensor,
    Threshold,
)
from tests.targets.tflite.neurons import NEURONS
from tests.targets.tflite.recurrent import RECURRENT

SMALL, LARGE = 3, 300
"""Largest weights: the small ones fit int8, the large ones need float32."""


class Chain:
    """A graph under construction: each operation reads the last one unless sources are named."""

    def __init__(
        self, shape: tuple[int, ...], high: int = 1, steps: int = 1, ternary: bool = False
    ) -> None:
        self.rng = np.random.default_rng(len(shape) + high + steps)
        self.nodes = [Node("input", Input(shape, 0, high, 1.0))]
        self.steps = steps
        self.ternary = ternary

    def add(self, op: Operation, *sources: str, name: str | None = None) -> Chain:
        name = name or f"{op.kind}{len(self.nodes)}"
        self.nodes.append(Node(name, op, sources or (self.nodes[-1].name,)))
        return self

    def weights(self, *shape: int, largest: int = SMALL) -> NDArray[np.int64]:
        weights = self.rng.integers(-SMALL, SMALL + 1, shape)
        weights.flat[0] = largest
        return np.sign(weights) if self.ternary else weights

    def conv(self, *shape: int, largest: int = SMALL, **geometry: Any) -> Chain:
        weight = self.weights(*shape, largest=largest)
        return self.add(Conv2d(weight, self.weights(shape[0]), **geometry))

    def dense(self, outputs: int, inputs: int, largest: int = SMALL) -> Chain:
        weight = self.weights(outputs, inputs, largest=largest)
        return self.add(Dense(weight, self.weights(outputs)))

    def threshold(self, channels: int, levels: int = 1) -> Chain:
        theta = np.sort(self.rng.integers(-SMALL, 2 * SMALL, (channels, levels)), axis=1)
        return self.add(Threshold(theta, np.arange(channels) % 3 == 1))

    def even_threshold(self, levels: int) -> Chain:
        """Add thresholds as folding makes them, over the middle half of the accumulator's range."""
        tensor = self._last_tensor()
        channels = tensor.shape[0]
        reach = (tensor.high - tensor.low) / self.rng.uniform(1.5, 3.0, channels)
        start = (tensor.high + tensor.low - reach) / 2 + self.rng.normal(0.0, 0.3, channels)
        middle = (np.arange(1, levels + 1) - 0.5) / levels
        theta = np.ceil(middle * reach[:, None] + start[:, None]).astype(np.int64)
        return self.add(Threshold(theta, np.arange(channels) % 3 == 1))

    def flatten(self) -> Chain:
        """Flatten an image."""
        return self.add(Reshape((self._last_tensor().size,)))

    def finish(self, features: int, largest: int = SMALL) -> Graph:
        """Flatten, classify and read out."""
        if len(self._last_tensor().shape) == 3:
            self.add(Reshape((features,)))
        self.dense(4, features, largest)
        self.add(Readout(np.ones(4)), name="readout")
        return Graph("network", tuple(self.nodes), self.steps)

    def _last_tensor(self) -> Tensor:
        tensors: dict[str, Tensor] = {}
        for node in self.nodes:
            inputs = [tensors[name] for name in node.inputs]
            tensors[node.name] = node.op.infer(inputs, self.steps)
        return tensors[self.nodes[-1].name]


# kernel, stride, padding, dilation; the input is 7 high and 6 wide
GEOMETRIES = {
    "plain": ((3, 3), (1, 1), (0, 0), (1, 1)),
    "same": ((3, 3), (1, 1), (1, 1), (1, 1)),
    "stride beside SAME": ((3, 3), (2, 2), (1, 1), (1, 1)),
    "stride larger than kernel": ((3, 1), (1, 3), (1, 0), (1, 1)),
    "uneven": ((2, 3), (2, 1), (1, 2), (1, 1)),
    "dilation": ((3, 2), (1, 1), (2, 1), (2, 3)),
    "dilation and stride": ((2, 2), (2, 3), (0, 1), (2, 2)),
    "pointwise": ((1, 1), (2, 2), (0, 0), (1, 1)),
    "SAME of TensorFlow": ((3, 3), (2, 2), (1, 1, 0, 1), (1, 1)),
    "padding of one side": ((3, 2), (1, 2), (0, 2, 1, 0), (1, 1)),
    "much padding": ((2, 2), (1, 1), (3, 2), (1, 1)),
}

GROUPS = {"dense": (1, 6), "grouped": (2, 6), "depthwise": (4, 4), "multiplied": (4, 8)}
"""Groups and outputs of a convolution of 4 channels."""

POOLS = {
    "halves": ((2, 2), (2, 2), (0, 0)),
    "overlap": ((3, 2), (1, 1), (1, 1)),
    "SAME of TensorFlow": ((2, 2), (2, 2), (0, 1, 0, 0)),
    "padding of one side": ((3, 2), (2, 1), (0, 2, 1, 0)),
    "gaps": ((1, 2), (3, 3), (0, 1)),
}


STATES = (2, 3, 4, 5, 8, 16)
"""Numbers of activation states in all layers of a network."""

PADDED = ((2, 2), (2, 2), (1, 1))
"""A pool of a 4 x 4 image with 9 windows, most of which have padded places."""


def convolution(geometry: str, groups: str, largest: int) -> Graph:
    kernel, stride, padding, dilation = GEOMETRIES[geometry]
    count, outputs = GROUPS[groups]
    chain = Chain((4, 7, 6))
    chain.conv(
        outputs,
        4 // count,
        *kernel,
        largest=largest,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=count,
    )
    op = chain.nodes[-1].op
    assert isinstance(op, Conv2d)
    height, width = op.output_size((4, 7, 6))
    return chain.threshold(outputs).finish(outputs * height * width)


def pooling(kind: type[MaxPool2d] | type[SumPool2d], pool: str, levels: int) -> Graph:
    op = kind(*POOLS[pool])
    chain = Chain((2, 7, 6)).conv(3, 2, 3, 3, padding=(1, 1)).threshold(3, levels).add(op)
    return chain.finish(int(np.prod(op.output_shape((3, 7, 6)))))


def graded_input(high: int, padding: tuple[int, ...] = (1, 1)) -> Graph:
    chain = Chain((2, 4, 4), high).conv(3, 2, 3, 3, padding=padding).threshold(3)
    return chain.finish(48)


def pooled_input(op: MaxPool2d | SumPool2d, high: int) -> Graph:
    return Chain((2, 4, 4), high).add(op).finish(18)


def sum_pooled_accumulators() -> Graph:
    chain = Chain((2, 4, 4)).conv(3, 2, 3, 3).add(SumPool2d((2, 2), (1, 1))).threshold(3)
    return chain.finish(3)


def residual(of_spikes: bool) -> Graph:
    chain = Chain((2, 4, 4)).conv(2, 2, 3, 3, padding=(1, 1)).threshold(2)
    chain.conv(2, 2, 3, 3, padding=(1, 1))
    if of_spikes:
        chain.threshold(2).add(Add(), "threshold2", "threshold4", "threshold4")
    else:
        chain.add(Conv2d(chain.weights(2, 2, 1, 1), chain.weights(2)), "threshold2")
        chain.add(Add(), "conv2d3", "conv2d4").threshold(2)
    return chain.finish(32)


def sums_of_two_sizes() -> Graph:
    """Add convolutions of equal geometry and output size, on inputs of 7 and of 8 rows."""
    chain = Chain((1, 8, 8)).conv(1, 1, 2, 2).threshold(1)
    chain.conv(2, 1, 3, 3, stride=(2, 2))
    chain.add(Conv2d(chain.weights(2, 1, 3, 3), chain.weights(2), stride=(2, 2)), "input")
    return chain.add(Add(), "conv2d3", "conv2d4").threshold(2).finish(18)


def reshapes() -> Graph:
    """Reshapes whose elements must keep the graph's order: before a threshold, into an image."""
    chain = Chain((2, 3, 4)).conv(2, 2, 1, 1).add(Reshape((24,))).threshold(24)
    chain.add(Reshape((4, 3, 2))).conv(3, 4, 2, 2).add(Reshape((2, 1, 3)))
    chain.threshold(2).add(Reshape((3, 2, 1)))
    return chain.conv(2, 3, 2, 1).threshold(2).finish(2)


def integer_reshapes() -> Graph:
    """Reshapes between images, of input and spikes in int8."""
    chain = Chain((2, 3, 4), 255).add(Reshape((4, 3, 2))).conv(4, 4, 2, 2).threshold(4)
    chain.add(Reshape((1, 4, 2))).conv(3, 1, 2, 2).threshold(3).add(Reshape((9,)))
    return (
        chain.dense(9, 9)
        .threshold(9)
        .add(Reshape((3, 1, 3)))
        .conv(2, 3, 1, 1)
        .threshold(2)
        .finish(6)
    )


def shared_reshape() -> Graph:
    """One flattened image for a dense layer and for an addition."""
    chain = Chain((2, 3, 3)).conv(2, 2, 1, 1).threshold(2).add(Reshape((18,)), name="flat")
    chain.dense(18, 18).threshold(18).add(Add(), "flat", "threshold5")
    return chain.finish(18)


def two_consumers() -> Graph:
    """An accumulator that two thresholds read, so that it cannot be merged into either."""
    chain = Chain((5,)).dense(6, 5)
    chain.threshold(6).add(Threshold(np.full((6, 1), 1), np.zeros(6, bool)), "dense1")
    return chain.add(Add(), "threshold2", "threshold3").finish(6)


def levels(count: int) -> Graph:
    chain = Chain((2, 4, 4), 15).conv(3, 2, 3, 3, padding=(1, 1)).threshold(3, count)
    return chain.conv(3, 3, 3, 3).threshold(3).finish(12)


def states(count: int, high: int) -> Graph:
    """Ternary layers of every kind with even thresholds, between values of several levels."""
    levels = count - 1
    chain = Chain((2, 9, 8), high, ternary=True)
    chain.conv(6, 2, 3, 3, padding=(1, 1)).even_threshold(levels)
    chain.add(MaxPool2d((2, 2), (1, 1)), name="pool")
    chain.conv(6, 1, 3, 3, padding=(1, 1), groups=6).even_threshold(levels)
    chain.add(Add(), "pool", chain.nodes[-1].name)
    chain.conv(8, 6, 2, 2, stride=(2, 2)).even_threshold(levels)
    chain.add(SumPool2d((2, 1), (1, 1)))
    chain.conv(6, 8, 1, 1).even_threshold(levels).flatten()
    features = 6 * 3 * 3
    chain.dense(9, features).even_threshold(levels).dense(7, 9).even_threshold(1)
    return chain.dense(1, 7).even_threshold(levels).finish(1)


def different_levels() -> Graph:
    """Add the outputs of two layers with different numbers of levels, and feed them to a third."""
    chain = Chain((2, 4, 4)).conv(3, 2, 3, 3, padding=(1, 1)).even_threshold(3)
    chain.conv(3, 3, 3, 3, padding=(1, 1)).even_threshold(5)
    chain.add(Add(), "threshold2", "threshold4")
    return chain.conv(3, 3, 3, 3).even_threshold(3).finish(12)


def levels_that_fill_a_byte() -> Graph:
    """256 states, 3 accumulators wide each."""
    theta = 3 * np.arange(1, 256)[None] - np.array([[1], [2]])
    one = np.ones((2, 1, 1, 1), int)
    chain = Chain((1, 4, 4), 255).add(SumPool2d((1, 1), (1, 1))).add(Conv2d(3 * one, one.ravel()))
    chain.add(Threshold(theta, np.array([False, True]))).conv(3, 2, 3, 3, padding=(1, 1))
    return chain.even_threshold(3).finish(48)


def levels_near_a_line(shared: bool) -> Graph:
    """Levels that are evenly spaced but for a few units, as other runtimes' rounding leaves them.

    Shared ones are the same in all channels, as after an addition of an 8-bit net.
    """
    chain = Chain((1, 6, 6), 255).conv(3, 1, 1, 1, largest=LARGE)
    theta = 100 * np.arange(1, 31) + chain.rng.integers(-20, 21, (1 if shared else 3, 30))
    flipped = np.zeros(3, bool) if shared else np.arange(3) == 1
    chain.add(Threshold(np.broadcast_to(theta, (3, 30)), flipped))
    return chain.conv(3, 3, 3, 3).threshold(3).finish(48)


def large_readout() -> Graph:
    """Accumulators beyond 16 bits, after spikes in int8."""
    return Chain((6,)).dense(8, 6).threshold(8).finish(8, largest=40_000)


def membrane(shape: tuple[int, ...], **parameters: Any) -> Graph:
    chain = Chain(shape, steps=4)
    if len(shape) == 3:
        chain.conv(3, shape[0], 2, 2)
        features = 3 * (shape[1] - 1) * (shape[2] - 1)
    else:
        chain.dense(3, shape[0])
        features = 3
    chain.add(Membrane(np.array([1, 2, 5]), **parameters))
    return chain.finish(features)


EXPORTED_NEURONS = (
    "currents of neurons, loop True",
    "currents of channels, loop False",
    "leaky sum, max, loop True",
    "side by side: ('input', -6, 7)",
    "15 levels, -8 + 1 n, even True, image False",
)
"""Some of the graphs of :mod:`tests.targets.tflite.neurons`, of which each form is tested."""


def _networks() -> dict[str, Callable[[], Graph]]:
    found: dict[str, Callable[[], Graph]] = {
        "graded input in int8": partial(graded_input, 255),
        "graded input in float32": partial(graded_input, 4000),
        "one-sided input in int8": partial(graded_input, 255, (0, 2, 2, 0)),
        "one-sided input in float32": partial(graded_input, 4000, (0, 2, 2, 0)),
        "sum pooled input in int8": partial(pooled_input, SumPool2d(*PADDED), 60),
        "sum pooled input in float32": partial(pooled_input, SumPool2d(*PADDED), 255),
        "max pooled input in int8": partial(pooled_input, MaxPool2d(*PADDED), 255),
        "max pooled input in float32": partial(pooled_input, MaxPool2d(*PADDED), 300),
        "sum pooled accumulators": sum_pooled_accumulators,
        "residual of spikes": partial(residual, of_spikes=True),
        "residual of accumulators": partial(residual, of_spikes=False),
        "sums of inputs of two sizes": sums_of_two_sizes,
        "reshapes": reshapes,
        "reshapes in int8": integer_reshapes,
        "shared reshape": shared_reshape,
        "two consumers": two_consumers,
        "large readout": large_readout,
        "different numbers of levels": different_levels,
        "levels that fill a byte": levels_that_fill_a_byte,
        "levels near a line": partial(levels_near_a_line, shared=False),
        "levels near one line": partial(levels_near_a_line, shared=True),
        "two levels": partial(levels, 2),
        "fifteen levels": partial(levels, 15),
    }
    for count in STATES:
        for high in (3, 255):
            found[f"{count} states, input to {high}"] = partial(states, count, high)
    for geometry in GEOMETRIES:
        for groups in GROUPS:
            for largest in (SMALL, LARGE):
                name = f"convolution {geometry}, {groups}, weights to {largest}"
                found[name] = partial(convolution, geometry, groups, largest)
    for kind in (MaxPool2d, SumPool2d):
        for pool in POOLS:
            for count in (1, 3):
                found[f"{kind.kind} {pool}, {count} levels"] = partial(pooling, kind, pool, count)
    for decay in (0, 1, 410, 2048, 4095, 4096):
        found[f"membrane decay {decay}"] = partial(membrane, (3, 4, 3), decay=decay)
    times = (ResetTime.SAME_STEP, ResetTime.NEXT_STEP)
    for reset, time, most in product(Reset, times, (1, 3)):
        found[f"membrane reset {reset.value} {time.value}, {most} spikes"] = partial(
            membrane,
            (6,),
            decay=300,
            reset=reset,
            reset_time=time,
            max_spikes=most,
            comparison=Comparison.GREATER,
        )
    for decay, saturation in ((0, 384), (0, 325), (410, 325)):
        found[f"membrane decay {decay}, at most {saturation}/64"] = partial(
            membrane, (6,), decay=decay, saturation=saturation
        )
    return found | RECURRENT | {name: NEURONS[name] for name in EXPORTED_NEURONS}


NETWORKS = _networks()


def samples_of(graph: Graph, count: int = 5) -> NDArray[np.int64]:
    """Draw samples over the whole input range, with different values at each step."""
    source = graph.input.op
    assert isinstance(source, Input)
    stepped = (count, graph.steps, *source.shape)
    return np.random.default_rng(7).integers(source.low, source.high, stepped, endpoint=True)
