"""The integer graph: operations, ranges, files. It does not know targets or converters."""

from __future__ import annotations

from edgespike.graph.files import load_graph, save_graph
from edgespike.graph.graph import Graph, Node
from edgespike.graph.ops import (
    Add,
    Comparison,
    Concatenate,
    Conv2d,
    Delay,
    Dense,
    Emits,
    Input,
    MaxPool2d,
    Membrane,
    Multiply,
    Op,
    Operation,
    Readout,
    ReadoutMode,
    Reset,
    ResetTime,
    Reshape,
    SumPool2d,
    Threshold,
)
from edgespike.graph.scaling import Scaling
from edgespike.graph.tensor import Signal, Tensor

__all__ = [
    "Add",
    "Comparison",
    "Concatenate",
    "Conv2d",
    "Delay",
    "Dense",
    "Emits",
    "Graph",
    "Input",
    "MaxPool2d",
    "Membrane",
    "Multiply",
    "Node",
    "Op",
    "Operation",
    "Readout",
    "ReadoutMode",
    "Reset",
    "ResetTime",
    "Reshape",
    "Scaling",
    "Signal",
    "SumPool2d",
    "Tensor",
    "Threshold",
    "load_graph",
    "save_graph",
]
