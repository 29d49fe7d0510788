"""Measure commands against an older checkout: verify on cpu and Lava, run, and export to Loihi.

    python benchmarks/commands.py --against /path/to/old/checkout

Each command runs as users run it, in a process of its own; the two checkouts alternate. Run nothing
else meanwhile. Lava must be installed (``edgespike targets --setup loihi``).
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from alternation import beside_limit, make_parser, show

from edgespike.graph import Dense, Graph, Input, Node, Readout, Threshold, save_graph
from edgespike.models import shipped_images, shipped_model

ROOT = Path(__file__).resolve().parent.parent
LAYERS = 800
IMAGES = 1_000
MANY_IMAGES = 10_000


class Time(NamedTuple):
    """Seconds that passed, and seconds of all processors."""

    wall: float
    processors: float


def main() -> None:
    parser = make_parser(__doc__, repetitions=3)
    parser.add_argument("--against", type=Path, required=True, help="an older checkout")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        found: dict[str, dict[str, Time]] = {}
        for what, command in _commands(Path(name)).items():
            times: dict[str, list[Time]] = {"new": [], "older": []}
            for _ in range(arguments.repetitions):
                times["new"].append(_run(ROOT, command, Path(name)))
                times["older"].append(_run(arguments.against.resolve(), command, Path(name)))
            found[what] = {version: _median(each) for version, each in times.items()}
    show({"seconds": found, "ratios": _ratios(found)}, arguments.json, _print)


def _commands(folder: Path) -> dict[str, list[str]]:
    """Write what the commands read, and return them by what they measure."""
    model, chain = folder / "model.safetensors", folder / "chain.safetensors"
    save_graph(shipped_model(), model)
    save_graph(_chain(), chain)
    images, _ = shipped_images()
    for number in (len(images), IMAGES, MANY_IMAGES):
        np.save(folder / f"{number}.npy", np.resize(images, (number, *images.shape[1:])))

    def on(number: int) -> list[str]:
        return [str(model), "--input", str(folder / f"{number}.npy")]

    return {
        f"verify on cpu, {len(images)} images": ["verify", *on(len(images)), "--targets", "cpu"],
        f"verify on cpu, {IMAGES} images": ["verify", *on(IMAGES), "--targets", "cpu"],
        f"verify on Lava, {IMAGES} images": ["verify", *on(IMAGES), "--targets", "loihi"],
        f"run, {MANY_IMAGES} images": ["run", *on(MANY_IMAGES)],
        f"export {LAYERS} layers to loihi": ["export", "-t", "loihi", str(chain), "-o"],
    }


def _chain() -> Graph:
    """Return many small dense layers of spikes, one after the other."""
    rng = np.random.default_rng(0)
    nodes = [Node("input", Input((8,), 0, 1, 1.0))]
    for layer in range(LAYERS):
        weight, bias = rng.integers(-3, 4, (8, 8)), np.zeros(8, np.int64)
        nodes.append(Node(f"dense{layer}", Dense(weight, bias), (nodes[-1].name,)))
        fire = Threshold(np.ones((8, 1), np.int64), np.zeros(8, bool))
        nodes.append(Node(f"fire{layer}", fire, (nodes[-1].name,)))
    nodes.append(
        Node("dense", Dense(rng.integers(-3, 4, (3, 8)), np.zeros(3, np.int64)), ("fire799",))
    )
    nodes.append(Node("out", Readout(np.ones(3)), ("dense",)))
    return Graph("chain", tuple(nodes))


def _run(checkout: Path, command: list[str], folder: Path) -> Time:
    if command[-1] == "-o":
        command = [*command, str(folder / f"out-{time.monotonic_ns()}")]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "edgespike", *command],
        cwd=folder,  # Python looks for modules in the present folder first
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Time(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def _median(times: list[Time]) -> Time:
    return Time(*(statistics.median(each) for each in zip(*times, strict=True)))


def _ratios(found: dict[str, dict[str, Time]]) -> dict[str, tuple[float, float | None]]:
    """Return how many times as fast each command is as before, and the least that is wanted."""
    least = {"verify on cpu": 4.0, "verify on Lava": 1.5}
    return {
        what: (
            times["older"].wall / times["new"].wall,
            next((limit for start, limit in least.items() if what.startswith(start)), None),
        )
        for what, times in found.items()
    }


def _print(result: dict[str, Any]) -> None:
    for what, (ratio, least) in result["ratios"].items():
        new, older = result["seconds"][what]["new"], result["seconds"][what]["older"]
        print(
            f"{what}: {new.wall:.2f} s ({new.processors:.2f} s of processors), older checkout "
            f"{older.wall:.2f} s ({older.processors:.2f} s); {beside_limit(ratio, least)} times as "
            "fast"
        )


if __name__ == "__main__":
    main()
