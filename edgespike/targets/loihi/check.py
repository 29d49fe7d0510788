"""What Lava's fixed-point simulator cannot do exactly in a graph."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
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
    Readout,
    ReadoutMode,
    Reshape,
    SumPool2d,
    Threshold,
)
from edgespike.graph.tensor import Integers
from edgespike.targets.loihi.choosing import neurons_of
from edgespike.targets.loihi.exponents import are_multiples, least_exponent
from edgespike.targets.loihi.limits import (
    ACCUMULATOR_HIGH,
    DELAY_HIGH,
    EXPONENT_HIGH,
    MESSAGE_BITS,
    PAYLOAD_HIGH,
    POTENTIAL_HIGH,
    WEIGHT_HIGH,
    WEIGHT_LOW,
)
from edgespike.targets.loihi.membrane_check import check_membrane
from edgespike.targets.loihi.network import message_bits
from edgespike.targets.loihi.neurons import CONSTANT_VALUE, READOUTS, Arriving, Neurons
from edgespike.targets.loihi.rules import Neuronal, rule_of
from edgespike.targets.loihi.size import too_large
from edgespike.targets.loihi.sums import arriving, biases_of
from edgespike.targets.loihi.timing import Timing, timing_of


def violations(graph: Graph) -> list[str]:
    """List everything that is outside the limits: node, value, limit and way out.

    What neurons would receive from a node that is refused has no meaning, and is not checked.
    """
    found = too_large(graph)
    if found:
        return found  # the other checks need memory in proportion to the size
    refused: set[str] = set()
    biases, timing = biases_of(graph), timing_of(graph)
    for node in graph.nodes:
        lines, neuronal = list(_check_operation(graph, node)), rule_of(node.op).neurons
        gives_sums = rule_of(node.op).adds_inputs or isinstance(node.op, SumPool2d | Multiply)
        if refused.intersection(node.inputs) or (lines and gives_sums):
            refused.add(node.name)
        elif neuronal is not None:
            lines += _check_neurons(graph, node, neuronal, arriving(graph, node, biases))
            lines += _check_timing(timing, node)
        found += [f"{node.name} ({node.op.kind}): {line}" for line in lines]
    return found


def _check_operation(graph: Graph, node: Node) -> Iterator[str]:
    """Yield what is wrong with an operation's own numbers."""
    match node.op:
        case Input() as op:
            yield from _check_input(op)
        case Dense() | Conv2d() as op:
            yield from _check_weights(op)
        case SumPool2d():
            yield from _check_sum_pool(graph, node)
        case Delay() as op:
            yield from _check_delay(op)
        case Threshold() as op:
            yield from _check_threshold(op)
        case Membrane() as op:
            yield from check_membrane(op, graph, node)
        case Multiply():
            yield (
                "it multiplies events by events, and a synapse multiplies them by a constant; use "
                "the cpu, tflite or onnx target, or a recurrent layer without gates"
            )
        case MaxPool2d() | Add() | Concatenate() | Reshape() | Readout():
            pass  # they have no numbers that a synapse or a neuron must hold
        case _:
            assert_never(node.op)


def _check_input(op: Input) -> Iterator[str]:
    bits = message_bits(op.low, op.high)
    if bits > MESSAGE_BITS:
        yield (
            f"range {op.low}..{op.high} needs {bits} bits; a graded spike has {MESSAGE_BITS}, "
            "so scale the input down"
        )


def _check_weights(op: Dense | Conv2d) -> Iterator[str]:
    low, high = int(op.weight.min()), int(op.weight.max())
    # The last exponent is reserved: a flipped channel may negate the lowest weight.
    exponent = min(least_exponent(op.weight), EXPONENT_HIGH - 1)
    factor = 1 << exponent
    if low < WEIGHT_LOW * factor or high > WEIGHT_HIGH * factor:
        yield (
            f"weights are {low}..{high}; the limit is {WEIGHT_LOW}..{WEIGHT_HIGH}, or "
            f"{WEIGHT_LOW * factor}..{WEIGHT_HIGH * factor} for multiples of {factor}, quantise to "
            "8 bits or fewer"
        )
    elif not are_multiples(op.weight, exponent):
        others = int(np.count_nonzero(op.weight % factor))
        yield (
            f"weights are {low}..{high}; the limit is {WEIGHT_LOW}..{WEIGHT_HIGH}, quantise to 8 "
            f"bits or fewer, or to multiples of {factor} (a weight exponent of {exponent}), which "
            f"{others} of {op.weight.size} are not"
        )


def _check_sum_pool(graph: Graph, node: Node) -> Iterator[str]:
    if not graph.tensors[node.inputs[0]].signal.is_event:
        yield "its input is an accumulator, which no synapse carries; pool the spikes instead"


def _check_delay(op: Delay) -> Iterator[str]:
    if abs(op.initial) > PAYLOAD_HIGH:
        yield (
            f"initial is {op.initial}; the limit is +-{PAYLOAD_HIGH}, what a graded spike holds, "
            "begin nearer to 0"
        )


def _check_threshold(op: Threshold) -> Iterator[str]:
    if op.levels > PAYLOAD_HIGH:
        yield (
            f"it has {op.levels} levels; the limit is {PAYLOAD_HIGH}, what a graded spike holds, "
            "train it with fewer"
        )
    elif max(abs(op.offset), abs(op.offset + op.unit * op.levels)) > PAYLOAD_HIGH:
        yield (
            f"its levels are {op.offset}..{op.offset + op.unit * op.levels}; the limit is "
            f"+-{PAYLOAD_HIGH}, what a graded spike holds, use a smaller offset and unit, and "
            "larger weights after it"
        )


def _check_neurons(graph: Graph, node: Node, op: Neuronal, received: Arriving) -> Iterator[str]:
    """Yield what is wrong with the neurons that compute a node."""
    neurons = neurons_of(op, received, graph.steps)
    yield from _check_sums(received, neurons)
    if neurons.kind in READOUTS:
        yield from _check_readout(graph, node, leaky=received.leak is not None)


def _check_timing(timing: Timing, node: Node) -> Iterator[str]:
    """Yield where spikes cannot reach a node's neurons at the step at which they must."""
    if node.name in timing.without_input:
        yield "no connection joins it to the input, so Lava would not run it; remove it"
    for loop in timing.slow_loops:
        if loop[0] == node.name:
            yield (
                f"it takes from {loop[-1]} at once, and they are in a loop of {len(loop)} "
                f"populations ({', '.join(loop)}), each of which takes one of Lava's steps; put a "
                f"delay between each two, or leave one population in the loop"
            )
    if timing.slow_loops:
        return
    for axon in sorted(timing.axons[node.inputs[0]]):
        steps = timing.wait(axon, node.name)
        if steps > DELAY_HIGH:
            yield (
                f"spikes of {timing.population_of(axon)} must wait {steps} steps for the other "
                f"inputs; the limit is {DELAY_HIGH}, shorten the skip connection"
            )


def _check_sums(received: Arriving, neurons: Neurons) -> Iterator[str]:
    """Yield where the sums of a neuron's synapses do not fit."""
    constant = neurons.from_sources
    ends = (received.low, received.high)
    low, high = _bounds(*(neurons.sign * (end - received.bias) + constant for end in ends))
    fraction = 0 if neurons.dynamics is None else neurons.dynamics.op.fraction_bits
    limit = min(ACCUMULATOR_HIGH, POTENTIAL_HIGH >> fraction)
    if max(-low, high) > limit:
        way = "smaller weights, fewer inputs or a smaller input range"
        if limit < ACCUMULATOR_HIGH:
            way += f", or fewer than {fraction} fraction bits"
        yield f"its accumulator can reach {low}..{high}; the limit is +-{limit}, use {way}"
    low, high = _bounds(neurons.constant)
    if low < WEIGHT_LOW or high > WEIGHT_HIGH:
        limit = -WEIGHT_LOW * CONSTANT_VALUE
        yield (
            f"its biases and thresholds differ by up to {max(-low, high) * CONSTANT_VALUE}; the "
            f"limit is {limit}, use smaller biases"
        )


def _check_readout(graph: Graph, node: Node, *, leaky: bool) -> Iterator[str]:
    low, high = graph.tensors[node.name].bounds
    limit = POTENTIAL_HIGH if leaky else ACCUMULATOR_HIGH
    if graph.readout_op.mode is ReadoutMode.SUM and max(-low, high) > limit:
        ways = ", or read the last or the largest potential" if leaky else ""
        yield (
            f"its accumulator can reach {low}..{high} over {graph.steps} steps; the limit is "
            f"+-{limit}, use smaller weights or fewer steps{ways}"
        )


def _bounds(*arrays: Integers) -> tuple[int, int]:
    return min(int(array.min()) for array in arrays), max(int(array.max()) for array in arrays)
