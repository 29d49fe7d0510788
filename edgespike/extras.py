"""Saying how to install what an optional part needs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from edgespike.errors import EnvironmentMissingError


def install_command(extra: str) -> str:
    """Say how to install an extra: from the source folder, for no package index has edgespike."""
    return f"pip install -c constraints.txt -e '.[{extra}]' in edgespike's source folder"


@contextlib.contextmanager
def needs_extra(extra: str, what: str) -> Iterator[None]:
    """Turn a missing package into an error that names the extra that brings it.

    Parameters
    ----------
    extra
        Its name in ``pyproject.toml``.
    what
        What needs it, as the start of a sentence.

    Raises
    ------
    EnvironmentMissingError
        A package that is imported in the block is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise EnvironmentMissingError(
            f"{what} needs the package {error.name!r}; run {install_command(extra)}"
        ) from error
