"""Comparing a converted graph with its source, on samples.

A source's own arithmetic is rounded, in float32 as a rule. So a neuron whose potential is as near
its threshold as that rounding may spike in the source and not in the net that was read from it,
and from there on the sample may take another way. This is told from a layer that was read wrongly:
up to the first step at which any spike of a sample differs, source and net hold the same state; in
the first layer that differs at this step, every neuron that differs must be near its threshold.
Values that are no spikes are compared on the samples whose spikes are all equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.near_thresholds import first_differences, neurons_of, with_compared
from edgespike.errors import InputError, UnsupportedError, shown
from edgespike.floats.net import FloatNet, FloatNode, Reals
from edgespike.floats.run import input_shape, run_steps
from edgespike.interpreter import interpret
from edgespike.quantise.inputs import as_integers
from edgespike.quantise.result import Quantised, Source

AT_ONCE = 64
"""How many samples are compared at once."""


@dataclass(frozen=True)
class NodeCheck:
    """How a part of the source compares with the net that was read from it, and with the graph.

    Parameters
    ----------
    path
        Of the part in the source.
    values
        How many values were compared: neurons, steps and samples.
    distance
        The largest distance between the source and the net, as a share of the part's largest
        magnitude; of spikes, how many of them differ, as a share of all.
    misread
        Whether that is more than the source's own rounding explains; then the converter is wrong.
    node
        The graph's node that has these spikes; ``None`` for values that are no spikes.
    different
        Spikes of the source that the graph does not have, or the reverse; ``None`` without a node.
    """

    path: str
    values: int
    distance: float
    misread: bool
    node: str | None = None
    different: int | None = None


@dataclass(frozen=True)
class SourceCheck:
    """How a source, the net that was read from it, and its graph compare on samples.

    Parameters
    ----------
    parts
        Those of the source whose values it shows, and its answers.
    flipped, samples
        How many classes differ between the source and the graph, of how many.
    exact
        Whether the graph must equal the source.
    """

    parts: tuple[NodeCheck, ...]
    flipped: int
    samples: int
    exact: bool

    @property
    def failed(self) -> bool:
        """Whether the converter is wrong: it misread a part, or an exact graph differs."""
        wrong = any(part.misread for part in self.parts)
        spikes = any(part.different for part in self.parts)
        return wrong or (self.exact and (spikes or self.flipped > 0))


def check_source(found: Quantised, samples: NDArray[Any]) -> SourceCheck:
    """Run a source, the net that was read from it, and its graph, and compare them.

    Parameters
    ----------
    samples
        ``(samples, *shape)`` or ``(samples, steps, *shape)``, as samples for calibration: integers
        are the graph's own, real numbers are in the source's units.

    Raises
    ------
    UnsupportedError
        The source cannot be run.
    InputError
        The samples do not fit.
    """
    if found.source is None:
        raise UnsupportedError(
            "model cannot be compared with its source",
            ["this source cannot be run by edgespike; leave --check out"],
        )
    if found.source.as_net is not None:
        samples = found.source.as_net(samples)
    samples = _of_shape(found.source.net, samples)
    parts: list[NodeCheck] = []
    flipped = 0
    for start in range(0, len(samples), AT_ONCE):
        some, differ = _compare(found, found.source, samples[start : start + AT_ONCE])
        flipped += differ
        parts = [_both(*pair) for pair in zip(parts, some, strict=True)] if parts else some
    return SourceCheck(tuple(parts), flipped, len(samples), found.exact)


def _of_shape(net: FloatNet, samples: NDArray[Any]) -> NDArray[Any]:
    """Return samples in the net's shape; those of a length may lack the axis of one row."""
    shape = input_shape(net)
    if len(shape) == 3 and shape[1] == 1 and samples.shape[1:] == (shape[0], shape[2]):
        samples = samples[:, :, None]
    if samples.shape[1:] not in (shape, (net.steps, *shape)) or not len(samples):
        raise InputError(
            f"samples have shape {shown(samples.shape)}; give (samples, "
            f"{', '.join(map(str, shape))}), at least one"
        )
    if not np.isfinite(samples).all():
        raise InputError("samples hold values that are not finite; replace them")
    return samples


def _compare(
    found: Quantised, source: Source, samples: NDArray[Any]
) -> tuple[list[NodeCheck], int]:
    graph, net = found.graph, source.net
    whole = as_integers(samples, graph)
    real = samples.astype(np.float64) * (1.0 if samples.dtype.kind == "f" else graph.input_op.scale)
    theirs = source.run(real)
    steps = list(run_steps(with_compared(net), real))
    names = [node for node in net.nodes if node.name in theirs]
    kept = [found.nodes[node.name] for node in names if node.name in found.nodes]
    if whole.ndim == len(input_shape(net)) + 1:
        whole = np.broadcast_to(whole[:, None], (len(whole), graph.steps, *whole.shape[1:]))
    ours = interpret(graph, whole, [*kept, graph.readout.name]).values
    spikes = {name: op for name, op in neurons_of(net).items() if name in theirs}
    agree, misread = first_differences(spikes, theirs, steps, source.tolerance)
    parts = []
    for node in names:
        values = theirs[node.name]
        if node.name in spikes:
            read = np.stack([step[node.name] for step in steps], axis=1)
            parts.append(_of_spikes(found, node, values, read, ours, misread=node.name in misread))
            continue
        last = node is net.nodes[-1]
        if last and not source.same_answers:
            continue
        read = steps[-1][node.name] if last else np.stack([s[node.name] for s in steps], axis=1)
        parts.append(_of_values(node, values, read, agree, source.tolerance))
    answer = (ours[graph.readout.name][:, -1] * graph.readout_op.scale).argmax(axis=1)
    differ = int((theirs[net.nodes[-1].name].argmax(axis=1) != answer).sum())
    return parts, differ


def _of_spikes(
    found: Quantised, node: FloatNode, values: Reals, read: Reals, ours: Any, *, misread: bool
) -> NodeCheck:
    distance = float((values.reshape(read.shape) != read).mean())
    at = found.nodes.get(node.name)
    different = None if at is None else int((ours[at] != values.reshape(ours[at].shape)).sum())
    return NodeCheck(node.title, values.size, distance, misread, at, different)


def _of_values(
    node: FloatNode, values: Reals, read: Reals, agree: NDArray[np.bool_], tolerance: float
) -> NodeCheck:
    apart = np.abs(values.reshape(read.shape) - read)[agree]
    distance = float(apart.max(initial=0) / max(float(np.abs(read).max()), 1e-300))
    return NodeCheck(node.title, values.size, distance, distance > tolerance)


def _both(first: NodeCheck, second: NodeCheck) -> NodeCheck:
    both = (first.different, second.different)
    return NodeCheck(
        first.path,
        first.values + second.values,
        max(first.distance, second.distance),
        first.misread or second.misread,
        first.node,
        None if None in both else sum(x for x in both if x is not None),
    )
