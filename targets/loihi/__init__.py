"""Loihi, by way of Lava: its fixed-point simulator, and files for those who have the chip."""

from __future__ import annotations

from edgespike.targets.base import Target
from edgespike.targets.loihi.artefact import write
from edgespike.targets.loihi.check import violations
from edgespike.targets.loihi.environment import runtime, setup
from edgespike.targets.loihi.running import run

TARGET = Target(
    name="loihi",
    summary="Intel Loihi: Lava's fixed-point simulator, and netx files for the chip",
    violations=violations,
    write=write,
    run=run,
    runtime=runtime,
    setup=setup,
    codings=("graded", "unary"),
)
