"""A graph under construction, and what its nodes compute on the samples for calibration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from edgespike.blas import one_blas_thread
from edgespike.errors import UnsupportedError
from edgespike.graph import Conv2d, Dense, Graph, Input, Node, Operation, Tensor, Threshold
from edgespike.graph.tensor import Integers, per_channel
from edgespike.interpreter import evaluate
from edgespike.quantise.rounding import WHOLE


@dataclass
class Growing:
    """A graph under construction.

    Parameters
    ----------
    nodes, tensors
        The graph so far, and the shape and range of each node's values.
    seen
        What each node computes on the samples for calibration, ``(samples, *shape)``.
    alone
        What it would compute if the activations before it had the float net's values, put on
        their levels.
    """

    nodes: list[Node] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    seen: dict[str, WHOLE] = field(default_factory=dict)
    alone: dict[str, WHOLE] = field(default_factory=dict)
    _numbers: Counter[str] = field(default_factory=Counter)

    def start(self, op: Input, samples: WHOLE) -> str:
        """Add the input, and return its name."""
        self.nodes.append(Node("input", op))
        self.tensors["input"] = op.infer([], 1)
        self.seen["input"] = self.alone["input"] = _small(samples)
        return "input"

    def add(self, path: str, label: str, op: Operation, sources: Sequence[str]) -> str:
        """Add a node, compute its values, and return its name.

        Raises
        ------
        UnsupportedError
            The operation does not fit its inputs.
        """
        inputs = [self.tensors[name] for name in sources]
        if faults := list(op.check(inputs)):
            raise UnsupportedError(
                "model cannot be quantised", [f"{path} ({label}): {fault}" for fault in faults]
            )
        self._numbers[label] += 1
        name = f"{label}{self._numbers[label]}"
        self.nodes.append(Node(name, op, tuple(sources)))
        self.tensors[name] = op.infer(inputs, 1)
        self.seen[name] = _computed(op, [self.seen[source] for source in sources])
        if all(self.alone[source] is self.seen[source] for source in sources):
            self.alone[name] = self.seen[name]
        else:
            self.alone[name] = _computed(op, [self.alone[source] for source in sources])
        return name

    def add_bias(self, weighted: str, sums: str, bias: Integers) -> None:
        """Add whole numbers to a weighted node's bias, and so to the sums behind it."""
        places = {node.name: i for i, node in enumerate(self.nodes)}
        node = self.nodes[places[weighted]]
        if not isinstance(node.op, Dense | Conv2d):  # the only nodes that have a bias
            raise TypeError(f"{weighted} has no bias")
        op = replace(node.op, bias=node.op.bias + bias)
        self.nodes[places[weighted]] = replace(node, op=op)
        for name in dict.fromkeys((weighted, sums)):
            changed = self.nodes[places[name]]
            inputs = [self.tensors[source] for source in changed.inputs]
            self.tensors[name] = changed.op.infer(inputs, 1)
            for values in (self.seen, self.alone):
                whole = values[name].astype(np.int64)
                values[name] = _small(whole + per_channel(bias, whole.ndim - 1))

    def graph(self, name: str, steps: int) -> Graph:
        """Return the finished graph."""
        return Graph(name, tuple(self.nodes), steps)


def _small(values: WHOLE) -> WHOLE:
    """Return whole numbers in the smallest type that holds them; there are many."""
    return values.astype(np.result_type(*map(np.min_scalar_type, _ends(values)), np.int8))


def _ends(values: WHOLE) -> tuple[int, int]:
    return min(int(values.min()), -1), int(values.max())


def _computed(op: Operation, inputs: Sequence[WHOLE]) -> WHOLE:
    """Compute an operation as the interpreter does; many thresholds by bisection, which is fast."""
    whole = [x.astype(np.int64) for x in inputs]
    if not isinstance(op, Threshold):
        with one_blas_thread():
            return _small(np.asarray(evaluate(op, whole)[0]))
    (x,) = whole
    out = np.empty_like(x)
    for channel, theta in enumerate(op.theta):
        out[:, channel] = np.searchsorted(theta, x[:, channel], side="right")
    flipped = per_channel(op.flipped, x.ndim - 1)
    return _small(op.offset + op.unit * np.where(flipped, op.levels - out, out))
