"""The definition, compared with loops over single neurons and with values worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgespike import interpreter
from edgespike.errors import GraphError
from edgespike.graph import (
    Add,
    Comparison,
    Conv2d,
    Delay,
    Dense,
    Graph,
    Input,
    MaxPool2d,
    Membrane,
    Node,
    Readout,
    ReadoutMode,
    Reset,
    ResetTime,
    Signal,
    SumPool2d,
    Threshold,
)
from edgespike.graph.ops.membrane import decayed
from edgespike.graph.ops.pooling import Pool2d
from edgespike.interpreter import evaluate, interpret
from tests.example_graphs import recurrent_graph
from tests.strategies import MIXES, Case, cases


def conv_by_loops(op: Conv2d, x: Any) -> Any:
    """Follow the definition neuron by neuron, weight by weight."""
    outputs, per_group, kernel_y, kernel_x = op.weight.shape
    (top, _), (left, _) = op.sides
    height, width = op.output_size(x.shape[1:])
    out = np.zeros((len(x), outputs, height, width), np.int64)
    for n, o, row, column in np.ndindex(*out.shape):
        group = o // (outputs // op.groups)
        total = int(op.bias[o])
        for i, ky, kx in np.ndindex(per_group, kernel_y, kernel_x):
            y = row * op.stride[0] - top + ky * op.dilation[0]
            z = column * op.stride[1] - left + kx * op.dilation[1]
            if 0 <= y < x.shape[2] and 0 <= z < x.shape[3]:
                total += int(op.weight[o, i, ky, kx]) * int(x[n, group * per_group + i, y, z])
        out[n, o, row, column] = total
    return out


def pool_by_loops(op: Pool2d, x: Any, reduce: Any) -> Any:
    (top, _), (left, _) = op.sides
    height, width = op.output_size(x.shape[1:])
    out = np.zeros((*x.shape[:2], height, width), np.int64)
    for n, c, row, column in np.ndindex(*out.shape):
        window = [
            int(x[n, c, y, z])
            for y in range(
                row * op.stride[0] - top,
                row * op.stride[0] - top + op.kernel[0],
            )
            for z in range(
                column * op.stride[1] - left,
                column * op.stride[1] - left + op.kernel[1],
            )
            if 0 <= y < x.shape[2] and 0 <= z < x.shape[3]
        ]
        out[n, c, row, column] = reduce(window)
    return out


@pytest.mark.parametrize("mix", ["convolution", "pooling", "residual"])
@given(data=st.data())
@settings(max_examples=30)
def test_convolutions_and_pools_equal_loops_over_neurons(mix: str, data: st.DataObject) -> None:
    case = data.draw(cases(mix))
    names = [node.name for node in case.graph.nodes]
    values = interpret(case.graph, case.samples, keep=names).values
    for node in case.graph.nodes:
        x = values[node.inputs[0]][:, 0] if node.inputs else None
        found = values[node.name][:, 0]
        if isinstance(node.op, Conv2d):
            assert np.array_equal(found, conv_by_loops(node.op, x))
        elif isinstance(node.op, SumPool2d):
            assert np.array_equal(found, pool_by_loops(node.op, x, sum))
        elif isinstance(node.op, MaxPool2d):
            assert np.array_equal(found, pool_by_loops(node.op, x, max))


@given(case=st.sampled_from(MIXES).flatmap(cases), at_once=st.sampled_from([1, 2, 3]))
@settings(max_examples=60)
def test_samples_are_independent_of_how_many_run_at_once(case: Case, at_once: int) -> None:
    keep = [node.name for node in case.graph.nodes]
    together = interpret(case.graph, case.samples, keep)
    largest = max(tensor.size for tensor in case.graph.tensors.values())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interpreter, "BLOCK_VALUES", at_once * largest)
        apart = interpret(case.graph, case.samples, keep)
    for name in keep:
        assert np.array_equal(apart.values[name], together.values[name])


@given(case=st.sampled_from(MIXES).flatmap(cases))
@settings(max_examples=150)
def test_no_value_leaves_its_proven_range(case: Case) -> None:
    names = [node.name for node in case.graph.nodes]
    for name, values in interpret(case.graph, case.samples, keep=names).values.items():
        tensor = case.graph.tensors[name]
        axes = tuple(axis for axis in range(values.ndim) if axis != 2)
        assert (values.min(axis=axes) >= tensor.low).all()
        assert (values.max(axis=axes) <= tensor.high).all()


@given(case=st.sampled_from(MIXES).flatmap(cases))
@settings(max_examples=100)
def test_no_state_leaves_the_range_that_its_operation_uses(case: Case) -> None:
    graph = case.graph
    values = interpret(graph, case.samples, keep=[node.name for node in graph.nodes]).values
    for node in graph.nodes[1:]:
        if isinstance(node.op, Delay):  # has no state of its own
            continue
        tensor, inputs = graph.tensors[node.name], graph.input_tensors(node)
        low, high = node.op.range_in_use(inputs, tensor, graph.steps)
        if isinstance(node.op, Membrane):
            least, most = node.op.potential_range(inputs[0], graph.steps)
            low, high = max(low, int(least.min())), min(high, int(most.max()))
        state = None
        for t in range(graph.steps):
            value, state = evaluate(node.op, [values[name][:, t] for name in node.inputs], state)
            kept = state if isinstance(state, tuple) else () if state is None else (state,)
            for numbers in (value, *kept):
                assert low <= numbers.min()
                assert numbers.max() <= high


@pytest.mark.parametrize(
    ("flipped", "expected"), [(False, [0, 1, 1, 3, 3]), (True, [3, 2, 2, 0, 0])]
)
def test_threshold_counts_levels_reached_or_not_reached(flipped: bool, expected: list[int]) -> None:
    op = Threshold(np.array([[-2, 5, 5]]), np.array([flipped]))
    value, _ = evaluate(op, [np.array([[-3], [-2], [4], [5], [9]])])
    assert value[:, 0].tolist() == expected


def run_membrane(op: Membrane, inputs: list[int]) -> list[int]:
    state, spikes = None, []
    for x in inputs:
        value, state = evaluate(op, [np.array([[x]])], state)
        spikes.append(int(value[0, 0]))
    return spikes


@pytest.mark.parametrize(
    ("fields", "inputs", "spikes"),
    [
        # Subtracting keeps what is above the threshold; 7 + 7 - 10 = 4, 4 + 7 - 10 = 1.
        ({}, [7, 7, 7, 7], [0, 1, 1, 0]),
        ({"reset": Reset.ZERO}, [7, 7, 7, 7], [0, 1, 0, 1]),
        ({"reset": Reset.NONE}, [7, 7, 0, 0], [0, 1, 1, 1]),
        # > against >= at a potential of exactly the threshold.
        ({}, [10, 0], [1, 0]),
        ({"comparison": Comparison.GREATER}, [10, 0, 1], [0, 0, 1]),
        # A reset at the next step also takes that step's input, or leaves the rest behind.
        ({"reset": Reset.ZERO, "reset_time": ResetTime.NEXT_STEP}, [12, 9, 9], [1, 0, 0]),
        ({"reset_time": ResetTime.NEXT_STEP}, [25, 0, 0, 0], [1, 1, 0, 0]),
        # Several spikes a step, each taking one threshold away.
        ({"max_spikes": 3}, [25, 4, 1], [2, 0, 1]),
        ({"max_spikes": 2}, [45, 0, 0], [2, 2, 0]),
        # Half is forgotten at each step: 8, 4 + 7 = 11 fires, 0.5 + 9 does not.
        ({"decay": 2048}, [8, 7, 9], [0, 1, 0]),
        # Everything is forgotten: no state is left.
        ({"decay": 4096}, [9, 9, 10], [0, 0, 1]),
    ],
)
def test_membrane_by_hand(fields: dict[str, Any], inputs: list[int], spikes: list[int]) -> None:
    assert run_membrane(Membrane(np.array([10]), **fields), inputs) == spikes


@pytest.mark.parametrize(
    ("fields", "inputs", "potentials"),
    [
        # 11 and 1/64 at most: 8, 8 + 8, from which 10 is taken, and 1 1/64 + 8.
        ({"decay": 0}, [8, 8, 8], [512, 65, 577]),
        ({"reset": Reset.NONE}, [8, 8, -30, 5], [512, 705, -705, -385]),
        # At the next step 10 is taken from 16 + 8, and then it saturates.
        ({"reset_time": ResetTime.NEXT_STEP}, [8, 8, 8, -90], [512, 705, 577, -705]),
        ({"reset_time": ResetTime.NEXT_STEP}, [11, -11], [704, -640]),
        ({"reset": Reset.ZERO, "reset_time": ResetTime.NEXT_STEP}, [90, 90, 9], [705, 0, 576]),
    ],
)
def test_saturation_by_hand(
    fields: dict[str, Any], inputs: list[int], potentials: list[int]
) -> None:
    op = Membrane(np.array([10]), **fields, saturation=705)
    state, seen = None, []
    for x in inputs:
        _, state = evaluate(op, [np.array([[x]])], state)
        seen.append(int(state[0][0, 0]))
    assert seen == potentials


def test_decay_keeps_six_fractional_bits_and_rounds_towards_zero() -> None:
    """1 decays by a half to 32/64, 16/64, ... and 1/64 to 0; negative potentials do the same."""
    op = Membrane(np.array([1000]), decay=2048, reset=Reset.NONE)
    for sign in (1, -1):
        _, state = evaluate(op, [np.array([[sign]])], None)
        seen = [int(state[0][0, 0])]
        for _ in range(8):
            _, state = evaluate(op, [np.array([[0]])], state)
            seen.append(int(state[0][0, 0]))
        assert seen == [sign * v for v in (64, 32, 16, 8, 4, 2, 1, 0, 0)]


def test_the_readout_adds_up_over_steps_and_starts_each_sample_at_zero() -> None:
    graph = Graph(
        "steps",
        (
            Node("input", Input((2,), 0, 1, 1.0)),
            Node("dense", Dense(np.array([[1, 10]]), np.array([100])), ("input",)),
            Node("readout", Readout(np.ones(1)), ("dense",)),
        ),
        steps=3,
    )
    samples = np.array([[[1, 0], [0, 1], [1, 1]], [[0, 0], [0, 0], [1, 0]]], np.uint8)
    values = interpret(graph, samples).values["readout"]
    assert values[:, :, 0].tolist() == [[101, 211, 322], [100, 200, 301]]


@pytest.mark.parametrize("decay", [0, 1, 2048, 4095, 4096])
@pytest.mark.parametrize("potential", [0, 1, 4095, 2**51 + 4097, 2**53, -(2**53) - 1, -4095])
def test_decay_is_exact_for_every_potential(decay: int, potential: int) -> None:
    sign = -1 if potential < 0 else 1
    expected = sign * (abs(potential) * (4096 - decay) // 4096)
    assert int(decayed(np.array([potential]), decay)[0]) == expected


def test_a_readout_over_many_steps_cannot_wrap_around_unnoticed() -> None:
    nodes = (
        Node("input", Input((1,), 0, 1, 1.0)),
        Node("dense", Dense(np.array([[2**52]]), np.array([0])), ("input",)),
        Node("readout", Readout(np.ones(1)), ("dense",)),
    )
    with pytest.raises(GraphError, match="readout can reach"):
        Graph("long", nodes, steps=100_000)


def adding_up(initial: int) -> Graph:
    """Return a graph of one unit whose level is its last level plus its input, up to 5."""
    return Graph(
        "adding",
        (
            Node("input", Input((1,), -5, 5, 1.0)),
            Node("before", Delay((1,), 0, 5, Signal.GRADED, initial), ("level",)),
            Node("kept", Dense(np.array([[1]]), np.array([0])), ("before",)),
            Node("more", Dense(np.array([[1]]), np.array([0])), ("input",)),
            Node("sum", Add(), ("kept", "more")),
            Node("level", Threshold(np.arange(1, 6)[None], np.array([False])), ("sum",)),
            Node("copy", Dense(np.array([[1]]), np.array([0])), ("level",)),
            Node("readout", Readout(np.ones(1), ReadoutMode.LAST), ("copy",)),
        ),
        steps=4,
    )


@pytest.mark.parametrize(("initial", "levels"), [(0, [2, 3, 0, 5]), (3, [5, 5, 0, 5])])
def test_a_loop_by_hand(initial: int, levels: list[int]) -> None:
    """Each sample starts from the initial value, and a readout of the last step does not add up."""
    samples = np.array([[[2], [1], [-5], [5]]] * 2)
    trace = interpret(adding_up(initial), samples)
    assert trace.values["level"][:, :, 0].tolist() == [levels, levels]
    assert trace.values["readout"][:, :, 0].tolist() == [levels, levels]


def test_a_recurrent_net_by_the_formula_of_its_steps() -> None:
    """h[t] = f(W_h h[t-1] + W_i x[t] + b), y = W_o h[T] + b_o, with h[0] the middle level."""
    graph = recurrent_graph(steps=7)
    samples = np.random.default_rng(5).integers(0, 16, (3, 7, 5))
    ops: dict[str, Any] = {node.name: node.op for node in graph.nodes}
    state = np.full((3, 6), 2)
    for t in range(7):
        total = samples[:, t] @ ops["input"].weight.T + ops["input"].bias
        total = total + state @ ops["recurrent"].weight.T + ops["recurrent"].bias
        reached = (total[:, :, None] >= ops["state"].theta).sum(axis=2)
        state = np.where(ops["state"].flipped, 4 - reached, reached)
    answer = state @ ops["dense"].weight.T + ops["dense"].bias
    assert np.array_equal(interpret(graph, samples).accumulators(graph), answer)


@pytest.mark.parametrize(
    ("reset", "reset_time"),
    [(Reset.SUBTRACT, ResetTime.NEXT_STEP), (Reset.ZERO, ResetTime.SAME_STEP)],
)
def test_the_resets_of_snntorch_are_those_that_the_docstring_names(
    reset: Reset, reset_time: ResetTime
) -> None:
    """The update of snnTorch's Leaky with beta 1, written down from its source."""
    x = np.random.default_rng(0).integers(-9, 14, (100, 32))
    theta = 10
    potential, expected = np.zeros(32, int), []
    for now in x:
        fired = potential > theta
        if reset is Reset.ZERO:
            potential = np.where(fired, 0, potential) + now
        else:
            potential = potential + now - fired * theta
        expected.append(potential > theta)
    op = Membrane(np.full(32, theta), 0, reset, reset_time, Comparison.GREATER)
    nodes = (
        Node("input", Input((32,), -9, 13, 1.0)),
        Node("dense", Dense(np.eye(32, dtype=int), np.zeros(32, int)), ("input",)),
        Node("spikes", op, ("dense",)),
        Node("sum", Dense(np.ones((1, 32), int), np.zeros(1, int)), ("spikes",)),
        Node("readout", Readout(np.ones(1)), ("sum",)),
    )
    graph = Graph("snntorch", nodes, steps=100)
    found = interpret(graph, x[None]).values["spikes"][0]
    assert np.array_equal(found, np.array(expected))
    assert found.any()
