"""What counting charges each kind of operation for: none may cost nothing unnoticed."""

from __future__ import annotations

from typing import get_args

from typing_extensions import assert_never

from edgespike.graph import (
    Add,
    Concatenate,
    Conv2d,
    Delay,
    Dense,
    Input,
    MaxPool2d,
    Membrane,
    Multiply,
    Operation,
    Readout,
    Reshape,
    SumPool2d,
    Threshold,
)
from edgespike.graph.ops import Op

SYNAPSES = ("synaptic_operations", "multiply_accumulates", "arrivals")


def charges(op: Op) -> tuple[str, ...]:
    """Return the fields of :class:`edgespike.counting.LayerCounts` that an operation can raise.

    Empty for an operation that is free, and for one that counting does not know.
    """
    if not isinstance(op, get_args(Operation)):
        return ()
    known: Operation = op
    match known:
        case Input():
            return ("events",)
        case Dense() | Conv2d():
            return SYNAPSES
        case MaxPool2d():
            return ("pool_operations", "arrivals", "events")
        case Multiply():
            return ("multiply_accumulates", "events")
        case Threshold():
            return ("neuron_updates", "spikes", "events")
        case Membrane():
            emitted = ("spikes", "events") if known.emits_events else ()
            current = () if known.decay_syn is None else ("current_updates",)
            return ("neuron_updates", *emitted, *current)
        case Readout():
            return ("neuron_updates",)
        case SumPool2d() | Add() | Concatenate() | Reshape() | Delay():
            return ()
        case _:
            assert_never(known)
