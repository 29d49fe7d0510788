"""The cpu target: every valid graph, exactly, on the native engine, LiteRT or numpy."""

from __future__ import annotations

from edgespike.targets.base import Runtime, Target
from edgespike.targets.cpu.check import violations
from edgespike.targets.cpu.engines import version
from edgespike.targets.cpu.run import CpuRunner
from edgespike.targets.cpu.write import write

__all__ = ["TARGET", "CpuRunner"]


TARGET = Target(
    name="cpu",
    violations=violations,
    write=write,
    write_with_samples=write,
    runtimes=(
        Runtime(
            name="cpu",
            summary="this computer, every graph: the native engine, else LiteRT's int8 kernels "
            "where they are exact, else numpy",
            version=version,
            prepare=CpuRunner,
        ),
    ),
)
