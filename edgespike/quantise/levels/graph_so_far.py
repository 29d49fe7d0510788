"""A graph under construction, and what its nodes compute on the samples for calibration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from edgespike.blas import one_blas_thread
from edgespike.errors import UnsupportedError
from edgespike.graph import (
    Conv2d,
    Delay,
    Dense,
    Graph,
    Input,
    Node,
    Operation,
    Tensor,
    Threshold,
)
from edgespike.graph.tensor import Integers, per_channel
from edgespike.interpreter import evaluate
from edgespike.quantise.rounding import WHOLE


@dataclass
class Growing:
    """A graph under construction.

    Parameters
    ----------
    steps
        Of a sample; only loops need to know.
    nodes, tensors
        The graph so far, and the shape and range of each node's values.
    seen
        What each node computes on the samples for calibration, ``(samples, *shape)``; those of
        later steps follow those of the first.
    alone
        What it would compute if the activations before it had the float net's values, put on
        their levels.
    """

    steps: int = 1
    nodes: list[Node] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    seen: dict[str, WHOLE] = field(default_factory=dict)
    alone: dict[str, WHOLE] = field(default_factory=dict)
    _numbers: Counter[str] = field(default_factory=Counter)
    _open: list[str] = field(default_factory=list)

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
        name = self._append(label, op, sources)
        self.seen[name] = _computed(op, [self.seen[source] for source in sources])
        if all(self.alone[source] is self.seen[source] for source in sources):
            self.alone[name] = self.seen[name]
        else:
            self.alone[name] = _computed(op, [self.alone[source] for source in sources])
        return name

    def _append(self, label: str, op: Operation, sources: Sequence[str]) -> str:
        self._numbers[label] += 1
        name = f"{label}{self._numbers[label]}"
        self.nodes.append(Node(name, op, tuple(sources)))
        self.tensors[name] = op.infer([self.tensors[source] for source in sources], 1)
        return name

    def add_delay(self, op: Delay, values: WHOLE) -> str:
        """Add a delay whose source is still to come, and return its name.

        Parameters
        ----------
        values
            What it gives on the samples, if its source has the float net's values.
        """
        name = self._append("delay", op, ())
        self.seen[name] = self.alone[name] = _small(values)
        self._open.append(name)
        return name

    def close(self, delay: str, source: str) -> None:
        """Connect a delay with its source, and compute what follows it again, step after step."""
        places = {node.name: i for i, node in enumerate(self.nodes)}
        first = min(places[name] for name in self._open)
        self._open.remove(delay)
        self.nodes[places[delay]] = replace(self.nodes[places[delay]], inputs=(source,))
        for node in self.nodes[first::-1]:  # what loops carry back from there changes too
            if isinstance(node.op, Delay) and any(places[x] >= first for x in node.inputs):
                first = places[node.name]
        again: dict[str, list[WHOLE]] = {node.name: [] for node in self.nodes[first:]}

        def value(name: str, t: int) -> WHOLE:
            return again[name][t] if name in again else self._at(name, t)

        for t in range(self.steps):
            for node in self.nodes[first:]:
                if not isinstance(node.op, Delay):
                    found = _computed(node.op, [value(name, t) for name in node.inputs])
                elif node.name in self._open:
                    found = self._at(node.name, t)
                elif t == 0:
                    found = np.full_like(self._at(node.name, 0), node.op.initial)
                else:
                    found = value(node.inputs[0], t - 1)
                again[node.name].append(found)
        self.seen.update({name: np.concatenate(parts) for name, parts in again.items()})

    def _at(self, name: str, t: int) -> WHOLE:
        """Return a node's values at a step."""
        values = self.seen[name]
        count = len(values) // self.steps
        return values[t * count : (t + 1) * count]

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
