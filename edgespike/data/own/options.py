"""How data of one's own is read: the table ``[data]`` of a recipe."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from edgespike.data.own.faults import DataError
from edgespike.errors import shown

SIDE_LIMIT = 4096
"""Largest height and width of an image."""

SEED_LIMIT = 2**63

GROUPS = ("group", "person", "subject", "participant", "user")
"""Names of columns of a CSV file that say who or what was recorded."""


@dataclass(frozen=True)
class DataOptions:
    """Where data is, and how it becomes samples.

    Parameters
    ----------
    path
        A file or folder; in a recipe file, a relative path is relative to the file.
    test
        Share of the samples that are kept for testing, above 0 and below 1, where the source does
        not separate them itself.
    validation
        Share of the remaining samples that are kept for validation, 0 to below 1.
    group
        Column of a CSV file, such as a person, none of whose values may be in two parts; empty if
        samples are independent.
    label
        Column of a CSV file with the class.
    recording
        Column of a CSV file whose values name recordings: rows in time order. Without such a
        column each row is a sample.
    window, stride
        Rows of a window of a recording, and rows from the start of one to that of the next;
        ``stride`` 0 for windows that touch. ``window`` 0 takes each recording whole.
    size
        Height and width to which images are resized; empty to refuse images of different sizes.
    grey
        Read images as one channel.
    seed
        Of the split.

    Raises
    ------
    DataError
        A value has the wrong type or is out of range; all violations are listed.
    """

    path: str
    test: float = 0.2
    validation: float = 0.1
    group: str = ""
    label: str = "label"
    recording: str = "recording"
    window: int = 0
    stride: int = 0
    size: tuple[int, ...] = ()
    grey: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.size, list):  # as TOML and JSON have it
            object.__setattr__(self, "size", tuple(self.size))
        faults = list(self._faults())
        if faults:
            raise DataError("the options of the data are not valid", faults)

    def _faults(self) -> Iterator[str]:
        for name in ("path", "label", "recording", "group"):
            value = getattr(self, name)
            if not isinstance(value, str) or not (value or name in ("group", "recording")):
                yield f"{name} is {shown(value)}; give a text that is not empty"
        if not _is_share(self.test) or not 0 < self.test < 1:
            yield f"test is {shown(self.test)}; give a share above 0 and below 1, such as 0.2"
        if not _is_share(self.validation) or not 0 <= self.validation < 1:
            yield f"validation is {shown(self.validation)}; give a share from 0 to below 1"
        for name, limit in (("window", 2**31), ("stride", 2**31), ("seed", SEED_LIMIT)):
            value = getattr(self, name)
            if not _is_whole(value) or not 0 <= value < limit:
                yield f"{name} is {shown(value)}; give a whole number from 0 to below {limit}"
        if self.stride and not self.window:
            yield f"stride is {shown(self.stride)} without a window; give window too"
        if not isinstance(self.grey, bool):
            yield f"grey is {shown(self.grey)}; give true or false"
        if not isinstance(self.size, tuple) or len(self.size) not in (0, 2):
            yield f"size is {shown(self.size)}; give height and width, or nothing"
        elif any(not _is_whole(side) or not 1 <= side <= SIDE_LIMIT for side in self.size):
            yield f"size is {shown(self.size)}; give two whole numbers in 1..{SIDE_LIMIT}"
        roles = [(name, getattr(self, name)) for name in ("label", "recording", "group")]
        for place, (name, value) in enumerate(roles):
            for other, same in roles[:place]:
                if value and value == same:
                    yield f"{other} and {name} are both column {shown(value)}; give two columns"


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_share(value: object) -> bool:
    return isinstance(value, float | int) and not isinstance(value, bool) and math.isfinite(value)
