"""The graph of a folded net and its whole numbers."""

from __future__ import annotations

import numpy as np
from typing_extensions import assert_never

from edgespike.errors import GraphError, UnsupportedError
from edgespike.floats.net import (
    FloatAdd,
    FloatAffine,
    FloatConcatenate,
    FloatConv2d,
    FloatDelay,
    FloatDense,
    FloatInput,
    FloatNeurons,
    FloatNode,
    FloatPool2d,
    FloatReadout,
    FloatRelu,
    FloatReshape,
    FloatTanh,
    Pooling,
)
from edgespike.graph import (
    Add,
    Concatenate,
    Conv2d,
    Delay,
    Dense,
    Graph,
    Input,
    MaxPool2d,
    Node,
    Operation,
    Readout,
    Reshape,
    Signal,
    SumPool2d,
)
from edgespike.quantise.spikes.folded import Folded
from edgespike.quantise.spikes.solve import Solution


def assembled(folded: Folded, solution: Solution, source: Input, name: str) -> Graph:
    """Return the graph.

    Parameters
    ----------
    source
        The graph's input.
    name
        Of the graph.

    Raises
    ------
    UnsupportedError
        Values can become larger than a graph may hold.
    """
    nodes: list[Node] = []
    for node in folded.net.nodes:
        op = _operation(node, folded, solution, source)
        if isinstance(op, MaxPool2d) and node.name in solution.pools:
            nodes += solution.pools[node.name].nodes(node.name, node.inputs[0], op)
        else:
            nodes.append(Node(node.name, op, node.inputs))
    try:
        return Graph(name, tuple(nodes), folded.net.steps)
    except GraphError as error:
        raise UnsupportedError("spiking net cannot be quantised", error.violations) from None


def _operation(node: FloatNode, folded: Folded, solution: Solution, source: Input) -> Operation:
    match node.op:
        case FloatInput():
            return source
        case FloatDense(float_weight):
            weight, bias = solution.weights[node.name]
            return Dense(weight, bias, _nonzero(float_weight != 0, weight != 0))
        case FloatConv2d() as op:
            weight, bias = solution.weights[node.name]
            nonzero = _nonzero(op.weight != 0, weight != 0)
            return Conv2d(weight, bias, nonzero, op.stride, op.padding, op.dilation, op.groups)
        case FloatPool2d(pooling, kernel, stride, padding):
            pool = MaxPool2d if pooling is Pooling.MAX else SumPool2d
            return pool(kernel, stride, padding)
        case FloatAdd():
            return Add()
        case FloatConcatenate():
            return Concatenate()
        case FloatReshape(shape):
            return Reshape(shape)
        case FloatDelay(shape):
            low, high = solution.bounds.events(node.inputs[0])
            signal = _signal(folded, node.inputs[0], source)
            return Delay(shape, min(low, 0), max(high, 0), signal)
        case FloatNeurons():
            return solution.neurons[node.name]
        case FloatReadout(mode):
            return Readout(solution.scale, mode)
        case FloatAffine() | FloatRelu() | FloatTanh():
            raise TypeError(f"{node.name} has no place in a folded net")
        case _:
            assert_never(node.op)


def _nonzero(trained: np.ndarray, kept: np.ndarray) -> np.ndarray | None:
    """Return where weights were not zero, if rounding made some of them zero."""
    return trained if bool((trained != kept).any()) else None


def _signal(folded: Folded, name: str, source: Input) -> Signal:
    """Return the kind of a node's events."""
    node = folded.by_name[name]
    if isinstance(node.op, FloatInput):
        return Signal.SPIKES if (source.low, source.high) == (0, 1) else Signal.GRADED
    if isinstance(node.op, FloatNeurons):
        return Signal.SPIKES
    signals = {_signal(folded, each, source) for each in node.inputs}
    return Signal.GRADED if Signal.GRADED in signals else Signal.SPIKES
