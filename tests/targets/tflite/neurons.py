"""Hand-written graphs of membranes, readouts and values of every sort, of one or more steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np

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

CHANNELS = 4


class Net:
    """A graph under construction; each node is named, and reads the last one unless it says so."""

    def __init__(self, shape: tuple[int, ...], low: int = 0, high: int = 1, steps: int = 4) -> None:
        self.rng = np.random.default_rng(high + len(shape))
        self.steps = steps
        self.nodes: list[Node] = []
        self.tensors: dict[str, Tensor] = {}
        self.last = ""
        self.add("input", Input(shape, low, high, 1.0))

    def add(self, name: str, op: Operation, *sources: str) -> str:
        sources = sources or ((self.last,) if self.last else ())
        self.nodes.append(Node(name, op, sources))
        inputs = [] if isinstance(op, Delay) else [self.tensors[source] for source in sources]
        self.tensors[name] = op.infer(inputs, self.steps)
        self.last = name
        return name

    def weigh(self, name: str, outputs: int, *source: str, largest: int = 3) -> str:
        """Add a dense layer, or a convolution that keeps the size."""
        channels, *size = self.tensors[source[0] if source else self.last].shape
        kernel = (3, 3) if size else ()
        weight = self.rng.integers(-largest, largest + 1, (outputs, channels, *kernel))
        bias = self.rng.integers(-3, 4, outputs)
        op = Conv2d(weight, bias, padding=(1, 1)) if size else Dense(weight, bias)
        return self.add(name, op, *source)

    def levels(
        self, name: str, levels: int, offset: int = 0, unit: int = 1, even: bool = True
    ) -> str:
        """Add thresholds over the middle half of the accumulator's range, some of them flipped."""
        tensor = self.tensors[self.last]
        channels = tensor.shape[0]
        place = (np.arange(1, levels + 1) - 0.5) / levels
        place = place if even else np.tanh(4 * place - 2) / 2 + 0.5
        middle, reach = (tensor.high + tensor.low) / 2, (tensor.high - tensor.low) / 4
        theta = np.ceil((middle - reach)[:, None] + 2 * reach[:, None] * place)
        flipped = np.arange(channels) % 3 == 1
        return self.add(name, Threshold(theta.astype(np.int64), flipped, offset, unit))

    def finish(self, mode: ReadoutMode = ReadoutMode.SUM, weigh: bool = True) -> Graph:
        """Flatten, classify and read out; without ``weigh`` the last node is read out itself."""
        if len(self.tensors[self.last].shape) == 3:
            self.add("flat", Reshape((self.tensors[self.last].size,)))
        if weigh:
            self.weigh("classes", 3)
        self.add("readout", Readout(np.ones(self.tensors[self.last].size), mode))
        return Graph("neurons", tuple(self.nodes), self.steps)


def membrane(
    *,
    image: bool = False,
    loop: bool = False,
    mode: ReadoutMode = ReadoutMode.SUM,
    theta: Any = (1, 2, 5, 3),
    largest: int = 3,
    steps: int = 4,
    **parameters: Any,
) -> Graph:
    """One layer of membranes, in a loop if wanted; its potentials are read out as they are."""
    net = Net((2, 3, 2) if image else (5,), 0, 3, steps)
    net.weigh("forward", CHANNELS, largest=largest)
    if loop:
        most = parameters.get("max_spikes", 1)
        net.add("delay", Delay(net.tensors["forward"].shape, 0, most, Signal.SPIKES), "cells")
        net.weigh("back", CHANNELS)
        net.add("sum", Add(), "forward", "back")
    op = Membrane(np.asarray(theta), **parameters)
    net.add("cells", op)
    return net.finish(mode, weigh=op.emits is Emits.SPIKES)


def each_neuron(low: int, high: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return a parameter of each neuron of an image."""
    return np.random.default_rng(low % 1000 + high).integers(low, high + 1, (CHANNELS, 3, 2))


def concatenation(
    parts: Sequence[int | str], *, image: bool = False, loop: bool = False, steps: int = 1
) -> Graph:
    """Neurons of several numbers of levels side by side, or "input", "sums", "membrane"."""
    net = Net((2, 3, 2) if image else (5,), -3, 9, steps)
    names: list[str] = []
    for index, part in enumerate(parts):
        if part == "input":
            names.append("input")
            continue
        if part == "same":
            names.append(names[0])
            continue
        names.append(net.weigh(f"sums{index}", 3, "input"))
        if isinstance(part, int):
            names[-1] = net.levels(f"levels{index}", abs(part), min(part, 0))
        elif part == "membrane":
            names[-1] = net.add(f"cells{index}", Membrane(np.array([3, 5, 20])))
    if loop:
        tensor = net.tensors[names[0]]
        low, high = tensor.bounds
        initial = high if parts[0] == "input" else 0
        names.append(
            net.add("before", Delay(tensor.shape, low, high, tensor.signal, initial), names[0])
        )
    net.add("side-by-side", Concatenate(), *names)
    if "sums" not in parts:
        net.weigh("next", 4)
    net.levels("next-levels", 3)
    return net.finish()


def values(levels: int, offset: int, unit: int, *, even: bool = True, image: bool = False) -> Graph:
    """Two layers of signed levels."""
    net = Net((2, 3, 2) if image else (5,), -7, 7, 1)
    for index in (1, 2):
        net.weigh(f"sums{index}", CHANNELS)
        net.levels(f"levels{index}", levels, offset, unit, even)
    return net.finish()


def leaky_sum(*, loop: bool = False, **parameters: Any) -> Graph:
    """Spikes, classes, and their leaky sum as the readout."""
    net = Net((5,), 0, 3, 5)
    net.weigh("forward", CHANNELS)
    if loop:
        net.add("delay", Delay((CHANNELS,), 0, 1, Signal.SPIKES), "cells")
        net.weigh("back", CHANNELS)
        net.add("sum", Add(), "forward", "back")
    net.add("cells", Membrane(np.array([1, 2, 5, 3]), decay=410))
    net.weigh("classes", 3)
    mode = parameters.pop("mode", ReadoutMode.LAST)
    ones = np.ones(3, np.int64)
    net.add("sums", Membrane(ones, reset=Reset.NONE, emits=Emits.POTENTIAL, **parameters))
    return net.finish(mode, weigh=False)


def _neurons() -> dict[str, Callable[[], Graph]]:
    arrays: dict[str, dict[str, Any]] = {
        "decays of channels": {"decay": np.array([0, 4096, 410, 4095])},
        "decays of neurons": {"image": True, "decay": each_neuron(0, 4096)},
        "decays that keep or forget": {"decay": np.array([0, 4096, 4096, 0])},
        "thresholds of neurons": {"image": True, "theta": each_neuron(1, 9)},
        "several spikes, thresholds of neurons": {
            "image": True,
            "theta": each_neuron(1, 9),
            "max_spikes": 3,
        },
        "bias": {"bias": 37, "decay": 410},
        "whole bias": {"bias": -128},
        "bias of neurons": {"image": True, "bias": each_neuron(-99, 99), "decay": 4096},
        "floor of 0": {"floor": 0, "decay": 64},
        "whole floor": {"floor": -64 * 4},
        "floors of channels": {"floor": np.array([0, -1, -64, -999])},
        "floors of neurons": {"image": True, "floor": each_neuron(-640, 0)},
        "a floor and a ceiling": {"floor": -100, "saturation": 352, "bias": 1},
        "a current that saturates": {"decay_syn": 64, "decay": 410, "saturation": 325},
        "currents of channels": {"decay_syn": np.array([0, 4096, 410, 2048]), "decay": 100},
        "currents of neurons": {"image": True, "decay_syn": each_neuron(0, 4096), "bias": -9},
        "a current that is forgotten": {"decay_syn": 4096},
        "a current that is kept": {"decay_syn": 0},
        "no fraction": {"fraction_bits": 0, "decay": 410, "decay_syn": 1000},
        "12 fraction bits": {"fraction_bits": 12, "decay": 410, "bias": 4097},
        "13 decay bits": {"decay_bits": 13, "decay": 1},
        "even 16 decay bits": {"decay_bits": 16, "decay": 48},
        "20 decay bits": {"decay_bits": 20, "decay": 104_857, "decay_syn": 1_048_575},
        "24 decay bits": {
            "decay_bits": 24,
            "fraction_bits": 16,
            "decay": np.array([0, 1, 2**24 - 1, 7_654_321]),
        },
        "5 decay bits": {"decay_bits": 5, "decay": 3},
    }
    found: dict[str, Callable[[], Graph]] = {}
    for index, (name, parameters) in enumerate(arrays.items()):
        loop = index % 2 == 1
        found[f"{name}, loop {loop}"] = partial(membrane, loop=loop, **parameters)
    for comparison, decay, loop in product(Comparison, (0, 410, 4096), (False, True)):
        found[f"raised threshold, {comparison.value}, decay {decay}, loop {loop}"] = partial(
            membrane,
            reset_time=ResetTime.SAME_STEP_RAISED,
            comparison=comparison,
            decay=decay,
            loop=loop,
        )
    times = [
        (reset, time)
        for reset, time in product(Reset, ResetTime)
        if reset is Reset.SUBTRACT or time is not ResetTime.SAME_STEP_RAISED
    ]
    for index, ((reset, time), decay_syn) in enumerate(product(times, (None, 700))):
        mode = list(ReadoutMode)[index % 3]
        found[f"potentials, {reset.value} {time.value}, {decay_syn}, {mode.value}"] = partial(
            membrane,
            reset=reset,
            reset_time=time,
            decay=99,
            decay_syn=decay_syn,
            emits=Emits.POTENTIAL,
            mode=mode,
        )
    for mode, loop in product(ReadoutMode, (False, True)):
        found[f"spikes, {mode.value}, loop {loop}"] = partial(membrane, mode=mode, loop=loop)
        found[f"leaky sum, {mode.value}, loop {loop}"] = partial(
            leaky_sum, mode=mode, loop=loop, decay=205
        )
    found["potentials that saturate"] = partial(
        membrane, emits=Emits.POTENTIAL, saturation=640, theta=(1, 2, 5, 3), floor=-128
    )
    found["potentials of one step"] = partial(membrane, emits=Emits.POTENTIAL, steps=1, bias=3)
    found["leaky sum of currents"] = partial(leaky_sum, decay_syn=1000, decay=30, bias=11)
    found["leaky sum that forgets"] = partial(leaky_sum, decay=4096, loop=True)
    for parts in (
        (1, 1),
        (3, 3, 3),
        (1, 3),
        (-4, 3),
        ("input", 1),
        ("input", -6, 7),
        (1, "same"),
        ("sums", "sums"),
        ("membrane", 1),
        (2,) * 12,
    ):
        image = len(parts) != 3
        found[f"side by side: {parts}"] = partial(concatenation, parts, image=image)
        if "sums" not in parts:
            found[f"side by side: {parts}, in a loop"] = partial(
                concatenation, parts, loop=True, steps=3
            )
    for levels, offset, unit in (
        (1, -1, 2),
        (2, -1, 1),
        (2, -2, 2),
        (3, -2, 1),
        (15, -8, 1),
        (255, -128, 1),
        (3, 5, 1),
        (1, 0, 100),
        (1, -255, 255),
        (300, -150, 1),
        (5, -500, 200),
    ):
        for even, image in ((True, unit > 1), (False, True)):
            found[f"{levels} levels, {offset} + {unit} n, even {even}, image {image}"] = partial(
                values, levels, offset, unit, even=even, image=image
            )
    return found


NEURONS = _neurons()
"""Small graphs, by name."""
