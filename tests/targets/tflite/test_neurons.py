"""Membranes, readouts and values of every sort: exact on every runtime, or refused by name."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgespike.graph import (
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
)
from edgespike.graph.ops.membrane import decayed
from edgespike.interpreter import interpret
from edgespike.targets.tflite.check import violations
from edgespike.targets.tflite.devices.arena import arena_estimate
from edgespike.targets.tflite.lower import lower
from edgespike.targets.tflite.planning.planner import make_plan
from edgespike.targets.tflite.planning.storage import Form
from edgespike.targets.tflite.run import encode_input
from edgespike.targets.tflite.running import tflm
from edgespike.workers.worker import Worker
from tests.available import available, needs_tflm, run_on
from tests.targets.tflite.networks import samples_of
from tests.targets.tflite.neurons import NEURONS, concatenation, leaky_sum, membrane, values

RUNTIMES = [
    "tflite",
    "tflite-reference",
    pytest.param("tflite-runtime", marks=pytest.mark.tflite_runtime),
]


@pytest.fixture(params=RUNTIMES)
def target(request: pytest.FixtureRequest) -> str:
    return available(request.param).name


def assert_equal(target: str, graph: Graph, samples: NDArray[Any]) -> None:
    expected, found = interpret(graph, samples), run_on(target, graph, samples)
    assert found.values.keys() == expected.values.keys()
    for name, array in expected.values.items():
        assert np.array_equal(found.values[name], array), name


@pytest.mark.parametrize("name", NEURONS)
def test_every_runtime_equals_the_interpreter(target: str, name: str) -> None:
    graph = NEURONS[name]()
    assert violations(graph) == []
    assert_equal(target, graph, samples_of(graph, 12))


def test_these_neurons_fire_and_their_values_differ() -> None:
    """The test above would be easy if neurons never fired, or always."""
    found = []
    for build in NEURONS.values():
        graph = build()
        trace = interpret(graph, samples_of(graph, 12), keep=[node.name for node in graph.nodes])
        for node in graph.nodes[1:]:
            found.append(len(np.unique(trace.values[node.name])))
    assert np.mean(np.array(found) > 1) > 0.95


@pytest.fixture(scope="module")
def tflite_micro() -> Iterator[Worker]:
    with Worker(sys.executable, Path(tflm.__file__), what="TFLite Micro") as worker:
        yield worker


@needs_tflm
@pytest.mark.parametrize("name", NEURONS)
def test_tflite_micro_equals_the_interpreter(tflite_micro: Worker, name: str) -> None:
    check_on_tflite_micro(tflite_micro, NEURONS[name]())


@needs_tflm
@pytest.mark.parametrize("steps", [10, 11, 25])
def test_tflite_micro_runs_any_number_of_steps(tflite_micro: Worker, steps: int) -> None:
    """It joins at most 10 values in one operator."""
    check_on_tflite_micro(tflite_micro, membrane(steps=steps, decay=410))


def check_on_tflite_micro(worker: Worker, graph: Graph) -> None:
    samples, lowered = samples_of(graph, 4), lower(make_plan(graph))
    arrays = {
        "model": np.frombuffer(lowered.content, np.uint8),
        "batch": encode_input(graph, lowered, samples),
    }
    arena = arena_estimate(lowered)
    parameters = {"arena": 2 * arena, "carried": lowered.carried, "answer": lowered.answer}
    found, answer = worker.call(arrays, parameters, timeout_s=60)
    expected = interpret(graph, samples).accumulators(graph)
    assert np.array_equal(found["output"].reshape(expected.shape), expected)
    assert answer["arena"] <= arena


@pytest.mark.parametrize(
    ("graph", "forms", "operators"),
    [
        (concatenation((1, 1)), {"side-by-side": Form.INT8}, set()),
        (concatenation((3, 3, 3)), {"side-by-side": Form.INT8}, set()),
        (concatenation((1, 3)), {"side-by-side": Form.INT8, "next-levels": Form.INT8}, {"MUL"}),
        (concatenation(("input", -6, 7)), {"side-by-side": Form.INT8}, {"MUL", "ADD"}),
        (concatenation(("sums", "sums")), {"side-by-side": Form.FLOAT}, set()),
        (concatenation(("membrane", 1)), {"side-by-side": Form.FLOAT}, set()),
        (values(1, -1, 2), {"levels1": Form.INT8, "readout": Form.INT16}, {"ADD"}),
        (values(15, -8, 1), {"levels1": Form.INT8, "readout": Form.INT16}, {"ADD"}),
        (values(14, -20, 1), {"levels1": Form.INT8}, {"ADD"}),
        (values(3, 5, 1), {"levels1": Form.INT8}, {"ADD"}),
        (values(300, -150, 1), {"levels1": Form.FLOAT}, set()),
        (values(5, -500, 200), {"levels1": Form.FLOAT}, set()),
    ],
)
def test_what_is_in_int8(graph: Graph, forms: dict[str, Form], operators: set[str]) -> None:
    plan = make_plan(graph)
    assert {name: plan.forms[name] for name in forms} == forms
    assert operators <= set(lower(plan).operators)


@pytest.mark.parametrize(
    ("graph", "states"),
    [
        (membrane(loop=True, decay_syn=9), ["cells:potential", "cells:current"]),
        (membrane(loop=True, decay=4096, decay_syn=9), ["cells:current"]),
        (membrane(loop=True, decay_syn=4096), ["cells:potential"]),
        (membrane(loop=True, decay=4096), []),
        (membrane(loop=True, decay=np.array([4096, 0, 4096, 4096])), ["cells:potential"]),
        (
            membrane(loop=True, decay=4096, reset_time=ResetTime.SAME_STEP_RAISED),
            ["cells:potential"],
        ),
        (
            membrane(loop=True, decay_syn=9, reset_time=ResetTime.NEXT_STEP),
            ["cells:potential", "cells:current", "cells:spikes"],
        ),
    ],
)
def test_what_is_carried(graph: Graph, states: list[str]) -> None:
    found = [state.tensor.name for state in lower(make_plan(graph)).states]
    assert found == ["delay", *states, "readout"]


def test_the_largest_of_all_steps_begins_below_all() -> None:
    graph = leaky_sum(loop=True, decay=205, mode=ReadoutMode.MAX)
    state = lower(make_plan(graph)).states[-1]
    assert (state.tensor.name, state.initial) == ("readout", graph.tensors["readout"].bounds[0])
    assert state.initial < 0


@pytest.mark.parametrize(
    ("parameters", "bits"),
    [
        ({}, 0),
        ({"bias": 128, "floor": -64, "decay_syn": 0}, 0),
        ({"bias": 1}, 6),
        ({"decay": 1}, 6),
        ({"decay_syn": 1}, 6),
        ({"decay": np.array([0, 4096, 0, 4096])}, 0),
        ({"floor": -1}, 6),
        ({"floor": -(2**22) - 1}, 0),  # never reached
        ({"saturation": 384}, 0),
        ({"saturation": 385}, 6),
        ({"decay_syn": 0, "saturation": 385}, 6),
        ({"emits": Emits.POTENTIAL}, 6),
        ({"decay": 1, "fraction_bits": 9}, 9),
    ],
)
def test_fractions_are_computed_only_where_there_are_any(
    parameters: dict[str, Any], bits: int
) -> None:
    potentials = make_plan(membrane(**parameters)).nodes["cells"].potentials
    assert potentials is not None
    assert potentials.bits == bits


def channels(op: Membrane, high: int, steps: int = 6) -> Graph:
    """Neurons that integrate 1, 7, -6, 1, 7, ... times the input."""
    count = len(op.theta)
    weight = np.resize([1, 7, -6], (count, 1))
    read = [Node("readout", Readout(np.ones(count), ReadoutMode.LAST), ("cells",))]
    if op.emits is Emits.SPIKES:
        read = [
            Node("class", Dense(np.ones((1, count), np.int64), np.zeros(1, int)), ("cells",)),
            Node("readout", Readout(np.ones(1)), ("class",)),
        ]
    nodes = (
        Node("input", Input((1,), -high, high, 1.0)),
        Node("scaled", Dense(weight, np.resize([0, 3, -2], count)), ("input",)),
        Node("cells", op, ("scaled",)),
        *read,
    )
    return Graph("channels", nodes, steps)


SHARES = (0.0, 1e-7, 0.1, 0.5, 0.77, 1 - 1e-7, 1.0)
"""What is forgotten at a step; each with its two neighbours at three channels."""


@pytest.mark.parametrize("decay_bits", [1, 11, 12, 13, 17, 23, 24])
def test_potentials_as_large_as_float32_holds(target: str, decay_bits: int) -> None:
    """They decay by a product of up to 48 bits; the reset is none, so nothing else changes them."""
    one, most = 1 << decay_bits, 2**24 - 1
    decay = np.array([int(share * one) + more for share in SHARES for more in (-1, 0, 1)])
    decay = np.repeat(np.clip(decay, 0, one), 3)
    op = Membrane(
        np.ones(len(decay), np.int64),
        decay,
        Reset.NONE,
        fraction_bits=0,
        decay_bits=decay_bits,
        emits=Emits.POTENTIAL,
        saturation=most,
    )
    graph = channels(op, 2**24 // 7 - 1, steps=2)
    assert violations(graph) == []
    samples = samples_of(graph, 300)
    samples[:, 1] = 0
    assert_equal(target, graph, samples)
    first, second = np.moveaxis(interpret(graph, samples, keep=["cells"]).values["cells"], 1, 0)
    assert np.abs(first).max() > 2**24 - 2**18
    bias = np.resize([0, 3, -2], len(decay))
    assert np.array_equal(second, np.clip(decayed(first, decay, decay_bits) + bias, -most, most))


@pytest.mark.parametrize(
    ("reset", "time"),
    [
        *product(Reset, (ResetTime.SAME_STEP, ResetTime.NEXT_STEP)),
        (Reset.SUBTRACT, ResetTime.SAME_STEP_RAISED),
    ],
)
@pytest.mark.parametrize("decay_syn", [None, np.resize([0, 41, 4095, 4096], 24)], ids=str)
@pytest.mark.parametrize("emits", Emits)
def test_sums_beyond_float32_that_saturate(
    target: str, reset: Reset, time: ResetTime, decay_syn: Any, emits: Emits
) -> None:
    """Inputs of up to 2**30 in units of potentials, which saturate at 2**23 - 1."""
    op = Membrane(
        np.resize([2**16 - 1, 55_555, 5, 1, 1234], 24),
        np.resize([0, 410], 24),
        reset,
        time,
        decay_syn=decay_syn,
        bias=np.resize([0, -5000, 4321], 24),
        floor=np.resize([-(2**23) + 1, -17], 24),
        emits=emits,
    )
    graph = channels(op, 2**21)
    assert violations(graph) == []
    samples = samples_of(graph, 60)
    samples[:20] //= 64
    samples[20:30] = 2**21 * np.sign(samples[20:30])
    assert_equal(target, graph, samples)


@pytest.mark.parametrize(
    ("parameters", "number"),
    [
        ({"decay": 1, "saturation": 2**24 - 575}, 2**24 + 1),
        ({"decay": 1, "saturation": 2**24 - 576, "bias": -577}, 2**24 + 1),
        ({"decay_syn": 1, "decay": 4096, "saturation": 2**25}, 2**25 + 576),
        (
            {
                "decay": 1,
                "saturation": 3 * 2**22,
                "theta": np.full(3, 2**15),
                "max_spikes": 3,
                "reset_time": ResetTime.NEXT_STEP,
            },
            3 * 2**22 + 3 * 2**21,
        ),
        (
            {
                "decay": 1,
                "saturation": 2**24 - 2**20,
                "theta": np.full(3, 2**14),
                "reset_time": ResetTime.SAME_STEP_RAISED,
            },
            2**24 + 2**20,
        ),
        ({"emits": Emits.POTENTIAL, "fraction_bits": 20, "saturation": 2**28}, 2**28 + 9 * 2**20),
    ],
    ids=["theta", "bias", "current", "spikes of the step before", "raised", "fraction bits"],
)
def test_what_float32_does_not_hold_is_refused_with_the_way_out(
    parameters: dict[str, Any], number: int
) -> None:
    graph = channels(Membrane(**{"theta": np.full(3, 9), **parameters}), 2**20)
    assert [line for line in violations(graph) if line.startswith("cells")] == [
        f"cells (membrane) needs whole numbers up to {number} in float32, where only those up to "
        f"{2**24} are exact; use smaller weights, fewer inputs, fewer steps, fewer fraction bits "
        "or a lower saturation, or the cpu target"
    ]


def test_sums_of_potentials_that_float32_does_not_hold() -> None:
    graph = membrane(
        saturation=2**23 - 1, theta=(1,) * 4, decay=4096, emits=Emits.POTENTIAL, fraction_bits=18
    )
    (line,) = violations(graph)
    assert line.startswith("readout (readout) needs whole numbers up to 33554428 in float32")
    assert "fewer bits of potentials" in line


def test_synaptic_currents_count_as_membranes_in_many_steps() -> None:
    graph = membrane(steps=256, decay_syn=1)
    assert violations(graph) == []
    nodes = list(graph.nodes[:3])
    for index in range(17):
        nodes.append(Node(f"dense{index}", graph["forward"].op, (nodes[-1].name,)))
        if index == 0:
            nodes[-1] = Node("dense0", Dense(np.eye(4, dtype=int), np.zeros(4, int)), ("cells",))
        else:
            nodes[-1] = Node(nodes[-1].name, nodes[3].op, (f"cells{index - 1}",))
        nodes.append(Node(f"cells{index}", graph["cells"].op, (nodes[-1].name,)))
    nodes.append(Node("readout", Readout(np.ones(4)), ("class",)))
    nodes.insert(-1, Node("class", nodes[3].op, (nodes[-2].name,)))
    (line,) = violations(Graph("long", tuple(nodes), 256))
    assert line.startswith(
        "18 membranes and 18 synaptic currents in 256 steps are 9,216 updates; the limit is 8,192"
    )
