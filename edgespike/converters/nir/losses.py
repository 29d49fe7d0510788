"""What a simulator computes otherwise than a membrane."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from edgespike.converters.nir.producers import Producer
from edgespike.converters.nir.receivers import Receiver
from edgespike.graph import Emits, Graph, Membrane, Node, Reset
from edgespike.graph.tensor import ACCUMULATOR_LIMIT, Integers


def losses(graph: Graph, op: Membrane, node: Node, receiver: Receiver) -> Iterator[str]:
    """Yield what of a membrane the receiver computes otherwise."""
    tensor, producer = graph.tensors[node.inputs[0]], receiver.producer
    least, most = op.potential_range(tensor, graph.steps)
    yield from _lost_reset(op, producer, graph.steps)
    if not _is_exact(op, graph.steps):
        yield (
            f"rounds potentials towards zero to 2^-{op.fraction_bits}; NIR's are real numbers, so "
            "spikes near a threshold may differ"
        )
    if op.floor is not None and (least < np.min(op.floor)).any() and not _floored(op, producer):
        yield f"has floor {np.max(op.floor)}, which NIR has not; leave it out"
    unfloored = producer.floor is not None and "IF" in receiver.nodes and op.floor is None
    if unfloored and op.emits is Emits.SPIKES and bool((least < -_lowest(op)).any()):
        yield f"has no floor, but {producer.name} reads every IF with one at minus its threshold"
    # The floor bounds what is below.
    if (
        most.max() > op.saturation
        or (op.floor is None and -least.min() > op.saturation)
        or (op.current_saturates(tensor, graph.steps))
    ):
        yield (
            f"may saturate at {op.saturation}, which NIR's potentials do not; give it a larger "
            f"saturation, up to {ACCUMULATOR_LIMIT}"
        )
    if op.emits is Emits.SPIKES:
        yield from _lost_spikes(op, producer, graph, node)


def _lost_reset(op: Membrane, producer: Producer, steps: int) -> Iterator[str]:
    if op.emits is Emits.POTENTIAL and op.reset is Reset.NONE:
        return
    if op.emits is Emits.POTENTIAL:
        yield "gives its potential and resets; NIR's integrators do not reset"
        return
    forgets = steps == 1 or not op.keeps
    time = producer.zero_time if producer.reset is Reset.ZERO else producer.subtract_time
    if op.reset is not producer.reset and not forgets:
        yield (
            f"resets by '{op.reset.value}', but {producer.name} reads every neuron with "
            f"'{producer.reset.value}'; name another simulator, or train with that reset"
        )
    elif op.reset_time is not time and not forgets:
        yield f"resets at {op.reset_time.value}, but {producer.name} at {time.value}"
    if op.reset is not Reset.ZERO and op.comparison is not producer.comparison and not forgets:
        yield (
            f"fires at v {op.comparison.value} theta, but {producer.name} at v "
            f"{producer.comparison.value} theta, and subtracts theta"
        )


def _lost_spikes(op: Membrane, producer: Producer, graph: Graph, node: Node) -> Iterator[str]:
    free = replace(op, max_spikes=max(op.max_spikes, 2), saturation=ACCUMULATOR_LIMIT)
    highest = graph.tensors[node.name].high.max()
    reached = int(free.infer([graph.tensors[node.inputs[0]]], graph.steps).high.max())
    if producer.max_spikes == 1 and highest > 1:
        yield f"emits up to {highest} spikes in a step, and {producer.name} one"
    elif producer.max_spikes > 1 and op.max_spikes == 1 and reached > 1:
        yield (
            f"emits one spike where its potential suffices for more, which {producer.name} emits; "
            "train with max_spikes of more than 1"
        )


def _is_exact(op: Membrane, steps: int) -> bool:
    """Return whether no decay ever rounds: each step needs the bits of a factor more."""
    bits = 0
    for decay in (op.decay, op.decay_syn):
        if decay is not None:
            kept = np.unique(op.decay_one - np.asarray(decay))
            partial = kept[(kept > 0) & (kept < op.decay_one)]
            lowest = partial & -partial
            bits += max((op.decay_bits - int(low).bit_length() + 1 for low in lowest), default=0)
    return bits * (steps - 1) <= op.fraction_bits


def _floored(op: Membrane, producer: Producer) -> bool:
    floor = -_lowest(op)
    return producer.floor == -1.0 and op.floor is not None and bool(np.all(op.floor == floor))


def _lowest(op: Membrane) -> Integers:
    lowest: Integers = np.asarray(op.theta << op.fraction_bits)
    return lowest
