"""Give damaged and forged files to the commands that read them.

Every command must end with exit code 0 or 2 (a runner of a bundle with 0 or 1), within a time and
a memory limit. Each input runs in a process of its own, a fork of this one. What fails is kept.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import random
import resource
import runpy
import shutil
import signal
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path

from edgespike.cli.app import app
from edgespike.errors import EdgespikeError
from tests.fuzzing.readers import Kind, Reader, draw_case, kinds

MEMORY_LIMIT = 2 * 10**9
TIME_LIMIT_S = 60

IMPORTED = "Modules that were imported:"


def main() -> int:
    """Run the inputs, and print a table: kind, inputs, exit codes, largest memory."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing", description=__doc__)
    parser.add_argument("--inputs", type=int, default=20_000, help="how many, over all kinds")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--kinds", nargs="*", help="only these kinds of files")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures"))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    failures = 0
    with tempfile.TemporaryDirectory() as name:
        chosen = {
            kind: found
            for kind, found in kinds(Path(name)).items()
            if not options.kinds or kind in options.kinds
        }
        _load_commands(chosen)
        for kind, found in chosen.items():
            draw = random.Random(f"{options.seed} {kind}")
            failures += _run_kind(kind, found, options.inputs // len(chosen), draw, options.keep)
    return 1 if failures else 0


def _load_commands(chosen: dict[str, Kind]) -> None:
    """Read every original once, and import what was imported then, so that forks need not."""
    for kind in chosen.values():
        for original in kind.originals:
            for reader in kind.readers:
                code, _, output = _fork_and_read(original, original.read_bytes(), reader)
                if code not in (0, 2):
                    sys.exit(f"the intact {original} ends with {code}:\n{output}")
                for name in output.rpartition(IMPORTED)[2].split():
                    with contextlib.suppress(ImportError):
                        importlib.import_module(name)


def _run_kind(name: str, kind: Kind, inputs: int, draw: random.Random, keep: Path) -> int:
    codes: Counter[int] = Counter()
    peak = failures = 0
    for number in range(inputs):
        original, content, reader = draw_case(kind, draw)
        code, memory, output = _fork_and_read(original, content, reader)
        codes[code] += 1
        peak = max(peak, memory)
        if code not in kind.exits or memory > MEMORY_LIMIT:
            failures += 1
            place = keep / f"{name}-{number}-{original.name}"
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(content)
            place.with_suffix(".txt").write_text(
                f"exit {code}, {memory:,} bytes\n{output.rpartition(IMPORTED)[0] or output}"
            )
        if sys.stderr.isatty() or (number + 1) % 500 == 0:
            print(f"{name}: {number + 1} of {inputs}, {failures} failed", file=sys.stderr)
    found = ", ".join(f"{code}: {count}" for code, count in sorted(codes.items()))
    print(f"{name:22} {inputs:6} inputs; exit codes {found}; peak {peak / 1e9:.2f} GB", flush=True)
    return failures


def _fork_and_read(original: Path, content: bytes, reader: Reader) -> tuple[int, int, str]:
    """Return the exit code (128 + N after signal N), the peak memory in bytes, and the output."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "folder")
        shutil.copytree(original.parent, folder)
        path = folder / original.name
        path.write_bytes(content)
        log = Path(name, "log")
        sys.stdout.flush()
        process = os.fork()
        if process == 0:
            code = _read(path, reader, log)
            print(IMPORTED, *sys.modules)
            sys.stdout.flush()
            os._exit(code)
        _, status, usage = os.wait4(process, 0)
        code = os.waitstatus_to_exitcode(status)
        output = log.read_text(errors="replace") if log.exists() else ""
        return (128 - code if code < 0 else code), usage.ru_maxrss * 1024, output


def _read(path: Path, reader: Reader, log: Path) -> int:
    signal.alarm(TIME_LIMIT_S)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    target = os.open(log, os.O_WRONLY | os.O_CREAT)
    os.dup2(target, 1)
    os.dup2(target, 2)
    try:
        line = reader(path)
        if line and line[0] == "run.py":
            sys.argv = line[1:]
            sys.path.insert(0, str(Path(line[1]).parent))  # as Python does for a script
            runpy.run_path(line[1], run_name="__main__")
        elif line:
            app(line, prog_name="edgespike")
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
            return 1
        return int(end.code or 0)
    except EdgespikeError:
        return 2
    except BaseException:
        traceback.print_exc()
        return 70
    return 0


if __name__ == "__main__":
    sys.exit(main())
