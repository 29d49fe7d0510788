"""The native engine: C kernels that do only the work that the events ask for.

A graph becomes a program (:mod:`.program`): a list of operations with their arrays, which the
extension reads once. Nothing of a graph is compiled. The extension is optional:
:func:`.library.missing` says why it cannot be loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgespike.graph import Graph
from edgespike.targets.cpu.native.library import missing
from edgespike.targets.cpu.native.program import program_of

if TYPE_CHECKING:
    from edgespike.targets.cpu.native.engine import NativeEngine


def native_engine(graph: Graph) -> NativeEngine | None:
    """Prepare a graph; ``None`` if the engine is missing or its 32 bits do not hold the graph."""
    if missing():
        return None
    program = program_of(graph)
    if program is None:
        return None
    from edgespike.targets.cpu.native.engine import NativeEngine

    return NativeEngine(graph, program)
