"""Saying how to install what an optional part needs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from edgespike.errors import EnvironmentMissingError


@contextlib.contextmanager
def needs_extra(extra: str, what: str) -> Iterator[None]:
    """Turn a missing package into an error that names the extra that brings it.

    Parameters
    ----------
    extra
        As in ``pip install edgespike[extra]``.
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
            f"{what} needs the package {error.name!r}; install it with "
            f"pip install 'edgespike[{extra}]', in its source folder "
            f"pip install -c constraints.txt '.[{extra}]'"
        ) from error
