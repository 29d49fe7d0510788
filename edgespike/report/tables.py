"""Tables of the page, as values: the templates turn them into HTML, and escape every cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Link:
    """A cell that leads to another place of the page."""

    text: str
    address: str


Cell = str | Link
"""What a cell holds."""


@dataclass(frozen=True)
class Table:
    """A table with a caption; the first cell of a row names the row.

    Parameters
    ----------
    name
        Its id on the page, unique there.
    caption
        What it shows.
    heads
        A name for each column.
    rows
        Cells of each row.
    total
        Cells of a last row of sums; empty if there is none.
    kind
        ``numbers``, all columns but the first to the right; ``text``, all to the left; ``second``
        or ``last``, that column of words to the left and the others to the right.
    """

    name: str
    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    total: Sequence[str] = ()
    kind: str = "numbers"
