"""Reading samples and labels from ``.npy`` files of unknown origin."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from edgespike.errors import FileFormatError, InputError
from edgespike.graph import Graph
from edgespike.graph.inputs import as_samples

_ADVICE = "save the array again with numpy.save"
_HEADER_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def read_array(path: Path | str) -> NDArray[Any]:
    """Map the array of a ``.npy`` file into memory.

    The header is checked against the file's size before memory is taken, and nothing in the
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
        It is no ``.npy`` file, is truncated, declares another size than it has, or holds
        Python objects or text instead of numbers.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            shape, dtype = _read_header(path, file)
            _check_size(path, shape, dtype, path.stat().st_size - file.tell())
        if math.prod(shape) == 0:  # an empty file part cannot be mapped
            return np.empty(shape, dtype)
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None


def read_samples(graph: Graph, path: Path | str, limit: int | None = None) -> NDArray[Any]:
    """Read a graph's samples, the first ``limit`` of them if that is given.

    Returns
    -------
    samples
        ``(samples, steps, *shape)``, see :func:`edgespike.graph.inputs.as_samples`.

    Raises
    ------
    InputError
        The file holds something else; also what :func:`read_array` raises.
    """
    return as_samples(graph, read_array(path))[:limit]


def read_labels(path: Path | str, samples: int) -> NDArray[np.int64]:
    """Read one class number for each of ``samples`` samples.

    Raises
    ------
    InputError
        The file holds something else; also what :func:`read_array` raises.
    """
    labels = read_array(path)
    if labels.shape != (samples,) or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(
            f"labels in {path} are {labels.dtype} of shape {labels.shape}; "
            f"give integers of shape ({samples},), one for each sample"
        )
    return labels.astype(np.int64)


def _read_header(path: Path, file: BinaryIO) -> tuple[tuple[int, ...], np.dtype[Any]]:
    if file.read(4) == b"PK\x03\x04":
        raise FileFormatError(f"{path} is an archive (.npz); {_ADVICE} to get one .npy array")
    file.seek(0)
    try:
        shape, _, dtype = _HEADER_READERS[npy.read_magic(file)](file)
    except Exception as error:  # a hostile header makes numpy raise nearly anything
        raise FileFormatError(
            f"{path} is no .npy file, or its header is damaged; {_ADVICE}"
        ) from error
    if dtype.kind not in "biuf":
        held = "Python objects (a pickle)" if dtype.hasobject else f"values of type {dtype}"
        raise FileFormatError(
            f"{path} holds {held}, which are not read; give an array of integers: {_ADVICE}"
        )
    return shape, dtype


def _check_size(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], present: int) -> None:
    declared = math.prod(shape) * dtype.itemsize
    if any(size < 0 for size in shape) or declared != present:
        raise FileFormatError(
            f"{path} declares {dtype} of shape {shape}, which is {declared} bytes, but holds "
            f"{present}; it is truncated or changed: {_ADVICE}"
        )
