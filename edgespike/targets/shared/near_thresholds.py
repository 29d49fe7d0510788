"""How close samples come to each threshold of a graph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import Emits, Graph, Membrane, Node, Reset, Threshold
from edgespike.graph.tensor import Integers
from edgespike.interpreter import membrane, run_steps

Counts = NDArray[np.uint8]

MOST_COUNTED = 2**8 - 1
"""Most values close to a threshold that are counted in a sample."""


@dataclass(frozen=True)
class Closeness:
    """How many of each sample's values are close to each threshold, over positions and steps.

    Parameters
    ----------
    counts
        ``(samples, 2 * thresholds)``: for each threshold, the values on it, which notice if it is
        one higher, and the values just below, which notice if it is one lower.
    accumulators
        The interpreter's answer, ``(samples, classes)``.
    events
        How many values are not 0 where events arise, over all steps, ``(samples,)``.
    """

    counts: Counts
    accumulators: Integers
    events: Integers


def thresholds_of(graph: Graph) -> int:
    """Return the number of thresholds: one for each channel and level, or for each neuron."""
    return sum(op.theta.size for _, op in _neurons(graph))


def reachable(graph: Graph) -> NDArray[np.bool_]:
    """Return which of :attr:`Closeness.counts` may be more than 0, by the graph's ranges.

    Which potentials a membrane can have is not known; all of them count as reachable.
    """
    parts = []
    for node, op in _neurons(graph):
        theta = op.theta.reshape(len(op.theta), -1)
        if isinstance(op, Membrane):
            parts += [np.ones(theta.size, bool), (theta > 1).ravel()]
            continue
        tensor = graph.tensors[node.inputs[0]]
        low, high = tensor.low[:, None], tensor.high[:, None]
        apart = np.diff(theta, axis=1) > 0
        for x, side in ((theta, slice(None, -1)), (theta - 1, slice(1, None))):
            inside = (low <= x) & (x <= high)
            inside[:, side] &= apart  # only one of equal thresholds counts
            parts.append(inside.ravel())
    return np.concatenate(parts) if parts else np.zeros(0, bool)


def closeness(graph: Graph, samples: NDArray[Any]) -> Closeness:
    """Run samples, ``(samples, steps, *shape)``; see :func:`edgespike.interpreter.run_steps`."""
    neurons = list(_neurons(graph))
    counts = [np.zeros((len(samples), 2, op.theta.size), np.int64) for _, op in neurons]
    others = {node.name: _moved(op) for node, op in neurons if isinstance(op, Membrane)}
    states: dict[str, Any] = {}
    answer = np.zeros((len(samples), graph.tensors[graph.readout.name].size), np.int64)
    sources = [node.name for node in graph.nodes if node.op.emits_events]
    events = np.zeros(len(samples), np.int64)
    for values in run_steps(graph, samples):
        for (node, op), total in zip(neurons, counts, strict=True):
            x = values[node.inputs[0]]
            if isinstance(op, Membrane):
                state = states.get(node.name)
                _, states[node.name] = membrane(op, x, state)
                fired = states[node.name].fired
                total += _changed(others[node.name], x, state, fired)
            else:
                total += _near(op, x, (values[node.name] - op.offset) // op.unit)
        for name in sources:
            events += np.count_nonzero(values[name].reshape(len(samples), -1), axis=1)
        answer = values[graph.readout.name]
    parts = [np.minimum(each, MOST_COUNTED).reshape(len(samples), -1) for each in counts]
    found = np.concatenate(parts, axis=1) if parts else np.zeros((len(samples), 0))
    return Closeness(found.astype(np.uint8), answer, events)


def _neurons(graph: Graph) -> Iterator[tuple[Node, Threshold | Membrane]]:
    """Yield all nodes with thresholds that change something."""
    for node in graph.nodes:
        op = node.op
        if isinstance(op, Threshold) or (isinstance(op, Membrane) and _fires(op)):
            yield node, op


def _fires(op: Membrane) -> bool:
    return op.emits is Emits.SPIKES or op.reset is not Reset.NONE


def _near(op: Threshold, x: Integers, levels: Integers) -> Integers:
    """Count the values on and just below each threshold, ``(samples, 2, thresholds)``.

    ``levels`` is what the operation counts for ``x``. Of equal thresholds, a value on them counts
    for the last, a value just below for the first.
    """
    channels, most = op.theta.shape
    x = x.reshape(len(x), channels, -1)
    flipped = op.flipped[:, None]
    reached = np.where(flipped, most - levels.reshape(x.shape), levels.reshape(x.shape))
    channel = np.arange(channels)[:, None]
    found = np.zeros((len(x), 2, channels, most), np.int64)
    last, following = np.maximum(reached - 1, 0), np.minimum(reached, most - 1)
    places = (
        (x == op.theta[channel, last], last),
        (x + 1 == op.theta[channel, following], following),
    )
    for index, (met, level) in enumerate(places):
        sample, where, _ = np.nonzero(met)
        np.add.at(found[:, index], (sample, where, level[met]), 1)
    return found.reshape(len(x), 2, -1)


def _moved(op: Membrane) -> tuple[Membrane, Membrane]:
    """Return the membrane with each threshold higher, and lower, by one."""
    return replace(op, theta=op.theta + 1), replace(op, theta=np.maximum(op.theta - 1, 1))


def _changed(others: tuple[Membrane, ...], x: Integers, state: Any, fired: Integers) -> Integers:
    """Count, for each other membrane and threshold, the neurons that would fire differently."""
    found = []
    for other in others:
        differs = membrane(other, x, state)[1].fired != fired
        thresholds = len(other.theta) if other.theta.ndim == 1 else other.theta.size
        found.append(differs.reshape(len(x), thresholds, -1).sum(axis=2))
    return np.stack(found, axis=1)
