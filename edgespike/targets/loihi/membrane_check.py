"""What Loihi's membranes cannot do exactly, whoever computes them: states of 24 bits."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgespike.graph import Graph, Membrane, Node, Readout, Reshape, Tensor
from edgespike.graph.ops.membrane import DECAY_BITS
from edgespike.graph.tensor import Integers
from edgespike.targets.loihi.limits import PAYLOAD_HIGH, POTENTIAL_HIGH
from edgespike.targets.loihi.membranes import is_memoryless
from edgespike.targets.loihi.neurons import Arriving
from edgespike.targets.loihi.stock import finer_than_loihi


def check_membrane(op: Membrane, graph: Graph, node: Node) -> Iterator[str]:
    """Yield what is wrong with a membrane's numbers, and with where its potential goes."""
    tensor = graph.tensors[node.inputs[0]]
    if op.emits_events:
        if op.max_spikes > PAYLOAD_HIGH:
            yield (
                f"max_spikes is {op.max_spikes}; the limit is {PAYLOAD_HIGH}, what a graded spike "
                "holds"
            )
        nothing = Arriving(tensor, np.zeros(tensor.size, np.int64))
        if is_memoryless(op, nothing, graph.steps):
            return
    else:
        yield from _check_takers(graph, node)
    yield from _check_decays(op)
    highest = POTENTIAL_HIGH >> op.fraction_bits
    if op.theta.max() > highest:
        yield f"theta goes up to {op.theta.max()}; the limit is {highest}, scale it down"
    yield from _check_states(op, tensor, graph.steps)


def _check_takers(graph: Graph, node: Node) -> Iterator[str]:
    """Yield which nodes but the readout take a potential."""
    for taker in _takers(graph, node):
        if not isinstance(taker.op, Readout):
            yield (
                f"its potential goes to {taker.name} ({taker.op.kind}); on Loihi a potential is "
                "read, not sent: let it go to the readout alone, or let it emit spikes"
            )


def _takers(graph: Graph, node: Node) -> Iterator[Node]:
    for taker in graph.nodes:
        if node.name in taker.inputs:
            if isinstance(taker.op, Reshape):
                yield from _takers(graph, taker)
            else:
                yield taker


def _check_decays(op: Membrane) -> Iterator[str]:
    for name, decay in (("decay", op.decay), ("decay_syn", op.decay_syn)):
        if decay is not None and finer_than_loihi(op, decay):
            step = 1 << (op.decay_bits - DECAY_BITS)
            yield (
                f"{name} is {_span(decay)} in units of 2**-{op.decay_bits}; Loihi's decays have "
                f"{DECAY_BITS} bits, multiples of {step} here: round it to these, which "
                f"decay_bits={DECAY_BITS} does"
            )


def _span(values: int | Integers) -> str:
    low, high = int(np.min(values)), int(np.max(values))
    return str(low) if low == high else f"{low}..{high}"


def _check_states(op: Membrane, tensor: Tensor, steps: int) -> Iterator[str]:
    if op.saturation <= POTENTIAL_HIGH:
        return
    ranges = {"potential": op.potential_range(tensor, steps)}
    if op.decay_syn is not None:
        ranges["current"] = op.current_range(tensor, steps)
    for name, (low, high) in ranges.items():
        if max(-int(low.min()), int(high.max())) > POTENTIAL_HIGH:
            yield (
                f"its {name} can reach {low.min()}..{high.max()} (in 1/{1 << op.fraction_bits}) "
                f"and saturates at {op.saturation}; the limit is +-{POTENTIAL_HIGH}, use a "
                f"saturation of {POTENTIAL_HIGH}, smaller weights, more decay or fewer steps"
            )
