"""What is wrong with data of one's own, listed at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edgespike.errors import InputError, ViolationsError, named

EXAMPLES = 5
"""How many places of one fault are named."""

LISTED = 20
"""How many faults are listed; a folder of something else would have thousands."""


class DataError(ViolationsError, InputError):
    """Data of one's own, or how it is to be read, is not valid; all violations are listed."""


def refuse(what: object, violations: Iterable[str]) -> None:
    """Raise an error if there are violations; it lists the first `LISTED`.

    Raises
    ------
    DataError
        There is at least one.
    """
    found = list(violations)
    more = len(found) - LISTED
    if more > 0:
        found[LISTED:] = [f"and {more:,} more"]
    if found:
        raise DataError(f"{what} cannot be used as data", found)


def examples(names: Sequence[object]) -> str:
    """Return the first names, and how many there are if that is more."""
    listed = ", ".join(named(str(name)) for name in names[:EXAMPLES])
    more = len(names) - EXAMPLES
    return f"{listed} and {more:,} more" if more > 0 else listed
