"""Graph files: one safetensors file with a versioned JSON description, and no pickle.

The description is in the file's metadata under ``edgespike_graph``; array fields are tensors named
``node.field``, stored as described in :mod:`edgespike.graph.packing`. The metadata also holds the
SHA-256 of description and tensors, which reveals any changed byte. Equal graphs give equal files,
byte for byte.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from enum import Enum
from pathlib import Path
from typing import Any, BinaryIO, get_origin

import numpy as np
from numpy.typing import NDArray

from edgespike.errors import FileFormatError, GraphError, InputError, shown
from edgespike.graph.graph import NODE_NAME_LIMIT, Graph, Node, as_graph, check_name
from edgespike.graph.ops import OPERATIONS
from edgespike.graph.ops.base import Since, array_kind, field_types, member, same
from edgespike.graph.packing import pack, typed, unpack, unpacked_bytes
from edgespike.graph.tensor import ARRAYS_LIMIT
from edgespike.storage.file_kinds import kind_of_file, only_tensors
from edgespike.storage.files import opened, write_atomically

READABLE_VERSIONS = (1, 2, 3, 4)
"""Version 1 packed booleans only; version 3 added delays; version 4 added membranes' saturation and
padding that differs on opposite sides."""

BASE_VERSION = 3
"""The version of files that need no newer one: their hashes stay the same, and older versions of
this package can read them."""

FILE_LIMIT = 2**31
"""Largest graph file that can be read, in bytes."""

GRAPH_KEY = "edgespike_graph"
"""The key of the graph in a graph file's metadata."""

CHECKPOINT_KEY = "edgespike"
"""The key of the description in a checkpoint's metadata; here, since this needs no torch."""

_HEAD_BYTES = 4096
_WRONG_CONTENT = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)
# What plain Python code raises if JSON does not hold what it should.


def save_graph(graph: Graph, path: Path | str) -> None:
    """Write a graph file, whole or not at all.

    Raises
    ------
    InputError
        The value is not a graph.
    WriteError
        The file cannot be written.
    """
    write_atomically(Path(path), graph_bytes(as_graph(graph)))


def graph_bytes(graph: Graph) -> bytes:
    """Return the content of a graph file."""
    description, tensors = _describe(graph)
    return _serialised(description, _digest(description, tensors), tensors)


def _serialised(description: str, sha256: str, tensors: dict[str, NDArray[Any]]) -> bytes:
    from safetensors.numpy import save

    content = {"description": description, "sha256": sha256}
    # One entry, since safetensors writes several entries in an arbitrary order.
    return bytes(save(tensors, {GRAPH_KEY: json.dumps(content)}))


@dataclass(frozen=True)
class Stored:
    """Hash and sizes of a graph's file, known without writing it.

    Parameters
    ----------
    sha256
        SHA-256 of the graph's description and tensors, 64 hexadecimal digits.
    file_bytes
        Size of the file.
    array_bytes
        Size of each array in it, by ``node.field``.
    """

    sha256: str
    file_bytes: int
    array_bytes: Mapping[str, int]


def stored(graph: Graph) -> Stored:
    """Pack a graph as its file would hold it, and measure that."""
    description, tensors = _describe(graph)
    sha256 = _digest(description, tensors)
    size = len(_serialised(description, sha256, tensors))
    return Stored(sha256, size, {name: array.nbytes for name, array in tensors.items()})


def load_graph(path: Path | str) -> Graph:
    """Read and check a graph file.

    Raises
    ------
    FileFormatError
        The file is missing, truncated, changed, not a graph file, or has another version.
    GraphError
        The file is intact, but does not describe a valid graph.
    """
    path = Path(path)
    metadata, tensors = read_safetensors(path)
    if GRAPH_KEY not in metadata:
        if CHECKPOINT_KEY in metadata:
            raise FileFormatError(
                f"{path} is a safetensors file but holds no edgespike graph; 'edgespike convert' "
                "makes one from a trained checkpoint"
            )
        raise FileFormatError(only_tensors(path, tensors))
    try:
        content = typed(json.loads(metadata[GRAPH_KEY]), dict)
        description = _entry(content, "description", str)
        if content.get("sha256") != _digest(description, tensors):
            raise FileFormatError(
                f"{path} was changed after it was written: its SHA-256 does not match; "
                "get or write it again"
            )
        return _build(typed(json.loads(description), dict), tensors)
    except GraphError as error:
        raise GraphError(f"{path}: {error.what}", error.violations) from error
    except _WRONG_CONTENT as error:
        raise FileFormatError(
            f"{path} has a description that is not a graph: {error}; write it again"
        ) from error


def read_safetensors(path: Path) -> tuple[dict[str, str], dict[str, NDArray[Any]]]:
    """Read the metadata and tensors of a safetensors file.

    Raises
    ------
    FileFormatError
        The file cannot be read, is too large, or is not a safetensors file.
    """
    from safetensors.numpy import load

    with _open(path) as file:
        content = file.read()
    with _format_errors(path):
        tensors = load(content)
        return _metadata(content), tensors


def read_metadata(path: Path) -> dict[str, str]:
    """Read a safetensors file's metadata, check that the file is complete, and read no tensor.

    Raises
    ------
    FileFormatError
        The file cannot be read, is too large, or is not a safetensors file.
    """
    from safetensors import safe_open

    with _open(path), _format_errors(path), safe_open(path, "np") as file:
        return dict(file.metadata() or {})


def read_names(path: Path) -> list[str]:
    """Read the names of a safetensors file's tensors.

    Raises
    ------
    FileFormatError
        The file cannot be read, is too large, or is not a safetensors file.
    """
    from safetensors import safe_open

    with _open(path), _format_errors(path), safe_open(path, "np") as file:
        return list(file.keys())


@contextlib.contextmanager
def _open(path: Path) -> Iterator[BinaryIO]:
    try:
        with opened(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > FILE_LIMIT:
                raise FileFormatError(f"{path} has {size} bytes; the limit is {FILE_LIMIT}")
            yield file
    except InputError as error:
        raise FileFormatError(str(error)) from error


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
        with path.open("rb") as file:
            kind = kind_of_file(file.read(_HEAD_BYTES))
        if kind is not None:
            raise FileFormatError(
                f"{path} is {kind.name}; graphs and checkpoints of edgespike are safetensors "
                "files, so name one that 'edgespike train', 'edgespike convert' or edgespike.save "
                "wrote"
            ) from error
        size = path.stat().st_size
        raise FileFormatError(
            f"{path} is not a safetensors file, or is truncated ({size} bytes): {error}; "
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
    return json.dumps(whole, separators=(",", ":")), tensors


def _build(description: dict[str, Any], tensors: Mapping[str, NDArray[Any]]) -> Graph:
    version = _entry(description, "version", int)
    if version not in READABLE_VERSIONS:
        raise ValueError(
            f"format version {shown(version)}; this edgespike reads {READABLE_VERSIONS}, "
            "a newer one may read others"
        )
    entries = _entries_by_name(_entry(description, "nodes", list))
    _check_tensors(entries, tensors)
    nodes = tuple(_build_node(name, entry, tensors, version) for name, entry in entries.items())
    for node in nodes:
        if node.op.file_version > version:
            raise ValueError(
                f"node {node.name} needs format version {node.op.file_version}, the file says "
                f"{version}"
            )
    return Graph(_entry(description, "name", str), nodes, _entry(description, "steps", int))


def _entries_by_name(entries: list[Any]) -> dict[str, dict[str, Any]]:
    """Return entries by name; each has a known kind, and a unique name for its arrays."""
    found: dict[str, dict[str, Any]] = {}
    for place, entry in enumerate(entries):
        with _naming(f"node number {place}"):
            name = _entry(typed(entry, dict), "name", str)
            for fault in check_name("name", name, NODE_NAME_LIMIT):
                raise ValueError(fault)
        with _naming(f"node {name}"):
            kind = _entry(entry, "op", str)
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
            elif field.name in entry and array_kind(types[field.name]) is None:
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


def _attribute(value: Any, declared: Any) -> Any:
    if isinstance(declared, type) and issubclass(declared, Enum):
        try:
            return member(value, declared)
        except ValueError as error:
            raise ValueError(f"found {shown(value)}; {error}") from None
    if get_origin(declared) is tuple:
        return tuple(typed(item, int) for item in typed(value, list))
    return typed(value, declared)


def _entry(table: Mapping[str, Any], key: str, kind: type) -> Any:
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
    except _WRONG_CONTENT as error:
        raise ValueError(f"{what}: {error}") from error
