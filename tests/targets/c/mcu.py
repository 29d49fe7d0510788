"""Run a bundle's check on an emulated core, and read what it prints and what the compiler says."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from edgespike.targets.c.bundle.cores import CORES, Core
from edgespike.targets.c.bundle.measure import deepest

_SAMPLE = re.compile(r"^sample \d+: (\d+) instructions$", re.MULTILINE)
_END = re.compile(
    r"^(ok|wrong): (\d+) of (\d+) samples are exactly as expected; "
    r"the network takes (\d+) bytes of memory$",
    re.MULTILINE,
)
_TIMEOUT_S = 1800


@dataclass(frozen=True)
class OnCore:
    """A run of a bundle's check on a core.

    Parameters
    ----------
    core
        Name of the core.
    samples, exact
        How many samples there are, and how many answers were the expected ones.
    instructions
        Of each sample.
    flash, ram, stack
        Bytes: code and constants, the network's structure, and the most that a sample needs
        besides.
    """

    core: str
    samples: int
    exact: int
    instructions: list[int]
    flash: int
    ram: int
    stack: int

    @property
    def mean(self) -> float:
        """Instructions of a sample, on average."""
        return sum(self.instructions) / len(self.instructions)


def missing(core: Core) -> str | None:
    """Return what a run on a core needs and is not installed; ``None`` if all is there."""
    needed = ["make", core.compiler, f"{core.tools}size", core.emulator.split()[0]]
    absent = [name for name in needed if shutil.which(name) is None]
    return f"{core.processor} needs {' and '.join(absent)}" if absent else None


def installed() -> list[Core]:
    """Return the cores that bundles can run on here."""
    return [core for core in CORES if missing(core) is None]


def exact_here(folder: Path) -> tuple[int, int]:
    """Run a bundle's check on this computer; return how many answers are exact, and of how many."""
    _, end = _made(folder, "check", "CFLAGS=-O2 -Werror")
    return int(end[2]), int(end[3])


def _made(folder: Path, *arguments: str) -> tuple[str, re.Match[str]]:
    """Let make build a bundle's check and run it; return what it prints, and its last line."""
    done = subprocess.run(
        ["make", "-s", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=_TIMEOUT_S,
    )
    end = _END.search(done.stdout)
    if end is None or (done.returncode == 0) != (end[1] == "ok"):
        raise AssertionError(f"{arguments[0]}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout, end


def run_on_core(folder: Path, prefix: str, core: Core) -> OnCore:
    """Build a bundle's check for a core, run it under QEMU and return what it found."""
    warnings = "-O2 -Werror -fcallgraph-info=su"
    printed, end = _made(folder, f"run-{core.name}", f"CROSS_CFLAGS={warnings}")
    built = folder / "build" / core.name
    sizes = subprocess.run(
        [f"{core.tools}size", built / f"{prefix}.o"], capture_output=True, text=True, check=True
    )
    text, data, bss = map(int, sizes.stdout.splitlines()[1].split()[:3])
    return OnCore(
        core=core.name,
        samples=int(end[3]),
        exact=int(end[2]),
        instructions=[int(number) for number in _SAMPLE.findall(printed)],
        flash=text + data,
        ram=int(end[4]) + bss,
        stack=deepest((built / f"{prefix}.ci").read_text(), f"{prefix}_run"),
    )
