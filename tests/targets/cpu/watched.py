"""Python commands in which the native engine is another build of it, and its memory is watched.

As a program: ``python -m tests.targets.cpu.watched sanitizers|valgrind ARGUMENTS``, where the
arguments are those of Python, for instance ``-m pytest tests/targets/cpu``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import edgespike.targets.cpu.native
from edgespike.targets.cpu.native.build import CSRC, SOURCES, ffibuilder

ROOT = Path(__file__).parents[3]

PACKAGE = Path(edgespike.targets.cpu.native.__file__).parent

STRICT = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-ffp-contract=off", "-fwrapv"]

SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]

DAMAGE = 99
"""Exit code of a command in which the engine misused memory."""

_FINDER = """\
import sys
from importlib.util import spec_from_file_location

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "edgespike.targets.cpu.native._engine" and {package!r} in path:
            return spec_from_file_location(name, {built!r})

sys.meta_path.insert(0, Finder)
"""
"""Puts another build in the place of the package's own, in this Python and those that it starts."""


def compile_engine(folder: Path, flags: Sequence[str], sources: Sequence[str] = SOURCES) -> Path:
    """Compile an engine into a folder, its C with all warnings as errors; return the file."""
    glue = folder / "glue.c"
    ffibuilder.emit_c_code(str(glue))
    include = [f"-I{CSRC}", f"-I{sysconfig.get_path('include')}"]

    def compiled(source: str) -> str:
        made = str(folder / f"{Path(source).stem}.o")
        strict = [] if source == str(glue) else STRICT  # what cffi writes has warnings
        _gcc(["-c", "-fPIC", "-g", *strict, *flags, *include, source, "-o", made])
        return made

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(compiled, [*sources, str(glue)]))
    built = folder / "_engine.abi3.so"
    _gcc(["-shared", *flags, *objects, "-o", str(built)])
    return built


def with_sanitizers(arguments: Sequence[str], folder: Path, built: Path | None = None) -> int:
    """Run Python, its engine with AddressSanitizer and UBSan; return its code, or `DAMAGE`."""
    built = built or compile_engine(folder, ["-O0", *SANITIZERS])
    environment = _environment(folder, built) | {
        "LD_PRELOAD": library("libasan.so"),
        # Python keeps much until it ends; the engine says itself where there is no memory.
        "ASAN_OPTIONS": f"detect_leaks=0:allocator_may_return_null=1:exitcode={DAMAGE}",
        "UBSAN_OPTIONS": f"print_stacktrace=1:exitcode={DAMAGE}",
    }
    return subprocess.run([sys.executable, *arguments], env=environment, check=False).returncode


def with_valgrind(arguments: Sequence[str], folder: Path, built: Path | None = None) -> int:
    """Run Python in valgrind; print what it finds in the engine and return its code, or `DAMAGE`.

    What Python, numpy and others do is left out, leaks of theirs included.
    """
    built = built or compile_engine(folder, ["-O2"])
    command = ["valgrind", "--quiet", "--xml=yes", f"--xml-file={folder / '%p.xml'}"]
    command += ["--leak-check=full", "--show-leak-kinds=definite", "--num-callers=30"]
    environment = _environment(folder, built)
    run = subprocess.run([*command, sys.executable, *arguments], env=environment, check=False)
    found = [each for log in folder.glob("*.xml") for each in _in_engine(log)]
    print(*found, sep="\n", end="\n" if found else "")
    return DAMAGE if found else run.returncode


def library(name: str) -> str:
    """Return the path of a library of gcc's, or an empty text if it has none of this name."""
    if shutil.which("gcc") is None:
        return ""
    found = Path(_gcc([f"-print-file-name={name}"]).strip())
    return str(found) if found.is_absolute() else ""


def _environment(folder: Path, built: Path) -> dict[str, str]:
    finder = _FINDER.format(package=str(PACKAGE), built=str(built))
    (folder / "sitecustomize.py").write_text(finder)
    path = os.pathsep.join([str(folder), str(ROOT)])
    # Each array in a block of its own, with its own end.
    return {**os.environ, "PYTHONPATH": path, "PYTHONMALLOC": "malloc", "OMP_NUM_THREADS": "1"}


def _gcc(arguments: Sequence[str]) -> str:
    run = subprocess.run(["gcc", *arguments], capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(f"gcc {' '.join(arguments)}:\n{run.stderr}")
    return run.stdout


def _in_engine(log: Path) -> list[str]:
    """Return what a log of valgrind's says of our sources: kind, and where."""
    ours = {path.name for path in CSRC.iterdir()}
    found = []
    for error in ElementTree.parse(log).iter("error"):
        places = [
            f"{frame.findtext('fn')} ({frame.findtext('file')}:{frame.findtext('line')})"
            for frame in error.iter("frame")
            if frame.findtext("file") in ours
        ]
        if places:
            what = error.findtext("what") or error.findtext("xwhat/text")
            found.append(f"{what}: {' from '.join(places)}")
    return found


def main() -> int:
    """Run what the command line says."""
    ways: dict[str, Callable[[Sequence[str], Path], int]]
    ways = {"sanitizers": with_sanitizers, "valgrind": with_valgrind}
    with tempfile.TemporaryDirectory() as folder:
        return ways[sys.argv[1]](sys.argv[2:], Path(folder))


if __name__ == "__main__":
    sys.exit(main())
