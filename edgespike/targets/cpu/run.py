"""Run a graph on the cpu: a trace, answers or a tally from the fastest exact engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from importlib.util import find_spec
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgespike.counting import Tally, sum_events
from edgespike.graph import Graph
from edgespike.graph.inputs import as_samples, never_changes
from edgespike.graph.tensor import Integers
from edgespike.targets.cpu.blocks import Engine, empty_accumulators
from edgespike.targets.cpu.numpy_engine import NumpyEngine
from edgespike.trace import Trace, observed_names

if TYPE_CHECKING:
    from edgespike.targets.cpu.litert_engine import Plan

LARGEST_BATCH = 32
"""Maximum number of samples that LiteRT runs at once.

Of more samples, fewer events are still in the cache when they are counted.

Like the numpy engine's ``BLOCK_BYTES`` this is about caches, not about memory. How many samples
:meth:`CpuRunner.trace` and :meth:`CpuRunner.tally` take is decided in :mod:`edgespike.batches`.
"""


class CpuRunner:
    """A graph prepared on the fastest engine that computes it exactly.

    Engines are made when they are first needed. Threads may share a runner.

    Parameters
    ----------
    graph
        Any valid graph.
    """

    memory_bounded = True

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._plan = _litert_plan(graph)
        self._engines: dict[int, Engine] = {}
        self._lock = Lock()

    @property
    def runtime(self) -> str:
        """Name and version of what runs the graph."""
        return _version(with_litert=self._plan is not None)

    def trace(self, samples: NDArray[Any]) -> Trace:
        """Run samples and return every observed node's values, in narrow integer types."""
        samples = as_samples(self.graph, samples)
        kept: dict[str, NDArray[Any]] = {}
        with self._engine(len(samples)) as engine:
            for block in engine.blocks(samples):
                for name in observed_names(self.graph):
                    values = block.values[name]
                    if name not in kept:
                        shape = (len(samples), self.graph.steps, *values.shape[2:])
                        kept[name] = np.empty(shape, values.dtype)
                    kept[name][block.samples, block.steps] = values.swapaxes(0, 1)
        return Trace({name: np.moveaxis(values, -1, 2) for name, values in kept.items()})

    def answers(self, samples: NDArray[Any]) -> Integers:
        """Run samples and return only the readout after the last step, ``(samples, classes)``."""
        samples = as_samples(self.graph, samples)
        accumulators = empty_accumulators(self.graph, len(samples))
        with self._engine(len(samples)) as engine:
            for block in engine.blocks(samples):
                accumulators[block.samples] = block.values[self.graph.readout.name][-1]
        return accumulators

    def tally(self, samples: NDArray[Any]) -> Tally:
        """Run samples once and return their answers and event counts, without keeping values."""
        samples = as_samples(self.graph, samples)
        entered = self._input_events(samples)
        with self._engine(len(samples)) as engine:
            accumulators, found = engine.run_counted(samples)
            # One pass widens and transposes sums that the engine may overwrite in its next run.
            sums = {
                name: np.ascontiguousarray(np.moveaxis(total, -1, 1), np.int64)
                for name, total in found.items()
            }
        return Tally(accumulators, {self.graph.input.name: entered, **sums})

    def _input_events(self, samples: NDArray[Any]) -> Integers:
        """Sum the input's events; where samples never change, once for all steps."""
        different = samples[:, :1] if never_changes(samples) else samples
        events = sum_events(different, self.graph.tensors[self.graph.input.name])
        return np.broadcast_to(events, samples.shape[1:])

    @contextmanager
    def _engine(self, samples: int) -> Iterator[Engine]:
        """Lend the engine for a number of samples; LiteRT's, to one thread at a time."""
        shared = self._plan is None
        batch = 0 if shared else min(LARGEST_BATCH, 1 << (samples - 1).bit_length())
        with self._lock:
            if batch not in self._engines:
                self._engines[batch] = self._make_engine(batch)
            if not shared:
                yield self._engines[batch]
                return
        yield self._engines[batch]

    def _make_engine(self, batch: int) -> Engine:
        if self._plan is None:
            return NumpyEngine(self.graph)
        from edgespike.targets.cpu.litert_engine import CountingLiteRtEngine

        return CountingLiteRtEngine(self._plan, batch)


def _litert_plan(graph: Graph) -> Plan | None:
    """Plan a graph for LiteRT's int8 kernels; ``None`` if they are missing or not exact."""
    if not _litert_is_installed():
        return None
    from edgespike.targets.cpu.litert_engine import plan_for

    return plan_for(graph)


def version() -> str:
    """Return names and versions of what the engines run on."""
    return _version(with_litert=_litert_is_installed())


def _version(with_litert: bool) -> str:
    numpy = f"numpy {np.__version__}"
    return f"{numpy}, ai-edge-litert {metadata.version('ai-edge-litert')}" if with_litert else numpy


def _litert_is_installed() -> bool:
    return find_spec("ai_edge_litert") is not None
