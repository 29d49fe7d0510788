"""What this package offers by a name, and what others add through entry points.

An entry point, and what is built in, is written ``module:attribute`` and imported only when it is
asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from edgespike.errors import EdgespikeError

T = TypeVar("T")


class PluginError(EdgespikeError):
    """What another package offers cannot be used."""


def sources(
    what: str, built_in: Mapping[str, str], duplicate: type[EdgespikeError]
) -> dict[str, str]:
    """Return the sources of all that is offered, by name.

    Parameters
    ----------
    what
        What is offered, "target" say: the group of entry points is ``edgespike.targets``.
    built_in
        Sources of this package, by name.
    duplicate
        What is raised where a name is offered twice.
    """
    found = dict(built_in)
    for point in _third_party(f"edgespike.{what}s", tuple(sys.path)):
        if point.name in found:
            raise duplicate(
                f"{what} {point.name!r} is offered by {found[point.name]} and by "
                f"{point.value}; uninstall one of the two"
            )
        found[point.name] = point.value
    return found


def load(source: str, kind: type[T]) -> T:
    """Import what a source names.

    Raises
    ------
    PluginError
        It is another package's, and fails as it is imported or is of another kind.
    """
    module, _, attribute = source.partition(":")
    try:
        loaded = getattr(import_module(module), attribute)
        if not isinstance(loaded, kind):
            raise TypeError(f"it is no {kind.__module__}.{kind.__qualname__}")
    except Exception as error:  # a third party's package may be broken in any way
        if module.partition(".")[0] == __package__:
            raise
        raise PluginError(
            f"{source}, which another package offers, cannot be loaded: "
            f"{type(error).__name__}: {error}; mend or uninstall that package"
        ) from error
    return loaded


# Looking through all that is installed takes as long as dozens of samples; one entry a group.
@lru_cache(maxsize=2)
def _third_party(group: str, path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=group))
