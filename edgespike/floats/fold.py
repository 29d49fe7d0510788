"""Folding of factors and offsets a channel into the weighted layers beside them.

A :class:`~edgespike.floats.net.FloatAffine` goes into the weighted layer before it if nothing else
takes that layer's sums, else into all weighted layers behind it. Between the two may stand what
commutes with it:

- a mean over windows, if the offset is 0 or nothing is padded (padded zeros have no offset);
- behind it, a change of shape; before it, a maximum, where every factor is positive.

An offset does not pass a padded convolution. What is not folded stays. The folded net computes the
same in real numbers; in float64 it rounds elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
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
    Reals,
)

Weighted = FloatConv2d | FloatDense


def folded(net: FloatNet) -> FloatNet:
    """Return a net that computes the same with fewer affine nodes."""
    nodes = net.nodes
    while (fewer := _fold_one(nodes)) is not None:
        nodes = fewer
    return replace(net, nodes=nodes)


@dataclass(frozen=True, eq=False)
class _Nodes:
    """Nodes by name, and who takes their values."""

    by_name: Mapping[str, FloatNode]
    users: Mapping[str, tuple[FloatNode, ...]]

    @classmethod
    def of(cls, nodes: tuple[FloatNode, ...]) -> _Nodes:
        users: dict[str, list[FloatNode]] = {node.name: [] for node in nodes}
        for node in nodes:
            for name in node.inputs:
                users[name].append(node)
        return cls(
            {node.name: node for node in nodes},
            {name: tuple(found) for name, found in users.items()},
        )


def _fold_one(nodes: tuple[FloatNode, ...]) -> tuple[FloatNode, ...] | None:
    """Fold the first affine node that can be folded; ``None`` if none can."""
    found = _Nodes.of(nodes)
    for node in nodes:
        if isinstance(node.op, FloatAffine):
            changed = _before(found, node, node.op) or _behind(found, node, node.op)
            if changed is not None:
                return _without(nodes, node, changed)
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


def _before(found: _Nodes, node: FloatNode, affine: FloatAffine) -> dict[str, FloatNode] | None:
    """Return the weighted layer, or affine node, before an affine node with it folded in."""
    while True:
        (name,) = node.inputs
        source = found.by_name[name]
        if len(found.users[name]) != 1:
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
            along = affine.scale.reshape(-1, *(1,) * (op.weight.ndim - 1))
            bias = op.bias * affine.scale + affine.offset
            return replace(op, weight=op.weight * along, bias=bias)
        case _:
            assert_never(op)


def _behind(found: _Nodes, node: FloatNode, affine: FloatAffine) -> dict[str, FloatNode] | None:
    """Return all weighted layers that take an affine node's values, with it folded in."""
    changed = {}
    for layer in _takers(found, node, affine):
        if layer is None or layer.name in changed:
            return None
        assert isinstance(layer.op, FloatConv2d | FloatDense)
        op = _receiving(layer.op, affine)
        if op is None:
            return None
        changed[layer.name] = replace(layer, op=op)
    return changed or None


def _takers(
    found: _Nodes, node: FloatNode, affine: FloatAffine, *, reshaped: bool = False
) -> Iterator[FloatNode | None]:
    """Yield the weighted layers behind a node; ``None`` for anything else that takes its values."""
    for user in found.users[node.name]:
        match user.op:
            case FloatConv2d() | FloatDense():
                yield user
            case FloatReshape():
                yield from _takers(found, user, affine, reshaped=True)
            # In another shape a window may hold values of several channels.
            case FloatPool2d() if not reshaped and _passes_pool(user.op, affine, maxima=False):
                yield from _takers(found, user, affine)
            case _:
                yield None


def _receiving(op: Weighted, affine: FloatAffine) -> Weighted | None:
    """Return a layer that computes from ``x`` what it computed from the affine map of ``x``."""
    match op:
        case FloatDense(weight, bias):
            scale, offset = (_repeated(x, weight.shape[1]) for x in (affine.scale, affine.offset))
            return FloatDense(weight * scale, bias + weight @ offset)
        case FloatConv2d():
            if len(affine.scale) != op.weight.shape[1] * op.groups:  # other channels, reshaped
                return None
            if any(op.padding) and affine.offset.any():
                return None
            scale, offset = (_for_weights(x, op) for x in (affine.scale, affine.offset))
            return replace(
                op,
                weight=op.weight * scale,
                bias=op.bias + (op.weight * offset).sum(axis=(1, 2, 3)),
            )
        case _:
            assert_never(op)


def _repeated(values: Reals, features: int) -> Reals:
    """Return one number for each feature of a flattened value."""
    return np.repeat(values, features // len(values))


def _for_weights(values: Reals, op: FloatConv2d) -> Reals:
    """Return one number for each input channel in the shape of a layer's weights."""
    of_group = values.reshape(op.groups, 1, -1)
    outputs = len(op.weight) // op.groups
    return np.repeat(of_group, outputs, axis=1).reshape(len(op.weight), -1, 1, 1)
