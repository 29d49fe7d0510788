"""Errors that say how to install what an optional feature needs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from edgespike.errors import EnvironmentMissingError


def install_command(extra: str) -> str:
    """Return the command that installs an extra, from source: no package index has edgespike."""
    return f"pip install -c constraints.txt -e '.[{extra}]' in edgespike's source folder"


@contextlib.contextmanager
def needs_extra(extra: str, what: str) -> Iterator[None]:
    """Turn the import error of a missing package into one that names the extra to install.

    Parameters
    ----------
    extra
        Name of the extra in ``pyproject.toml``.
    what
        What needs it, as the start of a sentence.

    Raises
    ------
    EnvironmentMissingError
        A package imported in the block is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise EnvironmentMissingError(
            f"{what} needs the package {error.name!r}; run {install_command(extra)}"
        ) from error
