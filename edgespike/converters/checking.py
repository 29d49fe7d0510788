"""Comparing a converted graph with its source, on samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.errors import InputError, UnsupportedError, shown
from edgespike.floats.net import FloatNet, FloatNeurons, FloatNode, Reals
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
        magnitude.
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
    steps = list(run_steps(net, real))
    names = [node for node in net.nodes if node.name in theirs]
    kept = [found.nodes[node.name] for node in names if node.name in found.nodes]
    if whole.ndim == len(input_shape(net)) + 1:
        whole = np.broadcast_to(whole[:, None], (len(whole), graph.steps, *whole.shape[1:]))
    ours = interpret(graph, whole, [*kept, graph.readout.name]).values
    parts = []
    for node in names:
        values = theirs[node.name]
        last = node is net.nodes[-1]
        if last and not source.same_answers:
            continue
        read = steps[-1][node.name] if last else np.stack([s[node.name] for s in steps], axis=1)
        parts.append(_part(found, node, values, read, source.tolerance, ours))
    answer = (ours[graph.readout.name][:, -1] * graph.readout_op.scale).argmax(axis=1)
    differ = int((theirs[net.nodes[-1].name].argmax(axis=1) != answer).sum())
    return parts, differ


def _part(
    found: Quantised, node: FloatNode, values: Reals, read: Reals, tolerance: float, ours: Any
) -> NodeCheck:
    apart = np.abs(values.reshape(read.shape) - read)
    distance = float(apart.max() / max(float(np.abs(read).max()), 1e-300))
    spikes = isinstance(node.op, FloatNeurons) and not node.op.emits_potential
    at = found.nodes.get(node.name) if spikes else None
    different = None if at is None else int((ours[at] != values.reshape(ours[at].shape)).sum())
    # A spike near its threshold may be rounded across it, which moves what comes later.
    misread = not spikes and distance > tolerance
    return NodeCheck(node.title, values.size, distance, misread, at, different)


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
