"""Instructions and memory of the c target on emulated microcontrollers, beside synaptic operations.

    python benchmarks/c_on_mcu.py --resnet resnet8_cifar10_int8.tflite --page

The shipped models run 8 test images on each core whose compiler and emulator are installed, and 200
images on a Cortex-M4, for each of which the operations that its events ask for are counted too.
``--resnet`` names the file of MLPerf Tiny's ResNet-8 (experiments/mlperf_tiny says where it is
from), which runs a few random images beside the cycles that were published for it. All answers must
be exact. The figures are counts of an emulator, so they repeat; instructions are not cycles.
``--page`` writes the plot and the tables into docs/targets.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray
from plot_style import GRID, INK
from rich.console import Console
from rich.table import Table

import edgespike
from edgespike.converters import conversion
from edgespike.converters.base import ConvertOptions
from edgespike.counting import count
from edgespike.graph import Conv2d, Dense, Graph
from edgespike.models import MODELS, shipped_images, shipped_model
from edgespike.targets.c.bundle.cores import CORES, Core, core
from edgespike.targets.c.bundle.folder import check_sources
from edgespike.targets.c.names import prefix_of
from edgespike.targets.shared.candidates import draw
from edgespike.targets.shared.check_samples import CheckSamples
from edgespike.trace import Trace
from tests.targets.c.mcu import OnCore, installed, missing, run_on_core
from tests.targets.c.page import markdown, write_section

IMAGES = 8
"""Images that run on every core."""

DOCS = Path(__file__).resolve().parent.parent / "docs" / "targets"
PLOT = "c-operations.svg"

RESNET_SAMPLES = 3

PUBLISHED = {
    "m4": "1.59 (X-CUBE-AI), 3.74 (microTVM with CMSIS-NN)",
    "m7": "0.92 (X-CUBE-AI)",
    "m33": "1.34",
}
"""Cycles a multiply-accumulate of ResNet-8, from MLPerf Tiny's result files; docs/devices.md."""

SPARSE = {"fashion_s3nn": "#1d4ed8", "fashion_maqd": "#047857"}
"""Models whose instructions are held against their operations, with the colour of each."""


def images_of(name: str) -> NDArray[np.uint8]:
    """Return the shipped images as a model's graph takes them."""
    return shipped_images(name)[0]


def run_images(folder: Path, graph: Graph, trace: Trace, images: NDArray[Any], on: Core) -> OnCore:
    """Run images instead of a bundle's check samples; all answers must be exact."""
    checks = CheckSamples(images, trace.accumulators(graph)[: len(images)], 0, 0)
    prefix = prefix_of(graph.name)
    for name, text in check_sources(graph, prefix, checks, len(images)).items():
        (folder / "src" / name).write_text(text)
    found = run_on_core(folder, prefix, on)
    if found.exact != found.samples:
        sys.exit(f"{graph.name} on {on.name}: only {found.exact} of {found.samples} are exact")
    return found


def resnet(file: Path) -> dict[str, Any]:
    """Run ResNet-8 on the cores for which cycles were published."""
    graph = conversion(file, ConvertOptions(rounding="tflm")).graph
    products = sum(
        node.op.weight.size * int(np.prod(graph.tensors[node.name].shape[1:]))
        for node in graph.nodes
        if isinstance(node.op, Dense | Conv2d)
    )
    kinds = [draw(graph.input_op, graph.steps, index)[0] for index in range(RESNET_SAMPLES)]
    images = np.stack(kinds).astype(np.uint8 if graph.input_op.low >= 0 else np.int8)
    trace = edgespike.run(graph, images)
    means: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = edgespike.export(graph, "c", Path(place) / "bundle")
        for on in installed():
            if on.name in PUBLISHED:
                means[on.name] = run_images(folder, graph, trace, images, on).mean
                print(f"ResNet-8 on {on.name}: {means[on.name]:,.0f}", file=sys.stderr)
    return {"multiply-accumulates": products, "instructions": means}


def operations(graph: Graph, trace: Trace, images: NDArray[Any]) -> list[int]:
    """Return the operations of each image: synaptic ones, and products with levels."""
    found = []
    for index in range(len(images)):
        own = Trace({name: each[index : index + 1] for name, each in trace.values.items()})
        counts = count(graph, images[index : index + 1], own)
        found.append(counts.synaptic_operations() + counts.multiply_accumulates())
    return found


def measure(resnet_file: Path | None) -> dict[str, Any]:
    """Run all models."""
    rows: list[dict[str, Any]] = []
    sparse: dict[str, Any] = {}
    for name in MODELS:
        graph, images = shipped_model(name), images_of(name)
        trace = edgespike.run(graph, images)
        with tempfile.TemporaryDirectory() as place:
            folder = edgespike.export(graph, "c", Path(place) / "bundle")
            for on in installed():
                found = run_images(folder, graph, trace, images[:IMAGES], on)
                rows.append({"model": name, **asdict(found), "mean": found.mean})
                print(f"{name} on {on.name}: {found.mean:,.0f}", file=sys.stderr)
            if name in SPARSE and missing(core("m4")) is None:
                found = run_images(folder, graph, trace, images, core("m4"))
                sparse[name] = against(found.instructions, operations(graph, trace, images))
    skipped = {each.name: reason for each in CORES if (reason := missing(each)) is not None}
    more = {} if resnet_file is None else {"ResNet-8": resnet(resnet_file)}
    return {"cores": rows, "against operations": sparse, "skipped": skipped, **more}


def against(instructions: list[int], operations: list[int]) -> dict[str, Any]:
    """Fit a line of instructions over operations."""
    slope, start = np.polyfit(operations, instructions, 1)
    correlation = np.corrcoef(operations, instructions)[0, 1]
    return {
        "instructions": instructions,
        "operations": operations,
        "instructions an operation more": float(slope),
        "instructions without operations": float(start),
        "r squared": float(correlation**2),
    }


def show(found: dict[str, Any]) -> None:
    """Print the figures."""
    console = Console(width=110)
    cores = Table("Model", "Core", f"Instructions, {IMAGES} images", "Flash", "RAM", "Stack")
    for row in found["cores"]:
        numbers = (round(row["mean"]), row["flash"], row["ram"], row["stack"])
        cores.add_row(row["model"], row["core"], *(f"{number:,}" for number in numbers))
    console.print(cores)
    lines = Table(
        "200 images on M4",
        "Operations",
        "Instructions",
        "Each operation",
        "Rest",
        "r squared",
    )
    for name, row in found["against operations"].items():
        lines.add_row(
            name,
            _range(row["operations"]),
            _range(row["instructions"]),
            f"{row['instructions an operation more']:.2f}",
            f"{row['instructions without operations']:,.0f}",
            f"{row['r squared']:.4f}",
        )
    console.print(lines)
    if "ResNet-8" in found:
        products = Table(*RESNET_TITLES)
        for texts in resnet_rows(found["ResNet-8"]):
            products.add_row(*texts)
        console.print(products)
    for name, reason in found["skipped"].items():
        console.print(f"skipped {name}: {reason}")


RESNET_TITLES = (
    "ResNet-8 on",
    "instructions",
    "a multiply-accumulate",
    "cycles of others a multiply-accumulate",
)


def resnet_rows(found: dict[str, Any]) -> list[list[str]]:
    """Return a row for each core."""
    products = found["multiply-accumulates"]
    return [
        [name, f"{mean / 1e6:.1f} M", f"{mean / products:.2f}", PUBLISHED[name]]
        for name, mean in found["instructions"].items()
    ]


def section(found: dict[str, Any]) -> str:
    """Return the figures as a part of a page."""
    lines = [
        [
            name,
            _range(row["operations"]),
            _range(row["instructions"]),
            f"{row['instructions an operation more']:.2f}",
            f"{row['instructions without operations'] / 1e6:.2f} M",
            f"{row['r squared']:.4f}",
        ]
        for name, row in found["against operations"].items()
    ]
    titles = (
        "200 images, Cortex-M4",
        "operations: least / mean / most",
        "instructions",
        "an operation more",
        "without any",
        "r²",
    )
    parts = [
        f"![Instructions of 200 images over their synaptic operations]({PLOT})\n",
        markdown(titles, lines),
    ]
    if "ResNet-8" in found:
        products = found["ResNet-8"]["multiply-accumulates"] / 1e6
        parts += [
            f"ResNet-8 of MLPerf Tiny, 8 bits, has {products:.1f} million multiply-accumulates, "
            f"padding included; those with a 0 are\nskipped. {RESNET_SAMPLES} random images. "
            "What others publish are cycles, measured on boards; an instruction takes\n"
            "[1.07 to 2.14 cycles](../devices.md#time-and-energy) on an M4.\n",
            markdown(RESNET_TITLES, resnet_rows(found["ResNet-8"])),
        ]
    return "\n".join(parts)


def _range(numbers: list[int]) -> str:
    low, mean, high = min(numbers), sum(numbers) / len(numbers), max(numbers)
    return " / ".join(f"{number / 1e6:.2f} M" for number in (low, mean, high))


def plot(found: dict[str, Any]) -> Figure:
    """Draw each image's instructions over its operations, with the fitted lines."""
    figure, axes = pyplot.subplots(figsize=(7.5, 4.6), layout="constrained")
    for name, row in found["against operations"].items():
        given, taken = np.array(row["operations"]) / 1e6, np.array(row["instructions"]) / 1e6
        colour = SPARSE[name]
        label = f"{name}, r² = {row['r squared']:.3f}"
        axes.plot(given, taken, ".", color=colour, label=label, alpha=0.7)
        ends = np.array([given.min(), given.max()])
        start = row["instructions without operations"] / 1e6
        axes.plot(ends, ends * row["instructions an operation more"] + start, color=colour)
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.grid(color=GRID)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:g}"))
    axes.set_xlabel("synaptic operations of an image, millions", color=INK)
    axes.set_ylabel("instructions on a Cortex-M4, millions", color=INK)
    figure.legend(loc="outside upper center", ncols=2, frameon=False)
    return figure


def main() -> None:
    """Measure, print, and write what was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--resnet", type=Path, metavar="FILE.tflite")
    parser.add_argument("--page", action="store_true", help="write docs/targets")
    arguments = parser.parse_args()
    found = measure(arguments.resnet)
    show(found)
    if arguments.json is not None:
        arguments.json.write_text(f"{json.dumps(found, indent=1)}\n")
    if arguments.page:
        plot(found).savefig(DOCS / PLOT, metadata={"Date": None, "Creator": None})
        write_section(DOCS / "c.md", "c_on_mcu", section(found))


if __name__ == "__main__":
    main()
