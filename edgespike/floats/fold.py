"""Folding of factors and offsets a channel into the weighted layers beside them.

A :class:`~edgespike.floats.net.FloatAffine` goes into the weighted layer before it if nothing else
takes that layer's sums, else into all weighted layers behind it. Between the two may stand what
commutes with it:

- a mean over windows, if the offset is 0 or nothing is padded (padded zeros have no offset);
- behind it, a change of shape; before it, a maximum, where every factor is positive.

An offset does not pass a padded convolution. What is not folded stays. The folded net computes the
same in real numbers; in float64 it rounds elsewhere.

Quantising folds as well, for other ends, with the same arithmetic
(:mod:`edgespike.floats.weighted`):

- :mod:`edgespike.quantise.spikes.fold` must reach a net without any affine map or mean, or refuse;
  it changes what events stand for, adds layers, copies shared sums, and tells whether anything was
  rounded.
- :mod:`edgespike.quantise.levels.walk` folds a sum's affine maps and additions while the graph
  grows, because a layer's units are only known once the levels before it are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from typing_extensions import assert_never

from edgespike.floats.net import (
    FloatAffine,
    FloatConv2d,
    FloatDense,
    FloatNet,
    FloatNode,
    FloatPool2d,
    FloatReshape,
    Pooling,
)
from edgespike.floats.weighted import Weighted, after_affine, then_affine


def folded(net: FloatNet) -> FloatNet:
    """Return a net that computes the same with fewer affine nodes."""
    while (fewer := _fold_one(net)) is not None:
        net = fewer
    return net


def _fold_one(net: FloatNet) -> FloatNet | None:
    """Fold the first affine node that can be folded; ``None`` if none can."""
    for node in net.nodes:
        if isinstance(node.op, FloatAffine):
            changed = _before(net, node, node.op) or _behind(net, node, node.op)
            if changed is not None:
                return replace(net, nodes=_without(net.nodes, node, changed))
    return None


def _without(
    nodes: tuple[FloatNode, ...], gone: FloatNode, changed: Mapping[str, FloatNode]
) -> tuple[FloatNode, ...]:
    (source,) = gone.inputs
    kept = (changed.get(node.name, node) for node in nodes if node.name != gone.name)
    return tuple(
        replace(node, inputs=tuple(source if x == gone.name else x for x in node.inputs))
        for node in kept
    )


def _before(net: FloatNet, node: FloatNode, affine: FloatAffine) -> dict[str, FloatNode] | None:
    """Return the weighted layer, or affine node, before an affine node with it folded in."""
    while True:
        (name,) = node.inputs
        source = net.by_name[name]
        if len(net.users[name]) != 1:
            return None
        match source.op:
            case FloatConv2d() | FloatDense() | FloatAffine():
                return {name: replace(source, op=_scaled(source.op, affine))}
            case FloatPool2d() if _passes_pool(source.op, affine, maxima=True):
                node = source
            case _:
                return None


def _passes_pool(pool: FloatPool2d, affine: FloatAffine, *, maxima: bool) -> bool:
    """Return whether a pool gives the same before an affine map as behind it."""
    plain = not affine.offset.any()
    match pool.pooling:
        case Pooling.MAX:
            return maxima and bool((affine.scale > 0).all())
        case Pooling.AVERAGE:
            return plain or not any(pool.padding)
        case Pooling.SUM:
            return plain
        case _:
            assert_never(pool.pooling)


def _scaled(op: Weighted | FloatAffine, affine: FloatAffine) -> Weighted | FloatAffine:
    """Return an operation followed by an affine map of its channels."""
    match op:
        case FloatAffine(scale, offset):
            return FloatAffine(scale * affine.scale, offset * affine.scale + affine.offset)
        case FloatConv2d() | FloatDense():
            return then_affine(op, affine.scale, affine.offset)
        case _:
            assert_never(op)


def _behind(net: FloatNet, node: FloatNode, affine: FloatAffine) -> dict[str, FloatNode] | None:
    """Return all weighted layers that take an affine node's values, with it folded in."""
    changed = {}
    for layer in _takers(net, node, affine):
        if layer is None or layer.name in changed:
            return None
        assert isinstance(layer.op, FloatConv2d | FloatDense)
        op = _receiving(layer.op, affine)
        if op is None:
            return None
        changed[layer.name] = replace(layer, op=op)
    return changed or None


def _takers(
    net: FloatNet, node: FloatNode, affine: FloatAffine, *, reshaped: bool = False
) -> Iterator[FloatNode | None]:
    """Yield the weighted layers behind a node; ``None`` for anything else that takes its values."""
    for user in net.users[node.name]:
        match user.op:
            case FloatConv2d() | FloatDense():
                yield user
            case FloatReshape():
                yield from _takers(net, user, affine, reshaped=True)
            # In another shape a window may hold values of several channels.
            case FloatPool2d() if not reshaped and _passes_pool(user.op, affine, maxima=False):
                yield from _takers(net, user, affine)
            case _:
                yield None


def _receiving(op: Weighted, affine: FloatAffine) -> Weighted | None:
    """Return a layer that computes from ``x`` what it computed from the affine map of ``x``."""
    if isinstance(op, FloatConv2d):
        if len(affine.scale) != op.weight.shape[1] * op.groups:  # other channels, reshaped
            return None
        if any(op.padding) and affine.offset.any():
            return None
    return after_affine(op, affine.scale, affine.offset)
