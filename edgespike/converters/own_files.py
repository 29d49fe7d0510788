"""The files that edgespike writes itself: graphs and trained checkpoints.

Both are safetensors files and differ in the key of their metadata. They are recognised before any
other package is imported.
"""

from __future__ import annotations

from pathlib import Path

from edgespike.converters.base import HEAD_BYTES, Converter, ConvertOptions
from edgespike.errors import FileFormatError, InputError
from edgespike.graph import Graph, load_graph
from edgespike.graph.files import CHECKPOINT_KEY, FILE_LIMIT, GRAPH_KEY, read_metadata
from edgespike.storage.files import opened


def read_head(path: Path) -> bytes:
    """Return the first bytes of a file, from which its format is recognised.

    Raises
    ------
    FileFormatError
        The file cannot be read.
    """
    try:
        with opened(path) as file:
            return file.read(HEAD_BYTES)
    except InputError as error:
        raise FileFormatError(str(error)) from error


def _metadata(head: bytes, path: Path) -> dict[str, str]:
    """Return the metadata of a safetensors file, of which any other file has none."""
    return read_metadata(path) if is_safetensors(head) else {}


def is_safetensors(head: bytes) -> bool:
    """Return whether a file begins with the size of a header and a table in JSON.

    Eight letters, which begin some other formats, are too large a size.
    """
    return int.from_bytes(head[:8], "little") <= FILE_LIMIT and head[8:9] == b"{"


def _convert_graph(path: Path, options: ConvertOptions) -> Graph:
    return load_graph(path)


def _convert_checkpoint(path: Path, options: ConvertOptions) -> Graph:
    from edgespike.converters.torch.checkpoints import convert_checkpoint

    return convert_checkpoint(path, options)


GRAPHS = Converter(
    name="graph",
    summary="graph files of edgespike",
    convert=_convert_graph,
    recognises=lambda head, path: GRAPH_KEY in _metadata(head, path),
)
CHECKPOINTS = Converter(
    name="checkpoint",
    summary="trained checkpoints of edgespike",
    convert=_convert_checkpoint,
    options=("name",),
    recognises=lambda head, path: CHECKPOINT_KEY in _metadata(head, path),
)
OWN = (GRAPHS, CHECKPOINTS)
