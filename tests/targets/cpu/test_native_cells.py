"""Thresholds and membranes of the native engine: every method, option and end of a range."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from edgespike.graph import (
    Add,
    Comparison,
    Conv2d,
    Dense,
    Emits,
    Graph,
    Input,
    Membrane,
    Node,
    Readout,
    Reset,
    ResetTime,
    Reshape,
    Threshold,
)
from edgespike.graph.tensor import ACCUMULATOR_LIMIT, Integers
from edgespike.targets.cpu.native.program import program_of
from tests.targets.cpu.native_runners import assert_native

CHANNELS = 5

RANGES = {
    "bytes": (0, 255),  # sums of 16 bits
    "bytes, moved": (-200, 55),
    "signed": (-300, 300),  # of 32 bits
    "far": (32_700, 32_800),
    "far below": (-32_800, -32_700),
    "very far": (2**31 - 300, 2**31 - 2),
    "very far below": (-(2**31) + 2, -(2**31) + 300),
}
"""Ranges of sums, each of whose values is tried."""


def copied(low: int, high: int, cell: Threshold | Membrane, way: str, steps: int = 1) -> Graph:
    """Give neurons each value of a range: right behind a layer, behind a sum of two, or of a plane.

    The values are a byte each, and a bias moves them.
    """
    zero = np.zeros(CHANNELS, np.int64)
    shape = (CHANNELS, 1, 2) if way == "plane" else (CHANNELS,)
    one: Any = np.eye(CHANNELS, dtype=np.int64)
    copy = Dense(one, zero + low)
    nodes = [Node("input", Input(shape, 0, high - low, 1.0))]
    if way == "plane":
        nodes.append(Node("copy", Conv2d(one[:, :, None, None], zero + low), ("input",)))
    elif way == "layer":
        nodes.append(Node("copy", copy, ("input",)))
    else:
        nodes.append(Node("left", copy, ("input",)))
        nodes.append(Node("right", Dense(0 * one, zero), ("input",)))
        nodes.append(Node("copy", Add(), ("left", "right")))
    nodes.append(Node("cell", cell, ("copy",)))
    last, size = "cell", CHANNELS
    if way == "plane":
        size *= 2
        nodes.append(Node("flat", Reshape((size,)), ("cell",)))
        last = "flat"
    nodes.append(Node("out", Readout(np.ones(size)), (last,)))
    return Graph("copied", tuple(nodes), steps)


def all_values(graph: Graph) -> Integers:
    op = graph.input_op
    values = np.arange(op.low, op.high + 1)
    return np.broadcast_to(values.reshape(-1, *[1] * len(op.shape)), (len(values), *op.shape))


def thetas_of(kind: str, levels: int, low: int, high: int) -> Integers:
    rng = np.random.default_rng(levels)
    match kind:
        case "even":
            step = max(1.0, (high - low) / levels)
            places = low + step * (np.arange(levels) + rng.random((CHANNELS, 1)))
            return np.ceil(places).astype(np.int64)
        case "anywhere":
            theta = rng.integers(low - 3, high + 4, (CHANNELS, levels))
            theta[0], theta[1], theta[2] = low, high, high + 1
            theta[3, 0], theta[3, -1] = low - 2**40, high + 2**40
            return np.sort(theta, axis=1)
        case _:
            return np.sort(rng.choice([low - 1, low, low + 1, high], (CHANNELS, levels)), axis=1)


@pytest.mark.parametrize("name", RANGES)
@pytest.mark.parametrize("levels", [1, 2, 3, 8, 9, 15, 24, 25, 127, 128, 255, 256])
@pytest.mark.parametrize("kind", ["even", "anywhere", "ends"])
def test_every_value_reaches_its_level(name: str, levels: int, kind: str) -> None:
    """Compared, from a line or searched; some channels are flipped, or all, or none."""
    low, high = RANGES[name]
    theta = thetas_of(kind, levels, low, high)
    for way, flips, (offset, unit) in (
        ("layer", [0, 0, 0, 0, 0], (0, 1)),
        ("layer", [0, 1, 0, 1, 1], (0, 1)),
        ("sum", [0, 1, 0, 1, 1], (-levels, 2)),
        ("plane", [1, 1, 1, 1, 1], (-7, 1)),
    ):
        op = Threshold(theta, np.array(flips, bool), offset, unit)
        graph = copied(low, high, op, way)
        assert_native(graph, all_values(graph))


@pytest.mark.parametrize("kind", ["even", "anywhere"])
def test_thousands_of_levels(kind: str) -> None:
    theta = thetas_of(kind, 3000, -20_000, 20_000)
    graph = copied(-20_000, 20_000, Threshold(theta, np.eye(CHANNELS)[1] > 0), "layer")
    assert_native(graph, all_values(graph)[::199])


@pytest.mark.parametrize(("offset", "unit"), [(0, 2**30 - 1), (-(2**31) + 3, 1), (2**31 - 9, 4)])
def test_levels_fill_32_bits(offset: int, unit: int) -> None:
    op = Threshold(np.array([[3]] * CHANNELS), np.eye(CHANNELS)[1] > 0, offset, unit)
    graph = copied(0, 9, op, "layer")
    assert_native(graph, all_values(graph))


@pytest.mark.parametrize(
    ("offset", "unit"), [(0, 2**31), (2**31, 1), (-(2**31), 1), (2**30, 2**30)]
)
def test_levels_beyond_32_bits_are_left_to_other_engines(offset: int, unit: int) -> None:
    op = Threshold(np.array([[3]] * CHANNELS), np.zeros(CHANNELS, bool), offset, unit)
    assert program_of(copied(0, 9, op, "layer")) is None


FIRING = [
    (reset, time, comparison, spikes)
    for reset, time, comparison, spikes in product(Reset, ResetTime, Comparison, (1, 3, 300))
    if time is not ResetTime.SAME_STEP_RAISED or (reset is Reset.SUBTRACT and spikes == 1)
]
"""How neurons fire and what follows."""


def membrane_at_random(rng: np.random.Generator, firing: Any, shape: tuple[int, ...]) -> Membrane:
    """Return neurons with all other options drawn; parameters of all, of channels or of neurons."""
    reset, time, comparison, spikes = firing
    fraction, bits = [(0, 12), (6, 12), (6, 12), (12, 15), (9, 16), (20, 24)][rng.integers(6)]
    whole = 1 << fraction

    def spread(low: int, high: int) -> Any:
        sizes: list[Any] = [None, CHANNELS, shape]
        values = rng.integers(low, high + 1, sizes[rng.integers(3)])
        return values if isinstance(values, np.ndarray) else int(values)

    most_theta = int(rng.choice([1, 9, 60]))
    theta = rng.integers(1, most_theta + 1, shape if rng.random() < 0.3 else CHANNELS)
    least = (most_theta * max(spikes, 2) + 1) * whole
    saturation = int(rng.choice([least, least + 1, least + rng.integers(least), ACCUMULATOR_LIMIT]))
    decays = [0, 1 << bits, 1, spread(0, 1 << bits), spread((1 << bits) // 9, (1 << bits) // 2)]
    biases = [0, 0, whole, -3 * whole, spread(-9 * whole, 9 * whole)]
    floors = [None, None, 0, -whole, -saturation // 2 - 1, spread(-saturation, 0)]
    return Membrane(
        theta,
        decay=decays[rng.integers(5)],
        reset=reset,
        reset_time=time,
        comparison=comparison,
        max_spikes=spikes,
        saturation=saturation,
        decay_syn=[None, None, *decays][rng.integers(7)],
        bias=np.clip(biases[rng.integers(5)], -saturation, saturation),
        floor=floors[rng.integers(6)],
        fraction_bits=fraction,
        decay_bits=bits,
        emits=Emits.POTENTIAL if rng.random() < 0.2 else Emits.SPIKES,
    )


@pytest.mark.parametrize("firing", FIRING, ids=lambda each: "-".join(map(str, each)))
def test_membranes_of_any_kind(firing: Any) -> None:
    """Potentials of whole numbers and fractions, of 32 bits and of more; saturation, and rest."""
    rng, ran = np.random.default_rng(FIRING.index(firing)), 0
    for way in 8 * ("layer", "sum", "plane"):
        shape = (CHANNELS, 1, 2) if way == "plane" else (CHANNELS,)
        op = membrane_at_random(rng, firing, shape)
        low, high = [(0, 1), (0, 60), (-40, 40), (-300, 300)][rng.integers(4)]
        graph = copied(low, high, op, way, steps=int(rng.integers(2, 9)))
        if program_of(graph) is None:  # a potential beyond 32 bits is emitted
            assert op.emits is Emits.POTENTIAL
            continue
        samples = rng.integers(0, high - low, (12, graph.steps, *shape), endpoint=True)
        samples[rng.random(samples.shape) < 0.4] = max(0, -low)
        samples[0], samples[1] = high - low, 0
        assert_native(graph, samples)
        assert_native(graph, samples[:, 0])
        ran += 1
    assert ran > 15


@pytest.mark.parametrize("comparison", Comparison)
@pytest.mark.parametrize("emits", Emits)
@pytest.mark.parametrize("reset", Reset)
@pytest.mark.parametrize("time", [ResetTime.SAME_STEP, ResetTime.NEXT_STEP])
@pytest.mark.parametrize("decay", [0, 1, 2048])
def test_potentials_at_the_threshold_and_at_both_ends(
    comparison: Comparison, emits: Emits, reset: Reset, time: ResetTime, decay: int
) -> None:
    """Below theta, at it and above, at the floor and at saturation, whole and in fractions."""
    op = Membrane(
        np.array([1, 3, 10, 19, 20]),
        decay=decay,
        reset=reset,
        reset_time=time,
        comparison=comparison,
        saturation=20 * 64 + 1,
        floor=np.array([0, -64, -65, -63, -20 * 64 - 1]),
        emits=emits,
    )
    for bias in (0, 64, 1, -1):
        graph = copied(-25, 25, replace(op, bias=bias), "layer", steps=4)
        assert_native(graph, all_values(graph))
        changing = np.stack([all_values(graph), 25 - 0 * all_values(graph)] * 2, axis=1)
        assert_native(graph, changing)


@pytest.mark.parametrize("fraction_bits", [0, 6, 24, 40])
@pytest.mark.parametrize("decay_bits", [12, 24])
@pytest.mark.parametrize("decay", [0.0, 0.1, 1.0])
def test_potentials_of_any_width(fraction_bits: int, decay_bits: int, decay: float) -> None:
    part = int(decay * 2**decay_bits)
    for syn, spikes, bias in ((None, 1, 0), (part // 2, 1, 0), (None, 60, 5)):
        op = Membrane(
            np.array([1, 2, 3, 50, 99]),
            decay=part,
            decay_syn=syn,
            bias=bias,
            max_spikes=spikes,
            saturation=ACCUMULATOR_LIMIT,
            fraction_bits=fraction_bits,
            decay_bits=decay_bits,
        )
        if 99 * spikes << fraction_bits >= ACCUMULATOR_LIMIT:
            op = replace(op, theta=np.array([1, 2, 3, 9, 9]), max_spikes=min(spikes, 9))
        graph = copied(-30, 100, op, "layer", steps=6)
        assert_native(graph, all_values(graph))


@pytest.mark.parametrize("end", [2**30, 2**31 - 2])
def test_potentials_that_outgrow_32_bits(end: int) -> None:
    """Sums at the ends of 32 bits, integrated over steps."""
    for reset in Reset:
        op = Membrane(np.full(CHANNELS, 2**31 + 5), reset=reset, saturation=ACCUMULATOR_LIMIT)
        for low, high in ((end - 60, end), (-end, -end + 60)):
            graph = copied(low, high, op, "layer", steps=5)
            assert_native(graph, all_values(graph))


def test_a_theta_that_is_never_reached() -> None:
    for theta in (2**31 - 1, 2**31, 2**46):
        for reset, time in product(Reset, ResetTime):
            if time is ResetTime.SAME_STEP_RAISED and reset is not Reset.SUBTRACT:
                continue
            thetas = np.array([theta, 1, theta, 5, theta])
            op = Membrane(thetas, reset=reset, reset_time=time, saturation=ACCUMULATOR_LIMIT)
            graph = copied(-3, 9, op, "layer", steps=4)
            assert_native(graph, all_values(graph))


@pytest.mark.parametrize("reset", Reset)
def test_spikes_of_a_burst_leave_one_by_one_without_input(reset: Reset) -> None:
    """A neuron above its threshold goes on firing while nothing arrives; others rest."""
    op = Membrane(np.array([1, 2, 3, 50, 99]), reset=reset, saturation=ACCUMULATOR_LIMIT)
    for time in (ResetTime.SAME_STEP, ResetTime.NEXT_STEP):
        for way in ("layer", "plane"):
            graph = copied(0, 9, replace(op, reset_time=time), way, steps=12)
            samples = np.zeros((4, 12, *graph.input_op.shape), np.uint8)
            samples[0, 0], samples[1, 3], samples[2, ::5] = 9, 9, 4
            assert_native(graph, samples)


def test_graphs_whose_potentials_64_bits_do_not_hold_are_left_to_other_engines() -> None:
    op = Membrane(np.ones(CHANNELS, np.int64), fraction_bits=40, saturation=ACCUMULATOR_LIMIT)
    graph = copied(0, 2**18, op, "layer", steps=1000)
    assert program_of(copied(0, 9, replace(op, decay=1), "layer", steps=3)) is not None
    assert program_of(graph) is not None  # whole numbers, without their fractions
    assert program_of(copied(0, 2**18, replace(op, decay=1), "layer", steps=1000)) is None
