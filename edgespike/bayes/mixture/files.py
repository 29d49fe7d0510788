"""Read mixtures from ``.npz`` files of unknown origin.

A small compressed file can declare arrays of any size, so the headers of all arrays are checked
before memory is allocated for one. At the limits, reading and summarising take about 1 GB.
"""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from edgespike.bayes.mixture.gaussian import GaussianMixture
from edgespike.errors import FileFormatError, InputError, named
from edgespike.storage.files import opened
from edgespike.storage.npy import check_size, read_header

VALUES_LIMIT = 2**24
"""Most values of weights, means and covariances together."""

COMPONENTS_LIMIT = 2**11
"""Most components: each pair of them is compared, in matrices of float64."""

FILE_LIMIT = 2**28
"""Largest file in bytes; all values as float64 are half of it."""

ENTRIES_LIMIT = 1000
"""Most files in the archive; each takes memory when the archive is opened."""

_ENTRY = b"PK\x01\x02"  # begins each entry of an archive's table of contents
_CHUNK = 2**20

_NAMES = ("weights", "means", "covariances")
_SMALLER = (
    "use fewer components or dimensions, or covariances that are diagonal; in Python, "
    "edgespike.bayes.mixture.GaussianMixture takes arrays of any size"
)
_ADVICE = "save it again with numpy.savez(path, weights=..., means=..., covariances=...)"


def read_mixture(path: Path | str) -> GaussianMixture:
    """Read one mixture that ``numpy.savez`` wrote.

    The file holds ``weights`` ``(K,)``, ``means`` ``(K, m)`` and ``covariances`` ``(K, m, m)``,
    ``(K, m)`` or ``(K,)``, or 1 instead of K for a covariance that all components share. If all
    arrays are float32 they remain so; otherwise they become float64. Nothing in the file is ever
    executed.

    Raises
    ------
    InputError
        The file cannot be read, or holds a batch of mixtures.
    FileFormatError
        It is not an ``.npz`` file, is truncated, lacks an array, holds values that are not
        numbers, or is beyond a limit of this module.
    MixtureError
        The arrays are not a mixture.
    """
    path = Path(path)
    with opened(path) as file:
        arrays = _read_arrays(path, file)
    if arrays[1].ndim > 2:
        raise InputError(
            f"means in {path} have the shape {arrays[1].shape}; expected one mixture, (K, m)"
        )
    single = all(array.dtype == np.float32 for array in arrays)
    with np.errstate(over="ignore"):  # values that do not fit become infinite and are found later
        weights, means, covariances = (
            array.astype(np.float32 if single else np.float64, copy=False) for array in arrays
        )
    return GaussianMixture(weights, means, covariances)


def _read_arrays(path: Path, file: BinaryIO) -> list[NDArray[Any]]:
    _check_file(path, file)
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            missing = [name for name in _NAMES if f"{name}.npy" not in names]
            if missing:
                raise FileFormatError(
                    f"{path} lacks {', '.join(missing)}; it holds "
                    f"{', '.join(map(named, names)) or 'nothing'}: {_ADVICE}"
                )
            _check_values(path, {name: _shape(path, archive, name) for name in _NAMES})
            return [_read_member(archive, name) for name in _NAMES]
    except (FileFormatError, MemoryError):
        raise
    except Exception as error:  # a damaged archive makes zipfile raise nearly anything
        raise FileFormatError(
            f"{path} is not an .npz file, or is truncated or damaged ({error}); {_ADVICE}"
        ) from error


def _check_file(path: Path, file: BinaryIO) -> None:
    """Check the size of the file and of its table of contents, and leave it at its start."""
    size = path.stat().st_size
    if size > FILE_LIMIT:
        raise FileFormatError(f"{path} has {size:,} bytes, the limit is {FILE_LIMIT:,}; {_SMALLER}")
    entries, end = 0, b""
    while chunk := file.read(_CHUNK):
        entries += (end + chunk).count(_ENTRY)
        end = chunk[1 - len(_ENTRY) :]
    if entries > ENTRIES_LIMIT:
        raise FileFormatError(
            f"{path} has {entries:,} entries, the limit is {ENTRIES_LIMIT:,}; {_ADVICE}"
        )
    file.seek(0)


def _check_values(path: Path, shapes: dict[str, tuple[int, ...]]) -> None:
    values = sum(map(math.prod, shapes.values()))
    if values > VALUES_LIMIT:
        raise FileFormatError(
            f"{path} declares {values:,} values, the limit is {VALUES_LIMIT:,}; {_SMALLER}"
        )
    components = max((size for shape in shapes.values() for size in shape[:1]), default=0)
    if components > COMPONENTS_LIMIT:
        raise FileFormatError(
            f"{path} declares {components:,} components, the limit is {COMPONENTS_LIMIT:,}; "
            f"{_SMALLER}"
        )


def _shape(path: Path, archive: zipfile.ZipFile, name: str) -> tuple[int, ...]:
    """Read the shape of an array, and check that the archive holds as much as it declares."""
    info = archive.getinfo(f"{name}.npy")
    place = f"{name} in {path}"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # Others let the file decide how much memory decompression takes.
        raise FileFormatError(f"{place} is compressed by a method numpy does not use; {_ADVICE}")
    with archive.open(info) as file:
        shape, dtype = read_header(place, file, _ADVICE)
        check_size(place, shape, dtype, info.file_size - file.tell(), _ADVICE)
    return shape


def _read_member(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    with archive.open(f"{name}.npy") as file:
        return np.asarray(npy.read_array(file, allow_pickle=False))
