"""Lay out plain text: long names, lists, sentences, facts and tables in a given width."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from unicodedata import east_asian_width

USUAL_WIDTH = 80
"""Columns of a terminal that does not say how many it has, and of a pipe or a file."""

FIXED = "\N{NO-BREAK SPACE}"
"""A space at which no line is broken; it is printed as a usual one."""

_GAP = 2
"""Characters between the columns of a table."""


_FILLER = "\N{OBJECT REPLACEMENT CHARACTER}"
"""Stands behind a letter that is two columns wide while lines are broken."""


def cells_of(text: str) -> int:
    """Return how many columns of a terminal a text takes; some letters are two wide."""
    return len(text) if text.isascii() else len(_filled(text))


def _filled(text: str) -> str:
    """Return a text with as many characters as it takes columns."""
    return "".join(
        letter + _FILLER if east_asian_width(letter) in "WF" else letter for letter in text
    )


def shortened(text: str, most: int = 24) -> str:
    """Return a text without its middle where it has more than ``most`` columns, 5 or more."""
    if cells_of(text) <= most:
        return text
    end = (most - 3) // 2
    last = _beginning(text[::-1], end)[::-1]
    return f"{_beginning(text, most - 3 - end)}...{last}"


def _beginning(text: str, most: int) -> str:
    """Return as much of a text as fits into ``most`` columns."""
    text = text[:most]
    while cells_of(text) > most:
        text = text[:-1]
    return text


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
    lines = textwrap.wrap(
        text if text.isascii() else _filled(text),
        max(width, indent + hanging + 1),
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + hanging),
        break_long_words=False,
        break_on_hyphens=False,
        max_lines=most,
        placeholder=" ...",
    )
    return [line.replace(_FILLER, "") for line in lines]


def folded(text: str, width: int) -> list[str]:
    """Break a text into lines of at most ``width`` columns: after hyphens and within words too."""
    lines = textwrap.wrap(_filled(text), width)
    return [line.replace(_FILLER, "") for line in lines]


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
    widths = [max(map(cells_of, column)) for column in zip(*rows, strict=True)]
    return [
        (" " * _GAP)
        .join(
            _padded(cell, width, right=place in places)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        .rstrip()
        for row in rows
    ]


def _padded(text: str, width: int, *, right: bool) -> str:
    spaces = " " * (width - cells_of(text))
    return spaces + text if right else text + spaces
