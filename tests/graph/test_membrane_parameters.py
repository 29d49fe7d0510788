"""What the parameters of a membrane mean, neuron by neuron, in plain Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgespike.errors import GraphError
from edgespike.graph import (
    Comparison,
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
    load_graph,
    save_graph,
)
from edgespike.graph.ops.membrane import LARGEST_INPUT
from edgespike.interpreter import interpret
from tests.strategies import Case, cases

THETA = np.array([3, 5])


def graph_of(op: Membrane, steps: int = 4, low: int = -9, high: int = 9) -> Graph:
    """Return a graph of 2 channels of 1 x 3 neurons that take the input itself, here."""
    nodes = (
        Node("input", Input((2, 1, 3), low, high, 1.0)),
        Node("neurons", op, ("input",)),
        Node("flat", Reshape((6,)), ("neurons",)),
        Node("readout", Readout(np.ones(6), ReadoutMode.LAST), ("flat",)),
    )
    return Graph("neurons", nodes, steps)


def one_neuron(op: Membrane, place: tuple[int, ...], inputs: list[int]) -> list[int]:
    """Return what one neuron emits at each step: the definition in Python's own integers."""

    def own(value: Any) -> int:
        array = np.asarray(value)
        return int(array[place[: array.ndim]])

    def kept(state: int, decay: int) -> int:
        size = abs(state) * ((1 << op.decay_bits) - decay) >> op.decay_bits
        return size if state >= 0 else -size

    def above(value: int, limit: int) -> bool:
        return value > limit if op.comparison is Comparison.GREATER else value >= limit

    theta = own(op.theta) << op.fraction_bits
    floor = -op.saturation if op.floor is None else own(op.floor)
    v = i = spikes = 0
    emitted = []

    def reset(v: int, spikes: int) -> int:
        if op.reset is Reset.ZERO:
            return 0 if spikes else v
        return v - spikes * theta if op.reset is Reset.SUBTRACT else v

    for x in inputs:
        raised = op.reset_time is ResetTime.SAME_STEP_RAISED and above(v, theta)
        current = x << op.fraction_bits
        if op.decay_syn is not None:
            i = kept(i, own(op.decay_syn)) + current
            current = i = min(max(i, -op.saturation), op.saturation)
        v = kept(v, own(op.decay)) + current + own(op.bias)
        if op.reset_time is ResetTime.NEXT_STEP:
            v = reset(v, spikes)
        v = min(max(v, floor), op.saturation)
        limits = range(1 + raised, op.max_spikes + 1 + raised)
        spikes = sum(above(v, multiple * theta) for multiple in limits)
        emitted.append(spikes if op.emits is Emits.SPIKES else v)
        if op.reset_time is not ResetTime.NEXT_STEP:
            v = reset(v, spikes)
    return emitted


@given(case=cases("membrane"))
@settings(max_examples=100)
def test_the_definition_is_that_of_each_neuron(case: Case) -> None:
    steps = case.graph.steps
    trace = interpret(case.graph, case.samples, keep=case.graph.tensors).values
    for node, op in case.graph.of_type(Membrane):
        inputs, outputs = trace[node.inputs[0]], trace[node.name]
        for sample in range(min(2, len(inputs))):
            for place in np.ndindex(*inputs.shape[2:]):
                neuron = [int(inputs[(sample, t, *place)]) for t in range(steps)]
                got = [int(outputs[(sample, t, *place)]) for t in range(steps)]
                assert got == one_neuron(op, place, neuron)


@pytest.mark.parametrize("name", ["decay", "decay_syn", "bias", "floor"])
def test_one_number_for_all_is_stored_as_one_number(name: str) -> None:
    low = -7 if name in ("bias", "floor") else 7
    every = [np.full(shape, low) for shape in ((2,), (2, 1, 3))]
    values: tuple[Any, ...] = (low, np.int8(low), *every)
    ops = [Membrane(THETA, **{name: value}) for value in values]
    assert all(op == ops[0] for op in ops)
    assert isinstance(getattr(ops[2], name), int)


@pytest.mark.parametrize(
    "fields",
    [
        {"decay": [1, 2]},
        {"decay_syn": 0},
        {"decay_syn": np.arange(6).reshape(2, 1, 3)},
        {"bias": -3},
        {"floor": [0, -5]},
        {"fraction_bits": 0, "saturation": 99},
        {"decay_bits": 20, "decay": 2**20},
        {"emits": Emits.POTENTIAL},
        {"reset_time": ResetTime.SAME_STEP_RAISED},
        {"theta": np.arange(1, 7).reshape(2, 1, 3)},
    ],
)
def test_files_of_version_5_hold_what_is_new(fields: dict[str, Any], tmp_path: Path) -> None:
    op = Membrane(**{"theta": THETA, **fields})
    nodes = graph_of(Membrane(THETA)).nodes
    graph = Graph("neurons", (nodes[0], Node("neurons", op, ("input",)), *nodes[2:]), 4)
    save_graph(graph, tmp_path / "graph.safetensors")
    loaded = load_graph(tmp_path / "graph.safetensors")
    assert loaded == graph
    assert loaded.hash == graph.hash != graph_of(Membrane(THETA)).hash


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"decay": 4097}, "decay is 4097; it must be in 0..4096"),
        ({"decay": [1, -1]}, "decay is -1..1; it must be in 0..4096"),
        (
            {"decay": [1, 2, 3]},
            "decay has shape (3,), it must be one integer, or (2,) or (2, 1, 3)",
        ),
        ({"decay_syn": 1 << 20}, "decay_syn is 1048576; it must be in 0..4096"),
        ({"decay_syn": [0.5, 1]}, "decay_syn has dtype float64; give integers"),
        ({"bias": 2**23}, "bias is 8388608; it must be in -8388607..8388607"),
        ({"floor": 1}, "floor is 1; it must be in -8388607..0"),
        ({"fraction_bits": 41}, "fraction_bits is 41; it must be in 0..40"),
        ({"fraction_bits": 30}, "saturation is 8388607; it must be in 1073741824.."),
        ({"decay_bits": 0}, "decay_bits is 0; it must be in 1..24"),
        ({"theta": np.ones((2, 3))}, "theta has dtype float64; give integers"),
        ({"theta": np.ones((2, 3), int)}, "theta has shape (2, 3), it must be (2,) or (2, 1, 3)"),
        (
            {"reset_time": ResetTime.SAME_STEP_RAISED, "reset": Reset.ZERO},
            "it needs reset subtract and max_spikes 1",
        ),
        (
            {"reset_time": ResetTime.SAME_STEP_RAISED, "saturation": 6 * 64},
            "theta 5 times 2, to which it is raised, is more than 6",
        ),
    ],
)
def test_parameters_out_of_range_are_named(fields: dict[str, Any], fault: str) -> None:
    with pytest.raises(GraphError) as error:
        graph_of(Membrane(**{"theta": THETA, **fields}))
    assert fault in str(error.value)


def test_an_input_that_the_potentials_unit_cannot_hold_is_refused() -> None:
    high = (LARGEST_INPUT >> 20) + 1
    op = Membrane(THETA, fraction_bits=20, saturation=2**50)
    with pytest.raises(GraphError, match=f"fraction_bits 20 the limit is .-{high - 1}"):
        graph_of(op, high=high)


def test_potentials_are_no_events_and_cannot_enter_a_synapse() -> None:
    graph = graph_of(Membrane(THETA, reset=Reset.NONE, emits=Emits.POTENTIAL), steps=1)
    assert graph.tensors["neurons"].bounds == (-9 * 64, 9 * 64)
    assert not graph["neurons"].op.emits_events
    trace = interpret(graph, np.full((1, 2, 1, 3), 4))
    assert trace.accumulators(graph).tolist() == [[256] * 6]


@pytest.mark.parametrize(
    ("mode", "answer"),
    [(ReadoutMode.SUM, 5), (ReadoutMode.LAST, -3), (ReadoutMode.MAX, 6)],
)
def test_answers_of_a_readout(mode: ReadoutMode, answer: int) -> None:
    nodes = (
        Node("input", Input((1,), -9, 9, 1.0)),
        Node("readout", Readout(np.ones(1), mode), ("input",)),
    )
    samples = np.array([[[2], [6], [-3]]])
    assert interpret(Graph("answers", nodes, 3), samples).values["readout"][0, -1] == answer


@given(data=st.data())
def test_a_current_that_forgets_everything_is_the_input(data: st.DataObject) -> None:
    op = Membrane(THETA, decay=data.draw(st.integers(0, 4096)))
    samples = np.random.default_rng(0).integers(-9, 10, (3, 4, 2, 1, 3))
    plain, current = (
        interpret(graph_of(each), samples).values["neurons"]
        for each in (op, Membrane(THETA, decay=op.decay, decay_syn=4096))
    )
    assert np.array_equal(plain, current)
