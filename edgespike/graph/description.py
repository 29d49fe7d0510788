"""A graph as a JSON description and packed arrays, which graph files hold, and back.

Array fields are tensors named ``node.field``, stored as described in
:mod:`edgespike.graph.packing`.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, asdict, fields
from enum import Enum
from typing import Any, get_origin

import numpy as np
from numpy.typing import NDArray

from edgespike.errors import GraphError, shown
from edgespike.graph.graph import NODE_NAME_LIMIT, Graph, Node, check_name
from edgespike.graph.ops import OPERATIONS
from edgespike.graph.ops.base import Since, array_kind, field_types, member, same, takes_number
from edgespike.graph.packing import pack, typed, unpack, unpacked_bytes
from edgespike.graph.scaling import Scaling
from edgespike.graph.tensor import ARRAYS_LIMIT

READABLE_VERSIONS = (1, 2, 3, 4, 5, 6, 7)
"""Version 1 packed booleans only; version 3 added delays; version 4 added membranes' saturation and
padding that differs on opposite sides; version 5 added concatenation, signed levels, the largest
value as an answer, and membranes with a synaptic current, a floor, parameters of each channel or
neuron, other fixed-point formats and potentials as output; version 6 added products and a graph's
origin; version 7 added names of classes and the scaling of the input."""

BASE_VERSION = 3
"""The version of files that need no newer one: their hashes stay the same, and older versions of
this package can read them."""

ORIGIN_VERSION = 6
"""The version of files of graphs with an origin."""

LABELS_VERSION = 7
"""The version of files of graphs with names of classes, or with a scaling of the input."""

WRONG_CONTENT = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)
"""What plain Python code raises if JSON does not hold what it should."""


def describe(graph: Graph) -> tuple[str, dict[str, NDArray[Any]]]:
    """Return a graph's description as JSON, and its packed arrays by ``node.field``."""
    tensors: dict[str, NDArray[Any]] = {}
    nodes = []
    version = max([BASE_VERSION, *(node.op.file_version for node in graph.nodes)])
    for node in graph.nodes:
        attributes: dict[str, Any] = {}
        for field in fields(node.op):
            value, since = getattr(node.op, field.name), _since(field)
            if since is not None:
                if same(value, since.before):
                    continue
                version = max(version, since.version)
            if isinstance(value, np.ndarray):
                tensors[f"{node.name}.{field.name}"], note = pack(value)
                if note is not None:
                    attributes[field.name] = note
            elif value is not None:
                attributes[field.name] = value.value if isinstance(value, Enum) else value
        nodes.append({"name": node.name, "op": node.op.kind, "inputs": node.inputs, **attributes})
    whole = {"version": version, "name": graph.name, "steps": graph.steps, "nodes": nodes}
    if graph.origin:
        version = max(version, ORIGIN_VERSION)
        whole |= {"version": version, "origin": graph.origin}
    labels: dict[str, Any] = {}
    if graph.class_names:
        labels["class_names"] = graph.class_names
    if graph.scaling is not None:
        labels["scaling"] = asdict(graph.scaling)
    if labels:
        whole |= {"version": max(version, LABELS_VERSION), **labels}
    return json.dumps(whole, separators=(",", ":")), tensors


def build(description: dict[str, Any], tensors: Mapping[str, NDArray[Any]]) -> Graph:
    """Build the graph of a parsed description and its packed arrays.

    Raises
    ------
    ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError
        The description is not that of a graph, see :data:`WRONG_CONTENT`.
    GraphError
        It is, but the graph is not valid.
    """
    version = entry_of(description, "version", int)
    if version not in READABLE_VERSIONS:
        raise ValueError(
            f"format version {shown(version)}; this edgespike reads {READABLE_VERSIONS}, "
            "a newer one may read others"
        )
    origin = typed(description.get("origin", ""), str)
    if origin and version < ORIGIN_VERSION:
        raise ValueError(f"origin needs format version {ORIGIN_VERSION}, the file says {version}")
    labels = {"class_names", "scaling"} & description.keys()
    if labels and version < LABELS_VERSION:
        names = " and ".join(sorted(labels))
        raise ValueError(f"{names} need format version {LABELS_VERSION}, the file says {version}")
    entries = _entries_by_name(entry_of(description, "nodes", list))
    _check_tensors(entries, tensors)
    nodes = tuple(_build_node(name, entry, tensors, version) for name, entry in entries.items())
    for node in nodes:
        if node.op.file_version > version:
            raise ValueError(
                f"node {node.name} needs format version {node.op.file_version}, the file says "
                f"{version}"
            )
    name, steps = entry_of(description, "name", str), entry_of(description, "steps", int)
    given = typed(description.get("class_names", []), list)
    class_names = tuple(typed(each, str) for each in given)
    return Graph(name, nodes, steps, origin, class_names, _scaling(description.get("scaling")))


def _scaling(table: object) -> Scaling | None:
    """Return the scaling that a description holds, if it does."""
    if table is None:
        return None
    names = [field.name for field in fields(Scaling)]
    entries: dict[str, Any] = typed(table, dict)
    if foreign := entries.keys() - set(names):
        raise ValueError(f"scaling has unknown fields {shown(sorted(foreign))}")
    with _naming("scaling"):
        return Scaling(**{name: tuple(entry_of(entries, name, list)) for name in names})


def _entries_by_name(entries: list[Any]) -> dict[str, dict[str, Any]]:
    """Return entries by name; each has a known kind, and a unique name for its arrays."""
    found: dict[str, dict[str, Any]] = {}
    for place, entry in enumerate(entries):
        with _naming(f"node number {place}"):
            name = entry_of(typed(entry, dict), "name", str)
            for fault in check_name("name", name, NODE_NAME_LIMIT):
                raise ValueError(fault)
        with _naming(f"node {name}"):
            kind = entry_of(entry, "op", str)
        if kind not in OPERATIONS:
            raise ValueError(f"node {name} is of unknown kind {shown(kind)}")
        if name in found:
            raise ValueError(f"node name {name} is used twice")
        found[name] = entry
    return found


def _check_tensors(
    entries: Mapping[str, Mapping[str, Any]], tensors: Mapping[str, NDArray[Any]]
) -> None:
    """Compare the memory that all arrays will take with the limit, before any is expanded."""
    owners = {
        f"{name}.{field}": (name, field)
        for name, entry in entries.items()
        for field, declared in field_types(OPERATIONS[entry["op"]]).items()
        if array_kind(declared)
    }
    if foreign := sorted(tensors.keys() - owners.keys()):
        raise ValueError(f"tensors {shown(foreign)} belong to no node")
    size = 0
    for key, stored in tensors.items():
        name, field = owners[key]
        with _naming(f"node {name}, field {field}"):
            size += unpacked_bytes(stored, entries[name].get(field))
    if size > ARRAYS_LIMIT:
        raise ValueError(
            f"its arrays would take {size} bytes in memory; the limit is {ARRAYS_LIMIT}, "
            "use smaller layers"
        )


def _build_node(
    name: str, entry: dict[str, Any], tensors: Mapping[str, NDArray[Any]], version: int
) -> Node:
    op = OPERATIONS[entry["op"]]
    types = field_types(op)
    newer = {
        field.name for field in fields(op) if (since := _since(field)) and since.version > version
    }
    known = {"name", "op", "inputs", *(field.name for field in fields(op))} - newer
    if foreign := entry.keys() - known:
        raise ValueError(f"node {name} has unknown fields {shown(sorted(foreign))}")
    arguments: dict[str, Any] = {}
    missing = []
    for field in fields(op):
        stored, since = tensors.get(f"{name}.{field.name}"), _since(field)
        with _naming(f"node {name}, field {field.name}"):
            if stored is not None:
                arguments[field.name] = unpack(stored, entry.get(field.name))
            elif field.name in entry and _is_attribute(entry[field.name], types[field.name]):
                arguments[field.name] = _attribute(entry[field.name], types[field.name])
            elif since is not None:
                arguments[field.name] = since.before
            elif field.name in entry or field.default is MISSING:
                missing.append(f"its field {field.name}")
    if missing:
        raise ValueError(f"node {name} lacks {', '.join(missing)}")
    with _naming(f"node {name}, field inputs"):
        inputs = tuple(typed(source, str) for source in typed(entry.get("inputs"), list))
    try:
        return Node(name, op(**arguments), inputs)
    except GraphError as error:
        raise GraphError(f"node {name}: {error.what}", error.violations) from error


def _since(field: Field[Any]) -> Since | None:
    """Return when a field was added to files; ``None`` if they always had it."""
    since: Since | None = field.metadata.get("since")
    return since


def _is_attribute(value: Any, declared: Any) -> bool:
    """Return whether a description's entry is a field's value, not a note on its array."""
    if array_kind(declared) is None:
        return True
    return takes_number(declared) and isinstance(value, int)


def _attribute(value: Any, declared: Any) -> Any:
    if takes_number(declared):
        return typed(value, int)
    if isinstance(declared, type) and issubclass(declared, Enum):
        try:
            return member(value, declared)
        except ValueError as error:
            raise ValueError(f"found {shown(value)}; {error}") from None
    if get_origin(declared) is tuple:
        return tuple(typed(item, int) for item in typed(value, list))
    return typed(value, declared)


def entry_of(table: Mapping[str, Any], key: str, kind: type) -> Any:
    """Return a table's entry, which must exist and have the expected type."""
    if key not in table:
        raise ValueError(f"{key} is missing")
    with _naming(key):
        return typed(table[key], kind)


@contextlib.contextmanager
def _naming(what: str) -> Iterator[None]:
    """Add to the errors of plain Python code what they are about."""
    try:
        yield
    except WRONG_CONTENT as error:
        raise ValueError(f"{what}: {error}") from error
