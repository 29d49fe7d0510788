"""Lay out plain text: long names, lists, sentences, facts and tables in a given width."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

USUAL_WIDTH = 80
"""Columns of a terminal that does not say how many it has, and of a pipe or a file."""

FIXED = "\N{NO-BREAK SPACE}"
"""A space at which no line is broken; it is printed as a usual one."""

_GAP = 2
"""Characters between the columns of a table."""


def shortened(text: str, most: int = 24) -> str:
    """Return a text without its middle where it has more than ``most`` characters, 5 or more."""
    if len(text) <= most:
        return text
    end = (most - 3) // 2
    return f"{text[: most - 3 - end]}...{text[len(text) - end :]}"


def listed(names: Sequence[str], most: int = 3) -> str:
    """Return names separated by commas: the first ``most`` of them, and how many there are more."""
    first = ", ".join(shortened(name) for name in names[:most])
    return first if len(names) <= most else f"{first} and {len(names) - most:,} more"


def number_of(count: int, noun: str) -> str:
    """Return a number of things in words, ``1 sample``, ``2,000 samples``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def wrapped(
    text: str, width: int, indent: int = 0, *, hanging: int = 0, most: int | None = None
) -> list[str]:
    """Break a text into lines between words; a longer word is not broken.

    Parameters
    ----------
    text
        The text; an empty one gives no line.
    width
        Most characters of a line.
    indent, hanging
        Spaces before each line, and before all but the first in addition.
    most
        Most lines; what does not fit ends in ``...``.
    """
    lines = _wrapped(text, width, indent, hanging=hanging, most=most)
    return [line.replace(FIXED, " ") for line in lines]


def _wrapped(
    text: str, width: int, indent: int = 0, *, hanging: int = 0, most: int | None = None
) -> list[str]:
    return textwrap.wrap(
        text,
        max(width, indent + hanging + 1),
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + hanging),
        break_long_words=False,
        break_on_hyphens=False,
        max_lines=most,
        placeholder=" ...",
    )


def fact_lines(
    facts: Iterable[tuple[str, str]], width: int | None = USUAL_WIDTH, *, most: int | None = None
) -> list[str]:
    """Return the lines of named facts, all beginning in the same column.

    Parameters
    ----------
    facts
        Name and text of each. A fact without a text is left out.
    width
        Most characters of a line; ``None`` for one line a fact, however long.
    most
        Most lines of a fact at the usual width: a longer fact is cut, in any width. ``None`` for
        all.
    """
    kept = [(name, text) for name, text in facts if text]
    column = max((len(name) for name, _ in kept), default=0) + _GAP
    lines = []
    for name, text in kept:
        whole = " ".join(_wrapped(text, USUAL_WIDTH - column, most=most))
        broken = [whole.replace(FIXED, " ")] if width is None else wrapped(whole, width - column)
        lines += [
            f"{label:{column}}{line}".rstrip()
            for label, line in zip([name, *[""] * len(broken)], broken, strict=False)
        ]
    return lines


def aligned(rows: Sequence[Sequence[str]], right: Iterable[int] = ()) -> list[str]:
    """Return the lines of a table; columns of the places ``right`` are aligned to the right.

    The last column may be long: nothing is broken.
    """
    places = set(right)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        (" " * _GAP)
        .join(
            cell.rjust(width) if place in places else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        .rstrip()
        for row in rows
    ]
