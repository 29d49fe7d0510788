"""The LiteRT engine: graphs of spikes and levels on int8 kernels, events counted in place."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.counting.events import BYTE_LIMIT, sum_events
from edgespike.graph import Graph, Signal
from edgespike.graph.tensor import Integers
from edgespike.targets.cpu.blocks import (
    Block,
    Counted,
    channels_first,
    cut,
    empty_accumulators,
    zero_sums,
)
from edgespike.targets.shared.number_types import narrow_type
from edgespike.targets.tflite.running.engine import LiteRtEngine, Plan, engine_fault, engine_plan
from edgespike.trace import observed_names

__all__ = ["CountingLiteRtEngine", "Plan", "plan_for"]

BATCH_BYTES = 2**26
"""Maximum memory for the events of one batch."""

WORDS_PER_BYTE = 65535 // BYTE_LIMIT
"""How many full bytes a sum of 16 bits can hold."""

ROWS_BYTES = 2**19
"""Approximate number of bytes that are marked as events at once."""


def plan_for(graph: Graph) -> Plan | None:
    """Return a plan with which the engine runs a graph exactly; ``None`` if there is none.

    Warn if there is one, but the installed version of LiteRT is not exact.
    """
    (source,) = graph.input_tensors(graph.readout)
    plan = None if source.signal.is_event else engine_plan(graph)
    if plan is None:
        return None
    fault = engine_fault()
    if not fault:
        return plan
    _warn(fault)
    return None


@cache
def _warn(fault: str) -> None:
    """Warn once in a process."""
    warnings.warn(f"the cpu target runs on numpy: {fault}", RuntimeWarning, stacklevel=2)


class CountingLiteRtEngine:
    """A graph prepared to run, in one thread at a time.

    Parameters
    ----------
    plan
        From :func:`plan_for`.
    batch
        Maximum number of samples that run at once; fewer if they would take more than
        :data:`BATCH_BYTES`.
    """

    def __init__(self, plan: Plan, batch: int) -> None:
        self._graph = graph = plan.graph
        self._batch = max(1, min(batch, BATCH_BYTES // graph.values_per_step))
        self._engine = LiteRtEngine(plan, self._batch)
        self._readout_type = narrow_type(*graph.tensors[graph.readout.name].bounds)
        self._names = [name for name in observed_names(graph) if name != graph.readout.name]
        most = {name: self._most_events(name) for name in self._names}
        in_bytes = [name for name in self._names if most[name] * self._batch <= BYTE_LIMIT]
        self._summed_apart = [name for name in self._names if name not in in_bytes]
        self._events = _EventSums(
            [self._source(name) for name in in_bytes],
            BYTE_LIMIT // max([1, *(most[name] for name in in_bytes)]),
        )

    def blocks(self, samples: NDArray[Any]) -> Iterator[Block]:
        """Run checked samples ``(samples, 1, *shape)``, channels first, batch by batch."""
        for some in cut(len(samples), self._batch):
            accumulators = self._engine.run(samples[some, 0]).astype(self._readout_type)
            count = some.stop - some.start
            values = {name: self._values(name, count)[None] for name in self._names}
            yield Block(some, slice(0, 1), {**values, self._graph.readout.name: accumulators[None]})

    def _values(self, name: str, count: int) -> NDArray[Any]:
        stored, zero_point = self._engine.events[name][:count], self._engine.zero_points[name]
        return stored.astype(np.int16) - zero_point if zero_point else stored

    def answer(self, samples: NDArray[Any], answers: Integers) -> Iterator[None]:
        """Run checked samples and write the readout after the only step, batch by batch."""
        for some in cut(len(samples), self._batch):
            answers[some] = self._engine.run(samples[some, 0])
            yield

    def counted(self, samples: NDArray[Any]) -> Iterator[Counted]:
        """Run checked samples and yield their answers and event sums, all at once."""
        if len(samples) == 1:
            accumulators = self._engine.run(samples[:, 0])
            events = {name: channels_first(self._single(name), 1) for name in self._names}
            yield Counted(slice(0, 1), slice(0, 1), accumulators, events)
            return
        accumulators = empty_accumulators(self._graph, len(samples))
        sums = {name: zero_sums(self._graph, name) for name in self._summed_apart}
        self._events.start()
        for some in cut(len(samples), self._batch):
            accumulators[some] = self._engine.run(samples[some, 0])
            count = some.stop - some.start
            self._events.add(count)
            for name, total in sums.items():
                total += sum_events(self._values(name, count), self._graph.tensors[name])
        found = {**self._events.totals(), **sums}
        found = {name: channels_first(each, 1) for name, each in found.items()}
        yield Counted(slice(0, len(samples)), slice(0, 1), accumulators, found)

    def _single(self, name: str) -> NDArray[Any]:
        """Copy the events of the only sample."""
        values = self._values(name, 1)
        if self._graph.tensors[name].signal is Signal.GRADED:
            return np.asarray(values != 0).view(np.int8)
        return values.copy()

    def _source(self, name: str) -> _Source:
        zero_point = self._engine.zero_points[name]
        graded = self._graph.tensors[name].signal is Signal.GRADED
        return _Source(name, self._engine.events[name], zero_point if graded else None)

    def _most_events(self, name: str) -> int:
        """Return the most that one sample can add to a sum in place."""
        tensor = self._graph.tensors[name]
        if tensor.signal is Signal.GRADED:
            return 1
        # With a zero point, the bytes are not numbers of spikes and cannot be summed in place.
        return tensor.bounds[1] if not self._engine.zero_points[name] else BYTE_LIMIT + 1


@dataclass(frozen=True)
class _Source:
    """Where a node's events are in memory.

    Parameters
    ----------
    name
        The node.
    stored
        The memory that each batch overwrites, int8 ``(batch, *shape)``.
    zero_point
        The number that stands for no event where any other stands for one; ``None`` where the
        stored number is the number of events.
    """

    name: str
    stored: NDArray[np.int8]
    zero_point: int | None


class _EventSums:
    """Sums events over batches in place, in bytes that are emptied before they overflow.

    Everything is laid out once, so a batch costs little more than reading its memory. Bytes are
    emptied into 16 bits, and those, before they overflow, into 64: sums in 64 bits alone would not
    stay in the cache.

    Parameters
    ----------
    sources
        What to sum, in the order in which a run writes it.
    at_once
        How many samples can be added without a sum above 255.
    """

    def __init__(self, sources: Sequence[_Source], at_once: int) -> None:
        sizes = [source.stored[0].size for source in sources]
        ends = np.cumsum([0, *sizes])
        self._of_batch = np.zeros(ends[-1], np.uint8)
        self._bytes = _Sums(np.zeros(ends[-1], np.uint8), at_once)
        self._words = _Sums(np.zeros(ends[-1], np.uint16), at_once * WORDS_PER_BYTE)
        self._total: Integers | None = None
        self._shapes = {source.name: (1, *source.stored.shape[1:]) for source in sources}
        self._places = [slice(*pair) for pair in pairwise(ends)]
        self._spikes: list[tuple[NDArray[Any], NDArray[Any]]] = []
        self._graded: list[tuple[NDArray[np.int8], np.int8, NDArray[np.uint8]]] = []
        # What the run wrote last is still in the cache, so it is read first.
        for source, place in reversed(list(zip(sources, self._places, strict=True))):
            stored, sums = source.stored.reshape(len(source.stored), -1), self._of_batch[place]
            if source.zero_point is None:
                self._spikes.append((_widened(stored, place), _widened(sums, place)))
            else:
                self._graded.append((stored, np.int8(source.zero_point), sums))
        self._is_event = np.empty(max(ROWS_BYTES, *sizes, 1), np.bool_)

    def start(self) -> None:
        """Reset all sums."""
        self._bytes.clear()
        self._words.clear()
        self._total = None

    def add(self, count: int) -> None:
        """Add the events of the first ``count`` samples in memory."""
        if not self._bytes.has_room(count):
            self._empty_bytes()
        for spikes, sums in self._spikes:
            np.add.reduce(spikes[:count], axis=0, dtype=sums.dtype, out=sums)
        for stored, zero_point, sums in self._graded:
            self._sum_graded(stored[:count], zero_point, sums)
        self._bytes.sums += self._of_batch
        self._bytes.samples += count

    def _sum_graded(
        self, stored: NDArray[np.int8], zero_point: np.int8, sums: NDArray[np.uint8]
    ) -> None:
        """Mark events, a few rows at a time so that the marks stay in the cache, and sum them."""
        size = stored.shape[1]
        sums[:] = 0
        for rows in cut(len(stored), max(1, ROWS_BYTES // size)):
            some = stored[rows]
            marks = self._is_event[: some.size].reshape(some.shape)
            np.not_equal(some, zero_point, out=marks)
            sums += np.add.reduce(marks.view(np.uint8), axis=0, dtype=np.uint8)

    def totals(self) -> dict[str, NDArray[Any]]:
        """Return the sums by name, ``(1, *shape)``, in as few bits as hold them."""
        if self._words.samples or self._total is not None:
            self._empty_bytes()
            total = self._words.sums + (0 if self._total is None else self._total)
        else:
            total = self._bytes.sums.copy()
        return {
            name: total[place].reshape(shape)
            for (name, shape), place in zip(self._shapes.items(), self._places, strict=True)
        }

    def _empty_bytes(self) -> None:
        if not self._words.has_room(self._bytes.samples):
            self._empty_words()
        self._words.sums += self._bytes.sums
        self._words.samples += self._bytes.samples
        self._bytes.clear()

    def _empty_words(self) -> None:
        words = self._words.sums.astype(np.int64)
        self._total = words if self._total is None else self._total + words
        self._words.clear()


def _widened(stored: NDArray[Any], place: slice) -> NDArray[Any]:
    """View bytes as 64-bit words where both ends are aligned: fewer, wider additions.

    No byte overflows, so none carries into its neighbour.
    """
    words = np.dtype(np.uint64)
    aligned = place.start % words.itemsize == place.stop % words.itemsize == 0
    return stored.view(words if aligned else np.uint8)


class _Sums:
    """Sums over samples, in a type that can hold those of a limited number of samples."""

    def __init__(self, sums: NDArray[Any], limit: int) -> None:
        self.sums = sums
        self.samples = 0
        self._limit = limit

    def has_room(self, count: int) -> bool:
        """Return whether that many more samples fit without overflow."""
        return self.samples + count <= self._limit

    def clear(self) -> None:
        """Start again from zero."""
        self.sums[:] = 0
        self.samples = 0
