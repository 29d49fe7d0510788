"""Writing for people and machines: answers on standard output, all else on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from rich.table import Table

    from edgespike.batches import ReportProgress


def print_json(value: Any) -> None:
    """Print an answer for machines."""
    print(json.dumps(value, indent=2, allow_nan=False), flush=True)


def say(text: str) -> None:
    """Tell people something that is not the answer."""
    print(text, file=sys.stderr, flush=True)


_WORD = 9
"""Text of up to this many characters is not folded in a table."""


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table for people; columns whose name ends in a space are aligned to the right."""
    from edgespike.console import make_console, print_whole

    cells = [[_cell(value) for value in row] for row in rows]
    numbers = [column.endswith(" ") for column in columns]
    # Long text may be folded on a narrow terminal, a number or a word must not be.
    shortest = [
        [
            text if is_number and " " not in text else text[:_WORD]
            for text, is_number in zip(row, numbers, strict=True)
        ]
        for row in cells
    ]
    least = [
        max(map(len, (*column.split(), *(row[place] for row in shortest))))
        for place, column in enumerate(columns)
    ]
    print_whole(
        make_console(), *(_table(columns, numbers, least, texts) for texts in (cells, shortest))
    )


def _table(
    columns: Sequence[str],
    numbers: Sequence[bool],
    least: Sequence[int],
    cells: Sequence[Sequence[str]],
) -> Table:
    """Lay out a table whose columns are at least so many characters wide."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for column, is_number, width in zip(columns, numbers, least, strict=True):
        justify: Literal["left", "right"] = "right" if is_number else "left"
        table.add_column(column.strip(), justify=justify, overflow="fold", min_width=width)
    for row in cells:
        table.add_row(*map(escape, row))
    return table


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


@contextmanager
def progress() -> Iterator[ReportProgress]:
    """Show progress on standard error while the block runs, if that is a terminal."""
    from edgespike.batches import no_report

    if not sys.stderr.isatty():
        yield no_report
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks = {}

        def show(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=total)
            bar.update(tasks[name], completed=done)

        yield show
