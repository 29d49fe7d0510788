"""What this package offers by name, and what other packages add through entry points.

An entry point, and what is built in, is written ``module:attribute`` and imported only when it is
needed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from edgespike.errors import EdgespikeError

T = TypeVar("T")

OURS = "edgespike"
"""The package that offers what is built in."""


class PluginError(EdgespikeError):
    """What another package offers cannot be used."""


def sources(
    what: str, built_in: Mapping[str, str], duplicate: type[EdgespikeError]
) -> dict[str, str]:
    """Return the sources of everything that is offered, by name.

    Parameters
    ----------
    what
        What is offered, "target" say: the group of entry points is ``edgespike.targets``.
    built_in
        Sources in this package, by name.
    duplicate
        The error to raise if a name is offered twice.
    """
    found = dict(built_in)
    for point in _offered(what):
        if point.name in found:
            raise duplicate(
                f"{what} {point.name!r} is offered by {found[point.name]} and by "
                f"{point.value}; uninstall one of the two"
            )
        found[point.name] = point.value
    return found


def package(what: str, name: str) -> str:
    """Return the package, as pip knows it, that offers something by this name."""
    for point in _offered(what):
        if point.name == name and point.dist is not None:
            return point.dist.name
    return OURS


def load(source: str, kind: type[T]) -> T:
    """Import what a source names.

    Raises
    ------
    PluginError
        The source is in another package, and importing it fails or gives another kind of object.
    """
    module, _, attribute = source.partition(":")
    try:
        loaded = getattr(import_module(module), attribute)
        if not isinstance(loaded, kind):
            raise TypeError(f"it is not of type {kind.__module__}.{kind.__qualname__}")
    except Exception as error:  # a third party's package may be broken in any way
        if module.partition(".")[0] == OURS:
            raise
        raise PluginError(
            f"{source}, which another package offers, cannot be loaded: "
            f"{_described(error)}; fix or uninstall that package"
        ) from error
    return loaded


@contextmanager
def blaming(offered_by: str, what: str) -> Iterator[None]:
    """Turn an unexpected error in another package's code into one that names the package.

    Parameters
    ----------
    offered_by
        The package; errors in ours are left as they are.
    what
        What failed: "converter 'toy'".

    Raises
    ------
    PluginError
        Anything but an error of edgespike or of the memory was raised.
    """
    try:
        yield
    except (EdgespikeError, MemoryError):
        raise
    except Exception as error:
        if offered_by == OURS:
            raise
        raise PluginError(
            f"{what} of package {offered_by} failed: {_described(error)}; "
            "fix or uninstall that package"
        ) from error


def _described(error: Exception) -> str:
    """Return an error's type and text, as far as its own code can say the text."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # another package's error may be broken in any way
        return type(error).__name__


def _offered(what: str) -> tuple[EntryPoint, ...]:
    return _entry_points(f"edgespike.{what}s", tuple(sys.path))


# Searching everything that is installed takes as long as dozens of samples; one entry per group.
@lru_cache(maxsize=2)
def _entry_points(group: str, path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=group))
