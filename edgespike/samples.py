"""Reading samples and labels from ``.npy`` files of unknown origin."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.errors import InputError
from edgespike.graph import Graph
from edgespike.graph.inputs import as_samples
from edgespike.storage.files import opened
from edgespike.storage.npy import check_size, read_header

_ADVICE = "save the array again with numpy.save"


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
    with opened(path) as file:
        shape, dtype = read_header(path, file, _ADVICE)
        check_size(path, shape, dtype, path.stat().st_size - file.tell(), _ADVICE)
        if math.prod(shape) == 0:  # an empty file part cannot be mapped
            return np.empty(shape, dtype)
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))


def read_samples(graph: Graph, path: Path | str, limit: int | None = None) -> NDArray[Any]:
    """Read a graph's samples, the first ``limit`` of them if that is given.

    For a recurrent graph, an array of one sequence alone is refused: its steps could be taken for
    samples that do not change.

    Returns
    -------
    samples
        ``(samples, steps, *shape)``, see :func:`edgespike.graph.inputs.as_samples`.

    Raises
    ------
    InputError
        The file holds something else; also what :func:`read_array` raises.
    """
    array = read_array(path)
    if graph.is_recurrent and array.shape == (graph.steps, *graph.input_op.shape):
        raise InputError(
            f"{path} has shape {array.shape}, which is one sequence of {graph.steps} steps or as "
            "many samples that do not change; give it an axis of samples in front, array[None]"
        )
    return as_samples(graph, array)[:limit]


def read_labels(path: Path | str, samples: int, classes: int) -> NDArray[np.int64]:
    """Read one class number, from 0 on, for each of ``samples`` samples.

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
    outside = np.flatnonzero((labels < 0) | (labels >= classes))
    if outside.size:
        first = outside[0]
        raise InputError(
            f"labels in {path}: {outside.size} are no class; the first, that of sample {first}, is "
            f"{labels[first]}, and the model's classes are 0..{classes - 1}"
        )
    return labels.astype(np.int64)
