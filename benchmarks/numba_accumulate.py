"""Measure numba against C where an event-driven engine spends its time: adding rows of weights.

    pip install -c constraints.txt -e ".[bench]" numba
    python benchmarks/numba_accumulate.py

Both add the int8 rows of lists of events to 16-bit sums. C keeps 128 sums in registers and is
compiled by ``cc``; numba compiles the plain loops, and the same loops with blocks of 128 sums. The
other figures are what users wait for: to import numba, to compile, and to load what it compiled
before; and the size of what is installed.
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
begin = time.perf_counter()
import numba, numpy as np
imported = time.perf_counter()
from numba_accumulate import compiled, operands
compiled()[0](*operands())
print(imported - begin, time.perf_counter() - imported)
"""
"""What a process does that uses numba's kernel once."""


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
    result = {
        "operations a nanosecond": {
            name: operations / statistics.median(times) / 1e9 for name, times in seconds.items()
        },
        "seconds to start": _starts(),
        "installed megabytes": {name: _megabytes(name) for name in ("numba", "llvmlite")},
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


def _starts() -> dict[str, float]:
    """Run new processes, the first without and the others with numba's cache."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {
            **os.environ,
            "NUMBA_CACHE_DIR": cache,
            "PYTHONPATH": os.pathsep.join([str(SOURCE.parent), os.environ.get("PYTHONPATH", "")]),
        }
        command = [sys.executable, "-c", START]
        runs = [
            [
                float(word)
                for word in subprocess.run(
                    command, env=environment, check=True, stdout=subprocess.PIPE, text=True
                ).stdout.split()
            ]
            for _ in range(STARTS)
        ]
    return {
        "import numba": statistics.median(imported for imported, _ in runs),
        "compile": runs[0][1],
        "load from the cache": statistics.median(loaded for _, loaded in runs[1:]),
    }


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
