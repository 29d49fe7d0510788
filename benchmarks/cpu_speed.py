"""Measure the cpu target: against an older checkout, against LiteRT, and by steps and threads.

    pip install -c constraints.txt -e ".[train,tflite,bench]"
    python benchmarks/cpu_speed.py --against /path/to/old/checkout --weights cnn_sinabs.nir

Each figure is the median of several processes; the processes of different figures alternate. Times
are wall-clock times, so run nothing else meanwhile. The convolutional net reads its weights from a
NIR file that holds such a net; without one they are random, and a few per cent of the neurons fire.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from alternation import beside_limit, make_parser, show
from conv_net import SHAPE, convolutional_net, random_spikes
from numpy.typing import NDArray

import edgespike
from edgespike.models import shipped_model

ROOT = Path(__file__).resolve().parent.parent
BATCH = 64
SPIKES = 0.03
STEPS = (25, 100, 400, 1000)
IMAGES = 2_000
SINGLE_RUNS = 300


def main() -> None:
    parser = make_parser(__doc__, repetitions=5)
    parser.add_argument("--against", type=Path, help="an older checkout")
    parser.add_argument("--weights", type=Path, help="NIR file with the weights")
    parser.add_argument(
        "--measure", help="measure a single figure, in seconds; used by this script itself"
    )
    arguments = parser.parse_args()
    if arguments.measure:
        what, *numbers = arguments.measure.split(",")
        print(json.dumps(MEASURES[what](arguments.weights, *map(int, numbers))))
        return
    weights = ["--weights", str(arguments.weights)] if arguments.weights else []
    times = _alternate(_runs(arguments.against), weights, arguments.repetitions)
    show({"seconds": times, "ratios": _ratios(times)}, arguments.json, _print)


def _runs(against: Path | None) -> dict[str, tuple[Path, str]]:
    """Return the checkout and the measure of each figure, by the figure's name."""
    runs = {
        "net of convolutions": (ROOT, "net,20"),
        **{f"{steps} steps": (ROOT, f"net,{steps}") for steps in STEPS},
        "one thread": (ROOT, "images,1"),
        "two threads": (ROOT, "images,2"),
        **{name: (ROOT, name) for name in ("litert", "run", "count")},
    }
    if against:
        runs["net of convolutions, older"] = (against.resolve(), "net,20")
    return runs


def _alternate(
    runs: dict[str, tuple[Path, str]], weights: list[str], repetitions: int
) -> dict[str, float]:
    found: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repetitions):
        for name, (checkout, measure) in runs.items():
            command = [sys.executable, __file__, *weights, "--measure", measure]
            environment = {**os.environ, "PYTHONPATH": str(checkout)}
            output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
            found[name].append(json.loads(output.stdout.splitlines()[-1]))
    return {name: statistics.median(each) for name, each in found.items()}


def _ratios(times: dict[str, float]) -> dict[str, tuple[float, float | None, float | None]]:
    """Return each ratio with its least and its largest allowed value."""
    by_steps = [times[f"{steps} steps"] for steps in STEPS]
    ratios: dict[str, tuple[float, float | None, float | None]] = {
        "time of a sample and step, slowest number of steps over fastest": (
            max(by_steps) / min(by_steps),
            None,
            1.3,
        ),
        "speed of two threads over one": (times["one thread"] / times["two threads"], 1.6, None),
        "time of one image over LiteRT's, run": (times["run"] / times["litert"], None, 1.5),
        "time of one image over LiteRT's, count": (times["count"] / times["litert"], None, 2.5),
    }
    if older := times.get("net of convolutions, older"):
        ratios["speed over the older checkout's"] = (older / times["net of convolutions"], 2, None)
    return ratios


def measure_net(weights: Path | None, steps: int) -> float:
    """Return the seconds that counting takes for one step of one sample."""
    graph = convolutional_net(steps, weights)
    samples = random_spikes((BATCH, steps, *SHAPE), SPIKES)
    return _seconds(lambda: edgespike.count(graph, samples)) / BATCH / steps


def measure_images(weights: Path | None, threads: int) -> float:
    """Return the seconds that counting takes for one image with the shipped model."""
    graph, images = shipped_model(), _images(IMAGES)
    return _seconds(lambda: edgespike.count(graph, images, threads=threads)) / IMAGES


def measure_single(function: Callable[..., Any]) -> Callable[[Path | None], float]:
    """Return a measure of a function, in seconds: one image on the shipped model."""

    def measure(weights: Path | None) -> float:
        graph, image = shipped_model(), _images(1)
        return _seconds(lambda: function(graph, image), SINGLE_RUNS)

    return measure


def measure_litert(weights: Path | None) -> float:
    """Return the seconds that LiteRT alone takes for one image."""
    from edgespike.targets.cpu.litert_engine import plan_for
    from edgespike.targets.tflite.running.engine import LiteRtEngine

    plan, image = plan_for(shipped_model()), _images(1)
    assert plan is not None
    engine = LiteRtEngine(plan, 1)
    return _seconds(lambda: engine.run(image), SINGLE_RUNS)


def _images(number: int) -> NDArray[np.uint8]:
    return np.random.default_rng(2).integers(0, 256, (number, 1, 28, 28), np.uint8)


def _seconds(function: Callable[[], Any], runs: int = 3) -> float:
    """Return the median time of several runs, after one that prepares the graph."""
    function()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


MEASURES: dict[str, Callable[..., float]] = {
    "net": measure_net,
    "images": measure_images,
    "litert": measure_litert,
    "run": measure_single(edgespike.run),
    "count": measure_single(edgespike.count),
}


def _print(result: dict[str, Any]) -> None:
    for name, seconds in result["seconds"].items():
        print(f"{name}: {1e6 * seconds:,.1f} us")
    for name, (value, least, most) in result["ratios"].items():
        print(f"{name}: {beside_limit(value, least, most)}")


if __name__ == "__main__":
    main()
