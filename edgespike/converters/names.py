"""Names of nodes, made of what parts of a source are called."""

from __future__ import annotations

import re


def plain_name(path: str) -> str:
    """Return a path as a node's name: letters, digits, ``_``, ``.`` and ``-``."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", path)
    return name if re.match(r"[A-Za-z0-9_]", name) else f"_{name}"


class Names:
    """Names that are given away.

    Parameters
    ----------
    taken
        Names that are not free.
    """

    def __init__(self, *taken: str) -> None:
        self._taken = set(taken)

    def new(self, path: str) -> str:
        """Return a free name made of a path, with a number behind it if that is taken."""
        base = name = plain_name(path)
        count = 1
        while name in self._taken:
            count += 1
            name = f"{base}_{count}"
        self._taken.add(name)
        return name
