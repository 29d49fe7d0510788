"""Membranes with currents, floors and parameters of neurons, potentials, signed levels, on Lava.

Each is equal to the interpreter in every layer and step, on the neurons that are named.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgespike.graph import (
    Comparison,
    Concatenate,
    Delay,
    Dense,
    Emits,
    Graph,
    Input,
    Membrane,
    Node,
    Readout,
    ReadoutMode,
    Reset,
    ResetTime,
    Reshape,
    Signal,
    SumPool2d,
    Threshold,
)
from edgespike.targets.loihi import TARGET
from edgespike.targets.loihi.lower import lower
from tests.targets.loihi.graphs import chain, conv, dense, ended, levels, run, samples, threshold

pytestmark = [pytest.mark.loihi, pytest.mark.usefixtures("lava")]

EVENTS = Input((12,), 0, 1, 1.0)
ROW = Input((12,), 0, 255, 1.0)
IMAGE = Input((2, 6, 5), 0, 1, 1.0)
STOCK: dict[str, Any] = {"reset": Reset.ZERO, "comparison": Comparison.GREATER}


def unbiased(outputs: int, inputs: int, seed: int = 1, high: int = 5) -> Dense:
    return Dense(dense(outputs, inputs, seed, high).weight, np.zeros(outputs, int))


def six(theta: Any = 9, **fields: Any) -> Membrane:
    """Return six neurons."""
    return Membrane(np.broadcast_to(theta, (6,)), **fields)


def kind(graph: Graph, name: str) -> str:
    """Return the kind of the neurons that compute a node."""
    (found,) = (each for each in lower(graph).populations if each.name == name)
    assert found.neurons is not None
    return found.neurons.kind.value


def of_two_layers(op: Membrane, steps: int = 6) -> Graph:
    first, second = unbiased(6, 12, seed=3), unbiased(6, 6, seed=4)
    return chain(EVENTS, first, op, second, op, steps=steps)


def each(*values: int) -> Any:
    return np.array(values)


@pytest.mark.parametrize(
    "op",
    [
        pytest.param(six(decay_syn=500, **STOCK), id="current"),
        pytest.param(six(30, decay=90, decay_syn=1, **STOCK), id="current, hardly decays"),
        pytest.param(six(decay=4095, decay_syn=4095, **STOCK), id="current, nearly gone"),
        pytest.param(six(decay=90, decay_syn=4096, **STOCK), id="current of one step"),
        pytest.param(six(decay=90, decay_syn=64, bias=77, **STOCK), id="bias"),
        pytest.param(six(decay=90, bias=640, **STOCK), id="bias in the accumulator's unit"),
        pytest.param(six(500, decay=9, bias=64 * 300 + 32, **STOCK), id="bias with an exponent"),
        pytest.param(six(decay=90, bias=each(1, -2, 3, 64, -65, 6), **STOCK), id="biases"),
        pytest.param(six(9, bias=64, reset=Reset.ZERO), id="bias and >="),
        pytest.param(six(decay=1000, decay_bits=14, **STOCK), id="decay of 14 bits"),
        pytest.param(six(decay=50, decay_syn=99, decay_bits=8, **STOCK), id="decays of 8 bits"),
        pytest.param(six(decay=90, floor=-64 * 500, **STOCK), id="floor out of reach"),
    ],
)
def test_on_stock_neurons(op: Membrane) -> None:
    graph = of_two_layers(op)
    assert kind(graph, "membrane1") == kind(graph, "membrane3") == "lif"
    run(graph, samples(graph, 6))


OWN = {
    "current, >=": six(decay_syn=500, reset=Reset.ZERO),
    "current that does not decay": six(90, decay_syn=0, **STOCK),
    "current, subtract at the next step": six(
        decay=99, decay_syn=700, reset_time=ResetTime.NEXT_STEP
    ),
    "current, several spikes": six(5, decay_syn=700, max_spikes=9),
    "current that saturates": six(decay=9, decay_syn=300, saturation=64 * 20, **STOCK),
    "current of one step that saturates": six(
        each(3, 4, 5, 6, 7, 8), decay=9, decay_syn=4096, saturation=64 * 8, bias=-99
    ),
    "currents' decays": six(decay_syn=each(1, 64, 500, 1000, 4000, 4096), **STOCK),
    "decays": six(decay=each(0, 64, 500, 1000, 4000, 4096), **STOCK),
    "decays, thresholds": six(each(1, 3, 5, 7, 9, 11), decay=each(0, 1, 2, 3, 4, 5) * 300),
    "biases of all sizes": six(99, decay=9, bias=each(1, -2, 3, 6400, -65, 9999), **STOCK),
    "biases of 1/64 and >=": six(9, bias=65, reset=Reset.ZERO),
    "floor": six(decay=90, floor=-64, **STOCK),
    "floor at 0, subtract": six(decay=90, floor=0),
    "floors": six(decay=90, floor=each(0, -1, -64, -100, -1000, -(2**23) + 1)),
    "floor, zero at the next step": six(
        floor=-33, decay=7, reset=Reset.ZERO, reset_time=ResetTime.NEXT_STEP
    ),
    "raised": six(2, decay=90, reset_time=ResetTime.SAME_STEP_RAISED),
    "raised, >, current": six(
        2,
        decay=90,
        decay_syn=999,
        reset_time=ResetTime.SAME_STEP_RAISED,
        comparison=Comparison.GREATER,
    ),
    "raised, forgets all": six(1, decay=4096, reset_time=ResetTime.SAME_STEP_RAISED),
    "no fraction": six(decay=333, fraction_bits=0),
    "12 bits of fraction": six(decay=333, decay_syn=777, fraction_bits=12, bias=-3333),
    "16 bits of fraction, decay of 16": six(
        decay=1600, decay_syn=16000, fraction_bits=16, decay_bits=16, **STOCK
    ),
    "all": six(
        each(3, 4, 5, 6, 7, 8),
        decay=each(0, 1, 2, 3, 4, 5) * 500,
        decay_syn=each(6, 5, 4, 3, 2, 1) * 333,
        bias=each(-9, 9, -99, 99, -199, 199),
        floor=each(0, -1, -100, -1000, -10000, -10000),
        max_spikes=3,
        fraction_bits=8,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("op", OWN.values(), ids=OWN)
def test_on_our_own_membranes(op: Membrane) -> None:
    graph = of_two_layers(op)
    assert kind(graph, "membrane1") == "membrane"
    run(graph, samples(graph, 6))


@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize(
    "fields",
    [
        {"decay": 4096},
        {"decay": 4096, "decay_syn": 4096},
        {"decay": 4096, "bias": 65, "floor": -3},
        {"decay": 4096, "bias": each(64, -64, 1, -1, 63, 129), "comparison": Comparison.GREATER},
        {"decay": 256, "decay_bits": 8, "fraction_bits": 0, "bias": 2},
        {"decay": 2**20, "decay_bits": 20, "fraction_bits": 20, "bias": 2**19 + 1},
    ],
    ids=str,
)
def test_what_forgets_all_has_no_memory(fields: dict[str, Any], steps: int) -> None:
    op = six(each(1, 2, 3, 4, 5, 6), saturation=2**30, **fields)
    graph = chain(EVENTS, dense(6, 12, seed=3), op, steps=steps)
    assert kind(graph, "membrane1") == "lif"
    run(graph, samples(graph, 6))


@pytest.mark.parametrize(
    "fields",
    [{}, {"bias": -77}, {"decay_syn": 4096}, {"reset": Reset.SUBTRACT}],
    ids=["stock", "stock, bias", "stock, no current", "own"],
)
@pytest.mark.parametrize(
    "bias",
    [[0, 7, -7, 64, 0, -64], [0, 7, -7, 4095, -5000, 9000], [2047, 2048, -2048, -2049, 31, 32]],
    ids=["small", "large", "at the limits of parts"],
)
def test_biases_of_the_layer_before_are_part_of_the_current(
    bias: list[int], fields: dict[str, Any]
) -> None:
    """Lava would add them to the potential: they come from always-on sources."""
    op = six(60, **{"decay": 90, "decay_syn": 400, **STOCK, **fields})
    layer = Dense(dense(6, 12, high=100).weight, np.array(bias))
    graph = chain(EVENTS, layer, op, steps=5)
    assert kind(graph, "membrane1") == ("membrane" if "reset" in fields else "lif")
    run(graph, samples(graph, 5))


def test_a_current_that_could_wrap_around() -> None:
    """300 steps of 12 inputs of 100, hardly forgotten, pass 2**17; Lava's current would wrap."""
    op = six(131000, decay=4095, decay_syn=1, **STOCK)
    layer = Dense(np.full((6, 12), 100), np.zeros(6, int))
    graph = chain(EVENTS, layer, op, steps=300)
    assert kind(graph, "membrane1") == "membrane"
    run(graph, np.ones((1, 300, 12), int))
    shorter = chain(EVENTS, layer, op, steps=100)
    assert kind(shorter, "membrane1") == "lif"
    run(shorter, np.ones((1, 100, 12), int))


PER_NEURON = {
    "thresholds": {"theta": np.arange(1, 37).reshape(3, 4, 3)},
    "decays": {"decay": np.arange(36).reshape(3, 4, 3) * 99},
    "all": {
        "decay": np.arange(36).reshape(3, 4, 3) * 99,
        "decay_syn": 3600 - np.arange(36).reshape(3, 4, 3) * 50,
        "bias": np.arange(36).reshape(3, 4, 3) - 18,
        "floor": -np.arange(36).reshape(3, 4, 3),
    },
    "biases": {"bias": np.arange(36).reshape(3, 4, 3) - 18, "decay": 9, **STOCK},
    "of channels": {"bias": each(-9, 0, 9), "floor": each(0, -4, -99), "decay": each(0, 1, 2)},
}


@pytest.mark.parametrize("fields", PER_NEURON.values(), ids=PER_NEURON)
def test_parameters_of_each_neuron_of_an_image(fields: dict[str, Any]) -> None:
    op = Membrane(**{"theta": np.full(3, 7), **fields})
    ops = (conv(3, 2), op, conv(2, 3, kernel=2, seed=2), Membrane(each(5, 6)))
    graph = chain(IMAGE, *ops, steps=5)
    run(graph, samples(graph, 4))


def potential(mode: ReadoutMode, op: Membrane, steps: int = 5, high: int = 5) -> Graph:
    """Return a hidden layer and a readout of the potentials of six classes."""
    nodes = (
        Node("input", EVENTS),
        Node("dense", dense(6, 12), ("input",)),
        Node("spike", six(4), ("dense",)),
        Node("last", unbiased(6, 6, 7, high), ("spike",)),
        Node("leak", op, ("last",)),
        Node("readout", Readout(np.ones(6), mode), ("leak",)),
    )
    return Graph("test", nodes, steps)


def leaky(**fields: Any) -> Membrane:
    return six(1, **{"reset": Reset.NONE, "emits": Emits.POTENTIAL, **fields})


LEAKS = {
    "sum": leaky(),
    "leak": leaky(decay=300),
    "current": leaky(decay=300, decay_syn=1000),
    "bias": leaky(decay=300, decay_syn=1000, bias=-13),
    "biases": leaky(decay=300, bias=each(1, -2, 3, 64, -65, 6)),
}


@pytest.mark.parametrize("steps", [1, 5])
@pytest.mark.parametrize("mode", ReadoutMode)
@pytest.mark.parametrize("op", LEAKS.values(), ids=LEAKS)
def test_readouts_of_leaky_integrators(op: Membrane, mode: ReadoutMode, steps: int) -> None:
    graph = potential(mode, op, steps)
    stock = mode is ReadoutMode.LAST or steps == 1
    assert kind(graph, "readout") == ("readout" if stock else "total")
    assert [each.name for each in lower(graph).populations] == ["input", "spike", "readout"]
    run(graph, samples(graph, 5))


OWN_LEAKS = {
    "fires, subtract": six(9, decay=300, emits=Emits.POTENTIAL),
    "fires, zero": six(9, decay=300, emits=Emits.POTENTIAL, **STOCK),
    "fires, next step": six(
        each(3, 4, 5, 6, 7, 8), emits=Emits.POTENTIAL, reset_time=ResetTime.NEXT_STEP, max_spikes=2
    ),
    "raised": six(2, emits=Emits.POTENTIAL, reset_time=ResetTime.SAME_STEP_RAISED),
    "floor": leaky(decay=300, floor=-99),
    "decays": leaky(decay=each(0, 1, 2, 3, 4, 5) * 800, decay_syn=each(1, 2, 3, 4, 5, 0) * 800),
    "forgets all": leaky(decay=4096),
    "saturates": leaky(saturation=640, decay=10),
    "fraction": leaky(decay=300, fraction_bits=2, decay_syn=99),
}


@pytest.mark.slow
@pytest.mark.parametrize("mode", ReadoutMode)
@pytest.mark.parametrize("op", OWN_LEAKS.values(), ids=OWN_LEAKS)
def test_readouts_of_other_potentials(op: Membrane, mode: ReadoutMode) -> None:
    graph = potential(mode, op)
    assert kind(graph, "readout") == "total"
    run(graph, samples(graph, 5))


def test_a_leaky_integrator_that_would_make_stock_neurons_fire() -> None:
    """5 steps of 6 spikes of weight 127 stay below, 1,000 steps do not."""
    assert kind(potential(ReadoutMode.LAST, leaky(), 5, 100), "readout") == "readout"
    assert kind(potential(ReadoutMode.LAST, leaky(), 1000, 100), "readout") == "total"
    graph = potential(ReadoutMode.LAST, leaky(), 1000, 100)
    run(graph, np.ones((1, 1000, 12), int))


@pytest.mark.parametrize("decay_syn", [None, 700])
def test_biases_of_the_layer_before_a_leaky_integrator(decay_syn: int | None) -> None:
    graph = potential(ReadoutMode.LAST, leaky(decay=300, decay_syn=decay_syn))
    nodes = [
        replace(node, op=Dense(unbiased(6, 6, 7).weight, each(5000, -5000, 1, -1, 0, 30000)))
        if node.name == "last"
        else node
        for node in graph.nodes
    ]
    run(Graph("test", tuple(nodes), 4), samples(graph, 4)[:, :4])


def test_the_potentials_of_an_image_are_flattened_and_read() -> None:
    nodes = (
        Node("input", IMAGE),
        Node("conv", conv(3, 2, kernel=4), ("input",)),
        Node("leak", Membrane(np.ones(3, int), each(0, 500, 900), Reset.NONE,
                              emits=Emits.POTENTIAL), ("conv",)),
        Node("flat", Reshape((18,)), ("leak",)),
        Node("readout", Readout(np.ones(18), ReadoutMode.MAX), ("flat",)),
    )  # fmt: skip
    graph = Graph("test", nodes, 4)
    run(graph, samples(graph, 4))


@pytest.mark.parametrize("steps", [1, 4])
def test_the_largest_sum_of_a_sample(steps: int) -> None:
    nodes = [Node("input", EVENTS), Node("spike", threshold([1] * 12), ("input",))]
    graph = ended(nodes, steps, mode=ReadoutMode.MAX)
    assert kind(graph, "readout") == ("total" if steps > 1 else "readout")
    run(graph, samples(graph, 6))


def test_the_largest_of_negative_sums() -> None:
    nodes = (
        Node("input", EVENTS),
        Node("dense", Dense(-np.eye(12, dtype=int), np.arange(12) - 5000), ("input",)),
        Node("readout", Readout(np.ones(12), ReadoutMode.MAX), ("dense",)),
    )
    graph = Graph("test", nodes, 4)
    run(graph, samples(graph, 6))


def test_concatenated_spikes_of_different_depth() -> None:
    nodes = [
        Node("input", EVENTS),
        Node("dense1", dense(4, 12), ("input",)),
        Node("spike1", threshold([1, 2, 3, 4]), ("dense1",)),
        Node("dense2", dense(6, 4, seed=2), ("spike1",)),
        Node("spike2", six(3), ("dense2",)),
        Node("joined", Concatenate(), ("spike2", "spike1", "input", "spike1")),
    ]
    graph = ended(nodes, steps=4)
    run(graph, samples(graph, 5))


def test_concatenated_images_before_pools_and_convolutions() -> None:
    same: dict[str, Any] = {"padding": (1, 1)}
    nodes = [
        Node("input", IMAGE),
        Node("conv1", conv(3, 2, **same), ("input",)),
        Node("spike1", levels(3, 3), ("conv1",)),
        Node("joined", Concatenate(), ("input", "spike1")),
        Node("pool", SumPool2d((2, 2), (2, 1)), ("joined",)),
        Node("conv2", conv(2, 5, kernel=2, seed=3), ("pool",)),
        Node("spike2", threshold([5, -5], [1]), ("conv2",)),
    ]
    graph = ended(nodes, steps=2)
    run(graph, samples(graph, 4))


def test_concatenated_accumulators() -> None:
    nodes = [
        Node("input", EVENTS),
        Node("dense1", dense(4, 12), ("input",)),
        Node("spike1", threshold([1, 2, 3, 4]), ("dense1",)),
        Node("dense2", dense(2, 4, seed=2), ("spike1",)),
        Node("joined", Concatenate(), ("dense2", "dense1")),
        Node("spike2", six(3, decay=each(0, 1, 2, 3, 4, 5) * 300), ("joined",)),
    ]
    graph = ended(nodes, steps=4)
    run(graph, samples(graph, 4))


def test_concatenation_in_a_loop() -> None:
    nodes = [
        Node("input", EVENTS),
        Node("before", Delay((6,), 0, 1, Signal.SPIKES, 1), ("state",)),
        Node("joined", Concatenate(), ("before", "input")),
        Node("dense", dense(6, 18), ("joined",)),
        Node("state", six(4, decay=100), ("dense",)),
    ]
    graph = ended(nodes, steps=4)
    run(graph, samples(graph, 4))


@pytest.mark.parametrize(
    "op",
    [
        Threshold(each(-3, 0, 3, 9)[:, None], np.array([0, 1, 0, 1], bool), -1, 2),
        Threshold(each(-3, 0, 3, 9)[:, None], np.array([0, 1, 0, 1], bool), 1, 1),
        Threshold(each(-3, 0, 3, 9)[:, None], np.array([0, 1, 0, 1], bool), 0, 300),
        replace(levels(4, 7, [1]), offset=-3),
        replace(levels(4, 7, [1]), offset=-1000, unit=5),
        replace(levels(4, 2, [1]), offset=-30000, unit=30000),
    ],
    ids=["-1 and 1", "1 and 2", "0 and 300", "signed", "units", "large"],
)
def test_signed_levels(op: Threshold) -> None:
    weight = Dense(dense(5, 4, seed=2, high=1).weight, np.zeros(5, int))
    graph = chain(ROW, dense(4, 12, high=1), op, weight, replace(levels(5, 3), offset=-1), steps=2)
    assert kind(graph, "threshold1") == "levels"
    run(graph, samples(graph, 6))


def test_signed_levels_in_a_loop() -> None:
    op = replace(levels(6, 4, [2]), offset=-2)
    nodes = [
        Node("input", EVENTS),
        Node("before", Delay((6,), -2, 2, Signal.GRADED, -2), ("state",)),
        Node("joined", Concatenate(), ("before", "input")),
        Node("dense", dense(6, 18), ("joined",)),
        Node("state", op, ("dense",)),
    ]
    graph = ended(nodes, steps=4)
    assert TARGET.violations(graph) == []
    run(graph, samples(graph, 4))
