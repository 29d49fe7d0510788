"""Measure the exported ONNX models against the exported TFLite models and float32.

    pip install -c constraints.txt -e ".[tflite,bench]"
    python benchmarks/onnx_against_litert.py

All run the same images on one thread, in batches of 64 and of 1: ``model.onnx`` on ONNX Runtime,
``model.tflite`` on LiteRT with XNNPACK, and a float32 net of the same architecture with ReLU on
ONNX Runtime (not the recurrent one). Times are CPU times of the process; repetitions alternate.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import onnxruntime
from alternation import make_parser, measure, show
from numpy.typing import NDArray
from onnx_float_net import float_net
from rich.console import Console
from rich.table import Table

from edgespike.graph import Graph
from edgespike.graph.inputs import as_samples
from edgespike.models import MODELS, shipped_images, shipped_model
from edgespike.targets.onnx.lower import lower
from edgespike.targets.onnx.run import encode_input
from edgespike.targets.tflite import lower as tflite
from edgespike.targets.tflite.planning.planner import make_plan
from edgespike.targets.tflite.run import encode_input as encode_for_tflite
from edgespike.targets.tflite.running.execute import DEFAULT_KERNELS, LoadedModel

BATCHES = {64: 20, 1: 200}
"""Batch sizes, each with how many batches a repetition runs."""

ONNX, LITERT, FLOAT = "model.onnx", "model.tflite", "float32"


def main() -> None:
    parser = make_parser(__doc__, repetitions=9)
    arguments = parser.parse_args()
    result = {
        name: {str(batch): _milliseconds(name, batch, arguments.repetitions) for batch in BATCHES}
        for name in MODELS
    }
    show({"milliseconds per batch": result}, arguments.json, _print)


def _milliseconds(name: str, batch: int, repetitions: int) -> dict[str, float]:
    graph, (images, _) = shipped_model(name), shipped_images(name)
    times = BATCHES[batch]
    methods = {
        method: partial(_repeat, run, times)
        for method, run in _methods(graph, as_samples(graph, images[:batch])).items()
    }
    seconds, _ = measure(methods, repetitions)
    return {name: 1e3 * statistics.median(each) / times for name, each in seconds.items()}


def _repeat(run: Callable[[], object], times: int) -> None:
    for _ in range(times):
        run()


def _methods(graph: Graph, samples: NDArray[Any]) -> dict[str, Callable[[], object]]:
    whole = encode_input(graph, samples)
    lite = tflite.lower(make_plan(graph))
    lite_batch = encode_for_tflite(graph, lite, samples)
    loaded = LoadedModel(lite.content, DEFAULT_KERNELS, lite.carried)
    methods: dict[str, Callable[[], object]] = {
        ONNX: partial(_session(lower(graph).model).run, None, {"input": whole}),
        LITERT: partial(loaded.run, lite_batch),
    }
    if graph.steps == 1:
        real = samples[:, 0].astype(np.float32) * np.float32(graph.input_op.scale)
        methods[FLOAT] = partial(_session(float_net(graph)).run, None, {graph.input.name: real})
    return methods


def _session(model: Any) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    content = model.SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _print(result: dict[str, Any]) -> None:
    table = Table(
        title=f"Milliseconds per batch, one thread, onnxruntime {onnxruntime.__version__}"
    )
    for column in ("Model", "Batch", ONNX, LITERT, FLOAT):
        table.add_column(column)
    for name, batches in result["milliseconds per batch"].items():
        for batch, times in batches.items():
            cells = (
                f"{times[each]:.3g}" if each in times else "" for each in (ONNX, LITERT, FLOAT)
            )
            table.add_row(name, batch, *cells)
    Console().print(table)


if __name__ == "__main__":
    main()
