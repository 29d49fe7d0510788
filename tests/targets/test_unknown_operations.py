"""An operation of a plugin or of a user is refused like all else that a target cannot do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

import numpy as np
import pytest

from edgespike.errors import UnsupportedError
from edgespike.graph import (
    Add,
    Dense,
    Graph,
    Input,
    Node,
    Op,
    Readout,
    Signal,
    Tensor,
    Threshold,
)
from edgespike.graph.ops import Weighted
from edgespike.interpreter import interpret
from edgespike.passes.ensemble import ensemble
from edgespike.passes.unary import unary
from edgespike.targets import BUILT_IN, get_target


class Unchecked(Op):
    """Fits behind everything."""

    def check(self, inputs: Sequence[Tensor]) -> Iterator[str]:
        yield from ()


class Halved(Unchecked):
    kind: ClassVar[str] = "halved"

    def infer(self, inputs: Sequence[Tensor], steps: int) -> Tensor:
        (tensor,) = inputs
        return Tensor(tensor.shape, tensor.low // 2, tensor.high // 2, tensor.signal)


class Pulse(Unchecked):
    """A source of spikes beside the input."""

    kind: ClassVar[str] = "pulse"
    arity: ClassVar[int | None] = 0
    emits_events: ClassVar[bool] = True

    def infer(self, inputs: Sequence[Tensor], steps: int) -> Tensor:
        return Tensor((4,), np.zeros(4, int), np.ones(4, int), Signal.SPIKES)


class Scaled(Weighted):
    """One weight and no bias a channel."""

    kind: ClassVar[str] = "scaled"

    def check(self, inputs: Sequence[Tensor]) -> Iterator[str]:
        yield from ()

    def infer(self, inputs: Sequence[Tensor], steps: int) -> Tensor:
        (tensor,) = inputs
        low, high = self.weight * tensor.low, self.weight * tensor.high
        return Tensor(tensor.shape, low, high, Signal.ACCUMULATOR)


class Joined(Add):
    """A subclass of an operation, with outputs that no addition has."""

    kind: ClassVar[str] = "joined"

    def infer(self, inputs: Sequence[Tensor], steps: int) -> Tensor:
        low = np.concatenate([tensor.low for tensor in inputs])
        high = np.concatenate([tensor.high for tensor in inputs])
        return Tensor((len(low),), low, high, inputs[0].signal)


class Noisy(Threshold):
    """A subclass that keeps the name in files."""


def threshold(channels: int, kind: type[Threshold] = Threshold) -> Threshold:
    return kind(np.ones((channels, 1), int), np.arange(channels) % 2 == 1)


def dense(outputs: int, inputs: int, weight: int = 1) -> Dense:
    return Dense(np.full((outputs, inputs), weight), np.ones(outputs, int))


UNKNOWN: dict[str, tuple[Op, tuple[str, ...]]] = {
    "on spikes": (Halved(), ("spikes",)),
    "on sums": (Halved(), ("sums",)),
    "without input": (Pulse(), ()),
    "with weights": (Scaled(np.ones(4, int), np.zeros(1, int)), ("spikes",)),
    "of several inputs": (Joined(), ("first", "sums")),
    "a subclass": (threshold(4, Noisy), ("sums",)),
}
"""Operations that no target knows, and what each takes."""


def around(case: str, weight: int = 1, steps: int = 1) -> Graph:
    """Put neurons before an operation, and behind a sum of what it gives with another layer's."""
    op, taken = UNKNOWN[case]
    nodes = [
        Node("input", Input((4,), 0, 1, 1.0)),
        Node("first", dense(4, 4, weight), ("input",)),
        Node("spikes", threshold(4), ("first",)),
        Node("sums", dense(4, 4), ("spikes",)),
        Node("near", threshold(4), ("sums",)),
        Node("strange", op, taken),
    ]
    known: dict[str, Tensor] = {}
    for node in nodes:
        known[node.name] = node.op.infer([known[name] for name in node.inputs], steps)
    size, last = known["strange"].size, "strange"
    if known["strange"].signal.is_event:
        last = "carried"
        nodes.append(Node("carried", dense(size, size), ("strange",)))
    nodes += [
        Node("beside", dense(size, 4), ("near",)),
        Node("meeting", Add(), (last, "beside")),
        Node("far", threshold(size), ("meeting",)),
        Node("classes", dense(2, size), ("far",)),
        Node("out", Readout(np.ones(2)), ("classes",)),
    ]
    return Graph("strange", tuple(nodes), steps)


def assert_refuses(line: str, case: str, target: str) -> None:
    op, _ = UNKNOWN[case]
    what, _, supported = line.partition("; supported: ")
    family = target.partition("-")[0]
    name = type(op).__name__
    assert what == f"strange ({op.kind}): operation {name} is not supported on target {family}"
    assert {"Dense", "Threshold"} < set(supported.split(", "))


@pytest.mark.parametrize("target", BUILT_IN)
@pytest.mark.parametrize("case", UNKNOWN)
def test_it_is_a_violation_that_names_what_is_supported(target: str, case: str) -> None:
    graph = around(case)
    (line,) = get_target(target).violations(graph)
    assert_refuses(line, case, target)
    with pytest.raises(UnsupportedError, match="is not supported on target"):
        get_target(target).check(graph)


@pytest.mark.parametrize(
    ("target", "other"),
    [
        ("loihi", "first (dense): weights are 300..300; the limit is -128..127"),
        ("tflite", "steps is 257; the limit is 256"),
    ],
)
@pytest.mark.parametrize("case", UNKNOWN)
def test_it_comes_with_all_other_violations(target: str, other: str, case: str) -> None:
    first, second = get_target(target).violations(around(case, weight=300, steps=257))
    assert_refuses(first, case, target)
    assert second.startswith(other)


@pytest.mark.parametrize("case", UNKNOWN)
def test_the_interpreter_names_it_and_what_it_knows(case: str) -> None:
    name = type(UNKNOWN[case][0]).__name__
    with pytest.raises(UnsupportedError, match=f"operation {name} is none of Dense, .*, Readout"):
        interpret(around(case), np.zeros((1, 4), np.uint8))


@pytest.mark.parametrize("case", UNKNOWN)
@pytest.mark.parametrize(
    ("change", "where"),
    [(unary, "in a unary form"), (lambda graph: ensemble([graph, graph]), "in an ensemble")],
    ids=["unary", "ensemble"],
)
def test_what_rewrites_graphs_refuses_it(
    change: Callable[[Graph], Graph], where: str, case: str
) -> None:
    with pytest.raises(UnsupportedError, match=where) as caught:
        change(around(case))
    (line,) = caught.value.violations
    name = type(UNKNOWN[case][0]).__name__
    assert line.startswith(f"strange ({UNKNOWN[case][0].kind}): operation {name} is not supported")
