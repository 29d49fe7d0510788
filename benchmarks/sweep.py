"""Measure how much faster two workers are than one, on the same sweep of small trainings.

Both sweeps start their workers anew, as a user does, and give the same table; the figure is the
ratio of seconds that passed. It needs two idle cores; the seconds of all processors say what
a second worker costs on any machine.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from alternation import beside_limit, make_parser, show
from rich.console import Console

SPEEDUP_LIMIT = 1.7
"""Least ratio of the times of one worker and of two."""

POINTS = 8
SAMPLES = 4_000
RECIPE = """
epochs = 20
batch_size = 64
learning_rate = 0.01

[data]
path = "images.npz"

[net]
activation = "spike"

[[net.layers]]
kind = "conv"
channels = 16
pool = 2
bits = 6

[[net.layers]]
kind = "dense"
features = 64
"""


def main() -> None:
    arguments = make_parser(__doc__, repetitions=3).parse_args()
    seconds: dict[int, list[float]] = {1: [], 2: []}
    processors: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as name:
        _write(Path(name))
        tables = []
        for repetition in range(arguments.repetitions):
            for workers in (1, 2):
                out = f"{workers}-{repetition}"
                wall, used = _sweep(Path(name), workers, out)
                seconds[workers].append(wall)
                processors[workers].append(used)
                tables.append(_table(Path(name) / out / "results.jsonl"))
    if any(table != tables[0] for table in tables):
        raise SystemExit("the sweeps gave different tables")
    speedups = [one / two for one, two in zip(seconds[1], seconds[2], strict=True)]
    result = {
        "points": POINTS,
        "cores": len(os.sched_getaffinity(0)),
        "load_before": os.getloadavg()[0],
        "seconds": seconds,
        "processors": processors,
        "speedup": statistics.median(speedups),
    }
    show(result, arguments.json, _print)


def _write(folder: Path) -> None:
    """Write the recipe, and images of ten classes: bright squares at ten places."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 10, SAMPLES)
    images = generator.integers(0, 80, (SAMPLES, 1, 16, 16), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        row, column = divmod(int(label), 4)
        image[0, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] += 100
    np.savez(folder / "images.npz", samples=images, labels=labels)
    (folder / "recipe.toml").write_text(RECIPE)


def _sweep(folder: Path, workers: int, out: str) -> tuple[float, float]:
    """Return seconds that passed, and seconds of all processors."""
    command = [sys.executable, "-m", "edgespike", "sweep", "recipe.toml", "-o", out, "--json"]
    command += ["--over", f"seed=1..{POINTS}", "--workers", str(workers)]
    start, before = time.monotonic(), _used()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start, _used() - before


def _used() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _table(path: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        del row["seconds"]
    return sorted(rows, key=lambda row: str(row["point"]))


def _print(result: dict[str, Any]) -> None:
    console = Console()
    for workers, seconds in result["seconds"].items():
        console.print(
            f"{POINTS} points, workers: {workers}: {statistics.median(seconds):.1f} s "
            f"(of {', '.join(f'{each:.1f}' for each in seconds)}), of all processors "
            f"{statistics.median(result['processors'][workers]):.1f} s"
        )
    beside = beside_limit(result["speedup"], least=SPEEDUP_LIMIT)
    console.print(f"two workers against one: {beside}, on {result['cores']} cores")


if __name__ == "__main__":
    main()
