"""The 8-bit nets of MLPerf Tiny as graphs: equal to their files, on every target, counted.

The first table compares each operator of each file with its graph, for every rounding, in the
runtime that rounds so. The second compares all observed layers of each target with the definition.
The third counts operations, and the fourth estimates energy. The fifth classifies CIFAR-10's test
set with ResNet-8, on TFLite Micro and as a graph.

``python -m experiments.mlperf_tiny.run`` rehearses in seconds with a made-up net; ``python -m
experiments.mlperf_tiny.run FOLDER --full`` takes all TFLite files of a folder, and ten minutes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import edgespike
from edgespike.converters import conversion
from edgespike.converters.base import CHOICES, ConvertOptions
from edgespike.converters.tflite.agreement import with_outputs
from edgespike.converters.tflite.convert import read_net
from edgespike.converters.tflite.kernels import KERNELS
from edgespike.converters.tflite.reading import read_file
from edgespike.counting import dense_connections
from edgespike.data import cifar10
from edgespike.errors import EdgespikeError, EnvironmentMissingError, UnsupportedError
from edgespike.graph import Conv2d, Dense, Graph
from edgespike.graph.size import graph_size
from edgespike.interpreter import interpret
from edgespike.storage.files import write_atomically
from edgespike.targets import BUILT_IN, get_runtime
from experiments.mlperf_tiny.made_up import made_up_file

RESNET = "resnet8_cifar10_int8"
ARENA = 2**20
"""Bytes of working memory that ResNet-8's file gets on TFLite Micro."""


@cache
def graph_of(path: Path, rounding: str) -> Graph:
    """Return a file's graph."""
    return conversion(path, ConvertOptions(rounding=rounding)).graph


def inputs_of(path: Path, count: int) -> NDArray[np.int64]:
    """Return inputs for a file: CIFAR-10's test images for ResNet-8, else random ones."""
    op = graph_of(path, "tflm").input_op
    if path.stem == RESNET:
        return cifar10.load("test")[0][:count].astype(np.int64)
    return np.random.default_rng(0).integers(op.low, op.high + 1, (count, *op.shape))


def file_rows(paths: Sequence[Path], count: int) -> Iterator[str]:
    """Compare each operator of each file with its graph in the runtime that rounds so."""
    yield "| file | rounding | runtime | operators | values compared | differ |"
    yield "|---|---|---|---:|---:|---:|"
    for path in paths:
        for rounding in CHOICES["rounding"]:
            found = conversion(path, ConvertOptions(rounding=rounding))
            assert found.check is not None
            parts = found.check(inputs_of(path, count))
            runtime = parts[0].path.rpartition(", ")[2]
            values, differ = sum(p.values for p in parts), sum(p.different for p in parts)
            yield (
                f"| {path.stem} | {rounding} | {runtime} | {len(parts) - 1} | {values:,} | "
                f"{differ:,} |"
            )


def target_rows(paths: Sequence[Path], count: int) -> Iterator[str]:
    """Compare all observed layers of each target with the definition, and take the time."""
    yield "| file | target | values compared | differ | ms an input |"
    yield "|---|---|---:|---:|---:|"
    for path in paths:
        graph, samples = graph_of(path, "tflm"), inputs_of(path, count)
        expected = interpret(graph, samples).values
        for name in BUILT_IN:
            yield f"| {path.stem} | {name} | {_on_target(graph, samples, expected, name)} |"


def _on_target(graph: Graph, samples: NDArray[Any], expected: Any, name: str) -> str:
    try:
        get_runtime(name).version()
        runner = edgespike.prepare(graph, name)
    except EnvironmentMissingError:
        return "not installed | | "
    except UnsupportedError as refused:
        return f"refused, {len(refused.violations)} reasons: {refused.violations[0]} | | "
    runner.trace(samples[:2])
    start = time.perf_counter()
    found = runner.trace(samples).values
    each = (time.perf_counter() - start) / len(samples) * 1e3
    differ = sum(int((found[node] != values).sum()) for node, values in expected.items())
    return f"{sum(values.size for values in expected.values()):,} | {differ:,} | {each:.3g}"


def count_rows(paths: Sequence[Path], count: int) -> Iterator[str]:
    """Count operations, for an input in the mean, and bytes of files."""
    yield (
        "| file | dense operations | accumulates | multiply-accumulates | neuron updates | "
        "TFLite file | graph file | exported model.tflite |"
    )
    yield "|---|---:|---:|---:|---:|---:|---:|---:|"
    for path in paths:
        graph, samples = graph_of(path, "tflm"), inputs_of(path, count)
        counts = edgespike.count(graph, samples)
        dense = sum(
            dense_connections(node.op, graph.tensors[node.inputs[0]].shape)
            for node in graph.nodes
            if isinstance(node.op, Dense | Conv2d)
        )
        updates = counts.total.totals()["neuron_updates"]
        yield (
            f"| {path.stem} | {dense:,} | {counts.synaptic_operations() / len(samples):,.0f} | "
            f"{counts.multiply_accumulates() / len(samples):,.0f} | {updates // len(samples):,} | "
            f"{path.stat().st_size:,} | {graph_size(graph).file_bytes:,} | "
            f"{_exported_bytes(graph):,} |"
        )


def _exported_bytes(graph: Graph) -> int:
    with tempfile.TemporaryDirectory() as folder:
        made = edgespike.export(graph, "tflite", Path(folder) / "made")
        return (made / "raspberry-pi" / "model.tflite").stat().st_size


def energy_rows(paths: Sequence[Path], count: int) -> Iterator[str]:
    """Estimate the energy of an input in the mean, by each model."""
    reports = {
        path: edgespike.estimate_energy(graph_of(path, "tflm"), inputs_of(path, count))
        for path in paths
    }
    names = [row.model.name for row in next(iter(reports.values())).estimates]
    yield f"| file | {' | '.join(f'{name}, uJ' for name in names)} |"
    yield f"|---|{'---:|' * len(names)}"
    for path, report in reports.items():
        cells = (
            f"{row.energy.typical / report.counts.samples * 1e6:.3g} "
            f"({row.energy.low / report.counts.samples * 1e6:.3g} to "
            f"{row.energy.high / report.counts.samples * 1e6:.3g})"
            for row in report.estimates
        )
        yield f"| {path.stem} | {' | '.join(cells)} |"


def accuracy_rows(path: Path, count: int) -> Iterator[str]:
    """Classify CIFAR-10's test images on TFLite Micro and as a graph."""
    every, labels = cifar10.load("test")
    images, labels = every[:count], labels[:count]
    graph = graph_of(path, "tflm")
    start = time.perf_counter()
    ours = edgespike.prepare(graph, "cpu").tally(images).accumulators
    seconds = time.perf_counter() - start
    theirs = _logits_of_file(path, images)
    differ = int((ours != theirs).sum())
    yield "| images | the file on TFLite Micro | the graph | logits that differ | ms an image |"
    yield "|---:|---:|---:|---:|---:|"
    right = [f"{(logits.argmax(axis=1) == labels).mean():.2%}" for logits in (theirs, ours)]
    each = seconds / len(images) * 1e3
    yield f"| {len(images):,} | {right[0]} | {right[1]} | {differ} of {ours.size:,} | {each:.3g} |"


def _logits_of_file(path: Path, images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the file's logits in the graph's units: without their zero point."""
    found = read_net(read_file(path), KERNELS["tflm"], str(path))
    last = [each for each in found.model.operators if each.number in found.nodes][-1]
    if last.kind == "SOFTMAX":  # falls away in the net: its input is the answer
        raise EdgespikeError(f"{path} has no logits")
    tensor = found.model.tensors[last.outputs[0]]
    micro = import_module("tflite_micro").runtime
    content = with_outputs(found.model, last.outputs[:1])
    interpreter = micro.Interpreter.from_bytes(content, arena_size=ARENA)
    rows = []
    for image in found.input_of(images):
        interpreter.set_input(image[None], 0)
        interpreter.invoke()
        rows.append(interpreter.get_output(0)[0].astype(np.int64))
    return np.stack(rows) - int(tensor.zero_points[0])


def report(paths: Sequence[Path], inputs: int, images: int) -> Iterator[str]:
    """Yield the lines of all tables."""
    tables = {
        f"Files and their graphs, operator by operator, {inputs} inputs": file_rows,
        f"Graphs on targets, all observed layers, {inputs} inputs": target_rows,
        "Operations of an input, and bytes": count_rows,
        "Energy of an input, typical (low to high)": energy_rows,
    }
    for title, rows in tables.items():
        yield f"## {title}\n"
        yield from rows(paths, inputs)
        yield ""
    for path in paths:
        if path.stem == RESNET:
            yield "## CIFAR-10's test set\n"
            yield from accuracy_rows(path, images)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, help="holds the .tflite files")
    parser.add_argument("--full", action="store_true", help="100 inputs, 10,000 images")
    parser.add_argument("--out", type=Path, help="file for the tables")
    arguments = parser.parse_args()
    inputs, images = (100, 10_000) if arguments.full else (4, 20)
    with tempfile.TemporaryDirectory() as temporary:
        if arguments.folder is None:
            paths = [made_up_file(Path(temporary))]
        else:
            paths = sorted(arguments.folder.glob("*.tflite"))
            if not paths:
                parser.error(f"{arguments.folder} holds no .tflite file")
        lines = []
        for line in report(paths, inputs, images):
            print(line, flush=True)
            lines.append(line)
    if arguments.out is not None:
        write_atomically(arguments.out, "\n".join(lines).encode() + b"\n")


if __name__ == "__main__":
    main()
