"""Writing for people and machines: answers on standard output, all else on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    cells = [[_cell(value) for value in row] for row in rows]
    for place, column in enumerate(columns):
        is_number = column.endswith(" ")
        table.add_column(
            column.strip(),
            justify="right" if is_number else "left",
            overflow="fold",
            # Long text may be folded on a narrow terminal, a number or a word must not be.
            min_width=min(
                max((len(row[place]) for row in cells), default=0), 20 if is_number else _WORD
            ),
        )
    for row in cells:
        table.add_row(*map(escape, row))
    Console(highlight=False).print(table)


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
