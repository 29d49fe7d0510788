"""Graph files: one safetensors file with a versioned JSON description, and no pickle.

The description stands in the file's metadata under ``edgespike_graph``; array fields are tensors
named ``node.field``, stored as :mod:`edgespike.graph.packing` says. The SHA-256 of description and
tensors stands beside it, so that a changed byte is noticed. Equal graphs make equal files, byte for
byte.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from edgespike.errors import FileFormatError, GraphError
from edgespike.files import write_atomically
from edgespike.graph.graph import Graph, Node
from edgespike.graph.ops import OPERATIONS
from edgespike.graph.packing import pack, typed, unpack

FORMAT_VERSION = 3
READABLE_VERSIONS = (1, 2, 3)
"""Version 1 packed booleans only; up to version 2 there were no delays."""

FILE_LIMIT = 2**31
"""Largest graph file that is read, in bytes."""

GRAPH_KEY = "edgespike_graph"
"""Where a graph file's metadata holds the graph."""

_WRONG_CONTENT = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)
# What plain Python code raises when JSON holds something else than it should.


def save_graph(graph: Graph, path: Path | str) -> None:
    """Write a graph file, whole or not at all.

    Raises
    ------
    WriteError
        The place cannot be written.
    """
    write_atomically(Path(path), graph_bytes(graph))


def graph_bytes(graph: Graph) -> bytes:
    """Give the content of a graph file."""
    from safetensors.numpy import save

    description, tensors = _describe(graph)
    content = {"description": description, "sha256": _digest(description, tensors)}
    # One entry, since safetensors writes several in an arbitrary order.
    return bytes(save(tensors, {GRAPH_KEY: json.dumps(content)}))


def digest(graph: Graph) -> str:
    """Give the SHA-256 of a graph's description and tensors."""
    return _digest(*_describe(graph))


def load_graph(path: Path | str) -> Graph:
    """Read and check a graph file.

    Raises
    ------
    FileFormatError
        The file is missing, truncated, changed, foreign, or of another version.
    GraphError
        The file is whole, but what it describes is not a valid graph.
    """
    path = Path(path)
    metadata, tensors = read_safetensors(path)
    if GRAPH_KEY not in metadata:
        raise FileFormatError(
            f"{path} is a safetensors file but holds no edgespike graph; a trained checkpoint "
            "becomes one with 'edgespike convert'"
        )
    try:
        content = json.loads(metadata[GRAPH_KEY])
        description, sha256 = typed(content["description"], str), content["sha256"]
        if sha256 != _digest(description, tensors):
            raise FileFormatError(
                f"{path} was changed after it was written: its SHA-256 does not match; "
                "get or write it again"
            )
        return _build(json.loads(description), tensors)
    except GraphError:
        raise
    except _WRONG_CONTENT as error:
        raise FileFormatError(f"{path} has a description that makes no graph: {error}") from error


def read_safetensors(path: Path) -> tuple[dict[str, str], dict[str, NDArray[Any]]]:
    """Read a safetensors file whole: metadata and tensors.

    Raises
    ------
    FileFormatError
        It cannot be read, is too large, or is no safetensors file.
    """
    from safetensors.numpy import load

    content = _read(path)
    with _format_errors(path):
        return _metadata(content), load(content)


def read_metadata(path: Path) -> dict[str, str]:
    """Read a safetensors file's metadata, and check that the file is whole.

    Raises
    ------
    FileFormatError
        It cannot be read, is too large, or is no safetensors file.
    """
    from safetensors import deserialize

    content = _read(path)
    with _format_errors(path):
        deserialize(content)  # type: ignore[no-untyped-call]
        return _metadata(content)


def _read(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise FileFormatError(f"cannot read {path}: it is no regular file; name a file")
        size = path.stat().st_size
        if size > FILE_LIMIT:
            raise FileFormatError(f"{path} has {size} bytes; the limit is {FILE_LIMIT}")
        return path.read_bytes()
    except OSError as error:
        raise FileFormatError(f"cannot read {path}: {error.strerror or error}") from error


def _metadata(content: bytes) -> dict[str, str]:
    header_size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + header_size])
    return dict(header.get("__metadata__") or {})


@contextlib.contextmanager
def _format_errors(path: Path) -> Iterator[None]:
    from safetensors import SafetensorError

    try:
        yield
    except (SafetensorError, *_WRONG_CONTENT) as error:
        size = path.stat().st_size
        raise FileFormatError(
            f"{path} is no safetensors file, or is truncated ({size} bytes): {error}; "
            "get or write it again"
        ) from error


def _digest(description: str, tensors: Mapping[str, NDArray[Any]]) -> str:
    sha = hashlib.sha256(description.encode())
    for name in sorted(tensors):
        array = tensors[name]
        sha.update(f"{name} {array.dtype.str} {array.shape}".encode())
        sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()


def _describe(graph: Graph) -> tuple[str, dict[str, NDArray[Any]]]:
    tensors: dict[str, NDArray[Any]] = {}
    nodes = []
    for node in graph.nodes:
        attributes: dict[str, Any] = {}
        for field in fields(node.op):
            value = getattr(node.op, field.name)
            if isinstance(value, np.ndarray):
                tensors[f"{node.name}.{field.name}"], note = pack(value)
                if note is not None:
                    attributes[field.name] = note
            elif value is not None:
                attributes[field.name] = value.value if isinstance(value, Enum) else value
        nodes.append({"name": node.name, "op": node.op.kind, "inputs": node.inputs, **attributes})
    whole = {"version": FORMAT_VERSION, "name": graph.name, "steps": graph.steps, "nodes": nodes}
    return json.dumps(whole, separators=(",", ":")), tensors


def _build(description: Any, tensors: Mapping[str, NDArray[Any]]) -> Graph:
    version = typed(description["version"], int)
    if version not in READABLE_VERSIONS:
        raise ValueError(
            f"format version {version}; this edgespike reads {READABLE_VERSIONS}, "
            "a newer one may read others"
        )
    nodes = tuple(_build_node(entry, tensors) for entry in description["nodes"])
    fields_of_nodes = {f"{node.name}.{field.name}" for node in nodes for field in fields(node.op)}
    if foreign := sorted(tensors.keys() - fields_of_nodes):
        raise ValueError(f"tensors {foreign} belong to no node")
    return Graph(typed(description["name"], str), nodes, typed(description["steps"], int))


def _build_node(entry: dict[str, Any], tensors: Mapping[str, NDArray[Any]]) -> Node:
    name = typed(entry["name"], str)
    if entry["op"] not in OPERATIONS:
        raise ValueError(f"node {name} is of unknown kind {entry['op']!r}")
    op = OPERATIONS[entry["op"]]
    arguments: dict[str, Any] = {}
    hints = get_type_hints(op)
    known = {"name", "op", "inputs", *(field.name for field in fields(op))}
    if entry.keys() - known:
        raise ValueError(f"node {name} has unknown fields {sorted(entry.keys() - known)}")
    for field in fields(op):
        key = f"{name}.{field.name}"
        if key in tensors:
            arguments[field.name] = unpack(tensors[key], entry.get(field.name))
        elif field.name in entry and not _is_array(hints[field.name]):
            arguments[field.name] = _attribute(entry[field.name], hints[field.name])
        elif field.name in entry or field.default is MISSING:
            raise ValueError(f"node {name} lacks its field {field.name}")
    inputs = tuple(typed(source, str) for source in entry["inputs"])
    return Node(name, op(**arguments), inputs)


def _is_array(hint: Any) -> bool:
    """Tell whether a field, be it optional, is an array."""
    return np.ndarray in {get_origin(kind) for kind in (hint, *get_args(hint))}


def _attribute(value: Any, hint: Any) -> Any:
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(value)
    if get_origin(hint) is tuple:
        return tuple(typed(item, int) for item in typed(value, list))
    if hint is float:
        return float(typed(value, (int, float)))
    return typed(value, hint)
