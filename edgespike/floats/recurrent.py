"""A recurrent layer as nodes of a net in real numbers, and which nodes an answer needs."""

from __future__ import annotations

from collections.abc import Sequence

from edgespike.floats.net import (
    FloatAdd,
    FloatDelay,
    FloatDense,
    FloatNode,
    FloatRelu,
    FloatTanh,
    Reals,
)

NODES = 5
"""Of a layer."""


def recurrent_layer(
    names: Sequence[str],
    source: str,
    op: FloatTanh | FloatRelu,
    weights: tuple[Reals, Reals],
    biases: tuple[Reals, Reals],
    path: str,
) -> tuple[FloatNode, ...]:
    """Return ``h = op(W x + b + R h_before + c)``, whose first ``h_before`` is zeros.

    Parameters
    ----------
    names
        Of the `NODES` nodes; the last is that of ``h``.
    source
        Name of the node of ``x``.
    weights
        ``W``, ``(hidden, features)``, and ``R``, ``(hidden, hidden)``.
    biases
        ``b`` and ``c``, ``(hidden,)``.
    path
        What the user calls the layer.
    """
    driven, before, fed_back, total, state = names
    weight, recurrent = weights
    return (
        FloatNode(driven, FloatDense(weight, biases[0]), (source,), path),
        FloatNode(before, FloatDelay((len(weight),)), (state,), path),
        FloatNode(fed_back, FloatDense(recurrent, biases[1]), (before,), path),
        FloatNode(total, FloatAdd(), (driven, fed_back), path),
        FloatNode(state, op, (total,), path),
    )


def used_nodes(nodes: Sequence[FloatNode]) -> tuple[FloatNode, ...]:
    """Return the nodes on which the last one depends."""
    by_name = {node.name: node for node in nodes}
    waiting, used = [nodes[-1].name], set()
    while waiting:
        name = waiting.pop()
        if name not in used:
            used.add(name)
            waiting += by_name[name].inputs
    return tuple(node for node in nodes if node.name in used)
