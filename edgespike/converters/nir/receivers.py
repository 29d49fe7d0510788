"""Membranes as NIR's neurons, in the way that a simulator reads them.

A simulator reads a file with its own step, reset and comparison, see
:data:`edgespike.converters.nir.producers.PRODUCERS`. A membrane is written as the node of which
that simulator makes the same spikes, or is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from edgespike.converters.nir.hdf5 import Tree
from edgespike.converters.nir.producers import PLAIN, PRODUCERS, Producer
from edgespike.floats.net import Reals
from edgespike.graph import Comparison, Emits, Graph, Membrane, Node, Reset
from edgespike.graph.tensor import ACCUMULATOR_LIMIT

FOREVER = 2.0**40
"""Steps of a time constant that stands for no leak where a simulator knows leaky neurons alone;
in float32, in which they compute, a step keeps everything."""


NEWEST, OLDER = "1.0.8", "1.0.4"


@dataclass(frozen=True)
class Receiver:
    """What a simulator does with a file.

    Parameters
    ----------
    producer
        Its steps.
    nodes
        Types of nodes that it reads, of those that are written.
    one_threshold
        Whether all neurons of a layer must share a threshold.
    uniform
        Whether they must share every parameter.
    takes_leak_bias
        Whether it takes a v_leak.
    loops
        Whether it reads loops.
    version
        Of nir, whose layout is written. Until 1.0.5 a node had no v_reset, and a reset was by
        subtraction.
    bits
        Of a potential that it tells apart for certain: less than the 24 of float32.
    """

    producer: Producer
    nodes: frozenset[str]
    one_threshold: bool = False
    uniform: bool = False
    takes_leak_bias: bool = False
    loops: bool = False
    version: str = NEWEST
    bits: int = 20


_ALL = frozenset(
    ("Affine", "Conv2d", "Flatten", "SumPool2d", "Delay", "Threshold",
     "LIF", "IF", "CubaLIF", "LI", "I", "CubaLI")
)  # fmt: skip
_LAYERS = frozenset(("Affine", "Conv2d", "Flatten"))

RECEIVERS: dict[str, Receiver] = {
    "nir": Receiver(PLAIN, _ALL, takes_leak_bias=True, loops=True, bits=48),
    "snntorch": Receiver(
        PRODUCERS["snntorch"], _LAYERS | {"LIF", "CubaLIF"}, one_threshold=True
    ),
    # Its Flatten counts the batch, and its CubaLIF is two cells.
    "norse": Receiver(PRODUCERS["norse"], frozenset(("Affine", "Conv2d", "LIF", "IF", "CubaLIF"))),
    "sinabs": Receiver(PRODUCERS["sinabs"], _LAYERS | {"IF", "SumPool2d"}, version=OLDER),
    "spikingjelly": Receiver(
        PRODUCERS["spikingjelly"], _LAYERS | {"LIF", "IF", "CubaLIF"}, one_threshold=True,
        uniform=True,
    ),
}  # fmt: skip
"""By the name that the user gives."""


@dataclass(frozen=True)
class Written:
    """A node for a membrane.

    Parameters
    ----------
    node
        Its type and fields.
    scale
        By what each channel's input must be divided; ``None`` if by nothing.
    """

    node: Tree
    scale: Reals | None = None


def written(
    graph: Graph, node: Node, op: Membrane, receiver: Receiver, dt: float, lost: list[str]
) -> Written:
    """Return a membrane's node, and note what of it the receiver does not compute."""
    tensor = graph.tensors[node.inputs[0]]
    shape = tensor.shape
    faults = [*_lost(graph, op, node, receiver)]
    grid = _grid(op)
    theta = _each(op.theta, shape).astype(np.float64)
    between = _between(op, receiver.producer.comparison, grid)
    theta += between
    resolved = grid / 2 >= theta.max() * 2.0**-receiver.bits
    if between and not resolved and op.emits is Emits.SPIKES:
        faults.append(
            f"fires at v {op.comparison.value} theta, but {receiver.producer.name} at v "
            f"{receiver.producer.comparison.value} theta, and no number that it resolves lies "
            f"between potentials {grid:g} apart"
        )
    kept = 1 - _each(op.decay, shape) / op.decay_one
    fed = None if op.decay_syn is None else 1 - _each(op.decay_syn, shape) / op.decay_one
    scale = None
    if receiver.one_threshold and np.unique(theta).size > 1:
        scale, fault = _common(op, shape, grid)
        faults += [fault] if fault else []
        if not resolved:
            faults.append(
                f"has thresholds that differ, and {receiver.producer.name} reads one for a layer; "
                f"potentials {grid:g} apart are too close for it to divide the weights instead"
            )
        theta = np.ones(shape)
    bias = _each(op.bias, shape) / 2.0**op.fraction_bits
    kind, fields = _fields(op, kept, fed, theta, receiver, dt)
    if kind not in receiver.nodes:
        faults.append(f"would be {kind}, which {receiver.producer.name} does not read, or otherwise")
    if bias.any():
        if not receiver.takes_leak_bias or (kept == 1).any():
            faults.append(
                "has a bias, which NIR carries as v_leak of leaky neurons alone; put it into the "
                "layer before"
            )
        else:
            fields["v_leak"] = bias / np.where(kept == 1, 1, 1 - kept)
    if receiver.uniform and any(np.unique(value).size > 1 for value in fields.values()):
        faults.append(f"has neurons that differ; {receiver.producer.name} reads one for all")
    lost += [f"{node.name} {fault}" for fault in faults]
    tree: Tree = {"type": kind, **fields}
    return Written(tree, scale)


def _fields(
    op: Membrane, kept: Reals, fed: Reals | None, theta: Reals, receiver: Receiver, dt: float
) -> tuple[str, dict[str, Reals]]:
    """Return type and parameters; the input counts in full at its step."""
    shape, name = theta.shape, receiver.producer.name
    ones, zeros = np.ones(shape), np.zeros(shape)
    fires = op.emits is Emits.SPIKES
    firing = {"v_threshold": theta} if fires else {}
    if fires and receiver.version == NEWEST:
        firing["v_reset"] = zeros
    lasting = bool((kept == 1).all())
    with np.errstate(divide="ignore"):
        steps = np.minimum(1 / (1 - kept), FOREVER)
    if fed is not None:
        with np.errstate(divide="ignore"):
            fading = np.minimum(1 / (1 - fed), FOREVER)
        cuba = {"tau_mem": steps * dt, "tau_syn": fading * dt, "r": steps, "w_in": fading}
        return ("CubaLIF" if fires else "CubaLI"), {**cuba, "v_leak": zeros, **firing}
    if lasting and "IF" in receiver.nodes:
        r = ones / dt if receiver.producer.per_second else ones
        return ("IF" if fires else "I"), {"r": r, **firing}
    if name == "norse":  # it leaves out r, so that a potential is 1 - kept times ours
        if fires:
            firing["v_threshold"] = theta / steps
        return "LIF", {"tau": steps * dt, "r": ones, "v_leak": zeros, **firing}
    kind = "LIF" if fires else "LI"
    return kind, {"tau": steps * dt, "r": steps, "v_leak": zeros, **firing}


def _lost(graph: Graph, op: Membrane, node: Node, receiver: Receiver) -> Iterator[str]:
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
    if most.max() > op.saturation or (op.floor is None and -least.min() > op.saturation) or (
        op.current_saturates(tensor, graph.steps)
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


def _grid(op: Membrane) -> float:
    """Return the distance of neighbouring potentials."""
    kept = [np.asarray(d) for d in (op.decay, op.decay_syn) if d is not None]
    whole = all(((d == 0) | (d == op.decay_one)).all() for d in kept) and not np.any(op.bias)
    return 1.0 if whole else 2.0**-op.fraction_bits


def _between(op: Membrane, comparison: Comparison, grid: float) -> float:
    """Return what to add to theta where the receiver compares otherwise: half a step between."""
    if op.comparison is comparison or op.reset is Reset.SUBTRACT:
        return 0.0
    return -grid / 2 if op.comparison is Comparison.GREATER_EQUAL else grid / 2


def _common(op: Membrane, shape: tuple[int, ...], grid: float) -> tuple[Reals, str]:
    """Return by what each channel's input is divided so that all thresholds are 1.

    These lie half a step between two potentials, so that the rounding of the division changes no
    spike.
    """
    flat = _each(op.theta, shape).reshape(shape[0], -1).astype(np.float64)
    if (flat != flat[:, :1]).any():
        return np.ones(shape[0]), "has thresholds that differ within a channel"
    between = grid / 2 if op.comparison is Comparison.GREATER else -grid / 2
    return flat[:, 0] + between, ""


def _floored(op: Membrane, producer: Producer) -> bool:
    floor = -_lowest(op)
    return producer.floor == -1.0 and op.floor is not None and bool((op.floor == floor).all())


def _lowest(op: Membrane) -> Reals:
    lowest: Reals = np.asarray(op.theta << op.fraction_bits)
    return lowest


def _each(parameter: int | np.ndarray, shape: tuple[int, ...]) -> np.ndarray:  # type: ignore[type-arg]
    """Return a parameter of every neuron."""
    values = np.asarray(parameter)
    if values.ndim == 1 and len(shape) == 3:
        values = values[:, None, None]
    return np.broadcast_to(values, shape).copy()
