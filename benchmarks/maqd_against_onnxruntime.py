"""Measure a MaQD net on the cpu target, counting, against ONNX Runtime in float32.

    pip install -c constraints.txt -e ".[tflite,bench]"
    python benchmarks/maqd_against_onnxruntime.py [--graph FILE]

Both run the same images through the same architecture on one thread: the cpu target, which cuts
batches of its own, with whole numbers and levels, ONNX Runtime in batches of 64 with float32 and
ReLU. Without a file, the net has random ternary weights and activations of 4 states. What is
measured is the processor time of the process; repetitions alternate, and the ratios are medians
over neighbouring repetitions.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from alternation import beside_limit, make_parser, measure, print_rates, ratio, show
from numpy.typing import NDArray
from onnx_float_net import float_net
from threadpoolctl import threadpool_limits

import edgespike
from edgespike.graph import (
    Conv2d,
    Dense,
    Graph,
    Input,
    MaxPool2d,
    Node,
    Operation,
    Readout,
    Reshape,
    Tensor,
    Threshold,
    load_graph,
)
from edgespike.targets.cpu import CpuRunner

BATCH = 64
BATCHES = 8
"""Batches of one repetition."""

STATES = 4
CHANNELS = (48, 96, 192)
HIDDEN = 192
CLASSES = 10

COUNTING = "cpu target, counting (edgespike.count)"
NOT_COUNTING = "cpu target, answers only"
FLOAT = "ONNX Runtime, float32"


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--graph", type=Path, help="graph file; a net of random weights without it")
    arguments = parser.parse_args()
    graph = load_graph(arguments.graph) if arguments.graph else random_net()
    images = _images(graph)
    session = _session(graph)
    runner = CpuRunner(graph)
    floats = images.astype(np.float32) * np.float32(graph.input_op.scale)
    methods: dict[str, Callable[[], object]] = {
        COUNTING: lambda: edgespike.count(graph, images),
        NOT_COUNTING: lambda: runner.answers(images),
        FLOAT: lambda: [
            session.run(None, {graph.input.name: floats[start : start + BATCH]})
            for start in range(0, len(floats), BATCH)
        ],
    }
    with threadpool_limits(1):
        seconds, _ = measure(methods, arguments.repetitions)
    result = {
        "graph": graph.hash,
        "runtime": f"{CpuRunner(graph).runtime}, onnxruntime {onnxruntime.__version__}",
        "batch": BATCH,
        "images_per_second": {
            name: BATCH * BATCHES / statistics.median(each) for name, each in seconds.items()
        },
        "ratios": {
            f"times {FLOAT}, counting": ratio(seconds[FLOAT], seconds[COUNTING]),
            f"times {FLOAT}, answers only": ratio(seconds[FLOAT], seconds[NOT_COUNTING]),
        },
    }
    show(result, arguments.json, _print)


def random_net() -> Graph:
    """Build a convolution net with ternary weights, and thresholds that all states meet."""
    rng = np.random.default_rng(0)
    source = Input((1, 28, 28), 0, 255, 1 / 255)
    nodes, tensor = [Node("input", source)], source.infer([], 1)

    def append(op: Operation) -> None:
        nonlocal tensor
        nodes.append(Node(f"{op.kind}{len(nodes)}", op, (nodes[-1].name,)))
        tensor = op.infer([tensor], 1)

    for channels in CHANNELS:
        weight = rng.integers(-1, 2, (channels, tensor.shape[0], 3, 3))
        append(Conv2d(weight, np.zeros(channels, np.int64), padding=(1, 1)))
        append(_even_threshold(rng, tensor))
        append(MaxPool2d((2, 2), (2, 2)))
    append(Reshape((tensor.size,)))
    append(Dense(rng.integers(-1, 2, (HIDDEN, tensor.size)), np.zeros(HIDDEN, np.int64)))
    append(_even_threshold(rng, tensor))
    append(Dense(rng.integers(-1, 2, (CLASSES, HIDDEN)), np.zeros(CLASSES, np.int64)))
    append(Readout(np.ones(CLASSES)))
    return Graph("maqd-random", tuple(nodes))


def _even_threshold(rng: np.random.Generator, accumulator: Tensor) -> Threshold:
    """Return what folding gives: thresholds at ``ceil((l - 1/2) * step + start)``."""
    channels = len(accumulator.low)
    step = (accumulator.high - accumulator.low) * rng.uniform(0.02, 0.05, channels)
    start = rng.normal(0.0, 1.0, channels) * step
    middle = np.arange(1, STATES) - 0.5
    theta = np.ceil(middle * step[:, None] + start[:, None]).astype(np.int64)
    return Threshold(theta, rng.random(channels) < 0.1)


def _images(graph: Graph) -> NDArray[np.int64]:
    """Draw images of the graph's input range: the speed does not depend on what they show."""
    op = graph.input_op
    size = (BATCHES * BATCH, *op.shape)
    return np.random.default_rng(0).integers(op.low, op.high, size, endpoint=True)


def _session(graph: Graph) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    content = float_net(graph).SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _print(result: dict[str, Any]) -> None:
    title = f"Batch {BATCH}, one thread: {result['runtime']}"
    console = print_rates(title, result["images_per_second"])
    for name, value in result["ratios"].items():
        console.print(f"{name}: {beside_limit(value, least=1)}")


if __name__ == "__main__":
    main()
