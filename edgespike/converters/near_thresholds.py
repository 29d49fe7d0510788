"""Whether spikes of a source differ from those of a net only by the source's own rounding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgespike.floats.net import FloatDelay, FloatNet, FloatNeurons, FloatNode, Reals
from edgespike.floats.run import along
from edgespike.graph import ResetTime

_COMPARED = " compared"


def neurons_of(net: FloatNet) -> dict[str, FloatNeurons]:
    """Return the neurons whose spikes a node gives, at the same step or later, by its name."""
    found: dict[str, FloatNeurons] = {}
    by_name = {node.name: node for node in net.nodes}
    for node in net.nodes:
        source = node
        while isinstance(source.op, FloatDelay):
            source = by_name[source.inputs[0]]
        if isinstance(source.op, FloatNeurons) and not source.op.emits_potential:
            found[node.name] = source.op
    return found


def with_compared(net: FloatNet) -> FloatNet:
    """Return a net that also shows the potential behind each spike, as it was compared."""
    nodes: list[FloatNode] = []
    spiking = neurons_of(net)
    for node in net.nodes:
        nodes.append(node)
        if node.name in spiking:
            op, inputs = node.op, node.inputs
            if isinstance(op, FloatNeurons):
                op = replace(op, emits_potential=True)
            else:
                inputs = (f"{inputs[0]}{_COMPARED}",)
            nodes.append(replace(node, name=f"{node.name}{_COMPARED}", op=op, inputs=inputs))
    return replace(net, nodes=tuple(nodes))


def first_differences(
    neurons: Mapping[str, FloatNeurons],
    theirs: Mapping[str, Reals],
    steps: Sequence[Mapping[str, Reals]],
    tolerance: float,
) -> tuple[NDArray[np.bool_], frozenset[str]]:
    """Compare spikes of a source with a net's, and judge the first ones that differ of a sample.

    Parameters
    ----------
    neurons
        What `neurons_of` returns of the layers that are compared, in the net's order.
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
        for name, op in neurons.items():
            differs = theirs[name][:, time] != values[name]
            first = differs & agree.reshape(-1, *(1,) * (differs.ndim - 1))
            if first.any() and not _near(op, values[name + _COMPARED], tolerance)[first].all():
                misread.add(name)
            agree = agree & ~differs.reshape(len(differs), -1).any(axis=1)
    return agree, frozenset(misread)


def _near(op: FloatNeurons, potential: Reals, tolerance: float) -> NDArray[np.bool_]:
    """Return whether potentials are near a threshold, ``(samples, *shape)``."""
    room = tolerance * float(np.abs(potential).max())
    threshold = along(op.threshold, potential.ndim - 1)
    most = op.max_spikes + (op.reset_time is ResetTime.SAME_STEP_RAISED)
    count = np.clip(np.rint(potential / threshold), 1, most)
    return np.asarray(np.abs(potential - count * threshold) <= room)
