"""The graph of a net of stored numbers has all of them, and what has no exact form is refused."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings

from edgespike.errors import UnsupportedError
from edgespike.graph import Conv2d, Dense, Reshape, Threshold
from edgespike.graph.tensor import Integers
from edgespike.int8.additions import (
    Addition,
    FixedPointAddition,
    Float32Addition,
    OneShiftAddition,
)
from edgespike.int8.averages import RawAverage
from edgespike.int8.lowering import Lowered, lower
from edgespike.int8.net import (
    Int8Add,
    Int8AveragePool,
    Int8Concatenate,
    Int8Conv2d,
    Int8Dense,
    Int8Function,
    Int8Input,
    Int8MaxPool,
    Int8Net,
    Int8Node,
    Int8Op,
    Int8Pad,
    Int8Readout,
    Int8Reshape,
    Stored,
)
from edgespike.int8.rounding import Requantise, Rounding
from edgespike.int8.run import run_int8
from edgespike.interpreter import interpret
from edgespike.verification import verify
from tests.int8.nets import int8_nets

RNG = np.random.default_rng(7)
STORED = Stored(0.5, 3)
LOWEST = Stored(0.5, -128)


def check_equal(net: Int8Net, samples: Integers) -> Lowered:
    """Compare the numbers and ranges of all nodes that are in the graph with those of the net."""
    lowered, expected = lower(net, "net"), run_int8(net, samples)
    events = samples - net.nodes[0].stored.zero_point
    trace = interpret(lowered.graph, events, set(lowered.nodes.values()))
    for name, node in lowered.nodes.items():
        found = trace.values[node][:, 0] + lowered.offsets[name]
        assert np.array_equal(found.reshape(expected[name].shape), expected[name]), name
        proven = np.add(lowered.graph.tensors[node].bounds, lowered.offsets[name])
        stored = net.by_name[name].stored
        assert stored.low <= proven.min() <= proven.max() <= stored.high, name
    return lowered


@given(int8_nets())
@settings(max_examples=300)
def test_every_node_has_the_numbers_of_the_net(drawn: tuple[Int8Net, Integers]) -> None:
    net, samples = drawn
    lowered = check_equal(net, samples)
    last = net.nodes[-1]
    assert lowered.offsets[last.name] == last.stored.zero_point
    assert (lowered.graph.readout_op.scale == last.stored.scale).all()


@given(int8_nets())
@settings(max_examples=50)
def test_targets_compute_it(drawn: tuple[Int8Net, Integers]) -> None:
    net, samples = drawn
    graph = lower(net, "net").graph
    assert verify(graph, samples - net.nodes[0].stored.zero_point, ["cpu"]).equal


def chain(*ops: Int8Op, stored: Stored = STORED, shape: tuple[int, ...] = (2, 5, 5)) -> Int8Net:
    """Return a net of operations that follow each other; all numbers are stored alike."""
    return branched(
        *((f"n{i}", op, (f"n{i - 1}",)) for i, op in enumerate(ops)), stored=stored, shape=shape
    )


def branched(
    *nodes: tuple[str, Int8Op, Sequence[str]],
    stored: Stored = STORED,
    shape: tuple[int, ...] = (2, 5, 5),
) -> Int8Net:
    """Return a net of named operations; the input is ``n-1``."""
    return Int8Net(
        (
            Int8Node("input", Int8Input(shape), stored),
            *(
                Int8Node(name, op, stored, tuple(x.replace("n-1", "input") for x in inputs))
                for name, op, inputs in nodes
            ),
            Int8Node("readout", Int8Readout(), stored, (nodes[-1][0],)),
        )
    )


def samples_of(net: Int8Net) -> Integers:
    op, stored = net.nodes[0].op, net.nodes[0].stored
    shape = op.shape if isinstance(op, Int8Input) else ()
    return RNG.integers(stored.low, stored.high + 1, (20, *shape))


def requantise(channels: int = 2, factor: float = 0.02, zero: int = 3) -> Requantise:
    return Requantise(np.full(channels, factor), Rounding.DOUBLE_AWAY, zero, -128, 127)


def conv(padding: int = 0, channels: int = 2, zero: int = 3) -> Int8Conv2d:
    weight = RNG.integers(-20, 21, (channels, 2, 3, 3))
    return Int8Conv2d(
        weight, np.arange(channels), requantise(channels, zero=zero), padding=(padding,) * 4
    )


def kinds(net: Int8Net) -> list[str]:
    """Return the operations of a net's graph, once its numbers have been compared."""
    lowered = check_equal(net, samples_of(net))
    return [node.op.kind for node in lowered.graph.nodes[1:-1] if not isinstance(node.op, Reshape)]


LAYER = ["conv2d", "threshold"]


@pytest.mark.parametrize(
    ("net", "expected"),
    [
        (chain(conv(1), conv(1)), LAYER * 2),
        # functions become one with the layer before them
        (chain(conv(), Int8Function(lambda q: np.maximum(q, 3))), LAYER),
        (chain(conv(), Int8Function(lambda q: -q), Int8Function(lambda q: q // 2)), LAYER),
        # a function of two readers stays, one that changes nothing does not
        (
            branched(
                ("a", conv(), ("n-1",)),
                ("b", Int8Function(lambda q: -q // 2), ("a",)),
                ("c", Int8Concatenate(), ("a", "b")),
            ),
            [*LAYER, "threshold", "concatenate"],
        ),
        (chain(Int8Function(lambda q: np.clip(q, -128, 127)), conv()), LAYER),
        # zero points around an image are padding of what follows
        (chain(Int8Pad((1, 0, 2, 1)), Int8Pad((0, 1, 0, 0)), conv(1)), LAYER),
        (
            chain(Int8Pad((1, 1, 1, 1)), Int8MaxPool((3, 3), (2, 2)), stored=LOWEST),
            ["max_pool2d"],
        ),
        # but not of a max pool if numbers may be below the zero point, or of an average
        (
            chain(Int8Pad((1, 1, 1, 1)), Int8MaxPool((3, 3), (2, 2))),
            [*LAYER, "max_pool2d", "threshold"],
        ),
        (
            chain(Int8Pad((1, 1, 1, 1)), Int8AveragePool((3, 3), (2, 2), RawAverage(-128, 127))),
            [*LAYER, "sum_pool2d", "threshold"],
        ),
        # zero points that two read in different ways
        (
            branched(
                ("pad", Int8Pad((1, 1, 1, 1)), ("n-1",)),
                ("a", conv(), ("pad",)),
                ("b", Int8MaxPool((3, 3), (1, 1)), ("pad",)),
                ("c", Int8Concatenate(), ("a", "b")),
            ),
            [*LAYER, *LAYER, "max_pool2d", "threshold", "concatenate"],
        ),
        # a max pool of signed numbers, alone and before convolutions without and with padding
        (
            chain(conv(), Int8MaxPool((2, 2), (2, 2), (1, 0, 0, 1))),
            [*LAYER, "max_pool2d", "threshold"],
        ),
        (chain(conv(), Int8MaxPool((1, 1), (1, 1)), conv()), [*LAYER, "max_pool2d", *LAYER]),
        (
            chain(conv(), Int8MaxPool((2, 2), (1, 1)), conv(1)),
            [*LAYER, "max_pool2d", "threshold", *LAYER],
        ),
    ],
)
def test_few_operations_are_enough(net: Int8Net, expected: list[str]) -> None:
    assert kinds(net) == expected


def addition(stored: Stored = STORED) -> Int8Add:
    return Int8Add(FixedPointAddition(stored, stored, stored, -128, 127))


def test_a_tensor_added_to_itself_is_a_function_of_it() -> None:
    net = branched(("a", conv(), ("n-1",)), ("b", addition(), ("a", "a")))
    assert kinds(net) == LAYER


def test_two_tensors_are_weighted_before_they_are_added() -> None:
    net = branched(("a", conv(), ("n-1",)), ("b", conv(), ("n-1",)), ("c", addition(), ("a", "b")))
    assert kinds(net) == [*LAYER * 2, "conv2d", "conv2d", "add", "threshold"]
    graph = lower(net, "net").graph
    weights = [
        op.weight for node, op in graph.of_type(Conv2d) if node.name in {"c.first", "c.second"}
    ]
    assert [weight.shape for weight in weights] == [(2, 1, 1, 1)] * 2
    assert all((weight == 1).all() for weight in weights)


def test_features_are_added_too() -> None:
    first = Int8Dense(RNG.integers(-9, 9, (3, 50)), np.zeros(3, np.int64), requantise(3))
    net = branched(
        ("flat", Int8Reshape((50,)), ("n-1",)),
        ("a", first, ("flat",)),
        ("b", first, ("flat",)),
        ("c", addition(), ("a", "b")),
    )
    assert kinds(net) == ["dense", "threshold"] * 2 + ["conv2d", "conv2d", "add", "threshold"]


def test_averages_at_a_border_have_thresholds_of_their_own() -> None:
    pool = Int8AveragePool((3, 3), (2, 2), RawAverage(-128, 127), (1, 1, 1, 1))
    net = chain(pool, Int8Function(lambda q: -q - 1))
    assert kinds(net) == ["sum_pool2d", "threshold"]
    (threshold,) = (op for _, op in lower(net, "net").graph.of_type(Threshold))
    assert len(threshold.theta) == 2 * 3 * 3
    assert len(np.unique(threshold.theta, axis=0)) == 3  # of 4, 6 and 9 numbers


def test_sums_count_only_synapses_that_exist() -> None:
    graph = lower(chain(conv(1)), "net").graph
    assert [op.float_nonzero for _, op in graph.of_type(Conv2d)] == [None]


def test_events_of_a_layer_with_the_lowest_zero_point_are_levels() -> None:
    graph = lower(chain(conv(zero=-128), stored=LOWEST), "net").graph
    assert [(op.offset, op.levels) for _, op in graph.of_type(Threshold)] == [(0, 255)]


def test_names_of_parts_are_free() -> None:
    net = branched(("a", conv(), ("n-1",)), ("a.sums", conv(), ("a",)))
    lowered = check_equal(net, samples_of(net))
    assert [node.name for node in lowered.graph.nodes] == [
        *("input", "a.sums2", "a", "a.sums.sums", "a.sums", "readout.flat", "readout")
    ]


def test_what_the_answer_does_not_depend_on_is_left_out() -> None:
    net = branched(("a", conv(), ("n-1",)), ("b", conv(), ("n-1",)), ("c", conv(), ("a",)))
    assert kinds(net) == LAYER * 2


def refused(net: Int8Net) -> tuple[str, ...]:
    with pytest.raises(UnsupportedError, match="model 'net' cannot be converted") as caught:
        lower(net, "net")
    return caught.value.violations


def product(a: Integers, b: Integers) -> Integers:
    return np.asarray(np.clip(a * b, -128, 127))


def dense(weight: int, bias: int = 0) -> Int8Dense:
    return Int8Dense(np.full((1, 50), weight), np.array([bias]), requantise(1))


@pytest.mark.parametrize(
    ("net", "said"),
    [
        (chain(Int8Function(np.abs)), "n0 rises from 0 to 1 and falls from -128 to -127"),
        (chain(conv(), Int8Function(np.abs)), "n1 rises from 0 to 1 and falls from"),
        (
            branched(
                ("a", conv(), ("n-1",)),
                ("b", conv(), ("n-1",)),
                ("c", Int8Add(product), ("a", "b")),
            ),
            "c: there are no whole weights m1 and m2",
        ),
        (
            chain(Int8Reshape((50,)), dense(127, 2**31)),
            "n1: channel 0 has sums up to 2148271048; the limit is 2147483647",
        ),
        (
            chain(
                Int8Reshape((50,)),
                Int8Dense(np.full((1, 50), 2**20), np.zeros(1, np.int64), lambda x: x),
            ),
            "n1: its sums can reach 6868172800; the limit is 2147483647",
        ),
        (
            chain(
                Int8Reshape((50,)),
                Int8Dense(np.ones((1, 50), np.int64), np.zeros(1, np.int64), requantise(1, np.nan)),
            ),
            "n1: channel 0 has a factor of nan",
        ),
        (
            chain(conv(), Int8Reshape((3,))),
            "n1: shape (3,) has 3 elements, its input (2, 3, 3) has 18",
        ),
        (chain(dense(1)), "n0: input has shape (2, 5, 5); flatten it with a reshape first"),
        (chain(Int8Pad((-1, 0, 0, 0)), conv()), "n0: padding is (-1, 0, 0, 0)"),
        (
            chain(Int8MaxPool((2, 2), (1, 1), (2, 0, 0, 0)), stored=LOWEST),
            "n0: padding (2, 0, 0, 0) makes windows of kernel (2, 2) that hold nothing",
        ),
        (
            chain(conv(), stored=Stored(0.5, 0, -(2**20), 2**20)),
            "input stores -1048576..1048576; the limit is 65536 numbers",
        ),
        (
            chain(
                Int8Reshape((50,)),
                Int8Dense(np.ones((1, 50), np.int64), np.zeros(1, np.int64), lambda x: 9 * x),
            ),
            "n1 can have 114750 values; the limit is 65536",
        ),
    ],
)
def test_what_has_no_exact_form_is_refused(net: Int8Net, said: str) -> None:
    (violation,) = refused(net)
    assert violation.startswith(said)


@pytest.mark.parametrize(
    ("kind", "scale", "said"),
    [
        (FixedPointAddition, 32.0, "scale is 64 of the sum's; it must be at least 0 and below 64"),
        (FixedPointAddition, np.nan, "scale is nan of the sum's"),
        (OneShiftAddition, 2.0**-12, "it must be at least 0.000976562 and below 256"),
        (Float32Addition, -0.5, "scale is -1 of the sum's"),
    ],
)
def test_sums_of_scales_that_runtimes_add_in_other_ways_are_refused(
    kind: type[Addition], scale: float, said: str
) -> None:
    combine = kind(Stored(scale, 3), STORED, STORED, -128, 127)
    net = branched(
        ("a", conv(), ("n-1",)), ("b", conv(), ("n-1",)), ("c", Int8Add(combine), ("a", "b"))
    )
    (violation,) = refused(net)
    assert violation.startswith("c: an operand's ")
    assert said in violation


def test_so_are_such_sums_of_a_tensor_and_itself() -> None:
    combine = FixedPointAddition(STORED, STORED, Stored(0.001, 3), -128, 127)
    violations = refused(branched(("a", conv(), ("n-1",)), ("b", Int8Add(combine), ("a", "a"))))
    assert [violation[:25] for violation in violations] == ["b: an operand's scale is "] * 2


@pytest.mark.parametrize("op", [Int8MaxPool((1, 1), (1, 1)), Int8Reshape((50,)), Int8Pad((1,) * 4)])
def test_operations_that_change_no_number_cannot_change_its_scale(op: Int8Op) -> None:
    net = chain(op)
    before = Int8Node("input", net.nodes[0].op, Stored(0.25, 3))
    (violation,) = refused(Int8Net((before, *net.nodes[1:])))
    assert violation == (
        "n0 has scale 0.5 and zero point 3, its input input has 0.25 and 3; they must be equal, "
        "requantise the input"
    )


def test_everything_is_refused_at_once() -> None:
    absolute: Callable[[Integers], Integers] = np.abs
    net = branched(
        ("a", Int8Function(absolute), ("n-1",)),
        ("b", conv(), ("a",)),
        ("c", Int8Add(product), ("b", "b2")),
        ("d", Int8Function(absolute), ("c",)),
    )
    nodes = (*net.nodes[:3], Int8Node("b2", conv(), STORED, ("a",)), *net.nodes[3:])
    violations = refused(Int8Net(nodes))
    assert [violation.split()[0].strip(":") for violation in violations] == ["a", "c", "d"]


def test_scales_are_positive_and_finite() -> None:
    stored = Stored(float("nan"), 3)
    assert refused(chain(conv(), stored=stored)) == tuple(
        f"{name} has the scale nan; it must be positive and finite"
        for name in ("input", "n0", "readout")
    )


def test_a_border_of_too_many_places_is_refused() -> None:
    pool = Int8AveragePool((3, 3), (1, 1), RawAverage(-128, 127), (1, 1, 1, 1))
    (violation,) = refused(chain(pool, shape=(5, 1000, 1000)))
    assert violation.startswith("n0 averages fewer numbers at the border, and needs thresholds for")
    (violation,) = refused(chain(pool, shape=(4, 1000, 1000)))
    assert violation == (
        "n0 has 4000000 channels with 255 thresholds each; the limit for all together is 33554432, "
        "use a smaller layer"
    )


def test_a_wide_net_is_lowered_quickly() -> None:
    """Of the size of ResNet-8's largest layers, times four."""
    channels, start = 256, time.process_time()
    layers = [
        Int8Conv2d(
            RNG.integers(-127, 128, (channels, channels, 3, 3)),
            np.zeros(channels, np.int64),
            requantise(channels, 2.0**-16),
            padding=(1, 1, 1, 1),
        )
        for _ in range(2)
    ]
    lower(chain(*layers, shape=(channels, 8, 8)), "net")
    assert time.process_time() - start < 5


def test_a_net_may_end_in_any_tensor() -> None:
    net = chain(Int8Reshape((50,)), dense(3))
    lowered = check_equal(net, samples_of(net))
    assert [op.weight.shape for _, op in lowered.graph.of_type(Dense)] == [(1, 50)]
    assert lowered.graph.readout_op.scale.tolist() == [0.5]
