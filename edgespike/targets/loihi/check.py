"""What of a graph Lava's fixed-point simulator cannot do exactly."""

from __future__ import annotations

from collections.abc import Iterator
from functools import singledispatch

from edgespike.graph import (
    Delay,
    Graph,
    Input,
    Membrane,
    Node,
    Op,
    ReadoutMode,
    SumPool2d,
    Threshold,
)
from edgespike.graph.ops import Weighted
from edgespike.graph.tensor import Integers
from edgespike.targets.loihi.arriving import NEURONS, arriving, lowest_weights
from edgespike.targets.loihi.limits import (
    ACCUMULATOR_HIGH,
    DELAY_HIGH,
    MESSAGE_BITS,
    PAYLOAD_HIGH,
    POTENTIAL_HIGH,
    THRESHOLD_HIGH,
    WEIGHT_HIGH,
    WEIGHT_LOW,
)
from edgespike.targets.loihi.network import message_bits
from edgespike.targets.loihi.neurons import (
    CONSTANT_VALUE,
    Arriving,
    Neurons,
    is_memoryless,
    neurons_of,
)
from edgespike.targets.loihi.timing import axons, population_of, slow_loops, wait, without_input


def violations(graph: Graph) -> list[str]:
    """List all that is outside the limits: node, value, limit and way out.

    What neurons would receive from a node that is refused, and when it would arrive, has no
    meaning: that is not looked at.
    """
    found: list[str] = []
    refused: set[str] = set()
    for node in graph.nodes:
        lines = list(_check(node.op, graph, node))
        if refused.intersection(node.inputs) or (lines and isinstance(node.op, SumPool2d)):
            refused.add(node.name)
        elif isinstance(node.op, NEURONS):
            lines += _check_neurons(graph, node)
            lines += _check_timing(graph, node)
        found += [f"{node.name} ({node.op.kind}): {line}" for line in lines]
    return found


@singledispatch
def _check(op: Op, graph: Graph, node: Node) -> Iterator[str]:
    """Yield what is wrong with one operation's own numbers; of some, nothing can be."""
    yield from ()


@_check.register
def _(op: Input, graph: Graph, node: Node) -> Iterator[str]:
    bits = message_bits(op.low, op.high)
    if bits > MESSAGE_BITS:
        yield (
            f"range {op.low}..{op.high} needs {bits} bits; a graded spike has {MESSAGE_BITS}, "
            "so scale the input down"
        )


@_check.register
def _(op: Delay, graph: Graph, node: Node) -> Iterator[str]:
    if abs(op.initial) > PAYLOAD_HIGH:
        yield (
            f"initial is {op.initial}; the limit is +-{PAYLOAD_HIGH}, what a graded spike holds, "
            "begin nearer to 0"
        )


@_check.register
def _(op: Weighted, graph: Graph, node: Node) -> Iterator[str]:
    low, high = int(op.weight.min()), int(op.weight.max())
    if low < WEIGHT_LOW or high > WEIGHT_HIGH:
        yield (
            f"weights are {low}..{high}; the limit is {WEIGHT_LOW}..{WEIGHT_HIGH}, quantise to 8 "
            "bits or fewer"
        )


@_check.register
def _(op: SumPool2d, graph: Graph, node: Node) -> Iterator[str]:
    if not graph.tensors[node.inputs[0]].signal.is_event:
        yield "its input is an accumulator, which no synapse carries; pool the spikes instead"


@_check.register
def _(op: Threshold, graph: Graph, node: Node) -> Iterator[str]:
    if op.levels > PAYLOAD_HIGH:
        yield (
            f"it has {op.levels} levels; the limit is {PAYLOAD_HIGH}, what a graded spike holds, "
            "train it with fewer"
        )


@_check.register
def _(op: Membrane, graph: Graph, node: Node) -> Iterator[str]:
    if op.max_spikes > PAYLOAD_HIGH:
        yield (
            f"max_spikes is {op.max_spikes}; the limit is {PAYLOAD_HIGH}, what a graded spike holds"
        )
    if is_memoryless(op, graph.steps):
        return
    if op.theta.max() > THRESHOLD_HIGH:
        yield f"theta goes up to {op.theta.max()}; the limit is {THRESHOLD_HIGH}, scale it down"
    low, high = op.potential_range(graph.tensors[node.inputs[0]], graph.steps)
    if max(-int(low.min()), int(high.max())) > POTENTIAL_HIGH:
        yield (
            f"its potential can reach {low.min()}..{high.max()} (in 1/64); the limit is "
            f"+-{POTENTIAL_HIGH}, use smaller weights, more decay or fewer steps"
        )


def _check_neurons(graph: Graph, node: Node) -> Iterator[str]:
    """Yield what is wrong with the neurons that compute a node."""
    received = arriving(graph, node)
    neurons = neurons_of(node.op, received, graph.steps)
    yield from _check_sums(received, neurons)
    if neurons.kind == "readout":
        yield from _check_readout(graph, node)
    negated = neurons.sign < 0
    if negated.any():
        yield from _check_negated(lowest_weights(graph)[node.inputs[0]][negated])


def _check_timing(graph: Graph, node: Node) -> Iterator[str]:
    """Yield where spikes cannot reach a node's neurons at the step at which they must."""
    if node.name in without_input(graph):
        yield "no connections join it to the input, so that Lava would not run it; remove it"
    for loop in slow_loops(graph):
        if loop[0] == node.name:
            yield (
                f"it takes from {loop[-1]} at once, and they are in a loop of {len(loop)} "
                f"populations ({', '.join(loop)}), each of which takes one of Lava's steps; put a "
                f"delay between each two, or leave one population in the loop"
            )
    if slow_loops(graph):
        return
    for axon in sorted(axons(graph)[node.inputs[0]]):
        steps = wait(graph, axon, node.name)
        if steps > DELAY_HIGH:
            yield (
                f"spikes of {population_of(graph, axon)} must wait {steps} steps for the other "
                f"inputs; the limit is {DELAY_HIGH}, shorten the skip connection"
            )


def _check_sums(received: Arriving, neurons: Neurons) -> Iterator[str]:
    """Yield where what a neuron's synapses sum up to does not fit."""
    constant = neurons.constant * CONSTANT_VALUE
    ends = (received.low, received.high)
    low, high = _bounds(*(neurons.sign * (end - received.bias) + constant for end in ends))
    if max(-low, high) > ACCUMULATOR_HIGH:
        yield (
            f"its accumulator can reach {low}..{high}; the limit is +-{ACCUMULATOR_HIGH}, use "
            "smaller weights, fewer inputs or a smaller input range"
        )
    low, high = _bounds(neurons.constant)
    if low < WEIGHT_LOW or high > WEIGHT_HIGH:
        limit = -WEIGHT_LOW * CONSTANT_VALUE
        yield (
            f"its biases and thresholds differ by up to {max(-low, high) * CONSTANT_VALUE}; the "
            f"limit is {limit}, use smaller biases"
        )


def _check_negated(lowest: Integers) -> Iterator[str]:
    if lowest.min() == WEIGHT_LOW:
        yield (
            f"a flipped channel has the weight {WEIGHT_LOW}, which cannot be negated; the limit "
            f"is {WEIGHT_LOW + 1}, quantise symmetrically"
        )


def _check_readout(graph: Graph, node: Node) -> Iterator[str]:
    low, high = graph.tensors[node.name].bounds
    if graph.readout_op.mode is ReadoutMode.SUM and max(-low, high) > ACCUMULATOR_HIGH:
        yield (
            f"its accumulator can reach {low}..{high} over {graph.steps} steps; the limit is "
            f"+-{ACCUMULATOR_HIGH}, use smaller weights or fewer steps"
        )


def _bounds(*arrays: Integers) -> tuple[int, int]:
    return min(int(array.min()) for array in arrays), max(int(array.max()) for array in arrays)
