"""The cpu target: every valid graph, exactly, with numpy alone; faster where LiteRT can do it."""

from __future__ import annotations

from edgespike.graph.unknown import unknown_operations
from edgespike.targets.base import Target
from edgespike.targets.cpu.parts import OPERATIONS
from edgespike.targets.cpu.run import (
    count,
    run,
    run_accumulators,
    run_counted,
    runtime,
    runtime_of,
)
from edgespike.targets.cpu.write import write

__all__ = ["TARGET", "count", "run", "run_accumulators", "run_counted"]

TARGET = Target(
    name="cpu",
    summary="this computer, every graph: numpy, and LiteRT's int8 kernels where they are exact",
    violations=lambda graph: unknown_operations(graph, OPERATIONS, "on target cpu"),
    write=write,
    run=run,
    runtime=runtime,
    runtime_of=runtime_of,
    count=count,
)
