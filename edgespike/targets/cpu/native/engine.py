"""Run a program on the native engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.counting.tally import EventSums, Tally
from edgespike.graph import Graph
from edgespike.graph.inputs import never_changes
from edgespike.graph.tensor import Integers
from edgespike.targets.cpu.blocks import Block, Counted
from edgespike.targets.cpu.native.library import kernel_sets, library
from edgespike.targets.cpu.native.program import Program, Source

TYPES = {
    np.dtype(name): number for number, name in enumerate(("u1", "i1", "i2", "i4", "i8", "u2", "u4"))
}
"""Types of samples, numbered as ``enum type`` in ``net.h``."""

KEPT_BYTES = 2**26
"""About how many bytes of observed values are kept at once."""

SUM_LIMIT = 2**32 - 1
"""Largest sum of events of one call."""

ALIGNED, ERROR_BYTES = 64, 200


class _Sums(Mapping[str, NDArray[Any]]):
    """Sums of events, ``(steps, *shape)``, channels first: views, made when they are asked for."""

    def __init__(self, events: NDArray[np.uint32], sources: Sequence[Source]) -> None:
        self._events, self._sources = events, sources

    def __getitem__(self, name: str) -> NDArray[Any]:
        for source in self._sources:
            if source.name == name:
                last = self._events[source.place].reshape(source.shape)
                return last.transpose((0, last.ndim - 1, *range(1, last.ndim - 1)))
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (source.name for source in self._sources)

    def __len__(self) -> int:
        return len(self._sources)


class NativeEngine:
    """A graph prepared to run; threads may share it.

    Parameters
    ----------
    graph
        The graph.
    program
        Its program.
    kernels
        Name of the kernel set, by default the fastest that runs here.

    Raises
    ------
    ImportError
        The engine is missing.
    RuntimeError
        The engine refuses the program, because it is another version's, or memory is missing.
    """

    def __init__(self, graph: Graph, program: Program, kernels: str = "") -> None:
        self._graph, self._program = graph, program
        self.kernels = kernels or kernel_sets()[0]
        self._ffi, self._lib = library()
        error = self._ffi.new("char[]", ERROR_BYTES)
        words = self._ffi.from_buffer(program.words)
        net = self._lib.es_load(words, len(program.words), self.kernels.encode(), error)
        if net == self._ffi.NULL:
            text = self._ffi.string(error).decode()
            raise RuntimeError(
                f"graph {graph.name!r}: the native engine refuses its program: {text}"
            )
        self._net = self._ffi.gc(net, self._lib.es_free)
        self._null = self._ffi.NULL
        self._answers, self._events = (
            self._ffi.typeof(f"{each}[]") for each in ("int64_t", "uint32_t")
        )
        self._classes = graph.tensors[graph.readout.name].size
        self._idle: list[Any] = []
        """Scratch memory that no thread uses; appending and popping are atomic."""
        most = [max(1, graph.tensors[source.name].bounds[1]) for source in program.sources]
        self._at_once = max(1, SUM_LIMIT // max([1, *most]))

    def _scratch(self) -> Any:
        try:
            return self._idle.pop()
        except IndexError:
            size = self._lib.es_scratch(self._net)
            memory = np.empty(size + ALIGNED, np.uint8)
            start = -memory.ctypes.data % ALIGNED
            return self._ffi.from_buffer("char[]", memory[start : start + size])

    def answers(self, samples: NDArray[Any]) -> Integers:
        """Return the readout after the last step, ``(samples, classes)``."""
        answers = np.empty((len(samples), self._classes), np.int64)
        self._run(samples, answers, None, None)
        return answers

    def blocks(self, samples: NDArray[Any]) -> Iterator[Block]:
        """Run checked samples ``(samples, steps, *shape)``, channels first, block by block."""
        steps = self._graph.steps
        each = sum(
            steps * int(np.prod(shape)) * kind.dtype.itemsize
            for _, kind, shape in self._program.kept
        )
        at_once = max(1, KEPT_BYTES // each)
        for start in range(0, len(samples), at_once):
            some = samples[start : start + at_once]
            kept = {
                name: np.empty((len(some), steps, *shape), kind.dtype)
                for name, kind, shape in self._program.kept
            }
            self._run(some, None, None, list(kept.values()))
            values = {
                name: self._signed(name, array).swapaxes(0, 1) for name, array in kept.items()
            }
            yield Block(slice(start, start + len(some)), slice(0, steps), values)

    def _signed(self, name: str, values: NDArray[Any]) -> NDArray[Any]:
        """Return bytes as a signed type, the same for all blocks, as the other engines do."""
        if values.dtype != np.uint8:
            return values
        _, high = self._graph.tensors[name].bounds
        return values.view(np.int8) if high <= 127 else values.astype(np.int16)

    def tally(self, samples: NDArray[Any]) -> Tally | None:
        """Run checked samples; ``None`` if they are too many for one call's sums of events."""
        if len(samples) > self._at_once:
            return None
        answers, events = self._count(samples)
        return Tally(answers, EventSums(_Sums(events, self._program.sources)))

    def counted(self, samples: NDArray[Any]) -> Iterator[Counted]:
        """Run checked samples; yield their answers and the sums of their events."""
        steps = slice(0, self._graph.steps)
        for start in range(0, len(samples), self._at_once):
            some = samples[start : start + self._at_once]
            answers, events = self._count(some)
            sums = {
                source.name: events[source.place].reshape(source.shape)
                for source in self._program.sources
            }
            yield Counted(slice(start, start + len(some)), steps, answers, sums)

    def _count(self, samples: NDArray[Any]) -> tuple[Integers, NDArray[np.uint32]]:
        answers = np.empty((len(samples), self._classes), np.int64)
        events = np.zeros(self._program.events, np.uint32)
        self._run(samples, answers, events, None)
        return answers, events

    def _run(
        self,
        samples: NDArray[Any],
        answers: Integers | None,
        events: NDArray[np.uint32] | None,
        kept: list[NDArray[Any]] | None,
    ) -> None:
        ffi = self._ffi
        samples, sample_stride, step_stride = _laid_out(samples)
        pointers = self._null
        if kept is not None:
            pointers = ffi.new("void *[]", [ffi.from_buffer(each) for each in kept])
        scratch = self._scratch()
        try:
            failed = self._lib.es_run(
                self._net,
                scratch,
                ffi.from_buffer(samples),
                TYPES[samples.dtype],
                len(samples),
                sample_stride,
                step_stride,
                self._null if answers is None else ffi.from_buffer(self._answers, answers),
                self._null if events is None else ffi.from_buffer(self._events, events),
                pointers,
            )
        finally:
            self._idle.append(scratch)
        if failed:
            raise RuntimeError("the native engine refuses its arguments")


def _laid_out(samples: NDArray[Any]) -> tuple[NDArray[Any], int, int]:
    """Return samples whose values of a step lie side by side, and their strides in bytes."""
    if samples.dtype not in TYPES:  # their values fit, whatever type they had
        samples = samples.astype(np.int64)
    steps = samples.shape[1]
    if never_changes(samples):
        samples, steps = samples[:, 0], 1
    if not (samples.flags.c_contiguous and samples.flags.aligned):
        samples = np.require(samples, requirements=["C", "A"])
    each = samples.nbytes // len(samples)
    return samples, each, 0 if steps == 1 else each // steps
