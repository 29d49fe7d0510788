"""Whether spikes of a source differ from those of a net only by the source's own rounding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgespike.floats.net import FloatNet, FloatNeurons, FloatNode, Reals
from edgespike.floats.run import along
from edgespike.graph import ResetTime

_COMPARED = " compared"


def with_compared(net: FloatNet) -> FloatNet:
    """Return a net that also shows the potential which its neurons compare, for each layer."""
    nodes: list[FloatNode] = []
    for node in net.nodes:
        nodes.append(node)
        if isinstance(node.op, FloatNeurons) and not node.op.emits_potential:
            shows = replace(node.op, emits_potential=True)
            nodes.append(replace(node, name=f"{node.name}{_COMPARED}", op=shows))
    return replace(net, nodes=tuple(nodes))


def first_differences(
    nodes: Sequence[FloatNode],
    theirs: Mapping[str, Reals],
    steps: Sequence[Mapping[str, Reals]],
    tolerance: float,
) -> tuple[NDArray[np.bool_], frozenset[str]]:
    """Compare spikes of a source with a net's, and judge the first ones that differ of a sample.

    Parameters
    ----------
    nodes
        Spiking neurons, in the net's order.
    theirs
        The source's spikes, ``(samples, steps, *shape)``, by name.
    steps
        The values of a net of `with_compared` at each step.
    tolerance
        How far from a threshold a potential may be, as a share of the layer's largest at the step.

    Returns
    -------
    agree, misread
        Whether all spikes of a sample are equal, ``(samples,)``; and names of the layers in which
        a spike differs first while its potential is not near a threshold.
    """
    misread: set[str] = set()
    agree = np.ones(len(next(iter(steps[0].values()))), np.bool_)
    for time, values in enumerate(steps):
        for node in nodes:
            differs = theirs[node.name][:, time] != values[node.name]
            first = differs & along(agree.astype(np.float64), differs.ndim).astype(np.bool_)
            near = _near(node, values[node.name + _COMPARED], tolerance)
            if not near[first].all():
                misread.add(node.name)
            agree = agree & ~differs.reshape(len(differs), -1).any(axis=1)
    return agree, frozenset(misread)


def _near(node: FloatNode, potential: Reals, tolerance: float) -> NDArray[np.bool_]:
    """Return whether potentials are near a threshold, ``(samples, *shape)``."""
    assert isinstance(node.op, FloatNeurons)
    op, room = node.op, tolerance * float(np.abs(potential).max())
    threshold = along(op.threshold, potential.ndim - 1)
    most = op.max_spikes + (op.reset_time is ResetTime.SAME_STEP_RAISED)
    count = np.clip(np.rint(potential / threshold), 1, most)
    return np.asarray(np.abs(potential - count * threshold) <= room)
