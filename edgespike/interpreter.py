"""The definition: what every operation computes, obvious rather than fast, in int64.

Every target computes the same, bit for bit, for every layer and step. There is one function per
operation; values have the shape ``(samples, *shape)`` and belong to one step. Weighted sums are
computed in float64 where :func:`edgespike.exact_factors.exact_factors` proves that exact.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from edgespike.blas import one_blas_thread
from edgespike.exact_factors import exact_factors
from edgespike.graph import (
    Add,
    Comparison,
    Concatenate,
    Conv2d,
    Delay,
    Dense,
    Emits,
    Graph,
    Input,
    MaxPool2d,
    Membrane,
    Multiply,
    Operation,
    Readout,
    ReadoutMode,
    Reset,
    ResetTime,
    Reshape,
    SumPool2d,
    Threshold,
)
from edgespike.graph.inputs import as_samples
from edgespike.graph.ops.membrane import decayed
from edgespike.graph.ops.pooling import Pool2d
from edgespike.graph.tensor import Integers, per_channel
from edgespike.trace import Trace, observed_names

BLOCK_VALUES = 2**17
"""Most values of one node that are computed at once: 1 MiB, which stays in the cache."""


def interpret(graph: Graph, samples: NDArray[Any], keep: Collection[str] | None = None) -> Trace:
    """Run samples through a graph.

    Parameters
    ----------
    graph
        The graph to run.
    samples
        Integers ``(samples, *shape)`` or ``(samples, steps, *shape)``,
        see :func:`edgespike.graph.inputs.as_samples`.
    keep
        Names of the nodes whose values to keep; by default the observed ones.

    Returns
    -------
    trace
        Every kept node's int64 values, ``(samples, steps, *shape)``.

    Raises
    ------
    InputError
        The samples do not fit the graph's input.
    """
    samples = as_samples(graph, samples)
    kept = observed_names(graph) if keep is None else list(keep)
    trace: dict[str, Integers] = {
        name: np.empty((*samples.shape[:2], *graph.tensors[name].shape), np.int64) for name in kept
    }
    at_once = max(1, BLOCK_VALUES // max(tensor.size for tensor in graph.tensors.values()))
    with one_blas_thread():
        for start in range(0, len(samples), at_once):
            block = slice(start, start + at_once)
            for t, values in enumerate(run_steps(graph, samples[block])):
                for name in kept:
                    trace[name][block, t] = values[name]
    return Trace(trace)


def run_steps(graph: Graph, samples: NDArray[Any]) -> Iterator[Mapping[str, Integers]]:
    """Yield, for each step, the int64 values of every node, ``(samples, *shape)``.

    ``samples`` is ``(samples, steps, *shape)`` and must have been checked.
    """
    state: dict[str, Any] = {}
    values: dict[str, Integers] | None = None
    for t in range(graph.steps):
        values = _step(graph, samples[:, t].astype(np.int64), state, values)
        yield values


def _step(
    graph: Graph,
    sample: Integers,
    state: dict[str, Any],
    before: Mapping[str, Integers] | None,
) -> dict[str, Integers]:
    """Compute every node once; ``before`` holds the values of the previous step, if any."""
    values: dict[str, Integers] = {graph.input.name: sample}
    for node in graph.nodes[1:]:
        if isinstance(node.op, Delay):
            source = None if before is None else before[node.inputs[0]]
            values[node.name] = delay(node.op, source, len(sample))
            continue
        inputs = [values[name] for name in node.inputs]
        values[node.name], state[node.name] = evaluate(node.op, inputs, state.get(node.name))
    return values


def evaluate(op: Operation, inputs: Sequence[Integers], state: Any = None) -> tuple[Integers, Any]:
    """Compute one operation for one step.

    Parameters
    ----------
    op
        Any operation but the input, whose value is given, and the delay, see :func:`delay`.
    inputs
        int64 values, each ``(samples, *shape)``.
    state
        The state that the previous step's call returned; ``None`` at a sample's first step.

    Returns
    -------
    value, state
        The output, and the state for the next step's call (``None`` for a stateless operation).

    Raises
    ------
    TypeError
        The operation is an input or a delay.
    """
    match op:
        case Dense():
            return dense(op, *inputs), None
        case Conv2d():
            return conv2d(op, *inputs), None
        case SumPool2d():
            return sum_pool2d(op, *inputs), None
        case MaxPool2d():
            return max_pool2d(op, *inputs), None
        case Add():
            return add(op, *inputs), None
        case Multiply():
            return multiply(op, *inputs), None
        case Concatenate():
            return concatenate(op, *inputs), None
        case Reshape():
            return reshape(op, *inputs), None
        case Threshold():
            return threshold(op, *inputs), None
        case Membrane():
            return membrane(op, inputs[0], state)
        case Readout():
            return readout(op, inputs[0], state)
        case Input() | Delay():
            raise TypeError(f"an operation of kind {op.kind} has no value of its own at a step")
        case _:
            assert_never(op)


def dense(op: Dense, x: Integers) -> Integers:
    """Multiply by the weight and add the bias."""
    weight, x = exact_factors(op.weight, x)
    total: Integers = (x @ weight.T).astype(np.int64) + op.bias
    return total


def conv2d(op: Conv2d, x: Integers) -> Integers:
    """Sum, over the places of the kernel, the weighted input as seen from there."""
    n, channels, _, _ = x.shape
    step_y, step_x = op.stride
    height, width = op.output_size(x.shape[1:])
    weight, x = exact_factors(op.weight, x)
    padded = np.pad(x, ((0, 0), (0, 0), *op.sides))
    padded = padded.reshape(n, op.groups, channels // op.groups, *padded.shape[2:])
    places = np.moveaxis(weight.reshape(op.groups, -1, *weight.shape[1:]), (3, 4), (0, 1)).copy()
    out = np.zeros((n, *places.shape[2:4], height * width), weight.dtype)
    multiply = np.multiply if channels == op.groups else np.matmul  # depthwise: nothing to sum
    for ky, kx in np.ndindex(*op.weight.shape[2:]):
        top, left = ky * op.dilation[0], kx * op.dilation[1]
        seen = padded[..., top::step_y, left::step_x][..., :height, :width]
        out += multiply(places[ky, kx], seen.reshape(*seen.shape[:3], -1))
    total: Integers = out.reshape(n, -1, height, width).astype(np.int64) + per_channel(op.bias, 3)
    return total


def sum_pool2d(op: SumPool2d, x: Integers) -> Integers:
    """Sum each window; padded places add nothing."""
    return reduce(np.add, _windows(op, x))


def max_pool2d(op: MaxPool2d, x: Integers) -> Integers:
    """Take the largest value of each window; no value is negative, so zeros as padding are safe."""
    return reduce(np.maximum, _windows(op, x))


def _windows(op: Pool2d, x: Integers) -> list[Integers]:
    """Return, for each place in a window, the value at that place of all windows.

    Padded places are 0, which adds nothing to a sum and exceeds no value of a max pool.
    """
    step_y, step_x = op.stride
    height, width = op.output_size(x.shape[1:])
    padded = np.pad(x, ((0, 0), (0, 0), *op.sides))
    return [
        padded[..., ky::step_y, kx::step_x][..., :height, :width]
        for ky, kx in np.ndindex(*op.kernel)
    ]


def add(_: Add, *inputs: Integers) -> Integers:
    """Add element by element."""
    return reduce(np.add, inputs)


def multiply(_: Multiply, left: Integers, right: Integers) -> Integers:
    """Multiply element by element."""
    return left * right


def concatenate(_: Concatenate, *inputs: Integers) -> Integers:
    """Put the channels of all inputs one after the other."""
    return np.concatenate(inputs, axis=1)


def reshape(op: Reshape, x: Integers) -> Integers:
    """Return the same elements in another shape."""
    return x.reshape(len(x), *op.shape)


def threshold(op: Threshold, x: Integers) -> Integers:
    """Count the thresholds that are reached, or in a flipped channel not; scale the number."""
    counted = np.zeros_like(x)
    flipped = per_channel(op.flipped, x.ndim - 1)
    for level in range(op.levels):
        counted += (x >= per_channel(op.theta[:, level], x.ndim - 1)) ^ flipped
    return op.offset + op.unit * counted


def delay(op: Delay, before: Integers | None, samples: int) -> Integers:
    """Return ``before``, the source's value of the previous step; ``initial`` if it is ``None``."""
    return np.full((samples, *op.shape), op.initial, np.int64) if before is None else before


class Neurons(NamedTuple):
    """What membranes keep for the next step, each ``(samples, *shape)``.

    Parameters
    ----------
    v, i
        Potential and synaptic current.
    fired
        The spikes of the step.
    """

    v: Integers
    i: Integers
    fired: Integers


def membrane(op: Membrane, x: Integers, state: Neurons | None) -> tuple[Integers, Neurons]:
    """Decay, integrate, saturate, fire and reset."""
    zeros = np.zeros_like(x)
    v, i, fired = state if state is not None else Neurons(zeros, zeros, zeros)
    theta, decay, bias, least = (
        _each_neuron(each, x.ndim - 1) for each in (op.theta, op.decay, op.bias, op.least)
    )
    theta = theta << op.fraction_bits
    raised = op.reset_time is ResetTime.SAME_STEP_RAISED
    above = np.minimum(_exceeded(op, v, theta), 1) if raised else 0
    current = x << op.fraction_bits
    if op.decay_syn is not None:
        i = decayed(i, _each_neuron(op.decay_syn, x.ndim - 1), op.decay_bits) + current
        current = i = np.clip(i, -op.saturation, op.saturation)
    v = decayed(v, decay, op.decay_bits) + current + bias
    if op.reset_time is ResetTime.NEXT_STEP:
        v = _reset(op, v, fired, theta)
    compared = v = np.clip(v, least, op.saturation)
    spikes = np.clip(_exceeded(op, v, theta) - above, 0, op.max_spikes)
    if op.reset_time is not ResetTime.NEXT_STEP:
        v = _reset(op, v, spikes, theta)
    return spikes if op.emits is Emits.SPIKES else compared, Neurons(v, i, spikes)


def _each_neuron(parameter: int | Integers, ndim: int) -> Integers:
    """Return a parameter of a membrane in a shape that broadcasts over ``ndim`` axes."""
    values = np.asarray(parameter)
    return per_channel(values, ndim) if values.ndim == 1 else values


def _exceeded(op: Membrane, v: Integers, theta: Integers) -> Integers:
    """Return how many of theta, 2 theta, ... a potential reaches or exceeds, at least 0."""
    enough = v if op.comparison is Comparison.GREATER_EQUAL else v - 1
    count: Integers = np.clip(enough // theta, 0, op.max_spikes + 1)
    return count


def _reset(op: Membrane, v: Integers, spikes: Integers, theta: Integers) -> Integers:
    if op.reset is Reset.ZERO:
        return np.where(spikes > 0, 0, v)
    if op.reset is Reset.SUBTRACT:
        return v - spikes * theta
    return v


def readout(op: Readout, x: Integers, state: Integers | None) -> tuple[Integers, Integers]:
    """Add this step's accumulators to the previous steps', keep the largest, or only these."""
    if state is None:
        return x, x
    match op.mode:
        case ReadoutMode.SUM:
            total = state + x
        case ReadoutMode.LAST:
            total = x
        case ReadoutMode.MAX:
            total = np.maximum(state, x)
        case _:
            assert_never(op.mode)
    return total, total
