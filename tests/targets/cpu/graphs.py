"""Graphs around one operation, with samples, and the comparison with the interpreter."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.counting import event_sources
from edgespike.graph import Dense, Graph, Input, Node, Operation, Readout, Reshape, Threshold
from edgespike.graph.inputs import as_samples
from edgespike.interpreter import interpret
from edgespike.targets.cpu.blocks import Engine
from edgespike.targets.cpu.numpy_engine import NumpyEngine


def chain(source: Input, *ops: Operation, steps: int = 1) -> Graph:
    """Put operations one behind the other, with a readout of all that comes out."""
    nodes = [Node("input", source)]
    tensor = source.infer([], steps)
    for index, op in enumerate(ops):
        nodes.append(Node(f"{op.kind}{index}", op, (nodes[-1].name,)))
        tensor = op.infer([tensor], steps)
    if len(tensor.shape) == 3:
        nodes.append(Node("flat", Reshape((tensor.size,)), (nodes[-1].name,)))
    nodes.append(Node("out", Readout(np.ones(tensor.size)), (nodes[-1].name,)))
    return Graph("chain", tuple(nodes), steps)


def random_samples(source: Input, count: int, steps: int | None = None) -> NDArray[np.int64]:
    shape = (count, *source.shape) if steps is None else (count, steps, *source.shape)
    return np.random.default_rng(1).integers(source.low, source.high, shape, endpoint=True)


def dense_spikes(inputs: int, outputs: int) -> tuple[Dense, Threshold]:
    """Return a layer that fires about every other time."""
    weight = np.random.default_rng(2).integers(-9, 10, (outputs, inputs))
    return (
        Dense(weight, np.zeros(outputs, np.int64)),
        Threshold(np.ones((outputs, 1), np.int64), np.arange(outputs) % 2 == 1),
    )


def run_counted(
    engine: Engine, samples: NDArray[Any]
) -> tuple[NDArray[Any], dict[str, NDArray[Any]]]:
    """Add up all that an engine counts; accumulators ``(samples, classes)``, and sums by name."""
    accumulators: dict[int, NDArray[Any]] = {}
    sums: dict[tuple[str, int], NDArray[Any]] = {}
    for found in engine.counted(samples):
        for place, row in enumerate(found.accumulators, found.samples.start):
            accumulators[place] = row.copy()
        for name, each in found.sums.items():
            for step in range(found.steps.start, found.steps.stop):
                values = each[(step - found.steps.start) % len(each)].astype(np.int64)
                sums[name, step] = sums.get((name, step), 0) + values
    names = dict.fromkeys(name for name, _ in sums)
    rows = {name: [sums[key] for key in sorted(sums) if key[0] == name] for name in names}
    return (
        np.stack([accumulators[place] for place in sorted(accumulators)]),
        {name: np.stack(each) for name, each in rows.items()},
    )


def assert_exact(graph: Graph, samples: NDArray[Any], engine: Engine | None = None) -> None:
    """Compare every observed value, and the event sums, with the interpreter's."""
    engine = engine or NumpyEngine(graph)
    checked = as_samples(graph, samples)
    expected = interpret(graph, samples)
    for block in engine.blocks(checked):
        for name, values in block.values.items():
            found = np.moveaxis(np.swapaxes(values, 0, 1), -1, 2)
            wanted = expected.values[name][block.samples, block.steps]
            same_at_every_step = np.broadcast_to(found, wanted.shape)
            np.testing.assert_array_equal(same_at_every_step, wanted, err_msg=name)
    accumulators, sums = run_counted(engine, checked)
    np.testing.assert_array_equal(accumulators, expected.accumulators(graph))
    for name in event_sources(graph)[1:]:
        values = expected.values[name]
        spikes = graph.tensors[name].signal.value == "spikes"
        events = (values if spikes else values != 0).sum(axis=0)
        np.testing.assert_array_equal(sums[name], events, err_msg=name)
