"""The memory that a network takes on a core, as its compiler says."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from edgespike.errors import EnvironmentMissingError, TargetRunError
from edgespike.targets.c.bundle.cores import Core

OPTIMISATION = "-O2"

_RULES = ("-std=c99", "-ffreestanding", "-ffunction-sections", "-fdata-sections")
_TIMEOUT_S = 600

_NODE = re.compile(r'node: \{ title: "([^"]*)" label: "([^"]*)"')
_EDGE = re.compile(r'edge: \{ sourcename: "([^"]*)" targetname: "([^"]*)"')
_BYTES = re.compile(r"(\d+) bytes \(")


@dataclass(frozen=True)
class Memory:
    """What a network takes, in bytes.

    Parameters
    ----------
    core
        Name of the processor.
    compiler
        Name and version of the compiler, and its options.
    flash
        Code and constants.
    ram
        The structure that the caller owns.
    stack
        Most that a sample needs besides.
    """

    core: str
    compiler: str
    flash: int
    ram: int
    stack: int


def measured(source: Path, prefix: str, core: Core, string_h: str) -> Memory:
    """Compile a network for a core and return the memory that it takes.

    Parameters
    ----------
    source
        The folder with its source and its header.
    prefix
        What their names begin with.
    core
        The core.
    string_h
        The text of ``string.h``, since the compiler may come without a C library.

    Raises
    ------
    EnvironmentMissingError
        Its compiler is not installed.
    TargetRunError
        The compiler failed, or cannot tell.
    """
    if shutil.which(core.compiler) is None:
        raise EnvironmentMissingError(f"{core.compiler} is not installed")
    options = [OPTIMISATION, *core.options.split()]
    with TemporaryDirectory() as name:
        place = Path(name)
        (place / "string.h").write_text(string_h)
        (place / "size.c").write_text(f'#include "{prefix}.h"\n{prefix}_net net;\n')
        common = [core.compiler, *options, *_RULES, "-isystem", name, "-I", str(source), "-c"]
        network, size = place / "network.o", place / "size.o"
        _run(*common, "-fcallgraph-info=su", str(source / f"{prefix}.c"), "-o", str(network))
        _run(*common, str(place / "size.c"), "-o", str(size))
        text, data, bss = _sizes(core, network)
        return Memory(
            core.processor,
            f"{_version(core.compiler)}, {' '.join(options)}",
            text + data,
            sum(_sizes(core, size)) + bss,
            deepest((place / "network.ci").read_text(), f"{prefix}_run"),
        )


def deepest(calls: str, function: str) -> int:
    """Return the most bytes of stack that a function takes, with all that it calls.

    Parameters
    ----------
    calls
        What GCC writes with ``-fcallgraph-info=su``.
    function
        Its name.
    """
    own = {
        title: int(found[1]) if (found := _BYTES.search(label)) else 0
        for title, label in _NODE.findall(calls)
    }
    called: dict[str, list[str]] = {}
    for source, target in _EDGE.findall(calls):
        called.setdefault(source, []).append(target)

    @cache
    def depth(title: str) -> int:
        return own.get(title, 0) + max(map(depth, called.get(title, [])), default=0)

    if function not in own:
        raise TargetRunError(f"the compiler does not say how much stack {function} takes")
    return depth(function)


@cache
def _version(compiler: str) -> str:
    return _run(compiler, "--version").splitlines()[0]


def _sizes(core: Core, file: Path) -> tuple[int, int, int]:
    """Return the bytes of code and constants, of initialised and of zeroed variables."""
    numbers = _run(f"{core.tools}size", str(file)).splitlines()[1].split()
    return int(numbers[0]), int(numbers[1]), int(numbers[2])


def _run(*command: str) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TargetRunError(f"{command[0]} cannot be run: {error}") from error
    if done.returncode:
        raise TargetRunError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return done.stdout
