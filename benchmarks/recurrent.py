"""Measure pruned and unpruned recurrent nets on the cpu target and LiteRT, and against torch.

    pip install -c constraints.txt -e ".[train,tflite,bench]"
    python benchmarks/recurrent.py

The nets are vanilla RNNs with random weights: 128 ReLU units with 16 states, and 42 units as after
pruning. Both run the same samples, 28 rows of 28 pixels or 196 single pixels, in batches of 256 and
one by one, on one thread. LiteRT runs the exported models: one step per invocation, and all steps
unrolled. Times are CPU times of the process; repetitions alternate, and ratios are medians over
neighbouring repetitions.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from alternation import beside_limit, make_parser, measure, print_rates, ratio, show
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

import edgespike
from edgespike.graph import (
    Add,
    Delay,
    Dense,
    Graph,
    Input,
    Node,
    Readout,
    ReadoutMode,
    Signal,
    Threshold,
)
from edgespike.targets.cpu import CpuRunner
from edgespike.targets.tflite.lower import Lowered, lower, lower_unrolled
from edgespike.targets.tflite.planning.planner import make_plan
from edgespike.targets.tflite.run import encode_input
from edgespike.targets.tflite.running.execute import DEFAULT_KERNELS, make_interpreter, resize

UNITS = (128, 42)
"""Before and after pruning."""

STATES = 16
CLASSES = 10
SHAPES = ((28, 28), (196, 1))
"""Steps and features."""

BATCHES = {256: 16, 1: 128}
"""Batch sizes, and the number of batches per repetition."""

ANSWERS = "cpu target, answers only"
COUNTING = "cpu target, counting"
LITERT = "LiteRT, one step per invocation"
UNROLLED = "LiteRT, unrolled"
TORCH = "torch, float32"
METHODS = (ANSWERS, COUNTING, LITERT, UNROLLED, TORCH)

GAINS = {f"unpruned over pruned time, {method}": method for method in METHODS}

LEAST_GAIN = 3
"""A third of the units should run at least this many times as fast on the targets."""


def main() -> None:
    arguments = make_parser(__doc__).parse_args()
    torch.set_num_threads(1)
    with threadpool_limits(1), torch.no_grad():
        results = [
            compare(steps, features, batch, arguments.repetitions)
            for steps, features in SHAPES
            for batch in BATCHES
        ]
    show(results, arguments.json, _print)


def compare(steps: int, features: int, batch: int, repetitions: int) -> dict[str, Any]:
    """Alternate both nets on the same samples, on each runtime."""
    size = (BATCHES[batch], batch, steps, features)
    samples = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    methods = {
        f"{name}, {units} units": method
        for units in UNITS
        for name, method in _methods(units, samples).items()
    }
    seconds, _ = measure(methods, repetitions)
    unpruned, pruned = (
        {name: seconds[f"{name}, {units} units"] for name in METHODS} for units in UNITS
    )
    return {
        "runtime": f"{CpuRunner(random_net(UNITS[0], steps, features)).runtime}, "
        f"torch {torch.__version__}",
        "steps": steps,
        "features": features,
        "batch": batch,
        "samples_per_second": {
            name: BATCHES[batch] * batch / statistics.median(each) for name, each in seconds.items()
        },
        "ratios": {
            **{name: ratio(unpruned[k], pruned[k]) for name, k in GAINS.items()},
            "times torch, unpruned": ratio(unpruned[TORCH], unpruned[ANSWERS]),
            "times torch, pruned": ratio(pruned[TORCH], pruned[ANSWERS]),
        },
    }


def _methods(units: int, samples: NDArray[np.uint8]) -> dict[str, Callable[[], object]]:
    """Return, for each runtime, a function that runs all batches.

    ``samples`` is ``(batches, batch, steps, features)``.
    """
    graph = random_net(units, *samples.shape[2:])
    runner = CpuRunner(graph)
    net = torch.nn.RNN(samples.shape[-1], units, nonlinearity="relu", batch_first=True)
    readout = torch.nn.Linear(units, CLASSES)
    floats = torch.from_numpy(samples).float() / 255
    return {
        ANSWERS: lambda: [runner.answers(batch) for batch in samples],
        COUNTING: lambda: [edgespike.count(graph, batch) for batch in samples],
        LITERT: _by_step(lower(make_plan(graph)), graph, samples),
        UNROLLED: _unrolled(lower_unrolled(make_plan(graph)), graph, samples),
        TORCH: lambda: [readout(net(batch)[0][:, -1]) for batch in floats],
    }


def _by_step(
    lowered: Lowered, graph: Graph, samples: NDArray[np.uint8]
) -> Callable[[], list[NDArray[Any]]]:
    """Prepare the model of one step; each batch starts from the initial states."""
    interpreter, batches = _prepared(lowered, graph, samples)
    source, *states = interpreter.get_input_details()
    outputs = [detail["index"] for detail in interpreter.get_output_details()]

    def run(batch: NDArray[Any]) -> NDArray[Any]:
        for state, (_, initial) in zip(states, lowered.carried, strict=True):
            first = np.full(state["shape"], initial, state["dtype"])
            interpreter.set_tensor(state["index"], first)
        for step in batch.swapaxes(0, 1):
            interpreter.set_tensor(source["index"], step)
            interpreter.invoke()
            for state, (place, _) in zip(states, lowered.carried, strict=True):
                interpreter.set_tensor(state["index"], interpreter.get_tensor(outputs[place]))
        return np.asarray(interpreter.get_tensor(outputs[0]))

    return lambda: [run(batch) for batch in batches]


def _unrolled(
    lowered: Lowered, graph: Graph, samples: NDArray[np.uint8]
) -> Callable[[], list[NDArray[Any]]]:
    """Prepare the model with all steps unrolled."""
    interpreter, batches = _prepared(lowered, graph, samples)
    (source,), (final,) = interpreter.get_input_details(), interpreter.get_output_details()

    def run(batch: NDArray[Any]) -> NDArray[Any]:
        interpreter.set_tensor(source["index"], batch)
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(final["index"]))

    return lambda: [run(batch) for batch in batches]


def _prepared(
    lowered: Lowered, graph: Graph, samples: NDArray[np.uint8]
) -> tuple[Any, list[NDArray[Any]]]:
    """Load a model for batches of this size, and encode the batches."""
    interpreter = make_interpreter(lowered.content, DEFAULT_KERNELS)
    resize(interpreter, samples.shape[1])
    return interpreter, [encode_input(graph, lowered, batch) for batch in samples]


def random_net(units: int, steps: int, features: int) -> Graph:
    """Build a vanilla RNN with int4 weights and evenly spaced thresholds that its sums reach."""
    rng = np.random.default_rng(0)
    levels = STATES - 1

    def dense(outputs: int, inputs: int) -> Dense:
        return Dense(rng.integers(-7, 8, (outputs, inputs)), np.zeros(outputs, np.int64))

    spread = np.sqrt(features * 85**2 + units * levels**2)
    middle = np.arange(1, levels + 1) - rng.random((units, 1))
    theta = np.ceil(middle * spread / 2).astype(np.int64)
    nodes = (
        Node("input", Input((features,), 0, 255, 1 / 255)),
        Node("before", Delay((units,), 0, levels, Signal.GRADED), ("state",)),
        Node("forward", dense(units, features), ("input",)),
        Node("recurrent", dense(units, units), ("before",)),
        Node("sum", Add(), ("forward", "recurrent")),
        Node("state", Threshold(theta, np.zeros(units, np.bool_)), ("sum",)),
        Node("dense", dense(CLASSES, units), ("state",)),
        Node("out", Readout(np.ones(CLASSES), ReadoutMode.LAST), ("dense",)),
    )
    return Graph(f"rnn-{units}", nodes, steps)


def _print(results: list[dict[str, Any]]) -> None:
    limits = {name: LEAST_GAIN for name, method in GAINS.items() if method != TORCH}
    for result in results:
        title = "Batch {batch}, {steps} steps of {features}, one thread: {runtime}".format(**result)
        console = print_rates(title, result["samples_per_second"])
        for name, value in result["ratios"].items():
            console.print(f"{name}: {beside_limit(value, limits.get(name))}")


if __name__ == "__main__":
    main()
