"""Which graphs the native engine holds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from edgespike.graph import (
    Add,
    Concatenate,
    Conv2d,
    Delay,
    Dense,
    Graph,
    Input,
    MaxPool2d,
    Membrane,
    Multiply,
    Readout,
    Reshape,
    SumPool2d,
    Threshold,
)
from edgespike.targets.cpu.native.cells import membrane_fits, threshold_fits
from edgespike.targets.cpu.native.codes import MOST_NODES
from edgespike.targets.cpu.native.words import INT32

MOST_WEIGHTS = 2**26
"""Most weights of a graph: each takes 8 bytes while a program is read."""


def fits(graph: Graph) -> bool:
    """Return whether the engine holds a graph: its nodes, and in 32 bits its values and weights."""
    if max(len(graph.nodes), graph.steps) > MOST_NODES:
        return False
    weights = 0
    for node in graph.nodes:
        low, high = graph.tensors[node.name].bounds
        if not isinstance(node.op, Readout) and max(-low, high) >= INT32:
            return False
        match node.op:
            case Conv2d() | Dense() as op:
                weights += op.weight.size * (op.groups if isinstance(op, Conv2d) else 1)
                if max(largest(op.weight), largest(op.bias)) >= INT32:
                    return False
            case Threshold() as op:
                if not threshold_fits(op, graph.input_tensors(node)[0]):
                    return False
            case Membrane() as op:
                if not membrane_fits(op, graph.input_tensors(node)[0], graph.steps):
                    return False
            case Input() | Delay() | MaxPool2d() | SumPool2d() | Reshape() | Readout():
                pass
            case Add() | Multiply() | Concatenate():
                pass
            case _:
                assert_never(node.op)
    return weights <= MOST_WEIGHTS


def largest(values: NDArray[np.int64]) -> int:
    """Return the largest magnitude, 0 if there are no values."""
    return int(np.abs(values).max(initial=0))
