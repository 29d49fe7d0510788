"""Compile a network for this computer."""

from __future__ import annotations

import ctypes
import os
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from importlib.util import find_spec
from os import environ
from pathlib import Path

from edgespike.errors import EnvironmentMissingError, TargetRunError
from edgespike.extras import install_command

MOST_SECONDS = 600
"""How long a compiler may take: gcc 12 took 21 s of a core, and 1.1 GB, for ten million weights."""

ZIG = [sys.executable, "-m", "ziglang", "cc"]
"""The compiler of the package ziglang, which needs nothing of the system."""

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
        return ZIG
    raise EnvironmentMissingError(
        "the c target needs a C compiler to run a network here; install gcc or clang, or run "
        f"{install_command('c')}, or set CC to one that is not on the path"
    )


def compile_library(source: Path, library: Path, *options: str) -> None:
    """Compile a C file into a shared library; what the compiler leaves on its way is beside it.

    Raises
    ------
    EnvironmentMissingError
        There is no compiler.
    TargetRunError
        It failed, or took longer than :data:`MOST_SECONDS`.
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
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**environ, "TMPDIR": str(library.parent)},
        start_new_session=True,
    ) as process:
        try:
            _, errors = process.communicate(timeout=MOST_SECONDS)
        except subprocess.TimeoutExpired:
            _end(process)
            size = source.stat().st_size
            raise TargetRunError(
                f"{shlex.join(command)} did not end within {MOST_SECONDS} s on {size} bytes of C; "
                "run the graph on the target cpu, which computes the same, or set CC to a faster "
                "compiler"
            ) from None
        except BaseException:
            _end(process)
            raise
    if process.returncode:
        text = errors.decode(errors="replace")
        raise TargetRunError(f"{shlex.join(command)} failed:\n{text[-4000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a compiler and what it has started."""
    if sys.platform == "win32":
        process.kill()
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def load(library: Path) -> ctypes.CDLL:
    """Load a shared library."""
    return ctypes.CDLL(str(library))
