"""Building a graph: what fits is accepted, what does not is listed, all at once."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, get_args

import numpy as np
import pytest

from edgespike.errors import GraphError, shown
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
    Op,
    Operation,
    Readout,
    ReadoutMode,
    Reset,
    Reshape,
    Signal,
    SumPool2d,
    Tensor,
    Threshold,
)
from edgespike.graph.ops import OPERATIONS, Pool2d
from edgespike.interpreter import interpret
from tests.example_graphs import membrane_graph, residual_graph


def dense(outputs: int, inputs: int, weight: int = 1) -> Dense:
    return Dense(np.full((outputs, inputs), weight), np.zeros(outputs, int))


def conv(outputs: int, inputs: int, **fields: Any) -> Conv2d:
    kernel = fields.pop("kernel", (3, 3))
    return Conv2d(np.ones((outputs, inputs, *kernel), int), np.zeros(outputs, int), **fields)


def spikes(channels: int) -> Threshold:
    return Threshold(np.ones((channels, 1), int), np.zeros(channels, bool))


def chain(*ops: Operation, steps: int = 1) -> Graph:
    """Connect operations in a row, named op0, op1, ..."""
    nodes = [Node(f"op{i}", op, (f"op{i - 1}",) if i else ()) for i, op in enumerate(ops)]
    return Graph("chain", tuple(nodes), steps)


EXTREMES = np.array([[-(2**63), 2**63 - 1]] * 4)
FLOATS: Any = np.ones((2, 4))
MANY: Any = (1,) * 99
VECTOR = Input((4,), 0, 1, 1.0)
IMAGE = Input((2, 5, 5), 0, 255, 1 / 255)


@pytest.mark.parametrize(
    ("ops", "message"),
    [
        ((VECTOR, dense(3, 5), Readout(np.ones(3))), "op1 (dense): weight takes 5 inputs"),
        ((IMAGE, dense(3, 50), Readout(np.ones(3))), "op1 (dense): input has shape (2, 5, 5)"),
        ((IMAGE, conv(4, 3), spikes(4)), "takes 3 channels"),
        ((IMAGE, conv(3, 1, groups=2)), "outputs divisible by groups"),
        ((IMAGE, conv(3, 2, stride=(0, 1))), "stride is (0, 1)"),
        ((IMAGE, conv(3, 2, padding=(-1, 0))), "padding is (-1, 0)"),
        (
            (IMAGE, conv(3, 2, dilation=(3, 1))),
            "does not fit into input (5, 5) with padding (0, 0); use a smaller kernel",
        ),
        ((IMAGE, conv(3, 2, groups=0)), "groups is 0"),
        ((VECTOR, Threshold(EXTREMES[:, ::-1], np.zeros(4, bool))), "must ascend"),
        ((Input((2**23,), 0, 1, 1.0),), "more than 4194304 channels or features; use fewer"),
        (
            (VECTOR, Membrane(np.full(4, 2**58), saturation=2**53)),
            "op1 (membrane): theta 288230376151711744 times max_spikes 1 is more than "
            "140737488355328, which no potential exceeds since it saturates at "
            "9007199254740992/64; use smaller ones, or a saturation of up to 9007199254740992",
        ),
        (
            (VECTOR, Membrane(np.full(4, 2**40), max_spikes=2**20, saturation=2**53)),
            "more than 140737488355328",
        ),
        (
            (VECTOR, Membrane(np.array([1, 2, 3, 65_536]), max_spikes=2)),
            "op1 (membrane): theta 65536 times max_spikes 2 is more than 131071, which no "
            "potential exceeds since it saturates at 8388607/64; use smaller ones, or a "
            "saturation of up to 9007199254740992",
        ),
        (
            (VECTOR, Membrane(np.full(4, 3), comparison=Comparison.GREATER, saturation=192)),
            "theta 3 times max_spikes 1 is more than 2",
        ),
        (
            (VECTOR, Membrane(np.ones(4, int), saturation=63)),
            "saturation is 63; it must be in 64..",
        ),
        (
            (VECTOR, Membrane(np.ones(4, int), saturation=2**53 + 1)),
            "saturation is 9007199254740993; it must be in 64..9007199254740992",
        ),
        ((Input((4,), 0, 4, 1.0), dense(1, 4, 2**62)), "the limit is +-9007199254740992"),
        ((Input((4,), 0, 4, 1.0), dense(1, 4, -(2**62))), "the limit is +-9007199254740992"),
        (
            (IMAGE, conv(3, 2, padding=(32767, 32767))),
            "makes more than 134217728 elements; use less padding",
        ),
        ((IMAGE, conv(3, 2, stride=(2**40, 1))), "stride is (1099511627776, 1)"),
        (
            (Input((4,), -(2**60), 0, 1.0),),
            "range -1152921504606846976..0 exceeds +-9007199254740992; use a smaller range",
        ),
        (
            (IMAGE, conv(3, 2, stride=MANY)),
            "... (297 characters); give (vertical, horizontal)",
        ),
        (
            (IMAGE, SumPool2d(MANY, (1, 1))),
            "... (297 characters); give (vertical, horizontal)",
        ),
        (
            (IMAGE, SumPool2d((6, 2), (1, 1))),
            "kernel (6, 2) does not fit into input (5, 5); use a smaller kernel",
        ),
        (
            (IMAGE, MaxPool2d((2, 2), (1, 1), (2, 0))),
            "padding (2, 0) makes windows of kernel (2, 2) that hold nothing of the input (5, 5); "
            "use less padding",
        ),
        (
            (IMAGE, SumPool2d((3, 2), (1, 1), (0, 3, 0, 0))),
            "padding (0, 3, 0, 0) makes windows of kernel (3, 2) that hold nothing of the input",
        ),
        (
            (IMAGE, SumPool2d((3, 2), (1, 2), (0, 0, 0, 3))),
            "padding (0, 0, 0, 3) makes windows of kernel (3, 2) that hold nothing of the input",
        ),
        (
            (IMAGE, SumPool2d((1, 1), (32767, 32767), (0, 32767, 0, 32767))),
            "padding (0, 32767, 0, 32767) makes more than 134217728 elements; use less padding",
        ),
        (
            (IMAGE, conv(3, 2, padding=(0, 32767, 0, 32767))),
            "padding (0, 32767, 0, 32767) makes more than 134217728 elements; use less padding",
        ),
        (
            (IMAGE, conv(3, 2, padding=(0, 1, 0, -1))),
            "padding is (0, 1, 0, -1); give (vertical, horizontal) or (top, bottom, left, right), "
            "each in 0..32767",
        ),
        (
            (IMAGE, SumPool2d((2, 2), (1, 1), (0, 1, 1))),
            "padding is (0, 1, 1); give (vertical, horizontal) or (top, bottom, left, right), each",
        ),
        (
            (IMAGE, conv(3, 2, padding=(0, 0, 0, 0, 0))),
            "padding is (0, 0, 0, 0, 0); give (vertical, horizontal) or (top, bottom, left, right)",
        ),
        (
            (IMAGE, conv(3, 2, stride=(1, 1, 2, 2))),
            "stride is (1, 1, 2, 2); give (vertical, horizontal), each in 1..32767",
        ),
        (
            (IMAGE, conv(3, 2, dilation=(3, 1), padding=(0, 1, 0, 0))),
            "does not fit into input (5, 5) with padding (0, 1, 0, 0); use a smaller kernel",
        ),
        ((VECTOR, MaxPool2d((2, 2), (2, 2))), "pooling needs (channels, height, width)"),
        ((IMAGE, conv(3, 2), MaxPool2d((2, 2), (2, 2))), "pool after the threshold"),
        ((Input((1, 4, 4), -3, 3, 1.0), MaxPool2d((2, 2), (2, 2))), "its input may be -3"),
        ((VECTOR, dense(3, 4), dense(2, 3)), "put a threshold or membrane between"),
        ((VECTOR, Reshape((2**23,))), "more than 4194304 channels or features; use fewer"),
        ((VECTOR, Reshape((5,))), "has 5 elements, its input (4,) has 4"),
        ((VECTOR, dense(3, 4), spikes(2)), "its input has 3 channels; give one row per channel"),
        ((VECTOR, Threshold(np.array([[2, 1]] * 4), np.zeros(4, bool))), "must ascend"),
        ((VECTOR, Membrane(np.array([1, 0, 1, 1]))), "theta goes down to 0"),
        ((VECTOR, Membrane(np.full(4, np.nan))), "theta has dtype float64; give integers"),
        ((VECTOR, Membrane(np.full(4, np.inf))), "theta has dtype float64; give integers"),
        ((VECTOR, Membrane(np.ones((0, 4), int))), "theta has shape (0, 4)"),
        ((VECTOR, Membrane(np.ones(4, int), decay=4097)), "decay is 4097"),
        ((VECTOR, Membrane(np.ones(4, int), max_spikes=0)), "max_spikes is 0"),
        ((VECTOR, Readout(np.array([1.0, 0.0, 1.0, np.nan]))), "positive and finite"),
        ((VECTOR, Dense(FLOATS, np.zeros(2, int))), "weight has dtype float64"),
        ((VECTOR, Dense(np.ones((2, 4), int), np.zeros(3, int))), "bias has shape (3,)"),
        (
            (VECTOR, Dense(np.ones((2, 4), int), np.zeros(2, int), np.zeros((2, 4), bool))),
            "float_nonzero is False at a weight that is not zero",
        ),
        ((Input((4,), 3, 2, 1.0),), "range 3..2 is empty"),
        ((Input((4,), 0, 2, float("inf")),), "scale inf"),
        ((Input((4, 4), 0, 2, 1.0),), "shape (4, 4) must be"),
        ((Input((1,) * 99, 0, 2, 1.0),), "... (297 characters) must be (features,)"),
        ((Input((2**28,), 0, 1, 1.0),), "more than 134217728 elements; use a smaller one"),
        ((VECTOR, dense(1, 4, 2**52), Readout(np.ones(1))), "the limit is +-9007199254740992"),
    ],
)
def test_what_does_not_fit_is_named(ops: tuple[Operation, ...], message: str) -> None:
    last = () if isinstance(ops[-1], Readout) else (Readout(np.ones(1)),)
    with pytest.raises(GraphError) as caught:
        chain(*ops, *last)
    assert message in str(caught.value)


def test_all_violations_are_listed_at_once() -> None:
    with pytest.raises(GraphError) as caught:
        Graph(
            "two faults",
            (
                Node("input", VECTOR),
                Node("input", dense(2, 4), ("input",)),
                Node("late", dense(2, 4), ("later",)),
                Node("readout", Readout(np.ones(2)), ("late",)),
            ),
            steps=0,
        )
    text = str(caught.value)
    for expected in (
        "name 'two faults'",
        "steps is 0",
        "node name input is used twice",
        "late has inputs that do not come before it: later; move them before it",
    ):
        assert expected in text


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ((), "begin with its one input"),
        ((Node("a", dense(2, 4)),), "end with its one readout"),
        (
            (Node("a", VECTOR), Node("b", Readout(np.ones(4)))),
            r"b \(readout\): number of inputs is 0; expected 1",
        ),
        (
            (Node("a", VECTOR), Node("s", Add(), ("a",)), Node("b", Readout(np.ones(4)), ("s",))),
            r"s \(add\): number of inputs is 1; expected two or more",
        ),
        (
            (
                Node("a", VECTOR),
                Node("x", dense(2, 4), ("a",)),
                Node("b", Readout(np.ones(4)), ("a",)),
            ),
            "nothing uses the output of x",
        ),
    ],
)
def test_the_frame_of_a_graph(nodes: tuple[Node, ...], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        Graph("frame", nodes)


def test_events_and_accumulators_cannot_be_added() -> None:
    nodes = (
        Node("input", VECTOR),
        Node("dense", dense(4, 4), ("input",)),
        Node("both", Add(), ("input", "dense")),
        Node("readout", Readout(np.ones(4)), ("both",)),
    )
    with pytest.raises(GraphError, match="events and accumulators cannot be added"):
        Graph("mixed", nodes)


def test_ranges_and_signals_by_hand() -> None:
    weight = np.array([[2, -3, 0, 1], [0, 0, 0, 0]])
    graph = chain(
        Input((4,), 0, 10, 1.0),
        Dense(weight, np.array([5, -7])),
        Threshold(np.array([[1, 20], [0, 3]]), np.array([False, True])),
        dense(1, 2),
        Readout(np.ones(1)),
        steps=3,
    )
    acc = graph.tensors["op1"]
    assert (acc.low.tolist(), acc.high.tolist()) == ([-25, -7], [35, -7])
    levels = graph.tensors["op2"]
    # The second channel's sum is always -7, below both of its thresholds.
    assert (levels.low.tolist(), levels.high.tolist()) == ([0, 2], [2, 2])
    assert levels.signal is Signal.GRADED
    assert graph.tensors["op4"].bounds == (2, 12)


def test_padding_brings_zero_into_the_range_of_a_convolution() -> None:
    graph = chain(
        Input((1, 3, 3), 5, 9, 1.0),
        conv(1, 1, padding=(1, 1)),
        spikes(1),
        Reshape((9,)),
        dense(1, 9),
        Readout(np.ones(1)),
    )
    assert graph.tensors["op1"].bounds == (0, 81)


@pytest.mark.parametrize("padding", [(0, 1, 0, 0), (1, 0, 0, 0), (0, 0, 0, 1), (0, 0, 1, 0)])
def test_padding_of_one_side_brings_zero_into_the_range(padding: tuple[int, ...]) -> None:
    source = Input((1, 3, 3), 5, 9, 1.0)
    assert conv(1, 1, padding=padding).infer([source.infer([], 1)], 1).bounds == (0, 81)
    assert SumPool2d((2, 2), (1, 1), padding).infer([source.infer([], 1)], 1).bounds == (0, 36)


SAME = {"stride": (2, 2), "padding": (0, 1, 0, 1)}
"""SAME of TensorFlow for a kernel of 3 on an even size."""


@pytest.mark.parametrize(
    ("op", "size"),
    [
        (conv(3, 2, **SAME), (3, 4)),
        (conv(3, 2, padding=(0, 2, 2, 1)), (6, 9)),
        (conv(3, 2, kernel=(2, 2), dilation=(2, 3), padding=(0, 2, 1, 2)), (6, 8)),
        (MaxPool2d((3, 3), (2, 2), (0, 1, 0, 1)), (3, 4)),
        (SumPool2d((2, 2), (2, 2), (1, 0, 0, 1)), (3, 4)),
        (SumPool2d((2, 2), (1, 1), (0, 1, 1, 0)), (6, 8)),
        # The last window begins before the end, although the padding has the kernel's size.
        (SumPool2d((2, 2), (5, 5), (0, 2, 0, 2)), (2, 2)),
    ],
)
def test_sizes_with_padding_of_one_side(op: Conv2d | Pool2d, size: tuple[int, int]) -> None:
    source = Tensor((2, 6, 8), np.zeros(2, np.int64), np.ones(2, np.int64), Signal.SPIKES)
    assert list(op.check([source])) == []
    assert op.output_size(source.shape) == size
    assert op.infer([source], 1).shape[1:] == size


def test_equal_padding_has_one_form() -> None:
    two, four = conv(3, 2, padding=(1, 2)), conv(3, 2, padding=(1, 1, 2, 2))
    assert four.padding == (1, 2)
    assert two == four
    assert MaxPool2d((2, 2), (1, 1), (0, 0, 0, 0)) == MaxPool2d((2, 2), (1, 1))
    one_sided = conv(3, 2, padding=[1, 0, 2, 2])
    assert one_sided.padding == (1, 0, 2, 2)
    assert one_sided.sides == ((1, 0), (2, 2))
    assert two.sides == ((1, 1), (2, 2))
    assert one_sided != two
    assert len({conv(3, 2, padding=p).padding for p in ((0, 1, 0, 0), (0, 0, 0, 1))}) == 2


def test_arrays_of_a_graph_cannot_be_changed() -> None:
    weight = np.ones((2, 4), int)
    op = Dense(weight, np.zeros(2, int))
    weight[0, 0] = 7
    assert op.weight[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        op.weight[0, 0] = 7


def test_the_hash_changes_with_every_part() -> None:
    base = chain(VECTOR, dense(2, 4), Readout(np.ones(2)))
    others = [
        chain(VECTOR, dense(2, 4, weight=2), Readout(np.ones(2))),
        chain(VECTOR, dense(2, 4), Readout(np.full(2, 2.0))),
        chain(VECTOR, dense(2, 4), Readout(np.ones(2)), steps=2),
        chain(Input((4,), 0, 2, 1.0), dense(2, 4), Readout(np.ones(2))),
    ]
    assert chain(VECTOR, dense(2, 4), Readout(np.ones(2))).hash == base.hash
    assert len({base.hash, *(graph.hash for graph in others)}) == 5


def test_fields_take_the_type_they_are_declared_with() -> None:
    """A string, a list or a numpy integer means the same as after a round trip through a file."""
    membrane = Membrane([3, 4], reset="zero", comparison=">")  # type: ignore[arg-type]
    assert membrane == Membrane(np.array([3, 4]), reset=Reset.ZERO, comparison=Comparison.GREATER)
    given: Any = Input([2, np.int64(3), 3], np.int32(0), 255, 1)  # type: ignore[arg-type]
    assert given == Input((2, 3, 3), 0, 255, 1.0)
    assert type(given.shape[1]) is int
    assert type(given.low) is int


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Membrane(np.ones(2, int), reset="hard"), "reset is 'hard'"),  # type: ignore[arg-type]
        (lambda: Input((2.5,), 0, 1, 1.0), "shape is"),  # type: ignore[arg-type]
        (lambda: Dense(np.array([[2**64 - 1]], np.uint64), np.zeros(1, int)), "above 2"),
        (lambda: Membrane(np.ones(2, int), reset=None), "reset is None: give one of 'zero', "),  # type: ignore[arg-type]
        (lambda: Membrane(np.ones(2, int), max_spikes=True), "max_spikes is True: give a whole"),
        (lambda: Membrane("many"), "theta is 'many': dtype <U4 is not numeric"),  # type: ignore[arg-type]
        (lambda: Membrane(None), "theta is None: dtype object is not numeric"),  # type: ignore[arg-type]
        (lambda: Membrane([True, True]), "theta is .*: dtype bool is not numeric"),  # type: ignore[arg-type]
        (lambda: Input(None, 0, 1, 1.0), "shape is None"),  # type: ignore[arg-type]
        (lambda: Input((2,), None, 1, 1.0), "low is None"),  # type: ignore[arg-type]
        (lambda: Input((2,), 0, 2**63, 1.0), r"high is 9223372036854775808: .*2\*\*63 - 1"),
        (lambda: Input((2,), 0, 1, "1.0"), "scale is '1.0': give a number"),  # type: ignore[arg-type]
        (lambda: Readout([True]), "scale is .*: dtype bool is not numeric"),  # type: ignore[arg-type]
    ],
)
def test_a_value_that_has_no_such_type_is_refused(make: Any, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        make()


def test_all_fields_of_the_wrong_type_are_listed_at_once() -> None:
    with pytest.raises(GraphError) as caught:
        Membrane("x", decay=0.5, reset="hard")  # type: ignore[arg-type]
    assert [line.split(" ")[0] for line in caught.value.violations] == ["theta", "decay", "reset"]


class Foreign(Op):
    """An operation that is not in the union."""

    kind: ClassVar[str] = "foreign"

    def check(self, inputs: Sequence[Tensor]) -> Iterator[str]:
        yield from ()

    def infer(self, inputs: Sequence[Tensor], steps: int) -> Tensor:
        return inputs[0]


class Noisy(Threshold):  # type: ignore[misc]
    """A subclass that keeps the kind of a known operation."""


@pytest.mark.parametrize(
    "op", [Foreign(), Noisy(np.ones((4, 1), int), np.zeros(4, bool)), VECTOR.kind, None]
)
def test_an_operation_that_is_not_in_the_union_is_refused(op: Any) -> None:
    known = ", ".join(kind.__name__ for kind in get_args(Operation))
    with pytest.raises(GraphError) as caught:
        Node("odd", op, ("in",))
    (line,) = caught.value.violations
    assert line.startswith(f"op is {shown(op)}; give an operation: Input, Dense, ")
    assert line.endswith(f": {known}")


INPUT, READOUT = Node("in", VECTOR), Node("out", Readout(np.ones(4)), ("in",))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Node(1, VECTOR), "node 1 cannot be created:\n  - name is 1; give a string"),  # type: ignore[arg-type]
        (lambda: Node(None, VECTOR), "name is None; give a string"),  # type: ignore[arg-type]
        (lambda: Node("d", 5), "op is 5; give an operation"),  # type: ignore[arg-type]
        (lambda: Node("d", Input), "op is <class .*; give an operation"),  # type: ignore[arg-type]
        (lambda: Node("d", VECTOR, None), "inputs is None; give a tuple of names"),  # type: ignore[arg-type]
        (lambda: Node("d", VECTOR, ("a", 3)), "inputs holds 3; give a tuple of names"),  # type: ignore[arg-type]
        (lambda: Node("d", VECTOR, [INPUT]), "inputs holds Node"),  # type: ignore[arg-type]
        (lambda: Node(2, 5, 3), "name is 2.*\n.*op is 5.*\n.*inputs is 3"),  # type: ignore[arg-type]
        (lambda: Graph(5, (INPUT, READOUT)), "graph 5 is not valid:\n  - name is 5; give a string"),  # type: ignore[arg-type]
        (lambda: Graph(None, (INPUT, READOUT)), "name is None; give a string"),  # type: ignore[arg-type]
        (lambda: Graph("g", None), "nodes is None; give a tuple of Nodes"),  # type: ignore[arg-type]
        (lambda: Graph("g", INPUT), "nodes is Node.*; give a tuple of Nodes"),  # type: ignore[arg-type]
        (lambda: Graph("g", (INPUT, 7)), "nodes holds 7; give a tuple of Nodes"),  # type: ignore[arg-type]
        (lambda: Graph(5, "ab", 0), "name is 5.*\n.*steps is 0.*\n.*nodes is 'ab'"),  # type: ignore[arg-type]
        (lambda: Graph("g", (INPUT, READOUT), True), "steps is True; it must be a whole number"),
        (lambda: Graph("g", (INPUT, READOUT), None), "steps is None; it must be a whole number"),  # type: ignore[arg-type]
        (lambda: Graph("g", (INPUT, READOUT), 10**5000), "steps is int of thousands of digits; it"),
    ],
)
def test_what_cannot_be_part_of_a_graph_is_named(make: Any, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        make()


def test_steps_may_be_a_numpy_integer() -> None:
    graph = Graph("g", (INPUT, READOUT), np.int64(3))  # type: ignore[arg-type]
    assert graph == Graph("g", (INPUT, READOUT), 3)
    assert type(graph.steps) is int


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "must not be empty"),
        ("a/b", "'a/b' may hold letters, digits, '_', '-' and '.' only"),
        ("a\0b", r"'a\\x00b' may hold"),
        ("a\n", r"'a\\n' may hold"),
        ("\x1b[31m", r"'\\x1b\[31m' may hold"),
        ("\ufeffa", r"'\\ufeffa' may hold"),
        ("größe", "may hold"),
        ("..", "must not be empty or begin with '-' or '.'"),
        ("-o", "begin with '-' or '.'"),
        ("n" * 1001, r"'n+\.\.\. \(1003 characters\) has 1001 characters; the limit is "),
    ],
)
def test_a_name_that_cannot_be_a_file_name_is_refused(name: str, message: str) -> None:
    with pytest.raises(GraphError, match=f"- name .*{message}"):
        Graph(name, (INPUT, READOUT))
    with pytest.raises(GraphError, match=f"node name .*{message}"):
        Graph("g", (INPUT, Node(name, Readout(np.ones(4)), ("in",))))


def test_a_graphs_name_leaves_room_for_what_file_names_add_to_it() -> None:
    assert Graph("n" * 200, (INPUT, READOUT)).name == "n" * 200
    with pytest.raises(GraphError, match="has 201 characters; the limit is 200"):
        Graph("n" * 201, (INPUT, READOUT))


@pytest.mark.parametrize("value", [True, False])
def test_booleans_that_are_all_equal_take_no_memory(value: bool) -> None:
    flipped = np.broadcast_to(np.bool_(value), (2**40,))
    kept = Threshold(np.ones((1, 1), int), flipped).flipped
    assert kept.shape == (2**40,)
    assert bool(kept[-1]) is value
    with pytest.raises(ValueError, match=r"read-only|WRITEABLE"):
        kept.flags.writeable = True


def test_the_memory_of_all_arrays_has_a_limit() -> None:
    mask = np.broadcast_to(np.True_, (2**15, 2**15))
    layers = [Dense(np.ones((2, 4), int), np.zeros(2, int), mask) for _ in range(2)]
    with pytest.raises(GraphError, match=r"arrays take 2147483824 bytes; the limit is 2147483648"):
        chain(VECTOR, *layers, Readout(np.ones(2)))


def test_the_channels_of_all_nodes_together_have_a_limit() -> None:
    many = 2**22
    flat = [Reshape((many,)) for _ in range(3)]
    with pytest.raises(GraphError, match=r"25165824 channels .* up to op3; the limit .* 16777216"):
        chain(Input((many,), 0, 1, 1.0), *flat, Readout(np.ones(1)))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((12,), (3, 2, 2)),
        ((3, 2, 2), (12,)),
        ((4, 3, 1), (6, 1, 2)),
        ((6, 1, 2), (4, 3, 1)),
        ((2, 2, 3), (2, 2, 3)),
    ],
)
def test_a_reshape_gives_each_channel_the_range_of_its_elements(
    before: tuple[int, ...], after: tuple[int, ...]
) -> None:
    low = np.random.default_rng(0).integers(-9, 9, before[0])
    tensor = Tensor(before, low, low**2, Signal.GRADED)
    found = Reshape(after).infer([tensor], 1)
    for ends, values in ((found.low, low), (found.high, low**2)):
        each = np.repeat(values, tensor.size // before[0]).reshape(after[0], -1)
        extreme = each.min(axis=1) if ends is found.low else each.max(axis=1)
        assert ends.tolist() == extreme.tolist()


def test_thresholds_may_be_anywhere_in_64_bits() -> None:
    graph = chain(VECTOR, Threshold(EXTREMES, np.zeros(4, bool)), dense(1, 4), Readout(np.ones(1)))
    assert graph.tensors["op1"].bounds == (1, 1)


@pytest.mark.parametrize("weight", [[["1", "2"]], [[1j, 2.0]], np.array([["2020-01-01"]], "M8[D]")])
def test_weights_that_are_not_numbers_are_refused(weight: Any) -> None:
    with pytest.raises(GraphError, match="is not numeric"):
        Dense(weight, np.zeros(1, int))


def test_a_graph_of_lists_is_the_graph_of_tuples() -> None:
    nodes: Any = [Node("a", VECTOR), Node("b", Readout(np.ones(4)), ["a"])]  # type: ignore[arg-type]
    assert hash(Graph("lists", nodes)) == hash(Graph("lists", tuple(nodes)))
    with pytest.raises(GraphError, match="give a tuple of names"):
        Node("b", Readout(np.ones(4)), "a")  # type: ignore[arg-type]
    steps: Any = 1.5
    with pytest.raises(GraphError, match=r"steps is 1\.5"):
        Graph("half", nodes, steps)


def loop(delay: Delay, *, source: str = "levels", levels: int = 3) -> Graph:
    """Return a graph with a delay whose source comes after it."""
    theta = np.arange(levels) + np.zeros((4, 1), int)
    return Graph(
        "loop",
        (
            Node("input", VECTOR),
            Node("before", delay, (source,)),
            Node("recurrent", dense(4, 4), ("before",)),
            Node("forward", dense(4, 4), ("input",)),
            Node("sum", Add(), ("recurrent", "forward")),
            Node("levels", Threshold(theta, np.zeros(4, bool)), ("sum",)),
            Node("out", dense(2, 4), ("levels",)),
            Node("readout", Readout(np.ones(2), ReadoutMode.LAST), ("out",)),
        ),
        steps=3,
    )


def test_a_loop_has_the_range_that_its_delay_declares() -> None:
    graph = loop(Delay((4,), 0, 5, Signal.GRADED))
    assert graph.is_recurrent
    assert graph.tensors["recurrent"].bounds == (0, 20)
    assert graph.tensors["levels"].bounds == (1, 3)


def test_a_readout_of_the_last_step_has_the_range_of_one_step() -> None:
    assert loop(Delay((4,), 0, 3, Signal.GRADED)).tensors["readout"].bounds == (4, 12)


@pytest.mark.parametrize(
    ("delay", "message"),
    [
        (Delay((4,), 0, 2, Signal.GRADED), "range is 0..2, its source gives 1..3; widen it"),
        (Delay((4,), 4, 5, Signal.GRADED, 4), "range is 4..5, its source gives 3..3; widen it"),
        (
            Delay((4,), 0, 3, Signal.SPIKES),
            "signal is spikes, its source's is graded; they must be equal",
        ),
        (Delay((4,), 0, 3, Signal.GRADED, 4), "initial is 4; it must be within 0..3"),
        (Delay((4,), 3, 0, Signal.GRADED), "range 3..0 is empty"),
        (
            Delay((4,), -3, 1, Signal.SPIKES, -3),
            "low is -3; a spike count cannot be negative; use 0 or more",
        ),
        (Delay((4,), 0, 2**54, Signal.GRADED), "range 0..18014398509481984 exceeds "),
        (Delay((4, 4), 0, 3, Signal.GRADED), "shape (4, 4) must be"),
        (
            Delay((4,), 0, 3, Signal.ACCUMULATOR),
            "signal is accumulator; only events can be delayed",
        ),
    ],
)
def test_a_delay_that_does_not_fit_is_named(delay: Delay, message: str) -> None:
    with pytest.raises(GraphError) as caught:
        loop(delay)
    assert f"before (delay): {message}" in str(caught.value)


@pytest.mark.parametrize("source", ["sum", "before"])
def test_only_events_that_arise_at_the_source_can_be_delayed(source: str) -> None:
    with pytest.raises(GraphError, match=f"delays {source} .*, which emits no events"):
        loop(Delay((4,), 0, 3, Signal.GRADED), source=source)


@pytest.mark.parametrize(("low", "high", "initial"), [(0, 3, 1), (-2, 2, 0), (2, 2, 2)])
def test_the_advice_for_a_delay_of_a_delay_gives_a_delay_of_two_steps(
    low: int, high: int, initial: int
) -> None:
    once = Delay((2,), low, high, Signal.GRADED, initial)

    def graph(*between: Node, twice: Delay = once) -> Graph:
        nodes = (
            Node("input", Input((2,), low, high, 1.0)),
            Node("once", once, ("input",)),
            *between,
            Node("twice", twice, (between[-1].name if between else "once",)),
            Node("out", Dense(np.eye(2, dtype=int), np.zeros(2, int)), ("twice",)),
            Node("readout", Readout(np.ones(2), ReadoutMode.LAST), ("out",)),
        )
        return Graph("twice", nodes, steps=3)

    with pytest.raises(GraphError) as caught:
        graph()
    advice = re.search(
        r"theta (-?\d+)\.\.(-?\d+) .* its values(?:, minus (-?\d+))?$", str(caught.value)
    )
    assert advice
    first, last, offset = (int(number or 0) for number in advice.groups())
    theta = np.arange(first, last + 1) + np.zeros((2, 1), int)
    threshold = Node("between", Threshold(theta, np.zeros(2, bool)), ("once",))
    signal = Signal.SPIKES if first == last else Signal.GRADED
    valid = graph(threshold, twice=Delay((2,), 0, high - offset, signal, initial - offset))
    samples = np.random.default_rng(0).integers(low, high, (6, 3, 2), endpoint=True)
    found = interpret(valid, samples).accumulators(valid)
    assert np.array_equal(found + offset, samples[:, 0])


def test_a_delay_of_nothing_is_named() -> None:
    with pytest.raises(
        GraphError, match="before has inputs that are not nodes: nobody; use names of nodes"
    ):
        loop(Delay((4,), 0, 3, Signal.GRADED), source="nobody")


def test_only_a_delay_may_take_from_a_later_node() -> None:
    with pytest.raises(GraphError, match="a has inputs that do not come before it: b; move them"):
        Graph(
            "cycle",
            (
                Node("input", VECTOR),
                Node("a", dense(4, 4), ("b",)),
                Node("b", spikes(4), ("a",)),
                Node("readout", Readout(np.ones(4)), ("a",)),
            ),
        )


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda graph: pickle.loads(pickle.dumps(graph))]
)
def test_a_graph_can_be_copied_and_sent_to_other_processes(
    copied: Callable[[Graph], Graph],
) -> None:
    graph = residual_graph()
    assert copied(graph) == graph
    assert copied(graph).hash == graph.hash


def test_a_printed_graph_is_one_line() -> None:
    graph = residual_graph()
    assert repr(graph) == (
        f"<Graph 'residual': {len(graph.nodes)} nodes, 1 step, input (1, 6, 6) of 0..15, 3 classes>"
    )
    assert "4 steps" in repr(membrane_graph())


def test_a_printed_operation_shows_every_field_and_no_large_array() -> None:
    weight, bias = np.arange(-3, 9).reshape(3, 4), np.array([1, 2, 3])
    mask = np.ones((3, 4), bool)
    assert repr(Dense(weight, bias, mask)) == (
        "Dense(weight=<int64 (3, 4), -3..8>, bias=[1, 2, 3], float_nonzero=<bool (3, 4), 12 true>)"
    )
    assert repr(Membrane(np.array([5, 6]))) == (
        "Membrane(theta=[5, 6], decay=0, reset=subtract, reset_time=same_step, comparison=>=, "
        "max_spikes=1, saturation=8388607, decay_syn=None, bias=0, floor=None, fraction_bits=6, "
        "decay_bits=12, emits=spikes)"
    )
    assert repr(Readout(np.linspace(0.5, 1, 10))).startswith(
        "Readout(scale=<float64 (10,), 0.5..1.0>"
    )
    node = Node("dense", Dense(weight, bias), ("input",))
    assert repr(node).startswith("Node(name='dense', op=Dense(weight=<int64 (3, 4), ")


@pytest.mark.parametrize("op", OPERATIONS.values())
def test_no_operation_prints_its_arrays(op: type[Op]) -> None:
    assert op.__repr__ is Op.__repr__
