"""How each operation is lowered: into neurons, synapses, or paths that spikes take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

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
    Node,
    Operation,
    Readout,
    Reshape,
    SumPool2d,
    Threshold,
)

Neuronal: TypeAlias = Threshold | Membrane | MaxPool2d | Readout
"""Operations that neurons compute."""

Synaptic: TypeAlias = Dense | Conv2d | SumPool2d | MaxPool2d
"""Operations that decide which elements synapses join."""


@dataclass(frozen=True)
class Rule:
    """What becomes of an operation.

    Parameters
    ----------
    neurons
        The operation, if a population of neurons computes it.
    synapses
        The operation, if it adds synapses to the paths that lead to it.
    adds_inputs
        Whether each element is the sum of one element of each input, without weights.
    concatenates
        Whether its elements are those of its inputs, one input after the other.
    starts_axons
        Whether paths to the next populations start here: it sends spikes, or passes them on a step
        later. All other paths lead through it.
    """

    neurons: Neuronal | None = None
    synapses: Synaptic | None = None
    adds_inputs: bool = False
    concatenates: bool = False
    starts_axons: bool = False


def rule_of(op: Operation) -> Rule:
    """Return how an operation is lowered.

    A new operation that :func:`edgespike.targets.loihi.check.violations` always refuses gets an
    empty rule.
    """
    match op:
        case Input() | Delay():
            return Rule(starts_axons=True)
        case Dense() | Conv2d() | SumPool2d():
            return Rule(synapses=op)
        case Add() | Reshape():
            return Rule(adds_inputs=True)
        case MaxPool2d():
            return Rule(neurons=op, synapses=op, starts_axons=True)
        case Concatenate():
            return Rule(concatenates=True)
        case Multiply():
            return Rule()
        case Membrane() if not op.emits_events:
            return Rule(adds_inputs=True)  # the neurons of the readout keep its potential
        case Threshold() | Membrane():
            return Rule(neurons=op, starts_axons=True)
        case Readout():
            return Rule(neurons=op)
        case _:
            assert_never(op)


def leak_of(graph: Graph, node: Node) -> Node | None:
    """Return the leaky integrator whose potentials a node is given, reshaped at most, if any."""
    source = graph[node.inputs[0]]
    while isinstance(source.op, Reshape):
        source = graph[source.inputs[0]]
    return source if isinstance(source.op, Membrane) and not source.op.emits_events else None


def is_maximum(graph: Graph, node: Node) -> bool:
    """Return whether a node is a max pool of more than single spikes, which is not an OR."""
    return isinstance(node.op, MaxPool2d) and graph.tensors[node.inputs[0]].bounds[1] > 1
