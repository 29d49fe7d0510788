"""Graph files: one safetensors file with a versioned JSON description, and no pickle.

The description, see :mod:`edgespike.graph.description`, is in the file's metadata under
``edgespike_graph``. The metadata also holds the SHA-256 of description and tensors, which reveals
any changed byte. Equal graphs give equal files, byte for byte.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from edgespike.errors import FileFormatError, GraphError, InputError
from edgespike.graph.description import WRONG_CONTENT, build, describe, entry_of
from edgespike.graph.graph import Graph, as_graph
from edgespike.graph.packing import typed
from edgespike.storage.file_kinds import kind_of_file, only_tensors
from edgespike.storage.files import opened, write_atomically

FILE_LIMIT = 2**31
"""Largest graph file that can be read, in bytes."""

GRAPH_KEY = "edgespike_graph"
"""The key of the graph in a graph file's metadata."""

CHECKPOINT_KEY = "edgespike"
"""The key of the description in a checkpoint's metadata; here, since this needs no torch."""

_HEAD_BYTES = 4096


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
    description, tensors = describe(graph)
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
    description, tensors = describe(graph)
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
        description = entry_of(content, "description", str)
        if content.get("sha256") != _digest(description, tensors):
            raise FileFormatError(
                f"{path} was changed after it was written: its SHA-256 does not match; "
                "get or write it again"
            )
        return build(typed(json.loads(description), dict), tensors)
    except GraphError as error:
        raise GraphError(f"{path}: {error.what}", error.violations) from error
    except WRONG_CONTENT as error:
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
    except (SafetensorError, *WRONG_CONTENT) as error:
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
