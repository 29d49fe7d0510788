"""Run a graph on the cpu: a trace, answers or a tally from the fastest exact engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.counting import EventSums, Tally, sum_events
from edgespike.graph import Graph, Signal
from edgespike.graph.inputs import InputCheck, never_changes
from edgespike.graph.tensor import Integers
from edgespike.targets.cpu.blocks import Counted, channels_first, cut, empty_accumulators
from edgespike.targets.cpu.engines import LARGEST_BATCH, engines_of
from edgespike.targets.cpu.threads import run_parts
from edgespike.targets.shared.number_types import narrow_type
from edgespike.threads import most_threads
from edgespike.trace import Trace, observed_names

PART_SAMPLES = 8 * LARGEST_BATCH
"""Maximum number of samples of a thread's part: no thread waits long for another's last one."""

THREAD_VALUES = 2**22
"""Least number of values that are worth a thread: the native engine takes about 2 ms for them.

Threads of less work often make a run longer: the system may start the second one only when the
first has ended.
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
        self._engines = engines_of(graph, native=native)
        self._checked = InputCheck(graph)
        self._names = observed_names(graph)
        self._classes = graph.tensors[graph.readout.name].size
        self._values = graph.steps * graph.values_per_step
        """Values of one sample."""

    @property
    def runtime(self) -> str:
        """Name and version of what runs the graph."""
        return self._engines.runtime

    def trace(self, samples: NDArray[Any]) -> Trace:
        """Run samples and return every observed node's values, in narrow integer types."""
        samples = self._checked(samples)
        kept = _Kept(len(samples), self.graph.steps, self._names)

        def work(part: slice) -> Iterator[None]:
            with self._engines.lend(part.stop - part.start) as engine:
                for block in engine.blocks(samples[part]):
                    kept.put(_moved(block.samples, part), block.steps, block.values)
                    yield

        self._run(work, len(samples))
        return Trace({name: channels_first(kept.values[name], 2) for name in self._names})

    def answers(self, samples: NDArray[Any]) -> Integers:
        """Run samples and return only the readout after the last step, ``(samples, classes)``."""
        samples = self._checked(samples)
        count = len(samples)
        answers = np.empty((count, self._classes), np.int64)
        if self._threads(count) == 1:
            with self._engines.lend(count) as engine:
                for _ in engine.answer(samples, answers):
                    pass
            return answers

        def work(part: slice) -> Iterator[None]:
            with self._engines.lend(part.stop - part.start) as engine:
                yield from engine.answer(samples[part], answers[part])

        self._run(work, count)
        return answers

    def tally(self, samples: NDArray[Any]) -> Tally:
        """Run samples once and return their answers and event counts, without keeping values."""
        samples = self._checked(samples)
        count = len(samples)
        if self._threads(count) > 1:
            return self._tally_in_parts(samples)
        with self._engines.lend(count) as engine:
            parts = engine.counted(samples)
            first = next(parts)
            if first.whole:  # nothing to add up
                return Tally(first.accumulators, EventSums(first.sums))
            added = _Added(self.graph, count)
            for part in chain([first], parts):
                added.add(part, slice(0, count))
        return self._tally(samples, added)

    def _tally_in_parts(self, samples: NDArray[Any]) -> Tally:
        added = _Added(self.graph, len(samples))

        def work(part: slice) -> Iterator[None]:
            with self._engines.lend(part.stop - part.start) as engine:
                for some in engine.counted(samples[part]):
                    added.add(some, part)
                    yield

        self._run(work, len(samples))
        return self._tally(samples, added)

    def _tally(self, samples: NDArray[Any], added: _Added) -> Tally:
        name = self.graph.input.name
        if name not in added.sums:
            added.sums[name] = self._input_events(samples)
        return Tally(added.accumulators, EventSums(added.sums))

    def _run(self, work: Callable[[slice], Iterator[None]], samples: int) -> None:
        """Run samples in parts, at the same time where there is enough to do."""
        threads = self._threads(samples)
        run_parts(work, list(cut(samples, min(-(-samples // threads), PART_SAMPLES))), threads)

    def _threads(self, samples: int) -> int:
        if samples == 1:
            return 1
        worth = samples * self._values // THREAD_VALUES
        return 1 if worth <= 1 else min(most_threads(), samples, worth)

    def _input_events(self, samples: NDArray[Any]) -> Integers:
        """Sum the input's events; where samples never change, once for all steps."""
        different = samples[:, :1] if never_changes(samples) else samples
        events = sum_events(different, self.graph.tensors[self.graph.input.name])
        if self.graph.steps == 1:  # broadcasting would take as long as the sum
            return events
        return np.broadcast_to(events, samples.shape[1:])


def _moved(samples: slice, part: slice) -> slice:
    """Return the place in a batch of samples of its part."""
    return slice(part.start + samples.start, part.start + samples.stop)


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


class _Added:
    """Accumulators of all samples, and their event sums, added up by several threads.

    Sums that an engine returns in one piece stay as they are. Others are added up in the narrowest
    type that holds them: of many steps, 64 bits would be mostly memory that is touched in vain.
    """

    def __init__(self, graph: Graph, samples: int) -> None:
        self.accumulators = empty_accumulators(graph, samples)
        self.sums: dict[str, NDArray[Any]] = {}
        """``(steps, *shape)``, channels first in shape, last in memory."""
        self._graph = graph
        self._samples = samples
        self._lock = Lock()

    def add(self, counted: Counted, part: slice) -> None:
        """Add what was counted of a part of the samples."""
        self.accumulators[_moved(counted.samples, part)] = counted.accumulators
        with self._lock:
            for name, found in counted.sums.items():
                self.sums[name] = self._total(name, counted.steps, found)

    def _total(self, name: str, steps: slice, found: NDArray[Any]) -> NDArray[Any]:
        """Add sums at their steps; of one, at each of them."""
        if name in self.sums:
            total = self.sums[name].astype(self._type(name), copy=False)
        elif len(found) == self._graph.steps:
            return found
        else:
            last = (self._graph.steps, *found.shape[2:], found.shape[1])
            total = channels_first(np.zeros(last, self._type(name)), 1)
        total[steps] += found
        return total

    def _type(self, name: str) -> np.dtype[Any]:
        """Return the narrowest type that holds a neuron's events of all samples."""
        tensor = self._graph.tensors[name]
        most = 1 if tensor.signal is Signal.GRADED else tensor.bounds[1]
        return narrow_type(0, most * self._samples)
