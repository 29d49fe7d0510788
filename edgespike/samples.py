"""Read samples and labels for a graph from untrusted files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from edgespike.errors import FileFormatError, InputError
from edgespike.graph import Graph
from edgespike.graph.inputs import as_samples
from edgespike.storage.files import opened
from edgespike.storage.npy import check_size, read_header

READ_LIMIT = 2**28
"""Largest file, in bytes, that is read at once; larger ones are mapped into memory.

A process that reads mapped memory is killed (SIGBUS) if the file has shrunk since. A larger file
has to be mapped all the same, because it may not fit into memory.
"""

_ADVICE = "save the array again with numpy.save"


def read_array(path: Path | str) -> NDArray[Any]:
    """Read the array of a ``.npy`` file, or map it into memory above `READ_LIMIT`.

    The header is checked against the file's size before memory is allocated, and nothing in the
    file is ever executed.

    Returns
    -------
    array
        Read-only. Numbers or booleans of any dtype and shape.

    Raises
    ------
    InputError
        The file cannot be read.
    FileFormatError
        The file is not a ``.npy`` file, is truncated, has a size other than it declares, or
        holds Python objects or text instead of numbers.
    """
    path = Path(path)
    with opened(path) as file:
        shape, dtype = read_header(path, file, _ADVICE)
        size = path.stat().st_size
        check_size(path, shape, dtype, size - file.tell(), _ADVICE)
        if size > READ_LIMIT and 0 not in shape:  # zero bytes cannot be mapped
            return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
        array = _read_at_once(path, file)
    array.flags.writeable = False
    return array


def _read_at_once(path: Path, file: BinaryIO) -> NDArray[Any]:
    file.seek(0)
    try:
        return np.asarray(npy.read_array(file, allow_pickle=False))
    except ValueError as error:
        raise FileFormatError(
            f"{path} was changed while it was read ({error}); wait until it is written, then run "
            "again"
        ) from None


@dataclass(frozen=True)
class Inputs:
    """Samples for a graph.

    Parameters
    ----------
    samples
        Integers, ``(samples, steps, *shape)``, see :func:`edgespike.graph.inputs.as_samples`.
    labels
        int64, ``(samples,)``, classes of the graph; None where the source does not say them.
    """

    samples: NDArray[Any]
    labels: NDArray[np.int64] | None


def read_inputs(graph: Graph, path: Path | str, limit: int | None = None) -> Inputs:
    """Read samples for a graph, and their labels where the source has them.

    Parameters
    ----------
    graph
        The graph that they are for. Its scaling turns measured numbers into whole ones; its class
        names give the numbers of named labels.
    path
        - a ``.npy`` file: integers are the graph's own, floats are measured numbers, and so are
          booleans with a scaling;
        - an ``.npz`` file or folder of ``.npy`` files, with labels; where they have several parts,
          ``test`` is read. With a scaling, integers of more than 8 bits are measured numbers;
        - a folder of images, or of one folder of images for each class; images are resized to the
          graph's input and get its number of channels;
        - a CSV file: windows of recordings, or rows.
    limit
        Read at most the first so many.

    Raises
    ------
    InputError
        The source cannot be read, or does not fit the graph.
    EnvironmentMissingError
        Images are to be read and Pillow is not installed.
    """
    place = Path(path)
    if not _is_array(place):
        from edgespike.data.own.inputs import read_set  # takes longer to import than all else here

        return Inputs(*read_set(graph, place, limit))
    array = read_array(place)
    shape = graph.input_op.shape
    if array.shape[1:] not in (shape, (graph.steps, *shape)):
        from edgespike.data.own.layout import unfolded

        array = unfolded(graph, array)
    if array.dtype.kind in "bf" and graph.scaling is not None:
        from edgespike.data.own.measured import as_whole

        array = as_whole(graph, array, limit)
    return Inputs(as_samples(graph, array)[:limit], None)


def _is_array(path: Path) -> bool:
    """Return whether a path is read as a ``.npy`` file, even if only to say what it is instead."""
    try:
        if path.is_dir() or path.name.lower().endswith((".csv", ".tsv", ".txt")):
            return False
    except (OSError, ValueError):  # opening it says why
        return True
    with opened(path) as file:
        return file.read(2) != b"PK"


def read_samples(graph: Graph, path: Path | str, limit: int | None = None) -> NDArray[Any]:
    """Read samples for a graph, at most the first ``limit`` if that is given.

    What may be read is what `read_inputs` says.

    Returns
    -------
    samples
        ``(samples, steps, *shape)``, see :func:`edgespike.graph.inputs.as_samples`.

    Raises
    ------
    InputError
        The array does not fit the graph; also what :func:`read_array` raises.
    """
    return read_inputs(graph, path, limit).samples


def read_labels(path: Path | str, samples: int, classes: int) -> NDArray[np.int64]:
    """Read one class number, ``0..classes - 1``, for each of ``samples`` samples.

    Raises
    ------
    InputError
        The array holds anything else; also what :func:`read_array` raises.
    """
    return checked_labels(f"labels in {path}", read_array(path), samples, classes)


def checked_labels(
    what: str, labels: NDArray[Any], samples: int, classes: int
) -> NDArray[np.int64]:
    """Return labels as int64, ``(samples,)``.

    Parameters
    ----------
    what
        What messages call them: "labels".
    labels
        One class number, ``0..classes - 1``, for each of ``samples`` samples.

    Raises
    ------
    InputError
        The array holds anything else.
    """
    labels = np.asarray(labels)
    if labels.shape != (samples,) or labels.dtype.kind not in "iu":
        raise InputError(
            f"{what} are {labels.dtype} of shape {labels.shape}; "
            f"give integers of shape ({samples},), one for each sample"
        )
    outside = np.flatnonzero((labels < 0) | (labels >= classes))
    if outside.size:
        first = outside[0]
        raise InputError(
            f"{what}: {outside.size} are not classes of the model, 0..{classes - 1}; "
            f"the first, of sample {first}, is {labels[first]}"
        )
    return labels.astype(np.int64)
