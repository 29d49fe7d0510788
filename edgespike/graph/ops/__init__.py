"""The closed set of operations that a graph may hold."""

from __future__ import annotations

from edgespike.graph.ops.base import Op
from edgespike.graph.ops.delay import Delay
from edgespike.graph.ops.neurons import Comparison, Membrane, Reset, ResetTime, Threshold
from edgespike.graph.ops.pooling import MaxPool2d, Pool2d, SumPool2d
from edgespike.graph.ops.structure import Add, Input, Readout, ReadoutMode, Reshape
from edgespike.graph.ops.weighted import Conv2d, Dense, Weighted

OPERATIONS: dict[str, type[Op]] = {
    op.kind: op
    for op in (
        Input,
        Dense,
        Conv2d,
        SumPool2d,
        MaxPool2d,
        Add,
        Reshape,
        Delay,
        Threshold,
        Membrane,
        Readout,
    )
}
"""Every operation by the name that it has in files."""

__all__ = [
    "OPERATIONS",
    "Add",
    "Comparison",
    "Conv2d",
    "Delay",
    "Dense",
    "Input",
    "MaxPool2d",
    "Membrane",
    "Op",
    "Pool2d",
    "Readout",
    "ReadoutMode",
    "Reset",
    "ResetTime",
    "Reshape",
    "SumPool2d",
    "Threshold",
    "Weighted",
]
