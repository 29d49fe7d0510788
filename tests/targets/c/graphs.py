"""Graphs that reach what few random graphs do: every kernel, bits, fused pools, wide sums."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import product
from typing import Any, cast

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
    MaxPool2d,
    Membrane,
    Operation,
    Readout,
    ReadoutMode,
    Reset,
    ResetTime,
    Reshape,
    SumPool2d,
    Threshold,
)
from edgespike.graph.tensor import ACCUMULATOR_LIMIT
from tests.strategies import Builder, Case
from tests.targets.cpu.graphs import chain

WEIGHTS = ((-1, 1), (0, 3), (-2, 1), (-3, 0), (0, 1), (-8, 7), (0, 15), (0, 255), (-128, 127))
"""Ranges of weights of 2, 4 and 8 bits, both ends of which occur."""

WIDE_WEIGHTS = ((-129, 127), (0, 256), (-32768, 32767), (-40000, 3), (-(2**20), 2**20))
"""Ranges of weights of more than 8 bits."""

CHANNELS = (1, 7, 8, 31, 32, 33, 48, 65)

OUTPUTS = (5, 6, 15, 16, 17, 48)

KERNELS = ((1, 1), (3, 3), (5, 2), (2, 3))

INPUTS = (
    (0, 1),
    (0, 7),
    (0, 255),
    (-100, 27),
    (3, 9),
    (-300, 300),
    (0, 65535),
    (-32768, 32767),
    (-1, 70000),
)
"""Ranges of inputs of 8, 16 and 32 bits."""


class RandomBuilder(Builder):
    """A graph under construction that a generator of random numbers chooses."""

    def __init__(self, seed: int, op: Input, steps: int, count: int = 2) -> None:
        rng = np.random.default_rng(seed)
        stepped = (steps,) if steps > 1 else ()
        samples = rng.integers(op.low, op.high, (count, *stepped, *op.shape), endpoint=True)
        samples[rng.random(samples.shape) < 0.3] = max(op.low, 0)
        samples[0].flat[: samples[0].size // 3] = op.high
        super().__init__(cast(Any, lambda _: bool(rng.integers(2))), rng, op, steps, samples)
        self.samples = samples

    def pick(self, *choices: Any) -> Any:
        """Choose one."""
        return choices[self.rng.integers(len(choices))]

    def some(self, shape: Iterable[int], low: int, high: int) -> dict[str, Any]:
        """Return weights of a range, both ends of which occur, and biases."""
        shape = tuple(shape)
        weight = self.rng.integers(low, high, shape, endpoint=True)
        weight[self.rng.random(shape) < 0.2] = min(max(0, low), high)
        weight.flat[0], weight.flat[-1] = low, high
        trained = (weight != 0) | (self.rng.random(shape) < 0.5)
        bias = self.rng.integers(-20, 21, shape[0]) * self.pick(0, 1)
        return {"weight": weight, "bias": bias, "float_nonzero": self.pick(None, trained)}

    def spread(self, channels: int) -> None:
        """Add a convolution of one place to so many channels."""
        source = self.shape[0]
        self.append(Conv2d(**self.some((channels, source, 1, 1), -7, 7)))

    def tested_convolution(self, outputs: int, weights: tuple[int, int], *, groups: int = 1) -> str:
        """Add a convolution of any geometry that fits, also with windows outside the image."""
        channels, height, width = self.shape
        kernel, dilation, stride = self.pick(*KERNELS), self.pick(1, 1, 2), self.pick(1, 1, 2, 3)
        most = [(size - 1) * dilation for size in kernel]
        sides = [self.pick(0, 0, 1, end, end + 2) for end in most for _ in "ab"]
        for axis, size in enumerate((height, width)):
            if size + sides[2 * axis] + sides[2 * axis + 1] <= most[axis]:
                sides[2 * axis] += most[axis]
        found = self.some((outputs, channels // groups, *kernel), *weights)
        return self.append(
            Conv2d(
                **found,
                stride=(stride, self.pick(1, stride)),
                padding=tuple(sides),
                dilation=(dilation, dilation),
                groups=groups,
            )
        )

    def edged_threshold(self, levels: int, offset: int = 0, unit: int = 1) -> str:
        """Add thresholds at values that are reached, and at and beyond the edges of the range."""
        tensor, channels = self.tensors[self.last], self.shape[0]
        reached = np.unique(np.stack(self.values[self.last]))
        theta = self.rng.choice(reached, (channels, levels))
        edges = np.stack([tensor.low, tensor.low + 1, tensor.high, tensor.high + 1], axis=1)
        edges = np.concatenate([edges, edges + np.array([-9, 0, 0, 9])], axis=1)
        far = self.rng.random(theta.shape) < 0.2
        drawn = self.rng.integers(0, edges.shape[1], theta.shape)
        theta = np.where(far, np.take_along_axis(edges, drawn, 1), theta)
        flipped = self.rng.random(channels) < 0.4
        return self.append(Threshold(np.sort(theta, axis=1), flipped, offset, unit))

    def neurons(self) -> None:
        """Add neurons of any kind."""
        kind = self.pick("bits", "bits", "bits", "levels", "signed", "membrane")
        if kind == "membrane":
            self.membrane()
        elif kind == "signed":
            self.edged_threshold(self.pick(2, 5), -2, 2)
        else:
            self.edged_threshold(self.pick(1, 1, 2, 3, 7) if kind == "bits" else 9)

    def some_pool(self) -> None:
        """Add a max pool whose windows lie side by side, or not, or leave a row out."""
        if len(self.shape) < 3 or self.tensors[self.last].low.min() < 0:
            return
        height, width = self.shape[1:]
        kernel = min(height, self.pick(2, 2, 3)), min(width, self.pick(1, 2, 2))
        kind = self.pick("beside", "beside", "beside", "across", "padded")
        if kind == "beside":
            self.append(MaxPool2d(kernel, kernel))
        elif kind == "across":
            self.append(MaxPool2d(kernel, (1, 2)))
        else:
            self.append(MaxPool2d(kernel, kernel, (0, 1 if kernel[1] > 1 else 0)))

    def detour(self) -> None:
        """Add what carries events on: a delay, a reshape, a concatenation, an addition, nothing."""
        name = self.last
        match self.pick("", "", "delay", "reshape", "concatenate", "add", "sum pool"):
            case "delay" if self.nodes[-1].op.emits_events:
                self.delay(Delay.behind(self.tensors[name], int(self.rng.integers(2))), name)
            case "reshape" if len(self.shape) == 3:
                channels, height, width = self.shape
                self.append(Reshape((channels * height * width,)))
                self.append(Reshape((channels, width, height)))
            case "concatenate":
                self.append(Concatenate(), name, name)
            case "add":
                self.append(Add(), name, name)
            case "sum pool" if len(self.shape) == 3 and min(self.shape[1:]) > 1:
                self.append(SumPool2d((2, 2), (1, 2), (1, 0, 0, 1)))

    def end(self) -> Case:
        """Add a dense layer over all that is there, and a readout."""
        self.flatten()
        classes = self.pick(3, 6, 20)
        low, high = self.pick(*WEIGHTS)
        self.append(Dense(**self.some((classes, *self.shape), low, high)))
        self.append(Readout(np.ones(classes), self.pick(*ReadoutMode)))
        graph = Graph("random", tuple(self.nodes), self.steps)
        return Case(graph, self.samples)


def _source(number: int, channels: int = 2) -> Input:
    low, high = INPUTS[number % len(INPUTS)]
    rng = np.random.default_rng(number)
    return Input((channels, *(int(size) for size in rng.integers(3, 8, 2))), low, high, 1.0)


def of_bits(number: int) -> Case:
    """Return a convolution of levels 1..7 of any number of channels, which are kept as bits."""
    builder = RandomBuilder(number, _source(number), (1, 1, 3)[number % 3])
    builder.spread(CHANNELS[number % len(CHANNELS)])
    builder.edged_threshold(1 + number % 7)
    if builder.pick(True, False, False):
        builder.some_pool()
        builder.detour()
    if builder.pick(True, False, False):
        builder.some_pool()
    outputs, weights = OUTPUTS[number // 3 % len(OUTPUTS)], WEIGHTS[number // 2 % len(WEIGHTS)]
    builder.tested_convolution(outputs, weights)
    _after(builder)
    return builder.end()


def _after(builder: RandomBuilder) -> None:
    """Add neurons, sometimes two kinds of them that read the same sums, and pools."""
    sums = builder.last
    if builder.pick(True, False, False, False):
        left, right = (
            builder.append(
                Threshold(
                    np.full((builder.tensors[sums].shape[0], 1), theta),
                    np.zeros(builder.tensors[sums].shape[0], np.bool_),
                ),
                sums,
            )
            for theta in (0, 5)
        )
        builder.append(Add(), left, right)
    else:
        builder.neurons()
    builder.some_pool()
    if builder.pick(True, False):
        builder.some_pool()
    if builder.pick(True, False):
        builder.detour()


def of_bytes(number: int) -> Case:
    """Return a convolution or a dense layer of an input of few levels, kept as bytes."""
    source = _source(number, CHANNELS[number % len(CHANNELS)])
    builder = RandomBuilder(number, replace(source, low=0, high=1 + number % 7), 1 + number % 2)
    outputs, weights = OUTPUTS[number // 3 % len(OUTPUTS)], WEIGHTS[number // 2 % len(WEIGHTS)]
    if number % 5 == 0:
        builder.flatten()
        builder.append(Dense(**builder.some((outputs, *builder.shape), *weights)))
    else:
        builder.tested_convolution(outputs, weights)
    _after(builder)
    return builder.end()


def of_numbers(number: int) -> Case:
    """Return a convolution of numbers, of weights of any size, sometimes in groups."""
    channels = (1, 2, 6, 9)[number % 4]
    builder = RandomBuilder(number, _source(number // 4, channels), 1 + number % 2)
    groups = (1, 1, 1, channels, 1, 3 if channels % 3 == 0 else 1)[number % 6]
    weights = (*WEIGHTS, *WIDE_WEIGHTS)[number % 14]
    outputs = OUTPUTS[number // 5 % len(OUTPUTS)]
    builder.tested_convolution(-(-outputs // groups) * groups, weights, groups=groups)
    _after(builder)
    return builder.end()


def of_many(number: int) -> Case:
    """Return layers whose windows hold more than 257 events, with sums beyond 16 bits."""
    source = Input((20, 7, 6), 0, 1 + number % 7, 1.0)
    builder = RandomBuilder(number, source, 1 + number % 2)
    if number % 2:
        builder.spread(33)
        builder.edged_threshold(1 + number % 3)
    weights = WEIGHTS[number // 2 % len(WEIGHTS)]
    if number % 3:
        builder.append(Conv2d(**builder.some((17, builder.shape[0], 5, 5), *weights)))
    else:
        builder.flatten()
        builder.append(Dense(**builder.some((17, *builder.shape), *weights)))
    _after(builder)
    return builder.end()


def of_membranes(number: int) -> Case:
    """Return membranes of every kind after a layer of any kernel, over several steps."""
    steps = (1, 4, 9)[number % 3]
    source = _source(number) if number % 2 else Input((9,), 0, 3, 1.0)
    builder = RandomBuilder(number, source, steps)
    weights = WEIGHTS[number % len(WEIGHTS)]
    if number % 2:
        builder.tested_convolution(OUTPUTS[number // 2 % len(OUTPUTS)], weights)
    else:
        builder.append(Dense(**builder.some((9, 9), *weights)))
    builder.membrane()
    if builder.pick(True, False):
        builder.some_pool()
    case_of_all = builder.pick(True, False)
    builder.flatten()
    builder.append(Dense(**builder.some((7, *builder.shape), -8, 7)))
    if case_of_all:
        builder.potentials()
    builder.append(Readout(np.ones(7), builder.pick(*ReadoutMode)))
    return Case(Graph("random", tuple(builder.nodes), steps), builder.samples)


RANDOM: dict[str, Callable[[int], Case]] = {
    "bits": of_bits,
    "bytes": of_bytes,
    "numbers": of_numbers,
    "many": of_many,
    "membranes": of_membranes,
}
"""Cases by what their layers read; each takes any number, and gives a case of its own."""


def edges_of_sums(beyond: int = 0, levels: int = 1, weight: int = 127) -> Case:
    """Return a dense layer whose sums are exactly those of 16 bits, or more at one end.

    Parameters
    ----------
    beyond
        What the bias adds to the upper end.
    levels
        Of the input.
    weight
        Largest magnitude of a weight.
    """
    half = (2**15 - 1) // (weight * levels)
    rest = 2**15 - 1 - half * weight * levels
    # Some outputs reach the upper end, with what is missing as bias, the others the lower one.
    row = np.array([weight] * half + [-weight] * half)
    weights = np.stack([row if k % 2 else -row for k in range(17)])
    bias = np.where(np.arange(17) < 8, rest + beyond, -rest - 1)
    dense = Dense(weights, bias)
    source = Input((2 * half,), 0, levels, 1.0)
    low, high = dense.infer([source.infer([], 1)], 1).bounds
    assert (low, high) == (-(2**15), 2**15 - 1 + beyond), (low, high)
    samples = np.zeros((6, 2 * half), np.int64)
    samples[0, :half] = samples[1, half:] = samples[2] = levels
    samples[4:] = np.random.default_rng(beyond).integers(0, levels, (2, 2 * half), endpoint=True)
    theta = np.full((17, 3), -(2**15))
    theta[:, 1] = np.arange(17) * 31 - 100
    theta[:, 2] = 2**15 - 1 + beyond + (np.arange(17) % 2)
    cells = Threshold(theta, np.arange(17) % 3 == 0)
    return Case(chain(source, dense, cells, *_dense(17)), samples)


def thresholds_at_edges(levels: int, offset: int, channels: int, low: int, high: int) -> Case:
    """Return thresholds at every edge of a range, each channel with some of them, some flipped."""
    rng = np.random.default_rng(levels)
    source = Input((1,), low, high, 1.0)
    dense = Dense(np.ones((channels, 1), np.int64), np.zeros(channels, np.int64))
    places = [low - 1, low, low + 1, (low + high) // 2, high - 1, high, high + 1, high + 9]
    theta = np.sort(rng.choice(places, (channels, levels)), axis=1)
    flipped = rng.random(channels) < 0.5
    samples = np.array([[low], [low + 1], [(low + high) // 2], [high - 1], [high]])
    return Case(chain(source, dense, Threshold(theta, flipped, offset), *_dense(channels)), samples)


def _dense(inputs: int) -> tuple[Operation, ...]:
    return (Dense(np.arange(6 * inputs).reshape(6, inputs) % 5 - 2, np.zeros(6, np.int64)),)


def every_membrane() -> list[Case]:
    """Return membranes of every reset, time, comparison and output, and of several spikes."""
    cases = []
    kinds = product(Reset, ResetTime, Comparison, (1, 3, 300), Emits, (None, 410), (0, 1024))
    for number, (reset, time, comparison, spikes, emits, syn, decay) in enumerate(kinds):
        raised = time is ResetTime.SAME_STEP_RAISED
        if raised and (reset is not Reset.SUBTRACT or spikes > 1):
            continue
        op = Membrane(
            np.array([1, 2, 7, 30, 1]),
            decay=decay,
            reset=reset,
            reset_time=time,
            comparison=comparison,
            max_spikes=spikes,
            saturation=(30 * max(spikes, 2) << 6) + 1 + number % 64,
            decay_syn=syn,
            bias=(0, 64, -37)[number % 3],
            floor=(None, 0, -100)[number % 3],
            emits=emits,
        )
        cases.append(_stepped_membrane(op, number))
    return cases


def extreme_membranes() -> list[Case]:
    """Return membranes at the ends of what the formats hold."""
    theta = np.array([1, 2, 3, 4, 5])
    formats = {"fraction_bits": 40, "decay_bits": 24, "saturation": ACCUMULATOR_LIMIT}
    return [
        _stepped_membrane(Membrane(theta, **changes), number, reach)  # type: ignore[arg-type]
        for number, (changes, reach) in enumerate(
            [
                (formats | {"decay": 1, "decay_syn": 2**24 - 1, "bias": -(2**40)}, 2**18),
                (formats | {"decay": 2**23 + 1, "max_spikes": 7, "floor": -1}, 2**18),
                ({"saturation": 2**31 - 1, "fraction_bits": 0}, 2**30),
                ({"saturation": 2**31, "fraction_bits": 0}, 2**30),
                ({"saturation": 2**31 - 1, "fraction_bits": 0, "emits": Emits.POTENTIAL}, 2**31),
                ({"saturation": 2**31, "fraction_bits": 0, "emits": Emits.POTENTIAL}, 2**31),
                ({"saturation": 2**15 - 1, "fraction_bits": 0}, 2**14),
                ({"saturation": 2**15, "fraction_bits": 0, "reset": Reset.NONE}, 2**14),
                ({"saturation": ACCUMULATOR_LIMIT, "fraction_bits": 12}, 2**40),
                ({"saturation": 2**31 - 1, "fraction_bits": 6, "decay_syn": 0}, 2**22),
                ({"decay_bits": 1, "decay": 1, "decay_syn": 1}, 100),
                ({"max_spikes": 2**20, "saturation": ACCUMULATOR_LIMIT}, 2**24),
                (
                    {
                        "max_spikes": 256,
                        "reset_time": ResetTime.NEXT_STEP,
                        "saturation": ACCUMULATOR_LIMIT,
                    },
                    2**12,
                ),
            ]
        )
    ]


def _stepped_membrane(op: Membrane, seed: int, reach: int = 40) -> Case:
    steps = 6
    source = Input((5,), -reach, reach, 1.0)
    dense = Dense(np.eye(5, dtype=np.int64), np.zeros(5, np.int64))
    rng = np.random.default_rng(seed)
    samples = rng.integers(-reach, reach, (3, steps, 5), endpoint=True)
    samples[0, :4], samples[1, :4] = reach, -reach
    after = () if op.emits is Emits.POTENTIAL else _dense(5)
    return Case(chain(source, dense, op, *after, steps=steps), samples)


def drawn(kind: str, count: int) -> list[Case]:
    """Return so many random cases of a kind."""
    return [RANDOM[kind](number) for number in range(count)]
