"""Pieces of large arrays, so that copies in float64 stay small."""

from __future__ import annotations

from collections.abc import Iterator

_VALUES = 2**22
"""Most values of a piece: its float64 copy takes 32 MB."""


def chunks(count: int, size: int) -> Iterator[slice]:
    """Yield slices of ``count`` entries, each of ``size`` values; at least one slice."""
    few = max(1, _VALUES // max(1, size))
    for start in range(0, max(1, count), few):
        yield slice(start, start + few)
