"""Tables on a terminal of any width, or none: where it is too narrow, they stay whole."""

from __future__ import annotations

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

LEAST_WIDTH, USUAL_WIDTH = 20, 80
"""A terminal that says it has fewer columns than the least is taken for one that does not know."""


def make_console() -> Console:
    """Give a console for standard output."""
    console = Console(highlight=False)
    if console.width < LEAST_WIDTH:
        console.width = USUAL_WIDTH
    return console


def print_whole(console: Console, table: Table, narrowest: Table | None = None) -> None:
    """Print a table as wide as the console, or, where that would cut it, as wide as it needs.

    Parameters
    ----------
    console
        Where to print. A terminal wraps lines that are wider than it is.
    table
        What to print; a cell may be wrapped between its words.
    narrowest
        The same table with the least text in each cell that must stay on one line; each word of
        ``table`` if not given.
    """
    wide_enough = console.options.update(max_width=2**15)
    needed = Measurement.get(console, wide_enough, narrowest or table).minimum
    needed += 2 * len(table.columns)  # rich measures less space between columns than it leaves
    width = console.width
    console.width = max(width, needed)
    console.print(table)
    console.width = width
