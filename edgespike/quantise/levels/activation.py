"""Activations: their levels, which those that are added share, and their values a step later."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgespike.floats.net import (
    FloatDelay,
    FloatNode,
    FloatPool2d,
    FloatRelu,
    FloatTanh,
    Pooling,
    Reals,
)
from edgespike.graph import Delay, Signal
from edgespike.quantise.levels.firing import Grid, fire, relu_grid, signed_grid
from edgespike.quantise.levels.values import Events
from edgespike.quantise.levels.values_so_far import Held
from edgespike.quantise.lines import Line


def activation(
    held: Held, node: FloatNode, op: FloatRelu | FloatTanh, grids: dict[str, Grid]
) -> Events:
    """Return the events of an activation.

    Parameters
    ----------
    grids
        The levels of activations so far, by name; this one's are added.
    """
    value = held.values[node.inputs[0]]
    if isinstance(value, Events) and node.name not in grids and _is_kept(held, value, op):
        return value
    sums = held.as_sums(node.inputs[0])
    grid = _grid(held, node, grids)
    path, target = held.path(node.name), held.state.floats[node.name]
    inverse = _inverse_tanh if isinstance(op, FloatTanh) else np.array
    waiting = held.loops.pop(node.name, [])
    fired = fire(held.grow, path, sums, grid, target, inverse=inverse, delays=waiting)
    return held.keep(fired)


def _inverse_tanh(values: Reals) -> Reals:
    with np.errstate(divide="ignore"):  # 1 is reached nowhere, -1 everywhere
        return np.arctanh(np.clip(values, -1, 1))


def _is_kept(held: Held, events: Events, op: FloatRelu | FloatTanh) -> bool:
    """Return whether an activation changes nothing, since it follows another."""
    tensor, line = held.grow.tensors[events.node], events.line
    if isinstance(op, FloatTanh):
        return False
    if not line.through_zero or (line.scale < 0).any() or tensor.low.min() < 0:
        return False
    return op.maximum is None or bool((line.scale * tensor.high <= op.maximum).all())


def delay(held: Held, node: FloatNode, op: FloatDelay, grids: dict[str, Grid]) -> Events:
    """Return the events of an activation's previous step.

    The activation may be still to come: its levels are chosen here, so that they are the same at
    both ends of the loop. Until it is there, the delay has the float net's values.

    Parameters
    ----------
    grids
        As of :func:`activation`.
    """
    (name,) = node.inputs
    before = held.values.get(name)
    if isinstance(before, Events):
        found = Delay.behind(held.grow.tensors[before.node])
        values = held.grow.alone[before.node]
        count = len(values) // held.state.net.steps
        later = np.concatenate([np.zeros_like(values[:count]), values[:-count]])
        delayed = held.grow.add_delay(found, later)
        held.grow.close(delayed, before.node)
        return Events(delayed, before.line)
    grid = _grid(held, held.state.net.by_name[name], grids)
    ends = (grid.lowest, grid.highest)
    found = Delay(op.shape, *ends, Signal.SPIKES if ends == (0, 1) else Signal.GRADED)
    delayed = held.grow.add_delay(found, grid.of(held.state.floats[node.name]))
    held.loops.setdefault(name, []).append(delayed)
    return Events(delayed, Line(grid.steps, np.zeros(len(grid.steps))))


def _grid(held: Held, node: FloatNode, grids: dict[str, Grid]) -> Grid:
    """Return the levels of an activation, chosen once for all that share them."""
    if node.name not in grids:
        match node.op:
            case FloatRelu():
                grids.update(_relu_grids(held, node))
            case FloatTanh():
                one = held.unfolds(node.name)
                values = _behind_pool(held, node.name)
                grids[node.name] = signed_grid(values, held.state.levels, from_zero=False, one=one)
            case _:
                raise TypeError(f"{node.name} is no activation")
    return grids[node.name]


def _relu_grids(held: Held, node: FloatNode) -> dict[str, Grid]:
    """Return the levels of a ReLU, and of all that share them."""
    names = held.state.ties.get(node.name, [node.name])
    ops = {name: held.state.net.by_name[name].op for name in names}
    maxima = {name: op.maximum for name, op in ops.items() if isinstance(op, FloatRelu)}
    largest = None if None in maxima.values() else max(filter(None, maxima.values()), default=None)
    values = [_behind_pool(held, name) for name in names]
    one = any(held.unfolds(name) for name in names)
    grid = relu_grid(values, held.state.levels, largest, one=one)
    return {name: replace(grid, maximum=maximum) for name, maximum in maxima.items()}


def _behind_pool(held: Held, name: str) -> Reals:
    """Return an activation's values, behind its max pool if that alone uses it."""
    user = held.state.only_user(name)
    op = None if user is None else user.op
    if user is not None and isinstance(op, FloatPool2d) and op.pooling is Pooling.MAX:
        return held.state.floats[user.name]
    return held.state.floats[name]
