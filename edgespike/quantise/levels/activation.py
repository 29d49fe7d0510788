"""ReLUs: their levels, which activations that are added share."""

from __future__ import annotations

from dataclasses import replace

from edgespike.floats.net import FloatNode, FloatPool2d, FloatRelu, Pooling, Reals
from edgespike.quantise.levels.firing import Grid, fire, relu_grid
from edgespike.quantise.levels.values import Events
from edgespike.quantise.levels.values_so_far import Held


def relu(held: Held, node: FloatNode, op: FloatRelu, grids: dict[str, Grid]) -> Events:
    """Return the events of an activation.

    Parameters
    ----------
    grids
        The levels of activations so far, by name; this one's are added.
    """
    value = held.values[node.inputs[0]]
    if isinstance(value, Events) and _is_kept(held, value, op):
        return value
    sums = held.as_sums(node.inputs[0])
    if node.name not in grids:
        grids.update(_grids(held, node))
    target = held.state.floats[node.name]
    return held.keep(fire(held.grow, held.path(node.name), sums, grids[node.name], target))


def _is_kept(held: Held, events: Events, op: FloatRelu) -> bool:
    """Return whether an activation changes nothing, since it follows another."""
    tensor, line = held.grow.tensors[events.node], events.line
    if not line.through_zero or (line.scale < 0).any() or tensor.low.min() < 0:
        return False
    return op.maximum is None or bool((line.scale * tensor.high <= op.maximum).all())


def _grids(held: Held, node: FloatNode) -> dict[str, Grid]:
    """Return the levels of an activation, and of all that share them."""
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
