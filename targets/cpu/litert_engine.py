"""The LiteRT engine: graphs of single-step spikes on int8 kernels, counted in their memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.counting.events import sum_events
from edgespike.graph import Graph, Signal
from edgespike.graph.tensor import Integers
from edgespike.targets.cpu.blocks import Block, cut, empty_accumulators, zero_sums
from edgespike.targets.cpu.exactness import narrow_type
from edgespike.targets.tflite.engine import LiteRtEngine, covers
from edgespike.targets.tflite.limits import violations
from edgespike.trace import observed_names

BATCH_BYTES = 2**26
"""Most memory for the events of one batch."""

BYTE_LIMIT = 255


def fits(graph: Graph) -> bool:
    """Say whether the engine runs a graph exactly."""
    (source,) = graph.input_tensors(graph.readout)
    return covers(graph) and not violations(graph) and not source.signal.is_event


class CountingLiteRtEngine:
    """A graph made ready to run.

    Parameters
    ----------
    graph
        One that :func:`fits`.
    batch
        Most samples that run at once; fewer where memory sets a limit.
    """

    def __init__(self, graph: Graph, batch: int) -> None:
        self._graph = graph
        size = sum(tensor.size for tensor in graph.tensors.values())
        self._batch = max(1, min(batch, BATCH_BYTES // size))
        self._engine = LiteRtEngine(graph, self._batch)
        self._readout_type = narrow_type(*graph.tensors[graph.readout.name].bounds)
        self._names = [name for name in observed_names(graph) if name != graph.readout.name]
        in_bytes = {
            name: self._engine.events[name] for name in self._names if self._bytes_hold(name)
        }
        self._summed_apart = [name for name in self._names if name not in in_bytes]
        most = max((graph.tensors[name].bounds[1] for name in in_bytes), default=1)
        self._spikes = _SpikeSums(in_bytes, BYTE_LIMIT // max(most, 1))

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
        sums = {name: zero_sums(self._graph, name) for name in self._summed_apart}
        self._spikes.start()
        for some in cut(len(samples), self._batch):
            accumulators[some] = self._engine.run(samples[some, 0])
            count = some.stop - some.start
            self._spikes.add(count)
            for name, total in sums.items():
                total += sum_events(self._values(name, count), self._graph.tensors[name])
        return accumulators, {**self._spikes.totals(), **sums}

    def _bytes_hold(self, name: str) -> bool:
        """Say whether a node's spikes are stored as their number and add up to 255 at most."""
        tensor = self._graph.tensors[name]
        stored_as_is = tensor.signal is Signal.SPIKES and not self._engine.zero_points[name]
        return stored_as_is and tensor.bounds[1] * self._batch <= BYTE_LIMIT


class _SpikeSums:
    """Sums spikes over batches where they lie, in bytes that are widened before they overflow.

    Everything is laid out once, so that a batch costs little more than reading its memory.

    Parameters
    ----------
    stored
        By name, the memory that each batch overwrites, int8 ``(batch, *shape)``.
    at_once
        Over how many samples no sum of any name exceeds 255.
    """

    def __init__(self, stored: Mapping[str, NDArray[np.int8]], at_once: int) -> None:
        sizes = [array[0].size for array in stored.values()]
        ends = np.cumsum([0, *sizes])
        self._at_once = at_once
        self._samples = 0
        self._total = np.zeros(ends[-1], np.int64)
        self._bytes = np.zeros(ends[-1], np.uint8)
        self._shapes = {name: (1, *array.shape[1:]) for name, array in stored.items()}
        self._places = [slice(*pair) for pair in pairwise(ends)]
        self._sources = [
            (array.reshape(len(array), -1).view(np.uint8), self._bytes[place])
            for array, place in zip(stored.values(), self._places, strict=True)
        ]

    def start(self) -> None:
        """Forget what was summed."""
        self._total = np.zeros_like(self._total)
        self._samples = 0

    def add(self, count: int) -> None:
        """Add what the first ``count`` samples of the memory hold now."""
        if self._samples + count > self._at_once:
            self._widen()
        for stored, sums in self._sources:
            if self._samples:
                sums += np.add.reduce(stored[:count], axis=0, dtype=np.uint8)
            else:
                np.add.reduce(stored[:count], axis=0, dtype=np.uint8, out=sums)
        self._samples += count

    def totals(self) -> dict[str, Integers]:
        """Give the sums by name, ``(1, *shape)``."""
        self._widen()
        return {
            name: self._total[place].reshape(shape)
            for (name, shape), place in zip(self._shapes.items(), self._places, strict=True)
        }

    def _widen(self) -> None:
        if self._samples:
            self._total += self._bytes
        self._samples = 0
