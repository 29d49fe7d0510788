"""Which engine runs a graph, and who has it meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import metadata
from importlib.util import find_spec
from threading import Lock
from typing import TYPE_CHECKING, Protocol

import numpy as np

from edgespike.blas import one_blas_thread
from edgespike.graph import Graph
from edgespike.targets.cpu.blocks import Engine
from edgespike.targets.cpu.native import native_engine
from edgespike.targets.cpu.native.library import kernel_sets
from edgespike.targets.cpu.numpy_engine import NumpyEngine

if TYPE_CHECKING:
    from edgespike.targets.cpu.litert_engine import Plan
    from edgespike.targets.cpu.native.engine import NativeEngine

LARGEST_BATCH = 32
"""Maximum number of samples that LiteRT runs at once.

Of more samples, fewer events are still in the cache when they are counted.

Like the numpy engine's ``BLOCK_BYTES`` this is about caches, not about memory. How many samples
a runner's ``trace`` and ``tally`` take is decided in :mod:`edgespike.batches`.
"""


class Engines(Protocol):
    """The engines of one graph; they are made when they are first needed."""

    @property
    def runtime(self) -> str:
        """Name and version of what runs the graph."""

    def lend(self, samples: int) -> AbstractContextManager[Engine]:
        """Lend an engine for a run of some samples to one thread, until it leaves the block."""


def engines_of(graph: Graph, *, native: bool) -> Engines:
    """Return the fastest engine that computes a graph exactly.

    Parameters
    ----------
    graph
        Any valid graph.
    native
        Whether the native engine may be used.
    """
    engine = native_engine(graph) if native else None
    if engine is not None:
        return _Native(engine)
    plan = _litert_plan(graph)
    return _Numpy(graph) if plan is None else _LiteRt(plan)


class _Native:
    """The native engine, which all threads share."""

    def __init__(self, engine: NativeEngine) -> None:
        self.runtime = f"{_native_version(engine.kernels)}, numpy {np.__version__}"
        self._engine = engine

    def lend(self, samples: int) -> AbstractContextManager[Engine]:
        return self

    # Itself a block, the same one for every run: a new one would take a third of a call's time.
    def __enter__(self) -> Engine:
        return self._engine

    def __exit__(self, *_: object) -> None:
        pass


class _Numpy:
    """The numpy engine, which all threads share."""

    def __init__(self, graph: Graph) -> None:
        self.runtime = _version(with_litert=False)
        self._graph = graph
        self._engine: NumpyEngine | None = None
        self._lock = Lock()

    @contextmanager
    def lend(self, samples: int) -> Iterator[Engine]:
        with self._lock:
            if self._engine is None:
                self._engine = NumpyEngine(self._graph)
        with one_blas_thread():
            yield self._engine


class _LiteRt:
    """LiteRT's engines, each with memory for a batch, for one thread at a time."""

    def __init__(self, plan: Plan) -> None:
        self.runtime = _version(with_litert=True)
        self._plan = plan
        self._idle: dict[int, list[Engine]] = {}
        """Engines that no thread uses, by batch size."""
        self._lock = Lock()

    @contextmanager
    def lend(self, samples: int) -> Iterator[Engine]:
        from edgespike.targets.cpu.litert_engine import CountingLiteRtEngine

        batch = min(LARGEST_BATCH, 1 << (samples - 1).bit_length())
        with self._lock:
            idle = self._idle.setdefault(batch, [])
            engine = idle.pop() if idle else CountingLiteRtEngine(self._plan, batch)
        try:
            yield engine
        finally:
            idle.append(engine)


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
