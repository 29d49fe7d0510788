"""Running a graph on the cpu: the fastest engine that fits, values or counts from its blocks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.counting import Counts, count_events
from edgespike.counting.events import sum_events
from edgespike.graph import Graph
from edgespike.graph.inputs import as_samples, never_changes
from edgespike.graph.tensor import Integers
from edgespike.targets.cpu.blocks import Engine, empty_accumulators
from edgespike.targets.cpu.numpy_engine import NumpyEngine
from edgespike.trace import Trace, observed_names

LARGEST_BATCH = 32
"""Samples that LiteRT runs at once; of more, fewer events are still in the cache when counted."""


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
    with _engine(graph, len(samples)) as engine:
        for block in engine.blocks(samples):
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
    with _engine(graph, len(samples)) as engine:
        for block in engine.blocks(samples):
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
    entered = _input_events(graph, samples)  # while the samples are in the cache
    with _engine(graph, len(samples)) as engine:
        accumulators, found = engine.run_counted(samples)
        # One pass widens and turns what the engine may overwrite in its next run.
        sums = {
            name: np.ascontiguousarray(np.moveaxis(total, -1, 1), np.int64)
            for name, total in found.items()
        }
    return accumulators, {graph.input.name: entered, **sums}


def count(graph: Graph, samples: NDArray[Any]) -> Counts:
    """Run samples and count what was done, without keeping values.

    Parameters and errors are those of :func:`run`.
    """
    _, sums = run_counted(graph, samples)
    return count_events(graph, sums, len(samples))


def _input_events(graph: Graph, samples: NDArray[Any]) -> Integers:
    """Sum the input's events; those of a sample that never changes, once for all steps."""
    different = samples[:, :1] if never_changes(samples) else samples
    events = sum_events(different, graph.tensors[graph.input.name])
    return np.broadcast_to(events, samples.shape[1:])


@contextmanager
def _engine(graph: Graph, samples: int) -> Iterator[Engine]:
    """Return the fastest engine that runs a graph exactly, made ready for that many samples.

    All threads share the engine; until it is given back, no other one gets it.
    """
    batch = min(LARGEST_BATCH, 1 << (samples - 1).bit_length())
    engine, alone = _prepare(graph, batch)
    with alone:
        yield engine


@lru_cache(maxsize=8)
def _prepare(graph: Graph, batch: int) -> tuple[Engine, AbstractContextManager[Any]]:
    """Prepare an engine, and what a thread must hold to use it."""
    if _runs_on_litert(graph):
        from edgespike.targets.cpu.litert_engine import CountingLiteRtEngine

        return CountingLiteRtEngine(graph, batch), Lock()  # each batch overwrites its memory
    return _prepare_numpy(graph), nullcontext()


@lru_cache(maxsize=8)
def _prepare_numpy(graph: Graph) -> Engine:
    return NumpyEngine(graph)


def _runs_on_litert(graph: Graph) -> bool:
    if find_spec("ai_edge_litert") is None:
        return False
    from edgespike.targets.cpu.litert_engine import fits

    return fits(graph)


def runtime() -> str:
    """Name what the engines run on, and its version."""
    return f"{_NUMPY}{_litert()}" if find_spec("ai_edge_litert") else _NUMPY


def runtime_of(graph: Graph) -> str:
    """Name what a graph runs on, and its version."""
    return f"{_NUMPY}{_litert()}" if _runs_on_litert(graph) else _NUMPY


_NUMPY = f"numpy {np.__version__}"


def _litert() -> str:
    return f", ai-edge-litert {version('ai-edge-litert')}"
