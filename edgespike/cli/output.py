"""Output for people and machines: answers on standard output, all else on standard error."""

from __future__ import annotations

import json
import math
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgespike.batches import ReportProgress


MOST_LINES = 25
"""Lines that an answer takes at most at 80 columns, unless more is asked for."""


def print_json(value: Any) -> None:
    """Print an answer as JSON; infinity and NaN, which JSON does not have, become null."""
    print(json.dumps(_finite(value), indent=2, allow_nan=False), flush=True)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def say(text: str) -> None:
    """Print a message for people that is not the answer to standard error."""
    print(text, file=sys.stderr, flush=True)


def print_sentence(text: str, indent: int = 0) -> None:
    """Print a sentence of an answer, broken between words as wide as a table is."""
    from edgespike.console import make_console, print_lines
    from edgespike.text import wrapped

    console = make_console()
    print_lines(console, wrapped(text, console.width, indent, hanging=2))


SLOW_S = 2.0
"""Seconds after which a command that has printed nothing says what it is doing."""


@contextmanager
def say_if_slow(text: str) -> Iterator[None]:
    """Print a message if the block takes longer than :data:`SLOW_S`."""
    timer = threading.Timer(SLOW_S, say, [text])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table for people; columns whose name ends in a space are aligned to the right."""
    from edgespike.console import make_console, print_aligned_table

    print_aligned_table(
        make_console(),
        [(name.strip(), "right" if name.endswith(" ") else "left") for name in columns],
        [[_cell(value) for value in row] for row in rows],
    )


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


@contextmanager
def progress() -> Iterator[ReportProgress]:
    """Show progress on standard error while the block runs, if it is a terminal."""
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
