"""What counting charges each kind of operation for: none may cost nothing unnoticed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from typing_extensions import assert_never

from edgespike.errors import UnsupportedError
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


def uncounted(node: Node) -> Iterator[str]:
    """Yield why a node is neither counted nor free, or both, with the way out."""
    where, free = f"{node.name} ({node.op.kind})", node.op.free
    if free is not None and charges(node.op):
        yield f"{where}: it is declared free, but it is counted; remove its `free`"
    elif free is not None and not (isinstance(free, str) and free.strip()):
        yield f"{where}: it is declared free without a reason; state one in its `free`"
    elif free is None and not charges(node.op):
        yield (
            f"{where}: it is neither counted nor declared free; count it in edgespike.counting, "
            "or state in its `free` why it costs nothing"
        )


def check_all_known(graph: Graph) -> None:
    """Refuse a graph with operations that counting does not know.

    Raises
    ------
    UnsupportedError
        All of them are listed.
    """
    faults = [fault for node in graph.nodes for fault in _unknown(node)]
    if faults:
        raise UnsupportedError(f"graph {graph.name!r} cannot be counted", faults)


def _unknown(node: Node) -> Iterator[str]:
    faults = list(uncounted(node))
    yield from faults
    if not faults and not isinstance(node.op, get_args(Operation)):
        yield (
            f"{node.name} ({node.op.kind}): it is free, but counting does not know whether events "
            "pass through it; add it to edgespike.counting"
        )
