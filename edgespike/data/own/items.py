"""Samples before they are scaled, as the readers find them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from edgespike.data.own.chunks import chunks
from edgespike.errors import InputError
from edgespike.graph import Scaling

Kind = Literal["images", "sequences", "events", "rows"]
"""What one sample is; `edgespike.data.own.parts.Part` has the shapes."""

FEATURE_AXIS = {"images": 1, "rows": 1, "sequences": 2, "events": 2}
"""The axis of a batch that becomes the first of a graph's input: what a scaling distinguishes."""

AXES = {"images": 4, "rows": 4, "sequences": 3, "events": 5}
"""How many axes a batch has."""

BYTES_LIMIT = 2**32
"""Most bytes of all samples of a part."""

Convert = Callable[[NDArray[Any]], NDArray[Any]]
"""Turns measured numbers into whole numbers of 8 bits, of the same shape."""


class Items(Protocol):
    """Samples of one part."""

    def __len__(self) -> int:
        """Return how many there are."""

    @property
    def plain(self) -> bool:
        """Whether they hold whole numbers of 8 bits already, which are taken as they are."""

    def measured(self, chosen: NDArray[np.int64]) -> NDArray[Any]:
        """Return all numbers of some samples, ``(numbers, features)``."""

    def whole(self, chosen: NDArray[np.int64], convert: Convert | None) -> NDArray[Any]:
        """Return some samples, ``(samples, *shape)``, converted if they are not plain."""


@dataclass(frozen=True)
class Raw:
    """One part as it was read.

    Parameters
    ----------
    items
        The samples.
    labels
        int64, ``(samples,)``, places in the names of the classes.
    units
        int64, ``(samples,)``: samples with one number stay in one part; None if each is its own.
    """

    items: Items
    labels: NDArray[np.int64]
    units: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Found:
    """What a reader found.

    Parameters
    ----------
    format
        ``npz``, ``npy``, ``images`` or ``csv``.
    kind
        What one sample is.
    parts
        By name: ``train``, which may hold all samples, ``validation`` and ``test``.
    class_names
        In the order of the labels.
    files
        How many files were read.
    unit
        What stays in one part, for messages: ``sample``, ``recording`` or a column's name.
    scaling
        Of whole numbers that were scaled before; None if there was none.
    notes
        Sentences on what was left out or changed.
    """

    format: str
    kind: Kind
    parts: dict[str, Raw]
    class_names: tuple[str, ...]
    files: int
    unit: str = "sample"
    scaling: Scaling | None = None
    notes: tuple[str, ...] = ()


def is_plain(values: NDArray[Any]) -> bool:
    """Return whether an array holds uint8, or int8 of -127..127."""
    if values.dtype == np.int8:
        return not values.size or int(values.min()) >= -127
    return values.dtype == np.uint8


@dataclass(frozen=True)
class Stacked:
    """Samples of one shape in one array, ``(samples, *shape)``; it may be mapped into memory."""

    values: NDArray[Any]
    features: int
    """The axis of features."""

    def __len__(self) -> int:
        return len(self.values)

    @property
    def plain(self) -> bool:
        """Whether the array holds whole numbers of 8 bits."""
        return is_plain(self.values)

    def measured(self, chosen: NDArray[np.int64]) -> NDArray[Any]:
        """Return all numbers of some samples, ``(numbers, features)``."""
        values = np.moveaxis(self.values[np.sort(chosen)], self.features, -1)
        return values.reshape(-1, values.shape[-1])

    def whole(self, chosen: NDArray[np.int64], convert: Convert | None) -> NDArray[Any]:
        """Return some samples, converted in chunks."""
        if convert is None:
            return self.values[chosen]
        pieces = chunks(len(chosen), math.prod(self.values.shape[1:]))
        return np.concatenate([convert(self.values[chosen[piece]]) for piece in pieces])


@dataclass(frozen=True)
class Windows:
    """Windows of recordings, which may overlap.

    Parameters
    ----------
    rows
        ``(rows, features)``, each recording's rows together and in time order.
    starts
        First row of each window.
    length
        Rows of a window.
    """

    rows: NDArray[np.float64]
    starts: NDArray[np.int64]
    length: int

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def plain(self) -> bool:
        """Return false: rows hold measured numbers."""
        return False

    def measured(self, chosen: NDArray[np.int64]) -> NDArray[Any]:
        """Return each row of some windows once, ``(rows, features)``."""
        changes = np.zeros(len(self.rows) + 1, np.int64)
        np.add.at(changes, self.starts[chosen], 1)
        np.add.at(changes, self.starts[chosen] + self.length, -1)
        return self.rows[np.cumsum(changes[:-1]) > 0]

    def whole(self, chosen: NDArray[np.int64], convert: Convert | None) -> NDArray[Any]:
        """Return some windows, ``(windows, length, features)``.

        Raises
        ------
        InputError
            They take more than `BYTES_LIMIT` bytes.
        """
        rows = self.rows if convert is None else _by_chunks(self.rows, convert)
        features = rows.shape[1]
        needed = len(chosen) * self.length * features * rows.itemsize
        if needed > BYTES_LIMIT:
            raise InputError(
                f"{len(chosen):,} windows of {self.length} rows and {features} features take "
                f"{needed:,} bytes, the limit is {BYTES_LIMIT:,}; use a larger stride"
            )
        out = np.empty((len(chosen), self.length, features), rows.dtype)
        for place, start in enumerate(self.starts[chosen].tolist()):
            out[place] = rows[start : start + self.length]
        return out


def _by_chunks(rows: NDArray[Any], convert: Convert) -> NDArray[Any]:
    pieces = chunks(len(rows), rows.shape[1])
    return np.concatenate([convert(rows[piece]) for piece in pieces])
