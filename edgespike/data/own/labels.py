"""Labels as numbers of classes, from whole numbers or names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.data.own.faults import examples, refuse
from edgespike.data.own.order import natural
from edgespike.errors import shown
from edgespike.graph.graph import check_class_names

CLASSES_LIMIT = 10_000
"""Most classes: more labels are more likely measurements."""

Labels = NDArray[np.int64]


def class_numbers(
    place: object, arrays: Mapping[str, NDArray[Any]], names: tuple[str, ...] | None
) -> tuple[dict[str, Labels], tuple[str, ...]]:
    """Return the labels of each part as numbers of classes, int64, and the classes' names.

    Parameters
    ----------
    place
        What is read, for messages.
    arrays
        Labels by part, ``(samples,)`` or ``(samples, 1)``: whole numbers or text.
    names
        Of the classes, where the source has them; else they are the labels themselves, sorted.

    Raises
    ------
    DataError
        Labels are not whole, negative, beyond the classes, or names that are not known.
    """
    flat = {
        part: array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
        for part, array in arrays.items()
    }
    refuse(place, (fault for part, array in flat.items() for fault in _shape_faults(part, array)))
    if any(array.dtype.kind == "U" for array in flat.values()):
        texts = {part: np.char.strip(array.astype(np.str_)) for part, array in flat.items()}
        return named_classes(place, texts, names)
    limit = len(names) if names is not None else CLASSES_LIMIT
    refuse(place, (fault for part, array in flat.items() for fault in _faults(part, array, limit)))
    numbers = {part: array.astype(np.int64) for part, array in flat.items()}
    if names is None:
        most = max((int(array.max()) for array in numbers.values() if array.size), default=-1)
        names = tuple(map(str, range(most + 1)))
    return numbers, names


def named_classes(
    place: object, texts: Mapping[str, NDArray[np.str_]], names: tuple[str, ...] | None
) -> tuple[dict[str, Labels], tuple[str, ...]]:
    """Return the numbers of classes that texts name, by part, and the names.

    Raises
    ------
    DataError
        A label is not one of ``names``.
    """
    unique = {part: np.unique(array, return_inverse=True) for part, array in texts.items()}
    found = sorted({str(name) for part, _ in unique.values() for name in part}, key=natural)
    known = tuple(found) if names is None else names
    refuse(place, unknown_names(found, known))
    places = {name: number for number, name in enumerate(known)}
    return {
        part: np.array([places[str(name)] for name in values], np.int64)[inverse.reshape(-1)]
        for part, (values, inverse) in unique.items()
    }, known


def unknown_names(found: list[str], known: tuple[str, ...]) -> Iterator[str]:
    """Yield that names are not those of known classes."""
    unknown = sorted(set(found) - set(known), key=natural)
    if unknown:
        yield f"it has the classes {examples(unknown)}; the known ones are {examples(known)}"


def plain_names(found: list[str]) -> dict[str, str]:
    """Return a name for each label of a text file: labels that are all whole numbers as such."""
    try:
        numbers = [float(name) for name in found]
        if all(number.is_integer() and abs(number) < 2**53 for number in numbers):
            return {name: str(int(number)) for name, number in zip(found, numbers, strict=True)}
    except ValueError:
        pass
    return {name: name for name in found}


def check_classes(place: object, names: tuple[str, ...], counts: NDArray[np.int64]) -> None:
    """Check that there are at least two classes, and that each has samples.

    Raises
    ------
    DataError
        There are fewer, or too many; a name is not valid; or a class has no samples.
    """
    refuse(place, _class_faults(names, counts))


def _class_faults(names: tuple[str, ...], counts: NDArray[np.int64]) -> Iterator[str]:
    if len(names) > CLASSES_LIMIT:
        yield (
            f"it has {len(names):,} classes, the limit is {CLASSES_LIMIT:,}; are the labels "
            "measured numbers?"
        )
        return
    yield from check_class_names(names)
    if len(names) < 2:
        yield f"it has {len(names)} class ({examples(names)}); give samples of at least 2"
    empty = [name for name, count in zip(names, counts, strict=True) if not count]
    if empty:
        many = "classes" if len(empty) > 1 else "class"
        yield f"{many} {examples(empty)} without samples; add some, or number classes from 0 on"


def _shape_faults(part: str, array: NDArray[Any]) -> Iterator[str]:
    if array.ndim == 1:
        return
    hint = ": labels.argmax(axis=1) if each row has a 1 for its class" if array.ndim == 2 else ""
    yield f"labels of {part} have shape {array.shape}; give (samples,){hint}"


def _faults(part: str, array: NDArray[Any], limit: int) -> Iterator[str]:
    if array.dtype.kind == "f":
        broken = np.flatnonzero(~np.isfinite(array) | (array != np.floor(array)))
        if broken.size:
            yield (
                f"labels of {part}: {broken.size:,} are not whole numbers; the first, of sample "
                f"{broken[0]}, is {array[broken[0]]:g}"
            )
            return
    outside = np.flatnonzero((array < 0) | (array >= limit))
    if outside.size:
        yield (
            f"labels of {part}: {outside.size:,} are outside 0..{limit - 1}; the first, of sample "
            f"{outside[0]}, is {shown(array[outside[0]].item())}"
        )
