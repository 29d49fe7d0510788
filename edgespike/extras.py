"""Errors that say how to install what an optional feature needs."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module, metadata
from pathlib import Path

from edgespike.errors import EnvironmentMissingError


def install_command(extra: str) -> str:
    """Return the command that installs an extra.

    No package index has edgespike: from source, the command names the source folder, else the
    packages that the extra needs.
    """
    if (Path(__file__).parent.parent / "constraints.txt").is_file():
        return f"pip install -c constraints.txt -e '.[{extra}]' in edgespike's source folder"
    packages = " ".join(f"'{each}'" for each in _packages(extra))
    return f"pip install {packages}"


def _packages(extra: str) -> list[str]:
    """Return what an extra of the installed edgespike needs, as its metadata says."""
    lines = (line.partition(";") for line in metadata.requires("edgespike") or ())
    marked = re.compile(rf"""\bextra\s*==\s*["']{re.escape(extra)}["']""")
    return [package.strip() for package, _, marker in lines if marked.search(marker)]


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


def import_late(package: str, homes: Mapping[str, str], name: str) -> object:
    """Import a name of a package when it is first used: what its ``__getattr__`` returns (PEP 562).

    Parameters
    ----------
    package
        The package's ``__name__``. What it offers needs the extra ``train``.
    homes
        For each name that the package offers, the module that defines it.
    name
        The name that is used.

    Raises
    ------
    AttributeError
        The package does not offer the name.
    EnvironmentMissingError
        A package that the module imports is not installed.
    """
    if name not in homes:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    with needs_extra("train", f"{package}.{name}"):
        value: object = getattr(import_module(homes[name]), name)
    setattr(sys.modules[package], name, value)  # the next use finds it at once
    return value
