"""Running a graph on the cpu: the fastest engine that fits, values or counts from its blocks."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.counting import event_sources
from edgespike.counting.events import sum_events
from edgespike.graph import Graph
from edgespike.graph.inputs import as_samples
from edgespike.graph.tensor import Integers
from edgespike.targets.cpu.blocks import Engine
from edgespike.targets.cpu.numpy_engine import NumpyEngine
from edgespike.trace import Trace, observed_names


@lru_cache(maxsize=8)
def engine_for(graph: Graph) -> Engine:
    """Give the fastest engine that runs a graph exactly."""
    return NumpyEngine(graph)


def run(graph: Graph, samples: NDArray[Any]) -> Trace:
    """Run samples and keep every observed node's values, in narrow integer types.

    Parameters
    ----------
    graph
        Any valid graph.
    samples
        Integers, see :func:`edgespike.graph.inputs.as_samples`.

    Raises
    ------
    InputError
        The samples do not fit the graph's input.
    """
    samples = as_samples(graph, samples)
    kept: dict[str, NDArray[Any]] = {}
    for block in engine_for(graph).blocks(samples):
        for name in observed_names(graph):
            values = block.values[name]
            if name not in kept:
                shape = (len(samples), graph.steps, *values.shape[2:])
                kept[name] = np.empty(shape, values.dtype)
            kept[name][block.samples, block.steps] = values.swapaxes(0, 1)
    return Trace({name: np.moveaxis(values, -1, 2) for name, values in kept.items()})


def run_counted(graph: Graph, samples: NDArray[Any]) -> tuple[Integers, dict[str, Integers]]:
    """Run samples and keep only the answers and how often each neuron fired.

    Parameters
    ----------
    graph
        Any valid graph.
    samples
        Integers, see :func:`edgespike.graph.inputs.as_samples`.

    Returns
    -------
    accumulators
        The readout after the last step, int64 ``(samples, classes)``.
    sums
        For each node at which events arise, the input among them, its events summed over samples,
        int64 ``(steps, *shape)``: what :func:`edgespike.counting.count_events` takes.

    Raises
    ------
    InputError
        The samples do not fit the graph's input.
    """
    samples = as_samples(graph, samples)
    accumulators = np.empty((len(samples), *graph.tensors[graph.readout.name].shape), np.int64)
    sums = {name: _zeros_channels_last(graph, name) for name in event_sources(graph)}
    for block in engine_for(graph).blocks(samples):
        for name, total in sums.items():
            total[block.steps] += sum_events(block.values[name].swapaxes(0, 1), graph.tensors[name])
        accumulators[block.samples] = block.values[graph.readout.name][-1]
    return accumulators, {name: np.moveaxis(total, -1, 1) for name, total in sums.items()}


def _zeros_channels_last(graph: Graph, name: str) -> Integers:
    channels, *positions = graph.tensors[name].shape
    return np.zeros((graph.steps, *positions, channels), np.int64)


def runtime() -> str:
    """Name the engine's version."""
    return f"numpy {np.__version__}"
