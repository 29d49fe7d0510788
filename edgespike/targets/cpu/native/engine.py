"""Run a program on the native engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import Graph
from edgespike.graph.inputs import never_changes
from edgespike.graph.tensor import Integers
from edgespike.targets.cpu.blocks import Block, Counted, channels_first
from edgespike.targets.cpu.native.codes import ALIGNED, ERROR_BYTES, Type
from edgespike.targets.cpu.native.library import kernel_sets, library
from edgespike.targets.cpu.native.program import Program, Source

TYPES = {each.dtype: int(each) for each in Type}
"""Types of samples."""

KEPT_BYTES = 2**26
"""About how many bytes of observed values are kept at once."""

SUM_LIMIT = 2**32 - 1
"""Largest sum of events of one call."""


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
        self._numbers = self._ffi.typeof("int64_t[]"), self._ffi.typeof("uint32_t[]")
        self._classes = graph.tensors[graph.readout.name].size
        self._sums = {source.name: _place(source) for source in program.sources}
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

    def answer(self, samples: NDArray[Any], answers: Integers) -> Iterator[None]:
        """Run checked samples and write the readout after the last step, ``(samples, classes)``."""
        self._run(samples, answers, None, None)
        yield

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

    def counted(self, samples: NDArray[Any]) -> Iterator[Counted]:
        """Run checked samples; yield their answers and the sums of their events."""
        steps = slice(0, self._graph.steps)
        count = len(samples)
        for start in range(0, count, self._at_once):
            some = samples[start : start + self._at_once] if count > self._at_once else samples
            answers = np.empty((len(some), self._classes), np.int64)
            events = np.empty(self._program.events, np.uint32)
            self._run(some, answers, events, None)
            where = slice(start, start + len(some))
            yield Counted(where, steps, answers, _Sums(events, self._sums), len(some) == count)

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
                self._null if answers is None else ffi.from_buffer(self._numbers[0], answers),
                self._null if events is None else ffi.from_buffer(self._numbers[1], events),
                pointers,
            )
        finally:
            self._idle.append(scratch)
        if failed:
            raise RuntimeError("the native engine refuses its arguments")


_Place: TypeAlias = tuple[tuple[int, ...], int, tuple[int, ...]]
"""Shape ``(steps, *shape)``, channels first, offset and strides of sums, in bytes."""


def _place(source: Source) -> _Place:
    bytes_each = np.dtype(np.uint32).itemsize
    sums = channels_first(np.empty(source.shape, np.uint32), 1)
    return sums.shape, source.place.start * bytes_each, sums.strides


class _Sums(Mapping[str, NDArray[Any]]):
    """Sums of events by name, as views that are made when they are asked for."""

    def __init__(self, events: NDArray[np.uint32], places: Mapping[str, _Place]) -> None:
        self._events, self._places = events, places

    def __getitem__(self, name: str) -> NDArray[Any]:
        shape, offset, strides = self._places[name]
        return np.ndarray(shape, np.uint32, self._events, offset, strides)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


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
