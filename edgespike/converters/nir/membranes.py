"""Membranes as NIR's neurons, in the way that a simulator reads them.

A membrane is written as the node of which that simulator makes the same spikes, or is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgespike.converters.nir.hdf5 import Tree
from edgespike.converters.nir.losses import losses
from edgespike.converters.nir.receivers import NEWEST, Receiver
from edgespike.floats.net import Reals
from edgespike.graph import Comparison, Emits, Graph, Membrane, Node, Reset
from edgespike.graph.tensor import Integers

FOREVER = 2.0**40
"""Steps of a time constant that stands for no leak where a simulator knows leaky neurons alone;
in float32, in which they compute, a step keeps everything."""


@dataclass(frozen=True)
class Written:
    """A node for a membrane.

    Parameters
    ----------
    node
        Its type and fields.
    scale
        By what each channel's input must be divided; ``None`` if by nothing.
    """

    node: Tree
    scale: Reals | None = None


def written(
    graph: Graph, node: Node, op: Membrane, receiver: Receiver, dt: float, lost: list[str]
) -> Written:
    """Return a membrane's node, and note what of it the receiver does not compute."""
    tensor = graph.tensors[node.inputs[0]]
    shape = tensor.shape
    faults = [*losses(graph, op, node, receiver)]
    grid = _grid(op)
    theta = _each(op.theta, shape).astype(np.float64)
    between = _between(op, receiver.producer.comparison, grid)
    theta += between
    resolved = grid / 2 >= theta.max() * 2.0**-receiver.bits
    if between and not resolved and op.emits is Emits.SPIKES:
        faults.append(
            f"fires at v {op.comparison.value} theta, but {receiver.producer.name} at v "
            f"{receiver.producer.comparison.value} theta, and no number that it resolves lies "
            f"between potentials {grid:g} apart"
        )
    kept = 1 - _each(op.decay, shape) / op.decay_one
    fed = None if op.decay_syn is None else 1 - _each(op.decay_syn, shape) / op.decay_one
    scale = None
    if receiver.one_threshold and np.unique(theta).size > 1:
        scale, fault = _common(op, shape, grid)
        faults += [fault] if fault else []
        if not resolved:
            faults.append(
                f"has thresholds that differ, and {receiver.producer.name} reads one for a layer; "
                f"potentials {grid:g} apart are too close for it to divide the weights instead"
            )
        theta = np.ones(shape)
    bias = _each(op.bias, shape) / 2.0**op.fraction_bits
    kind, fields = _fields(op, kept, fed, theta, receiver, dt)
    if kind not in receiver.nodes:
        faults.append(
            f"would be {kind}, which {receiver.producer.name} does not read, or otherwise"
        )
    if bias.any():
        if not receiver.takes_leak_bias or (kept == 1).any():
            faults.append(
                "has a bias, which NIR carries as v_leak of leaky neurons alone; put it into the "
                "layer before"
            )
        else:
            fields["v_leak"] = bias / np.where(kept == 1, 1, 1 - kept)
    if receiver.uniform and any(np.unique(value).size > 1 for value in fields.values()):
        faults.append(f"has neurons that differ; {receiver.producer.name} reads one for all")
    lost += [f"{node.name} {fault}" for fault in faults]
    tree: Tree = {"type": kind, **fields}
    return Written(tree, scale)


def _fields(
    op: Membrane, kept: Reals, fed: Reals | None, theta: Reals, receiver: Receiver, dt: float
) -> tuple[str, dict[str, Reals]]:
    """Return type and parameters; the input counts in full at its step."""
    shape, name = theta.shape, receiver.producer.name
    ones, zeros = np.ones(shape), np.zeros(shape)
    fires = op.emits is Emits.SPIKES
    firing = {"v_threshold": theta} if fires else {}
    if fires and receiver.version == NEWEST:
        firing["v_reset"] = zeros
    lasting = bool((kept == 1).all())
    with np.errstate(divide="ignore"):
        steps = np.minimum(1 / (1 - kept), FOREVER)
    if fed is not None:
        with np.errstate(divide="ignore"):
            fading = np.minimum(1 / (1 - fed), FOREVER)
        cuba = {"tau_mem": steps * dt, "tau_syn": fading * dt, "r": steps, "w_in": fading}
        return ("CubaLIF" if fires else "CubaLI"), {**cuba, "v_leak": zeros, **firing}
    if lasting and "IF" in receiver.nodes:
        r = ones / dt if receiver.producer.per_second else ones
        return ("IF" if fires else "I"), {"r": r, **firing}
    if name == "norse":  # it leaves out r, so that a potential is 1 - kept times ours
        if fires:
            firing["v_threshold"] = theta / steps
        return "LIF", {"tau": steps * dt, "r": ones, "v_leak": zeros, **firing}
    kind = "LIF" if fires else "LI"
    return kind, {"tau": steps * dt, "r": steps, "v_leak": zeros, **firing}


def _grid(op: Membrane) -> float:
    """Return the distance of neighbouring potentials."""
    kept = [np.asarray(d) for d in (op.decay, op.decay_syn) if d is not None]
    whole = all(((d == 0) | (d == op.decay_one)).all() for d in kept) and not np.any(op.bias)
    return 1.0 if whole else 2.0**-op.fraction_bits


def _between(op: Membrane, comparison: Comparison, grid: float) -> float:
    """Return what to add to theta where the receiver compares otherwise: half a step between."""
    if op.comparison is comparison or op.reset is Reset.SUBTRACT:
        return 0.0
    return -grid / 2 if op.comparison is Comparison.GREATER_EQUAL else grid / 2


def _common(op: Membrane, shape: tuple[int, ...], grid: float) -> tuple[Reals, str]:
    """Return by what each channel's input is divided so that all thresholds are 1.

    These lie half a step between two potentials, so that the rounding of the division changes no
    spike.
    """
    flat = _each(op.theta, shape).reshape(shape[0], -1).astype(np.float64)
    if (flat != flat[:, :1]).any():
        return np.ones(shape[0]), "has thresholds that differ within a channel"
    between = grid / 2 if op.comparison is Comparison.GREATER else -grid / 2
    return flat[:, 0] + between, ""


def _each(parameter: int | Integers, shape: tuple[int, ...]) -> Integers:
    """Return a parameter of every neuron."""
    values = np.asarray(parameter)
    if values.ndim == 1 and len(shape) == 3:
        values = values[:, None, None]
    return np.broadcast_to(values, shape).copy()
