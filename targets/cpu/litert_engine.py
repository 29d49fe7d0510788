"""The LiteRT engine: graphs of single-step spikes on int8 kernels, counted in their memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.counting.events import samples_at_once, sum_events
from edgespike.graph import Graph, Signal
from edgespike.graph.tensor import Integers
from edgespike.targets.cpu.blocks import Block, cut, empty_accumulators, zero_sums
from edgespike.targets.cpu.exactness import narrow_type
from edgespike.targets.tflite.engine import LiteRtEngine, covers
from edgespike.targets.tflite.plan import violations
from edgespike.trace import observed_names

LARGEST_BATCH = 64
"""Samples that run at once; more are no faster, and a byte holds the spikes of three batches."""

BATCH_BYTES = 2**26
"""Most memory for the events of one batch."""


def fits(graph: Graph) -> bool:
    """Say whether the engine runs a graph exactly."""
    (source,) = graph.input_tensors(graph.readout)
    return covers(graph) and not violations(graph) and not source.signal.is_event


def batch_for(graph: Graph, samples: int) -> int:
    """Choose a batch, a power of two, that wastes little and fits into memory."""
    size = sum(tensor.size for tensor in graph.tensors.values())
    largest = max(1, min(LARGEST_BATCH, BATCH_BYTES // size))
    return 1 << min((samples - 1).bit_length(), largest.bit_length() - 1)


class CountingLiteRtEngine:
    """A graph made ready to run.

    Parameters
    ----------
    graph
        One that :func:`fits`.
    batch
        Most samples of one run.
    """

    def __init__(self, graph: Graph, batch: int) -> None:
        self._graph = graph
        self._batch = batch
        self._engine = LiteRtEngine(graph, batch)
        self._readout_type = narrow_type(*graph.tensors[graph.readout.name].bounds)
        self._names = [name for name in observed_names(graph) if name != graph.readout.name]

    def blocks(self, samples: NDArray[Any]) -> Iterator[Block]:
        """Run checked samples ``(samples, 1, *shape)``, channels first, batch by batch."""
        for some in cut(len(samples), self._batch):
            accumulators = self._engine.run(samples[some, 0]).astype(self._readout_type)
            count = some.stop - some.start
            values = {name: self._values(name, count)[None] for name in self._names}
            yield Block(some, slice(0, 1), {**values, self._graph.readout.name: accumulators[None]})

    def _values(self, name: str, count: int) -> NDArray[Any]:
        stored, zero_point = self._engine.events[name][:count], self._engine.zero_points[name]
        return stored - np.int16(zero_point) if zero_point else stored

    def run_counted(self, samples: NDArray[Any]) -> tuple[Integers, dict[str, Integers]]:
        """Run checked samples for their accumulators and the event sums of neurons and pools."""
        accumulators = empty_accumulators(self._graph, len(samples))
        sums = {name: zero_sums(self._graph, name) for name in self._names}
        in_place = {name: self._sum_in_place(name, sums[name]) for name in sums}
        for some in cut(len(samples), self._batch):
            accumulators[some] = self._engine.run(samples[some, 0])
            count = some.stop - some.start
            for name, byte_sum in in_place.items():
                if byte_sum is not None:
                    byte_sum.add(count)
                else:
                    values = self._values(name, count)
                    sums[name] += sum_events(values, self._graph.tensors[name])
        for byte_sum in in_place.values():
            if byte_sum is not None:
                byte_sum.flush()
        return accumulators, sums

    def _sum_in_place(self, name: str, total: Integers) -> _ByteSum | None:
        """Sum events as they are stored, where they are spikes and a byte holds a batch of them."""
        tensor = self._graph.tensors[name]
        at_once = samples_at_once(tensor)
        stored_as_counted = tensor.signal is Signal.SPIKES and not self._engine.zero_points[name]
        if stored_as_counted and at_once >= self._batch:
            return _ByteSum(self._engine.events[name], total, at_once)
        return None


class _ByteSum:
    """Sums spikes over samples, eight neurons in one 64-bit number, a byte for each.

    No byte carries into the next one, since the bytes are moved to the total before they could
    exceed 255. Made once for a run, so that a batch costs no more than reading its memory.
    """

    def __init__(self, stored: NDArray[np.int8], total: Integers, at_once: int) -> None:
        self._type = np.uint8 if stored[0].size % 8 else np.uint64
        self._stored = stored.reshape(len(stored), -1).view(self._type)
        self._sums = np.zeros(self._stored.shape[1:], self._type)
        self._total = total
        self._at_once = at_once
        self._samples = 0

    def add(self, count: int) -> None:
        """Add what the first ``count`` samples of the memory hold now."""
        if self._samples + count > self._at_once:
            self.flush()
        self._samples += count
        self._sums += np.add.reduce(self._stored[:count], axis=0, dtype=self._type)

    def flush(self) -> None:
        """Move the sums to the total."""
        self._total += self._sums.view(np.uint8).reshape(self._total.shape)
        self._sums[:] = 0
        self._samples = 0
