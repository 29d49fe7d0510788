"""The closed set of operations that a graph may hold.

Every function that treats operations differently is a ``match`` over :data:`Operation` that ends
in ``assert_never``: when an operation is added here, mypy lists each function that has to decide
what to do with it.
"""

from __future__ import annotations

from typing import TypeAlias, get_args

from edgespike.graph.ops.base import Op
from edgespike.graph.ops.delay import Delay
from edgespike.graph.ops.membrane import Comparison, Emits, Membrane, Reset, ResetTime
from edgespike.graph.ops.pooling import MaxPool2d, Pool2d, SumPool2d
from edgespike.graph.ops.product import Multiply
from edgespike.graph.ops.structure import (
    Add,
    Concatenate,
    Input,
    Readout,
    ReadoutMode,
    Reshape,
)
from edgespike.graph.ops.threshold import Threshold
from edgespike.graph.ops.weighted import Conv2d, Dense, Weighted
from edgespike.graph.ops.windows import Windowed

Operation: TypeAlias = (
    Input
    | Dense
    | Conv2d
    | SumPool2d
    | MaxPool2d
    | Add
    | Multiply
    | Concatenate
    | Reshape
    | Delay
    | Threshold
    | Membrane
    | Readout
)
"""Any operation of a graph."""

OPERATIONS: dict[str, type[Operation]] = {op.kind: op for op in get_args(Operation)}
"""The class of each operation, by the kind that files store."""

__all__ = [
    "OPERATIONS",
    "Add",
    "Comparison",
    "Concatenate",
    "Conv2d",
    "Delay",
    "Dense",
    "Emits",
    "Input",
    "MaxPool2d",
    "Membrane",
    "Multiply",
    "Op",
    "Operation",
    "Pool2d",
    "Readout",
    "ReadoutMode",
    "Reset",
    "ResetTime",
    "Reshape",
    "SumPool2d",
    "Threshold",
    "Weighted",
    "Windowed",
]
