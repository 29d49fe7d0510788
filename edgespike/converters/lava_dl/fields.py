"""Numbers of a layer's fields: whole, within their limits, and of the shape that netx takes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgespike.converters.lava_dl.dense_weights import changed_weights
from edgespike.converters.lava_dl.stored import Field
from edgespike.errors import shown
from edgespike.graph.tensor import Integers

LARGEST = 2**31 - 1
"""Largest magnitude of a number; Lava keeps 32 bits."""

EXTENT_HIGH = 2**27
"""Largest extent of a declared shape."""


class Fields:
    """The fields of one group, and what is wrong with them.

    Parameters
    ----------
    path
        Of the group in the file.
    values
        Its data sets.
    violations
        Where faults are added.
    """

    def __init__(self, path: str, values: Mapping[str, Field], violations: list[str]) -> None:
        self.path, self.violations = path, violations
        self._values = values

    def has(self, name: str) -> bool:
        """Return whether the group has a field."""
        return name in self._values

    def refuse(self, rest: str) -> None:
        """Add a fault of something below the group: ``/bias has shape ...``."""
        self.violations.append(f"{self.path}{rest}")

    def numbers(self, name: str, low: int, high: int, *, required: bool = False) -> Integers | None:
        """Return a field of whole numbers in a range; ``None`` if it is missing or faulty."""
        values = self._values.get(name)
        if values is None or isinstance(values, str):
            if required:
                self.refuse(f"/{name} is missing; write the file with lava-dl's export_hdf5")
            return None
        if values.dtype.kind == "f":
            broken = int(np.count_nonzero(~np.isfinite(values) | (values != np.floor(values))))
            if broken:
                self.refuse(
                    f"/{name} has {broken} of {values.size} numbers that are not whole, such as "
                    f"{shown(float(values[values != np.floor(values)][0]))}; netx would cut them "
                    "off, so quantise them before export"
                )
                return None
        least, most = values.min(), values.max()
        if least < low or most > high:
            found = (
                shown(most.item())
                if least == most
                else f"{shown(least.item())}..{shown(most.item())}"
            )
            self.refuse(f"/{name} is {found}; it must be in {low}..{high}")
            return None
        return values.astype(np.int64)

    def integer(self, name: str, low: int, high: int, default: int | None = None) -> int | None:
        """Return a field of one whole number; without a default it is required."""
        if default is not None and not self.has(name):
            return default
        values = self.numbers(name, low, high, required=True)
        if values is not None and values.size != 1:
            self.refuse(f"/{name} has {values.size} numbers; give one")
            return None
        return None if values is None else int(values.flat[0])

    def pair(self, name: str, low: int, high: int) -> tuple[int, int] | None:
        """Return a field of one number or two, vertical and horizontal."""
        values = self.numbers(name, low, high, required=True)
        if values is not None and values.shape not in ((), (2,)):
            self.refuse(f"/{name} has shape {values.shape}; give one number, or two")
            return None
        if values is None:
            return None
        vertical, horizontal = np.broadcast_to(values, (2,)).tolist()
        return vertical, horizontal

    def shape(self, *, any_axes: bool = False) -> tuple[int, ...] | None:
        """Return the field ``shape``; unless any, of 1 or 3 axes."""
        values = self.numbers("shape", 1, EXTENT_HIGH, required=True)
        if values is None:
            return None
        if values.ndim != 1 or len(values) not in ((1, 2, 3, 4) if any_axes else (1, 3)):
            self.refuse(f"/shape is {shown(values.tolist())}; give (channels, height, width)")
            return None
        if float(np.prod(values.astype(float))) > EXTENT_HIGH:
            self.refuse(f"/shape is {shown(values.tolist())}; the limit is {EXTENT_HIGH} neurons")
            return None
        return tuple(values.tolist())

    def matrix(self, name: str, outputs: int) -> Integers | None:
        """Return dense weights ``(outputs, inputs)``; netx takes them with one axis too."""
        values = self.numbers(name, -LARGEST, LARGEST, required=True)
        if values is None:
            return None
        if values.ndim == 1 and values.size % outputs == 0:
            values = values.reshape(outputs, -1)
        if values.ndim != 2 or len(values) != outputs:
            self.refuse(
                f"/{name} has shape {values.shape}; give ({outputs}, inputs), as shape says"
            )
            return None
        return values

    def check_kept(self, weight: Integers) -> None:
        """Add why netx would change weights of a dense layer, if it would."""
        self.violations += changed_weights(f"{self.path}/weight", weight)
