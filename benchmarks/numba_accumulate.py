"""Measure numba against C where an event-driven engine spends its time: adding rows of weights.

    pip install -c constraints.txt -e ".[bench]" numba
    python benchmarks/numba_accumulate.py

Both add the int8 rows of lists of events to 16-bit sums. C keeps 128 sums in registers and is
compiled by ``cc``; numba compiles the plain loops, and the same loops with blocks of 128 sums. The
other figures are what users wait for: to import numba, to compile, and to load what it compiled
before; and the size of what is installed. edgespike's native engine stands beside them where it is
built.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from alternation import make_parser, measure, show
from numpy.typing import NDArray

SOURCE = Path(__file__).with_suffix(".c")
INPUTS, OUTPUTS = 784, 256
SAMPLES, EVENTS = 512, 78
CALLS = 8
STARTS = 5
BLOCK = 128

START = """
import time
from numba_accumulate import compiled, operands
arrays = operands()
begin = time.perf_counter()
import numba
imported = time.perf_counter()
compiled()[0](*arrays)
print(imported - begin, time.perf_counter() - imported)
"""
"""What a process does that uses numba's kernel once."""

ENGINE = "edgespike.targets.cpu.native._engine"
LOAD = f"""
import time
import edgespike.targets.cpu.native
begin = time.perf_counter()
import {ENGINE}
print(time.perf_counter() - begin)
"""
"""What a process does that loads the native engine."""


def main() -> None:
    arguments = make_parser(__doc__).parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    plain, blocked = compiled()
    kernels = {"C": in_c(), "numba": plain, "numba, blocks of sums": blocked}
    weights, events, sums = operands()
    expected = weights[events].sum(1, dtype=np.int16)
    seconds, answers = measure(
        {name: partial(_repeat, kernel, weights, events, sums) for name, kernel in kernels.items()},
        arguments.repetitions,
    )
    for name, answer in answers.items():
        if not np.array_equal(answer, expected):
            raise SystemExit(f"{name}: wrong sums")
    operations = CALLS * SAMPLES * EVENTS * OUTPUTS
    engine = find_spec(ENGINE)
    sizes = {name: _megabytes(name) for name in ("numba", "llvmlite")}
    if engine and engine.origin:
        sizes["native engine"] = Path(engine.origin).stat().st_size / 1e6
    result = {
        "operations a nanosecond": {
            name: operations / statistics.median(times) / 1e9 for name, times in seconds.items()
        },
        "seconds to start": _starts(with_engine=engine is not None),
        "installed megabytes": sizes,
    }
    show(result, arguments.json, _print)


def operands() -> tuple[NDArray[np.int8], NDArray[np.int32], NDArray[np.int16]]:
    """Return weights, the rows of each sample's events, and room for the sums."""
    rng = np.random.default_rng(0)
    weights = rng.integers(-127, 128, (INPUTS, OUTPUTS)).astype(np.int8)
    drawn = rng.random((SAMPLES, INPUTS)).argpartition(EVENTS)[:, :EVENTS]
    events = np.sort(drawn).astype(np.int32)
    return weights, events, np.zeros((SAMPLES, OUTPUTS), np.int16)


def in_c() -> Callable[..., None]:
    """Compile the C kernel and return it as a function of the same arrays."""
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "accumulate.so"
        flags = ["-O3", "-march=native", "-shared", "-fPIC"]
        subprocess.run(["cc", *flags, str(SOURCE), "-o", str(library)], check=True)
        code = ctypes.CDLL(str(library))

    def run(weights: Any, events: Any, sums: Any) -> None:
        code.accumulate(
            ctypes.c_void_p(weights.ctypes.data),
            ctypes.c_long(weights.shape[1]),
            ctypes.c_void_p(events.ctypes.data),
            *map(ctypes.c_long, events.shape),
            ctypes.c_void_p(sums.ctypes.data),
        )

    return run


def compiled() -> tuple[Callable[..., None], Callable[..., None]]:
    """Return numba's kernels: plain loops, and blocks of sums that may stay in registers."""
    import numba

    return numba.njit(cache=True)(_plain), numba.njit(cache=True)(_blocked)


def _plain(weights: Any, events: Any, sums: Any) -> None:
    for sample in range(len(events)):
        sums[sample] = 0
        for event in events[sample]:
            for column in range(weights.shape[1]):
                sums[sample, column] += weights[event, column]


def _blocked(weights: Any, events: Any, sums: Any) -> None:
    block = np.zeros(BLOCK, np.int16)
    for sample in range(len(events)):
        for start in range(0, weights.shape[1], BLOCK):
            block[:] = 0
            for event in events[sample]:
                for column in range(BLOCK):
                    block[column] += weights[event, start + column]
            sums[sample, start : start + BLOCK] = block


def _repeat(
    kernel: Callable[..., None],
    weights: NDArray[np.int8],
    events: NDArray[np.int32],
    sums: NDArray[np.int16],
) -> NDArray[np.int16]:
    for _ in range(CALLS):
        kernel(weights, events, sums)
    return sums.copy()


def _starts(with_engine: bool) -> dict[str, float]:
    """Run new processes; of those with numba, the first has no cache of what was compiled."""
    with tempfile.TemporaryDirectory() as cache:
        runs = [_printed(START, NUMBA_CACHE_DIR=cache) for _ in range(STARTS)]
    found = {
        "import numba": statistics.median(imported for imported, _ in runs),
        "compile": runs[0][1],
        "load from the cache": statistics.median(loaded for _, loaded in runs[1:]),
    }
    if with_engine:
        loads = [_printed(LOAD)[0] for _ in range(STARTS)]
        found["load the native engine"] = statistics.median(loads)
    return found


def _printed(code: str, **variables: str) -> list[float]:
    """Run a program in a process of its own and return the numbers that it prints."""
    path = os.pathsep.join([str(SOURCE.parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, **variables, "PYTHONPATH": path}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return [float(word) for word in done.stdout.split()]


def _megabytes(package: str) -> float:
    files = importlib.metadata.files(package) or []
    places = [Path(str(each.locate())) for each in files]
    return sum(place.stat().st_size for place in places if place.exists()) / 1e6


def _print(result: dict[str, Any]) -> None:
    for title, figures in result.items():
        for name, value in figures.items():
            print(f"{title}, {name}: {value:.3g}")


if __name__ == "__main__":
    main()
