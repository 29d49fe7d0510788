"""Print tables on a terminal of any width, or without one, and never cut them off."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Literal, NoReturn

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from edgespike.text import USUAL_WIDTH, cells_of, fact_lines, folded, wrapped

LEAST_WIDTH = 20
"""A terminal that reports fewer columns is assumed to have the usual number."""

_UNBROKEN = 2**16
"""Columns of a console that breaks no line."""

_WORD = 9
"""Words of up to this many characters are never split in a table."""

_GAP = 2
"""Terminal columns between the columns of a table."""


class _Console(Console):
    def on_broken_pipe(self) -> NoReturn:
        """Raise, where rich would end the process with exit code 1."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def make_console(wide: bool = False) -> Console:
    """Return a console for standard output.

    It is as wide as the terminal. A pipe and a file get the usual width, so that an answer looks
    alike everywhere; the environment variable ``COLUMNS`` overrides both.

    Parameters
    ----------
    wide
        Break no line, however long.
    """
    console = _Console(highlight=False)
    said = sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit()
    if wide:
        console.width = _UNBROKEN
    elif not said or console.width < LEAST_WIDTH:
        console.width = USUAL_WIDTH
    return console


def print_lines(console: Console, lines: Iterable[str], *, bold: bool = False) -> None:
    """Print lines as they are: a terminal wraps those that are wider than it is."""
    for line in lines:
        console.print(Text(line, style="bold" if bold else ""), soft_wrap=True)


def print_facts(
    console: Console, facts: Iterable[tuple[str, str]], *, most: int | None = None
) -> None:
    """Print named facts; see :func:`edgespike.text.fact_lines`."""
    print_lines(console, fact_lines(facts, console.width, most=most))


def print_aligned_table(
    console: Console,
    columns: Sequence[tuple[str, Literal["left", "right"]]],
    rows: Iterable[Sequence[str]],
    *,
    title: str = "",
    footer: Sequence[str] = (),
) -> None:
    """Print a table that fits the console, or, where that would cut it off, a wider one.

    A terminal wraps lines that are wider than it is, so that nothing is lost.

    Parameters
    ----------
    console
        Where to print.
    columns
        Name and alignment of each. Cells are wrapped between words and after hyphens; in
        right-aligned columns, which hold numbers, words are never split.
    rows, footer
        Plain text of each cell.
    title
        Printed above the table.
    """
    texts = [list(row) for row in rows]
    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
        show_footer=bool(footer),
    )
    lines = [[name for name, _ in columns], *texts, *([footer] if footer else [])]
    cells = list(zip(*lines, strict=True))
    natural = [
        max(cells_of(line) for cell in column for line in cell.split("\n")) for column in cells
    ]
    least = [
        max(_least(cell, side if place else "right") for place, cell in enumerate(column))
        for column, (_, side) in zip(cells, columns, strict=True)
    ]
    widths = _fit(natural, least, console.width - _GAP * len(columns))
    for place, (name, side) in enumerate(columns):
        below = Text(footer[place]) if footer else ""
        table.add_column(Text(name), below, justify=side, overflow="fold", width=widths[place])
    for row in texts:
        table.add_row(*map(_folded, row, widths))
    if title:
        print_lines(console, wrapped(title, console.width))
    needed = sum(widths) + _GAP * len(widths)
    if needed > console.width:
        table.width = needed
    console.print(table, crop=False)


def _folded(cell: str, width: int) -> Text:
    """Break lines between words and after hyphens; rich would break words anywhere."""
    lines = [part for line in cell.split("\n") for part in folded(line, width) or [""]]
    return Text("\n".join(lines))


def _least(cell: str, side: Literal["left", "right"]) -> int:
    longest = max(map(cells_of, cell.split()), default=0)
    return longest if side == "right" else min(longest, _WORD)


def _fit(natural: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Shrink the widest columns that can shrink until all fit, or none can shrink further."""
    widths = list(natural)
    while sum(widths) > room and widths != list(least):
        _, widest = max((width, i) for i, width in enumerate(widths) if width > least[i])
        widths[widest] -= 1
    return widths
