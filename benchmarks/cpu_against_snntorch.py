"""Measure the cpu target, with and without counting, against snnTorch with third-party counters.

    pip install -c constraints.txt -e ".[train,tflite,bench]"
    python benchmarks/cpu_against_snntorch.py

All methods run the same images through the same net on one thread: snnTorch in batches of 64; the
cpu target, which splits them into batches itself, with a whole test set at once. Times are CPU
times of the process; repetitions of all methods alternate, and ratios are medians over neighbouring
repetitions. Other processes disturb the figures through shared caches, so run nothing else.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from alternation import beside_limit, make_parser, measure, print_rates, ratio, show
from neurobench.benchmarks import Benchmark
from neurobench.metrics.workload import SynapticOperations
from neurobench.models import SNNTorchModel
from numpy.typing import NDArray
from snntorch import utils
from snntorch_net import SnnTorchNet
from spikingjelly.activation_based.op_counter import DispatchCounterMode, SynOpCounter
from threadpoolctl import threadpool_limits
from torch.utils.data import DataLoader, TensorDataset

import edgespike
from edgespike.counting import Convention
from edgespike.graph import Graph, Input, load_graph
from edgespike.graph.inputs import as_samples
from edgespike.models import shipped_model
from edgespike.targets.cpu import CpuRunner
from edgespike.targets.cpu.numpy_engine import NumpyEngine

BATCH = 64
CPU_IMAGES = 10_000
"""Images per repetition on the cpu target: as many as the test set of Fashion-MNIST has."""

KEPT_IMAGES = 32 * BATCH
"""The same where every spike is kept, which takes about 80 KB per image."""

NUMPY_IMAGES = 4 * BATCH
"""The same without LiteRT, which is about seven times slower."""

PAIRS = 4
"""Counting is compared with not counting this many times as often."""

TORCH_BATCHES = 2
"""Batches per repetition of a torch method, each of which takes about twenty times as long."""

COUNTING = "cpu target, counting (edgespike.count)"
NOT_COUNTING = "cpu target, answers only"
KEEPING = "cpu target, keeping every spike (edgespike.run)"
NUMPY = "numpy alone, counting"
FORWARD = "snnTorch, forward only"
SPIKINGJELLY = "snnTorch with SpikingJelly's counter"
NEUROBENCH = "snnTorch with NeuroBench's counter"

FASTER = f"times {SPIKINGJELLY}"
COUNTING_COST = "time of counting over answers only"

Method = Callable[[], float | None]
"""Runs its images once; returns synaptic operations per image, or ``None`` without counting."""


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--graph", type=Path, help="graph file (default: the shipped model)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with threadpool_limits(1), torch.no_grad():
        graph = load_graph(arguments.graph) if arguments.graph else shipped_model()
        images = _images(graph)
        net = SnnTorchNet(graph)
        same = _share_of_same_answers(graph, net, images)
        methods = {**_cpu_methods(graph, images), **_torch_methods(graph, images)}
        seconds, operations = _measure(methods, arguments.repetitions)
        # The cost of counting is small: measure these two again, alone and more often.
        pair = {name: methods[name] for name in (COUNTING, NOT_COUNTING)}
        close, _ = _measure(pair, PAIRS * arguments.repetitions)
    operations.update(_own_operations(graph, images[: TORCH_BATCHES * BATCH]))
    rates = {name: 1 / statistics.median(each) for name, each in seconds.items()}
    result = {
        "graph": graph.hash,
        "runtime": f"{CpuRunner(graph).runtime}, torch {torch.__version__}",
        "batch": BATCH,
        "same_answers": same,
        "images_per_second": rates,
        "synaptic_operations_per_image": operations,
        "ratios": {
            **_ratios(seconds),
            COUNTING_COST: ratio(close[COUNTING], close[NOT_COUNTING]),
        },
    }
    show(result, arguments.json, _print)


def _images(graph: Graph) -> NDArray[np.uint8]:
    """Draw random images in the graph's input range: the speed does not depend on the content."""
    op = graph.input.op
    assert isinstance(op, Input)
    rng = np.random.default_rng(0)
    size = (CPU_IMAGES, *op.shape)
    return rng.integers(op.low, op.high, size, np.uint8, endpoint=True)


def _share_of_same_answers(graph: Graph, net: SnnTorchNet, images: NDArray[np.uint8]) -> float:
    """Return how often both predict the same class, over the first batch."""
    utils.reset(net)
    logits, _ = net(torch.from_numpy(images[:BATCH]).float())
    scale = graph.readout_op.scale
    ours = (CpuRunner(graph).answers(images[:BATCH]) * scale).argmax(axis=1)
    return float((ours == logits.numpy().argmax(axis=1)).mean())


def _cpu_methods(graph: Graph, images: NDArray[np.uint8]) -> dict[str, Method]:
    numpy_engine = NumpyEngine(graph)
    checked = as_samples(graph, images[:NUMPY_IMAGES])
    runner = CpuRunner(graph)

    return {
        COUNTING: lambda: _nothing(edgespike.count(graph, images)),
        NOT_COUNTING: lambda: _nothing(runner.answers(images)),
        KEEPING: lambda: _nothing(edgespike.run(graph, images[:KEPT_IMAGES])),
        NUMPY: lambda: _nothing(list(numpy_engine.counted(checked))),
    }


def _own_operations(graph: Graph, images: NDArray[np.uint8]) -> dict[str, float]:
    """Count the images that the torch methods count, by two conventions.

    SpikingJelly counts every synapse, NeuroBench those with a non-zero weight.
    """
    counted = edgespike.count(graph, images).total.synaptic_operations
    return {
        f"cpu target, {kind.value}": float(counted[kind].sum()) / len(images)
        for kind in (Convention.EVERY, Convention.QUANTISED)
    }


def _torch_methods(graph: Graph, images: NDArray[np.uint8]) -> dict[str, Method]:
    net, hooked_net = SnnTorchNet(graph), SnnTorchNet(graph)
    batches = torch.from_numpy(images[: TORCH_BATCHES * BATCH]).float()
    batches = batches.reshape(TORCH_BATCHES, BATCH, *batches.shape[1:])

    def forward() -> None:
        for batch in batches:
            utils.reset(net)
            net(batch)

    def spikingjelly() -> float:
        counter = SynOpCounter()
        with DispatchCounterMode([counter]):
            forward()
        return float(counter.get_total()) / (TORCH_BATCHES * BATCH)

    one_step = TensorDataset(batches[:, :, None], torch.zeros(TORCH_BATCHES, BATCH))
    loader = DataLoader(one_step, batch_size=None)
    benchmark = Benchmark(SNNTorchModel(hooked_net), loader, [], [], [[], [SynapticOperations]])

    def neurobench() -> float:
        answer = benchmark.run(quiet=True)["SynapticOperations"]
        return float(answer["Effective_ACs"])

    return {FORWARD: forward, SPIKINGJELLY: spikingjelly, NEUROBENCH: neurobench}


def _nothing(_: object) -> None:
    """Discard a result: the method reports no operations."""


IMAGES = {
    KEEPING: KEPT_IMAGES,
    NUMPY: NUMPY_IMAGES,
    FORWARD: TORCH_BATCHES * BATCH,
    SPIKINGJELLY: TORCH_BATCHES * BATCH,
    NEUROBENCH: TORCH_BATCHES * BATCH,
}
"""Images per repetition, where it is not :data:`CPU_IMAGES`."""


def _measure(
    methods: dict[str, Method], repetitions: int
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Alternate all methods; return seconds per image, and operations where they are counted."""
    seconds, answers = measure(methods, repetitions)
    images = {name: IMAGES.get(name, CPU_IMAGES) for name in methods}
    each = {name: [time / images[name] for time in times] for name, times in seconds.items()}
    return each, {name: answer for name, answer in answers.items() if answer is not None}


def _ratios(seconds: dict[str, list[float]]) -> dict[str, float]:
    return {
        FASTER: ratio(seconds[SPIKINGJELLY], seconds[COUNTING]),
        f"times {NEUROBENCH}": ratio(seconds[NEUROBENCH], seconds[COUNTING]),
        f"times {FORWARD}": ratio(seconds[FORWARD], seconds[COUNTING]),
    }


def _print(result: dict[str, Any]) -> None:
    title = f"Batch {BATCH}, one thread: {result['runtime']}"
    console = print_rates(title, result["images_per_second"])
    for name, operations in result["synaptic_operations_per_image"].items():
        console.print(f"synaptic operations per image, {name}: {operations:,.1f}")
    least, most = {FASTER: 10}, {COUNTING_COST: 1.05}
    for name, value in result["ratios"].items():
        console.print(f"{name}: {beside_limit(value, least.get(name), most.get(name))}")
    console.print(f"same answers as snnTorch: {result['same_answers']:.1%}")


if __name__ == "__main__":
    main()
