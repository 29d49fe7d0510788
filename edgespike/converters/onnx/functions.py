"""Functions that a file defines: their nodes are put in place, if there are not too many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from edgespike.converters.onnx.loading import shown_line
from edgespike.converters.onnx.structure import NODE_LIMIT, listed

_Key = tuple[str, str, str]

_DEPTH_LIMIT = 100
"""Most functions that call each other in a row."""


class FunctionError(ValueError):
    """Functions cannot be put in place; the message says why."""


def inlined(model: Any) -> Any:
    """Return a model whose functions' nodes stand where they are called.

    Raises
    ------
    FunctionError
        They call each other in a circle, or make too many nodes: each of a few functions that
        calls the next one ten times makes ten times as many.
    """
    if not model.functions:
        return model
    from onnx import inliner

    bodies: Mapping[_Key, Any] = {
        (f.domain, f.name, getattr(f, "overload", "")): f for f in model.functions
    }
    sizes: dict[_Key, int] = {}
    nodes = _size(model.graph.node, bodies, sizes, ())
    if nodes > NODE_LIMIT:
        raise FunctionError(
            f"functions {listed(f.name for f in model.functions)} make {nodes} nodes; the limit is "
            f"{NODE_LIMIT}"
        )
    try:
        made = inliner.inline_local_functions(model)
    # Its C++ code raises several types.
    except Exception as error:
        raise FunctionError(f"functions cannot be put in place: {shown_line(error)}") from error
    if made.functions:
        raise FunctionError(
            f"functions {listed(f.name for f in made.functions)} use other versions of operators "
            "than the net; export with one version"
        )
    return made


def _calls(nodes: Any, bodies: Mapping[_Key, Any]) -> Iterator[_Key | None]:
    for node in nodes:
        key = (node.domain, node.op_type, getattr(node, "overload", ""))
        yield key if key in bodies else None


def _size(
    nodes: Any, bodies: Mapping[_Key, Any], sizes: dict[_Key, int], inside: tuple[_Key, ...]
) -> int:
    """Return how many nodes there are when all functions are in place."""
    total = 0
    for key in _calls(nodes, bodies):
        if key is None:
            total += 1
            continue
        if key in inside:
            raise FunctionError(f"functions {listed(k[1] for k in inside)} call each other")
        if len(inside) > _DEPTH_LIMIT:
            raise FunctionError(f"functions call each other deeper than {_DEPTH_LIMIT}, the limit")
        if key not in sizes:
            sizes[key] = _size(bodies[key].node, bodies, sizes, (*inside, key))
        total += sizes[key]
    return total
