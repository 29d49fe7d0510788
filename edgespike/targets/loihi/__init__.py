"""Intel Loihi: Lava's fixed-point simulator, and files for the chip itself."""

from __future__ import annotations

from edgespike.graph import Graph
from edgespike.targets.base import Runtime, Target
from edgespike.targets.loihi.check import violations
from edgespike.targets.loihi.environment import setup, version
from edgespike.targets.loihi.netx import obstacle
from edgespike.targets.loihi.placement import place
from edgespike.targets.loihi.run import prepare
from edgespike.targets.loihi.write import write


def _remarks(graph: Graph) -> list[str]:
    reason = obstacle(graph)
    return [f"no .net file for Intel's netx: {reason}"] if reason else []


TARGET = Target(
    name="loihi",
    violations=violations,
    write=write,
    write_with_samples=write,
    runtimes=(
        Runtime(
            name="loihi",
            summary="Intel Loihi: Lava's fixed-point simulator, and netx files for the chip",
            version=version,
            prepare=prepare,
            setup=setup,
        ),
    ),
    remarks=_remarks,
    codings=("graded", "unary"),
    placement=place,
)
