"""Running a graph on the cpu: the fastest engine that fits, values or counts from its blocks."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.counting.events import sum_events
from edgespike.graph import Graph
from edgespike.graph.inputs import as_samples
from edgespike.graph.tensor import Integers
from edgespike.targets.cpu.blocks import Engine, empty_accumulators
from edgespike.targets.cpu.numpy_engine import NumpyEngine
from edgespike.trace import Trace, observed_names

LARGEST_BATCH = 64
"""Samples that LiteRT runs at once; more are no faster."""


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
    for block in _engine(graph, len(samples)).blocks(samples):
        for name in observed_names(graph):
            values = block.values[name]
            if name not in kept:
                shape = (len(samples), graph.steps, *values.shape[2:])
                kept[name] = np.empty(shape, values.dtype)
            kept[name][block.samples, block.steps] = values.swapaxes(0, 1)
    return Trace({name: np.moveaxis(values, -1, 2) for name, values in kept.items()})


def run_accumulators(graph: Graph, samples: NDArray[Any]) -> Integers:
    """Run samples and keep only the answers.

    Parameters and errors are those of :func:`run`.

    Returns
    -------
    accumulators
        The readout after the last step, int64 ``(samples, classes)``.
    """
    samples = as_samples(graph, samples)
    accumulators = empty_accumulators(graph, len(samples))
    for block in _engine(graph, len(samples)).blocks(samples):
        accumulators[block.samples] = block.values[graph.readout.name][-1]
    return accumulators


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
    accumulators, sums = _engine(graph, len(samples)).run_counted(samples)
    channels_first = {name: _channels_first(total) for name, total in sums.items()}
    return accumulators, {graph.input.name: _input_events(graph, samples), **channels_first}


def _channels_first(total: Integers) -> Integers:
    return total.transpose(0, 3, 1, 2) if total.ndim == 4 else total


def _input_events(graph: Graph, samples: NDArray[Any]) -> Integers:
    """Sum the input's events; those of a sample that never changes, once for all steps."""
    different = samples[:, :1] if samples.strides[1] == 0 else samples
    events = sum_events(different, graph.tensors[graph.input.name])
    return np.broadcast_to(events, samples.shape[1:])


def _engine(graph: Graph, samples: int) -> Engine:
    """Give the fastest engine that runs a graph exactly, made ready for that many samples."""
    batch = min(LARGEST_BATCH, 1 << (samples - 1).bit_length())
    return _prepare(_ById(graph), batch)


class _ById:
    """A graph as a cache key: it cannot change, so identity is enough, and fast."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ById) and self.graph is other.graph

    def __hash__(self) -> int:
        return id(self.graph)


@lru_cache(maxsize=8)
def _prepare(key: _ById, batch: int) -> Engine:
    if find_spec("ai_edge_litert") is not None:
        from edgespike.targets.cpu.litert_engine import CountingLiteRtEngine, fits

        if fits(key.graph):
            return CountingLiteRtEngine(key.graph, batch)
    return _prepare_numpy(key)


@lru_cache(maxsize=8)
def _prepare_numpy(key: _ById) -> Engine:
    return NumpyEngine(key.graph)


def runtime() -> str:
    """Name what the engines run on, and its version."""
    litert = f", ai-edge-litert {version('ai-edge-litert')}" if find_spec("ai_edge_litert") else ""
    return f"numpy {np.__version__}{litert}"
