"""Names of classes, and which class is taken for which, as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from edgespike.text import cells_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NAME_WIDTH = 24
"""Columns of a terminal for a class's name in a table; longer ones are cut."""

MOST_CONFUSED = 5
"""How many confusions are named."""

_LIST_WIDTH = 32
"""Columns of a list of names that is printed."""

_MARGIN = 2


def numbered(number: int, names: Sequence[str]) -> str:
    """Return a class's number, followed by its name, if it has one that says more."""
    if not names or names[number] == str(number):
        return str(number)
    return f"{number} {shortened(names[number])}"


def shortened(name: str) -> str:
    """Return a name, cut to `NAME_WIDTH` columns of a terminal."""
    if cells_of(name) <= NAME_WIDTH:
        return name
    while cells_of(name) > NAME_WIDTH - 3:
        name = name[:-1]
    return f"{name}..."


def some_names(names: Sequence[str]) -> str:
    """Return as many names as fit on a line, long ones cut, and how many are left."""
    shown = list(map(shortened, names))
    while len(shown) > 1 and cells_of(", ".join(shown)) > _LIST_WIDTH:
        shown.pop()
    left = len(names) - len(shown)
    return ", ".join(shown) + (f" and {left:,} more" if left else "")


def confusions(matrix: NDArray[np.int64], names: Sequence[str]) -> Iterator[str]:
    """Yield what is confused most often, a line for each pair of classes.

    Parameters
    ----------
    matrix
        As :func:`edgespike.trace.confusion_matrix` returns it.
    names
        Of the classes; empty if they have none.
    """
    from edgespike.trace import most_confused

    pairs = most_confused(matrix, MOST_CONFUSED)
    counts = [f"{matrix[pair]:,}" for pair in pairs]
    width = max(map(len, counts), default=0)
    for (label, taken), count in zip(pairs, counts, strict=True):
        share = matrix[label, taken] / matrix[label].sum()
        yield (
            f"{count:>{width + _MARGIN}} {share:>5.0%}  {numbered(label, names)} -> "
            f"{numbered(taken, names)}"
        )


def matrix_lines(matrix: NDArray[np.int64], names: Sequence[str], width: int) -> Iterator[str]:
    """Yield a confusion matrix as lines of at most ``width`` characters, in blocks of columns.

    A row is a label; its share of right answers stands first, then how often it was given each
    class.
    """
    classes = range(len(matrix))
    rows = [numbered(number, names) for number in classes]
    head = max(len("label"), *map(cells_of, rows))
    cell = max(len(str(int(matrix.max()))), len(str(len(matrix) - 1))) + _MARGIN
    shares = [_share(int(matrix[number, number]), int(matrix[number].sum())) for number in classes]
    share = max(map(len, ["right", *shares])) + _MARGIN
    at_once = max(1, (width - head - share) // cell)
    for start in range(0, len(matrix), at_once):
        shown = classes[start : start + at_once]
        yield f"{'label':{head}}{'right':>{share}}{''.join(f'{n:>{cell}}' for n in shown)}"
        for number in classes:
            cells = "".join(f"{matrix[number, n] or '.':>{cell}}" for n in shown)
            label = rows[number] + " " * (head - cells_of(rows[number]))
            yield f"{label}{shares[number]:>{share}}{cells}"
        if shown[-1] != classes[-1]:
            yield ""


def _share(right: int, samples: int) -> str:
    return f"{right / samples:.1%}" if samples else "-"
