"""Read mixtures from ``.npz`` files of unknown origin."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from edgespike.bayes.mixture.gaussian import GaussianMixture
from edgespike.errors import FileFormatError, InputError
from edgespike.storage.files import opened
from edgespike.storage.npy import check_size, read_header

_NAMES = ("weights", "means", "covariances")
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
        It is not an ``.npz`` file, is truncated, lacks an array, or holds values that are not
        numbers.
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


def _read_arrays(path: Path, file: Any) -> list[NDArray[Any]]:
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            missing = [name for name in _NAMES if f"{name}.npy" not in names]
            if missing:
                raise FileFormatError(
                    f"{path} lacks {', '.join(missing)}; it holds "
                    f"{', '.join(names) or 'nothing'}: {_ADVICE}"
                )
            return [_read_member(path, archive, name) for name in _NAMES]
    except (FileFormatError, MemoryError):
        raise
    except Exception as error:  # a damaged archive makes zipfile raise nearly anything
        raise FileFormatError(
            f"{path} is not an .npz file, or is truncated or damaged ({error}); {_ADVICE}"
        ) from error


def _read_member(path: Path, archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    info = archive.getinfo(f"{name}.npy")
    place = f"{name} in {path}"
    with archive.open(info) as file:
        shape, dtype = read_header(place, file, _ADVICE)
        check_size(place, shape, dtype, info.file_size - file.tell(), _ADVICE)
        file.seek(0)
        return np.asarray(npy.read_array(file, allow_pickle=False))
