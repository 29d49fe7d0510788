"""Which parameters of a test run where not all of them are needed."""

from __future__ import annotations

from collections.abc import Sequence


def few_of_each(names: Sequence[str], most: int) -> set[str]:
    """Choose tests so that each function has some of its parameters.

    Parameters
    ----------
    names
        Tests as pytest names them: a function, and its parameters in brackets.
    most
        How many of a function to choose, at least 2: the first, the last, and others evenly between
        them.
    """
    functions: dict[str, list[str]] = {}
    for name in names:
        functions.setdefault(name.partition("[")[0], []).append(name)
    chosen: set[str] = set()
    for of_one in functions.values():
        number = min(most, len(of_one))
        apart = (len(of_one) - 1) / max(1, number - 1)
        chosen.update(of_one[round(place * apart)] for place in range(number))
    return chosen
