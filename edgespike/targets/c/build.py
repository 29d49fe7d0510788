"""Compile a network for this computer."""

from __future__ import annotations

import ctypes
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from os import environ
from pathlib import Path

from edgespike.errors import EnvironmentMissingError, TargetRunError

WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic")


def compiler() -> list[str]:
    """Return the command of a C compiler: ``CC``, the system's, or that of the package ziglang.

    Raises
    ------
    EnvironmentMissingError
        There is none.
    """
    if given := environ.get("CC"):
        command = shlex.split(given)
        if command and shutil.which(command[0]):
            return command
        raise EnvironmentMissingError(f"CC is {given!r}, which cannot be run; name a C compiler")
    for name in ("cc", "gcc", "clang"):
        if path := shutil.which(name):
            return [path]
    if find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "cc"]
    raise EnvironmentMissingError(
        "the c target needs a C compiler to run a network here: install one (gcc or clang), or "
        "pip install ziglang, or set CC"
    )


def compile_library(source: Path, library: Path, *options: str) -> None:
    """Compile a C file into a shared library.

    Raises
    ------
    EnvironmentMissingError
        There is no compiler.
    TargetRunError
        It failed.
    """
    command = [
        *compiler(),
        *WARNINGS,
        "-O1",
        "-fPIC",
        "-shared",
        *options,
        str(source),
        "-o",
        str(library),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise TargetRunError(f"{shlex.join(command)} failed:\n{done.stderr[-4000:]}")


def load(library: Path) -> ctypes.CDLL:
    """Load a shared library."""
    return ctypes.CDLL(str(library))
