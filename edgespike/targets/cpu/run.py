"""Run a graph on the cpu: a trace, answers or a tally from the fastest exact engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgespike.blas import one_blas_thread
from edgespike.counting import EventSums, Tally, sum_events
from edgespike.graph import Graph, Signal
from edgespike.graph.inputs import as_samples, never_changes
from edgespike.graph.tensor import Integers
from edgespike.targets.cpu.blocks import Engine, cut, empty_accumulators
from edgespike.targets.cpu.native import native_engine
from edgespike.targets.cpu.native.library import kernel_sets
from edgespike.targets.cpu.numpy_engine import NumpyEngine
from edgespike.targets.cpu.threads import run_parts
from edgespike.targets.shared.number_types import narrow_type
from edgespike.threads import most_threads
from edgespike.trace import Trace, observed_names

if TYPE_CHECKING:
    from edgespike.targets.cpu.litert_engine import Plan

LARGEST_BATCH = 32
"""Maximum number of samples that LiteRT runs at once.

Of more samples, fewer events are still in the cache when they are counted.

Like the numpy engine's ``BLOCK_BYTES`` this is about caches, not about memory. How many samples
:meth:`CpuRunner.trace` and :meth:`CpuRunner.tally` take is decided in :mod:`edgespike.batches`.
"""


PART_SAMPLES = 8 * LARGEST_BATCH
"""Maximum number of samples of a thread's part: no thread waits long for another's last one."""

THREAD_VALUES = 2**18
"""Least number of values that are worth a thread: they take about ten times as long as to start it.
"""


class CpuRunner:
    """A graph prepared on the fastest engine that computes it exactly.

    That is the native engine, where it is built and its 32 bits hold the graph; else LiteRT, where
    its kernels are exact; else numpy. Engines are made when they are first needed. A run uses as
    many threads as :mod:`edgespike.threads` allows, and threads may share a runner.

    Parameters
    ----------
    graph
        Any valid graph.
    native
        Whether the native engine may be used.
    """

    memory_bounded = True

    def __init__(self, graph: Graph, *, native: bool = True) -> None:
        self.graph = graph
        self._native = native_engine(graph) if native else None
        self._plan = None if self._native else _litert_plan(graph)
        self._idle: dict[int, list[Engine]] = {}
        """Engines that no thread uses, by batch size; one that all threads share, at 0."""
        self._names = observed_names(graph)
        self._values = graph.steps * graph.values_per_step
        """Values of one sample."""
        self._lock = Lock()

    @property
    def runtime(self) -> str:
        """Name and version of what runs the graph."""
        if self._native:
            return f"{_native_version(self._native.kernels)}, numpy {np.__version__}"
        return _version(with_litert=self._plan is not None)

    def trace(self, samples: NDArray[Any]) -> Trace:
        """Run samples and return every observed node's values, in narrow integer types."""
        samples = as_samples(self.graph, samples)
        kept = _Kept(len(samples), self.graph.steps, self._names)

        def work(part: slice) -> Iterator[None]:
            with self._engine(part) as engine:
                for block in engine.blocks(samples[part]):
                    kept.put(_moved(block.samples, part), block.steps, block.values)
                    yield

        self._run(work, len(samples))
        return Trace({name: _channels_first(kept.values[name], 2) for name in self._names})

    def answers(self, samples: NDArray[Any]) -> Integers:
        """Run samples and return only the readout after the last step, ``(samples, classes)``."""
        samples = as_samples(self.graph, samples)
        if self._native and self._threads(len(samples)) == 1:
            return self._native.answers(samples)
        accumulators = empty_accumulators(self.graph, len(samples))

        def work(part: slice) -> Iterator[None]:
            if self._native:
                accumulators[part] = self._native.answers(samples[part])
                return
            with self._engine(part) as engine:
                for block in engine.blocks(samples[part]):
                    final = block.values[self.graph.readout.name][-1]
                    accumulators[_moved(block.samples, part)] = final
                    yield

        self._run(work, len(samples))
        return accumulators

    def tally(self, samples: NDArray[Any]) -> Tally:
        """Run samples once and return their answers and event counts, without keeping values."""
        samples = as_samples(self.graph, samples)
        if self._native and self._threads(len(samples)) == 1:
            tally = self._native.tally(samples)
            if tally is not None:
                return tally
        accumulators = empty_accumulators(self.graph, len(samples))
        sums = _Sums(self.graph, len(samples))

        def work(part: slice) -> Iterator[None]:
            with self._engine(part) as engine:
                for some in engine.counted(samples[part]):
                    accumulators[_moved(some.samples, part)] = some.accumulators
                    sums.add(some.steps, some.sums)
                    yield

        self._run(work, len(samples))
        if self.graph.input.name not in sums.totals:
            sums.totals[self.graph.input.name] = self._input_events(samples)
        return Tally(accumulators, EventSums(sums.totals))

    def _run(self, work: Callable[[slice], Iterator[None]], samples: int) -> None:
        """Run samples in parts, at the same time where there is enough to do."""
        threads = self._threads(samples)
        parts = list(cut(samples, min(-(-samples // threads), PART_SAMPLES)))
        with one_blas_thread() if self._on_numpy else nullcontext():
            run_parts(work, parts, threads)

    def _threads(self, samples: int) -> int:
        worth = samples * self._values // THREAD_VALUES
        return 1 if worth <= 1 or samples == 1 else min(most_threads(), samples, worth)

    def _input_events(self, samples: NDArray[Any]) -> Integers:
        """Sum the input's events; where samples never change, once for all steps."""
        different = samples[:, :1] if never_changes(samples) else samples
        events = sum_events(different, self.graph.tensors[self.graph.input.name])
        if self.graph.steps == 1:  # broadcasting would take as long as the sum
            return events
        return np.broadcast_to(events, samples.shape[1:])

    @property
    def _on_numpy(self) -> bool:
        return self._native is None and self._plan is None

    @contextmanager
    def _engine(self, part: slice) -> Iterator[Engine]:
        """Lend an engine for some samples; LiteRT's, to one thread at a time."""
        samples = part.stop - part.start
        shared = self._plan is None
        batch = 0 if shared else min(LARGEST_BATCH, 1 << (samples - 1).bit_length())
        with self._lock:
            idle = self._idle.setdefault(batch, [])
            engine = idle.pop() if idle else self._make_engine(batch)
            if shared:
                idle.append(engine)
        try:
            yield engine
        finally:
            if not shared:
                idle.append(engine)

    def _make_engine(self, batch: int) -> Engine:
        if self._native:
            return self._native
        if self._plan is None:
            return NumpyEngine(self.graph)
        from edgespike.targets.cpu.litert_engine import CountingLiteRtEngine

        return CountingLiteRtEngine(self._plan, batch)


def _moved(samples: slice, part: slice) -> slice:
    """Return the place in a batch of samples of its part."""
    return slice(part.start + samples.start, part.start + samples.stop)


def _channels_first(values: NDArray[Any], place: int) -> NDArray[Any]:
    """Move the last axis to a place; ``np.moveaxis`` takes several times as long."""
    return values.transpose(_axes(values.ndim, place))


@cache
def _axes(number: int, place: int) -> tuple[int, ...]:
    axes = range(number - 1)
    return (*axes[:place], number - 1, *axes[place:])


class _Kept:
    """The observed values of all samples, put there by several threads."""

    def __init__(self, samples: int, steps: int, names: Sequence[str]) -> None:
        self.values: dict[str, NDArray[Any]] = {}
        self._first = (samples, steps)
        self._names = names
        self._lock = Lock()

    def put(self, samples: slice, steps: slice, values: Mapping[str, NDArray[Any]]) -> None:
        """Put values ``(steps, samples, *shape)`` where they belong."""
        ordered = {name: values[name].swapaxes(0, 1) for name in self._names}
        if all(each.shape[:2] == self._first for each in ordered.values()):  # the only block
            self.values = {name: each.copy() for name, each in ordered.items()}
            return
        with self._lock:
            for name in () if self.values else self._names:
                shape = (*self._first, *ordered[name].shape[2:])
                self.values[name] = np.empty(shape, ordered[name].dtype)
        for name, each in ordered.items():
            self.values[name][samples, steps] = each


class _Sums:
    """Event sums over all samples: ``(steps, *shape)``, channels first in shape, last in memory.

    Sums that an engine returns in one piece stay as they are. Others are added up in the narrowest
    type that holds them: of many steps, 64 bits would be mostly memory that is touched in vain.
    """

    def __init__(self, graph: Graph, samples: int) -> None:
        self.totals: dict[str, NDArray[Any]] = {}
        self._graph = graph
        self._samples = samples
        self._lock = Lock()

    def add(self, steps: slice, sums: Mapping[str, NDArray[Any]]) -> None:
        """Add sums ``(steps, *shape)``, channels last, at these steps; of one, at each of them."""
        with self._lock:
            for name, found in sums.items():
                if name in self.totals:
                    total = self.totals[name].astype(self._type(name), copy=False)
                elif len(found) == self._graph.steps:
                    self.totals[name] = _channels_first(found, 1)
                    continue
                else:
                    shape = (self._graph.steps, *found.shape[1:])
                    total = _channels_first(np.zeros(shape, self._type(name)), 1)
                total[steps] += _channels_first(found, 1)
                self.totals[name] = total

    def _type(self, name: str) -> np.dtype[Any]:
        """Return the narrowest type that holds a neuron's events of all samples."""
        tensor = self._graph.tensors[name]
        most = 1 if tensor.signal is Signal.GRADED else tensor.bounds[1]
        return narrow_type(0, most * self._samples)


def _litert_plan(graph: Graph) -> Plan | None:
    """Plan a graph for LiteRT's int8 kernels; ``None`` if they are missing or not exact."""
    if not _litert_is_installed():
        return None
    from edgespike.targets.cpu.litert_engine import plan_for

    return plan_for(graph)


def version() -> str:
    """Return names and versions of what the engines run on."""
    sets = kernel_sets()
    others = _version(with_litert=_litert_is_installed())
    return f"{_native_version(sets[0]) if sets else 'no native engine'}, {others}"


def _native_version(kernels: str) -> str:
    return f"native engine ({kernels})"


def _version(with_litert: bool) -> str:
    numpy = f"numpy {np.__version__}"
    return f"{numpy}, ai-edge-litert {metadata.version('ai-edge-litert')}" if with_litert else numpy


def _litert_is_installed() -> bool:
    return find_spec("ai_edge_litert") is not None
