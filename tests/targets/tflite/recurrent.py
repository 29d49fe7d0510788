"""Hand-written recurrent graphs: loops and delays of every sort, in int8 and in float32."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from edgespike.graph import (
    Add,
    Conv2d,
    Delay,
    Dense,
    Graph,
    Input,
    MaxPool2d,
    Membrane,
    Node,
    Operation,
    Readout,
    ReadoutMode,
    Reset,
    ResetTime,
    Reshape,
    Signal,
    Tensor,
    Threshold,
)

STEPS = 5


class Loops:
    """A graph under construction, whose delays may name a node that is added later."""

    def __init__(self, shape: tuple[int, ...], low: int, high: int, largest: int = 1) -> None:
        self.rng = np.random.default_rng(high + largest)
        self.largest = largest
        self.nodes: list[Node] = []
        self.tensors: dict[str, Tensor] = {}
        self.add("input", Input(shape, low, high, 1.0))

    def add(self, name: str, op: Operation, *sources: str) -> str:
        """Add a node and return its name."""
        self.nodes.append(Node(name, op, sources))
        inputs = [] if isinstance(op, Delay) else [self.tensors[source] for source in sources]
        self.tensors[name] = op.infer(inputs, STEPS)
        return name

    def weigh(self, name: str, source: str, outputs: int, kernel: int | None = None) -> str:
        """Add a dense layer, or a convolution that keeps the size."""
        inputs = self.tensors[source].shape[0]
        shape = (outputs, inputs) if kernel is None else (outputs, inputs, kernel, kernel)
        weight = self.rng.integers(-self.largest, self.largest + 1, shape)
        weight.flat[0] = self.largest
        bias = self.rng.integers(-3, 4, outputs)
        if kernel is None:
            return self.add(name, Dense(weight, bias), source)
        return self.add(name, Conv2d(weight, bias, padding=(kernel // 2,) * 2), source)

    def count(self, name: str, source: str, levels: int, even: bool = True) -> str:
        """Add thresholds over the middle half of the accumulator's range, some of them flipped."""
        tensor = self.tensors[source]
        channels = tensor.shape[0]
        place = (np.arange(1, levels + 1) - 0.5) / levels
        place = place if even else np.tanh(4 * place - 2) / 2 + 0.5
        middle, reach = (tensor.high + tensor.low) / 2, (tensor.high - tensor.low) / 4
        theta = np.ceil((middle - reach)[:, None] + 2 * reach[:, None] * place)
        op = Threshold(theta.astype(np.int64), np.arange(channels) % 3 == 1)
        return self.add(name, op, source)

    def delay(self, name: str, source: str, shape: Any, levels: int, initial: int = 0) -> str:
        """Add the delay of a threshold or membrane."""
        signal = Signal.SPIKES if levels == 1 else Signal.GRADED
        return self.add(name, Delay(shape, 0, levels, signal, initial), source)

    def layer(
        self, index: int, source: str, units: int, levels: int, even: bool = True, initial: int = 0
    ) -> str:
        """Add a recurrent layer and return the name of its neurons."""
        forward = self.weigh(f"forward{index}", source, units)
        delayed = self.delay(f"delay{index}", f"neurons{index}", (units,), levels, initial)
        back = self.weigh(f"back{index}", delayed, units)
        total = self.add(f"sum{index}", Add(), forward, back)
        return self.count(f"neurons{index}", total, levels, even)

    def finish(self, source: str, mode: ReadoutMode, steps: int = STEPS) -> Graph:
        """Flatten, classify and read out."""
        if len(self.tensors[source].shape) == 3:
            source = self.add("flat", Reshape((self.tensors[source].size,)), source)
        self.add("readout", Readout(np.ones(4), mode), self.weigh("classes", source, 4))
        return Graph("recurrent", tuple(self.nodes), steps)


def layers(
    *levels: int,
    low: int = 0,
    high: int = 255,
    largest: int = 1,
    even: bool = True,
    initial: int = 0,
    mode: ReadoutMode = ReadoutMode.LAST,
    steps: int = STEPS,
) -> Graph:
    """Stack recurrent layers with these numbers of levels."""
    loops = Loops((3,), low, high, largest)
    source = "input"
    for index, count in enumerate(levels, start=1):
        source = loops.layer(index, source, 6, count, even, initial)
    return loops.finish(source, mode, steps)


def image(kernels: tuple[int, int], pooled: bool = False) -> Graph:
    """A recurrent layer of convolutions, with a pool in its loop if wanted."""
    loops = Loops((2, 4, 3), 0, 3)
    forward = loops.weigh("forward", "input", 3, kernels[0])
    source = "pool" if pooled else "neurons"
    delayed = loops.delay("delay", source, (3, 4, 3), 3, initial=1)
    back = loops.weigh("back", delayed, 3, kernels[1])
    neurons = loops.count("neurons", loops.add("sum", Add(), forward, back), 3)
    if pooled:
        neurons = loops.add("pool", MaxPool2d((3, 3), (1, 1), (1, 1)), neurons)
    return loops.finish(neurons, ReadoutMode.LAST)


def flattened() -> Graph:
    """A flattened image and a state, side by side in one product."""
    loops = Loops((2, 3, 2), 0, 15)
    loops.add("pixels", Reshape((12,)), "input")
    return loops.finish(loops.layer(1, "pixels", 6, 15), ReadoutMode.LAST)


def membranes(mode: ReadoutMode = ReadoutMode.SUM, **parameters: Any) -> Graph:
    """Integrate-and-fire neurons in a loop."""
    loops = Loops((3,), 0, 1, largest=3)
    forward = loops.weigh("forward", "input", 6)
    back = loops.weigh("back", loops.delay("delay", "cells", (6,), 1), 6)
    loops.add("sum", Add(), forward, back)
    op = Membrane(np.array([1, 2, 3, 1, 2, 5]), **parameters)
    return loops.finish(loops.add("cells", op, "sum"), mode)


def delayed_input() -> Graph:
    """The input of this step and of the one before, and a delay that the readout reads."""
    loops = Loops((3,), 0, 1)
    loops.delay("before", "input", (3,), 1, initial=1)
    now, then = loops.weigh("now", "input", 6), loops.weigh("then", "before", 6)
    neurons = loops.count("neurons", loops.add("sum", Add(), now, then), 1)
    return loops.finish(loops.delay("late", neurons, (6,), 1), ReadoutMode.SUM)


def two_layers_in_a_loop() -> Graph:
    """A loop through two layers, the second of which is the source of two delays."""
    loops = Loops((3,), 0, 15)
    first, second = (loops.delay(f"delay{i}", "outer", (6,), 3, initial=i) for i in (1, 2))
    inner = loops.add(
        "in", Add(), loops.weigh("forward", "input", 6), loops.weigh("back", first, 6)
    )
    middle = loops.weigh("middle", loops.count("inner", inner, 3), 6)
    outer = loops.add("out", Add(), middle, loops.weigh("across", second, 6))
    return loops.finish(loops.count("outer", outer, 3), ReadoutMode.LAST)


RECURRENT: dict[str, Callable[[], Graph]] = {
    "recurrent layer of 7 levels": partial(layers, 7),
    "recurrent layer of 15 levels": partial(layers, 15, largest=40),
    "recurrent layer of spikes, summed": partial(layers, 1, high=1, mode=ReadoutMode.SUM),
    "recurrent layer of uneven levels": partial(layers, 6, even=False, initial=3, largest=20),
    "recurrent layer of large weights": partial(layers, 15, largest=300, initial=2),
    "recurrent layer, negative input": partial(layers, 3, low=-255, high=0),
    "recurrent layer, input beyond int8": partial(layers, 7, high=300, initial=7),
    "recurrent layer of one step": partial(layers, 3, initial=2, steps=1),
    "recurrent layers of equal levels": partial(layers, 3, 3, 3, initial=1),
    "recurrent layers of different levels": partial(layers, 3, 5, high=7, initial=2),
    "recurrent convolutions": partial(image, (3, 3)),
    "recurrent convolutions of two geometries": partial(image, (3, 1)),
    "recurrent convolutions and a pool": partial(image, (3, 3), pooled=True),
    "flattened image beside a state": flattened,
    "recurrent membranes, decay 410": partial(membranes, decay=410),
    "recurrent membranes, late reset": partial(
        membranes, ReadoutMode.LAST, decay=2048, reset=Reset.ZERO, reset_time=ResetTime.NEXT_STEP
    ),
    "recurrent membranes that forget": partial(
        membranes, decay=4096, reset=Reset.NONE, reset_time=ResetTime.NEXT_STEP
    ),
    "recurrent membranes that saturate": partial(membranes, decay=64, saturation=325),
    "delayed input": delayed_input,
    "two layers in a loop": two_layers_in_a_loop,
}
"""Small graphs of few steps, by name."""
