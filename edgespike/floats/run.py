"""What a net in real numbers computes, in float64: obvious rather than fast.

Quantising takes its values from here, and tests compare it with the source's own framework.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from edgespike.blas import one_blas_thread
from edgespike.errors import InputError, shown
from edgespike.floats.net import (
    FloatAdd,
    FloatAffine,
    FloatConcatenate,
    FloatConv2d,
    FloatDelay,
    FloatDense,
    FloatInput,
    FloatNet,
    FloatNeurons,
    FloatOp,
    FloatPool2d,
    FloatReadout,
    FloatRelu,
    FloatReshape,
    FloatTanh,
    Pooling,
    Reals,
)
from edgespike.floats.shapes import shape_after
from edgespike.graph import Comparison, ReadoutMode, Reset, ResetTime

AT_ONCE = 64
"""How many samples `answers` takes at once."""


def run_steps(net: FloatNet, samples: NDArray[Any]) -> Iterator[dict[str, Reals]]:
    """Yield, for each step, the float64 value of every node, ``(samples, *shape)``.

    A readout's value is the answer as if the sample ended after that step.

    Parameters
    ----------
    samples
        ``(samples, *shape)``, each shown unchanged at every step, or ``(samples, steps, *shape)``.

    Raises
    ------
    InputError
        The samples do not have one of these shapes.
    """
    samples = _checked(net, samples)
    state: dict[str, Any] = {}
    before: Mapping[str, Reals] | None = None
    for t in range(net.steps):
        x = samples if samples.ndim == len(input_shape(net)) + 1 else samples[:, t]
        with one_blas_thread():
            before = _step(net, x.astype(np.float64), state, before)
        yield before


def answers(net: FloatNet, samples: NDArray[Any]) -> Reals:
    """Return the readout's values after the last step, ``(samples, classes)``.

    Parameters
    ----------
    samples
        As for :func:`run_steps`, which also says what is raised.
    """
    samples = _checked(net, samples)
    parts = []
    for start in range(0, len(samples), AT_ONCE):
        for values in run_steps(net, samples[start : start + AT_ONCE]):
            last = values[net.nodes[-1].name]
        parts.append(last)
    return np.concatenate(parts)


def input_shape(net: FloatNet) -> tuple[int, ...]:
    """Return the shape of a step of a sample.

    Raises
    ------
    TypeError
        The first operation is no input.
    """
    op = net.nodes[0].op
    if not isinstance(op, FloatInput):
        raise TypeError(f"the first operation is {type(op).__name__}; expected FloatInput")
    return op.shape


def _checked(net: FloatNet, samples: NDArray[Any]) -> NDArray[Any]:
    samples, shape = np.asarray(samples), input_shape(net)
    if samples.dtype.kind not in "biuf":
        raise InputError(f"samples have dtype {samples.dtype}; give numbers")
    if samples.shape[1:] not in (shape, (net.steps, *shape)):
        raise InputError(
            f"samples have shape {shown(samples.shape)}; give (samples, "
            f"{', '.join(map(str, shape))}), or with an axis of {net.steps} steps before the rest"
        )
    if len(samples) == 0:
        raise InputError("there are no samples; give at least one")
    return samples


def _step(
    net: FloatNet, x: Reals, state: dict[str, Any], before: Mapping[str, Reals] | None
) -> dict[str, Reals]:
    """Compute every node once; ``before`` holds the values of the previous step, if any."""
    values: dict[str, Reals] = {}
    for node in net.nodes:
        match node.op:
            case FloatInput():
                values[node.name] = x
            case FloatDelay(shape):
                first = np.zeros((len(x), *shape))
                values[node.name] = first if before is None else before[node.inputs[0]]
            case FloatNeurons():
                inputs = values[node.inputs[0]]
                values[node.name], state[node.name] = neurons(node.op, inputs, state.get(node.name))
            case FloatReadout():
                value = readout(node.op, values[node.inputs[0]], state.get(node.name))
                values[node.name] = state[node.name] = value
            case _:
                values[node.name] = evaluate(node.op, *(values[name] for name in node.inputs))
    return values


def evaluate(op: FloatOp, *inputs: Reals) -> Reals:
    """Compute an operation that keeps no state; values are ``(samples, *shape)``.

    Raises
    ------
    TypeError
        The operation keeps a state, or is the input.
    """
    match op:
        case FloatAffine(scale, offset):
            ndim = inputs[0].ndim - 1
            return inputs[0] * along(scale, ndim) + along(offset, ndim)
        case FloatDense(weight, bias):
            return inputs[0] @ weight.T + bias
        case FloatConv2d():
            return conv2d(op, *inputs)
        case FloatRelu(maximum):
            return np.clip(inputs[0], 0, maximum)
        case FloatTanh():
            return np.tanh(inputs[0])
        case FloatPool2d():
            return pool2d(op, *inputs)
        case FloatAdd():
            return reduce(np.add, inputs)
        case FloatConcatenate():
            return np.concatenate(inputs, axis=1)
        case FloatReshape(shape):
            return inputs[0].reshape(len(inputs[0]), *shape)
        case FloatInput() | FloatDelay() | FloatNeurons() | FloatReadout():
            raise TypeError(f"{type(op).__name__} has no value of its own at a step")
        case _:
            assert_never(op)


def along(values: Reals, ndim: int) -> Reals:
    """Reshape what is given a channel, or a neuron, so that it broadcasts over a value's axes."""
    return values.reshape(values.shape + (1,) * (ndim - values.ndim))


def conv2d(op: FloatConv2d, x: Reals) -> Reals:
    """Sum, over the places of the kernel, the weighted input as seen from there."""
    n, channels, *_ = x.shape
    kernel = op.weight.shape[2:]
    _, height, width = shape_after(op, [x.shape[1:]])
    padded = np.pad(x, ((0, 0), (0, 0), *op.sides))
    padded = padded.reshape(n, op.groups, channels // op.groups, *padded.shape[2:])
    weight = op.weight.reshape(op.groups, -1, *op.weight.shape[1:])
    out = np.zeros((n, *weight.shape[:2], height * width))
    for ky, kx in np.ndindex(*kernel):
        y0, x0 = ky * op.dilation[0], kx * op.dilation[1]
        seen = padded[..., y0 :: op.stride[0], x0 :: op.stride[1]][..., :height, :width]
        place = np.ascontiguousarray(weight[..., ky, kx])
        if channels == op.groups:  # depthwise: nothing to sum
            out += place * seen.reshape(*seen.shape[:3], -1)
        else:
            out += place @ seen.reshape(*seen.shape[:3], -1)
    return out.reshape(n, -1, height, width) + along(op.bias, 3)


def pool2d(op: FloatPool2d, x: Reals) -> Reals:
    """Take the largest value, the sum or the mean of each window.

    Padded places take no part in a maximum; they are zeros of a sum and of a mean.
    """
    _, height, width = shape_after(op, [x.shape[1:]])
    empty = -np.inf if op.pooling is Pooling.MAX else 0.0
    padded = np.pad(x, ((0, 0), (0, 0), *op.sides), constant_values=empty)
    windows = [
        padded[..., ky :: op.stride[0], kx :: op.stride[1]][..., :height, :width]
        for ky, kx in np.ndindex(*op.kernel)
    ]
    if op.pooling is Pooling.MAX:
        return reduce(np.maximum, windows)
    total = reduce(np.add, windows)
    return total / len(windows) if op.pooling is Pooling.AVERAGE else total


def neurons(
    op: FloatNeurons, x: Reals, state: tuple[Reals, Reals, Reals] | None
) -> tuple[Reals, tuple[Reals, Reals, Reals]]:
    """Compute neurons for one step, as :class:`FloatNeurons` says.

    Parameters
    ----------
    state
        Current, potential and spikes of the previous step; ``None`` when a sample starts.

    Returns
    -------
    value, state
        Spikes, or the potential; and the state for the next step.
    """
    current, v, fired = state or (np.zeros_like(x),) * 3

    def parameter(values: Reals) -> Reals:
        return along(values, x.ndim - 1)

    threshold, kept = parameter(op.threshold), v
    current = x if op.alpha is None else parameter(op.alpha) * current + x
    v = parameter(op.beta) * v + (current if op.gain is None else parameter(op.gain) * current)
    if op.bias is not None:
        v = v + parameter(op.bias)
    if op.reset_time is ResetTime.NEXT_STEP:
        v = _reset(op, v, fired, threshold)
    if op.floor is not None:
        v = np.maximum(v, parameter(op.floor))
    spikes = _spikes(op, v, kept, threshold)
    value = v if op.emits_potential else spikes
    if op.reset_time is not ResetTime.NEXT_STEP:
        v = _reset(op, v, spikes, threshold)
    return value, (current, v, spikes)


def _spikes(op: FloatNeurons, v: Reals, kept: Reals, threshold: Reals) -> Reals:
    reached: Callable[[Reals, Reals], Any]
    reached = np.greater if op.comparison is Comparison.GREATER else np.greater_equal
    if op.reset_time is ResetTime.SAME_STEP_RAISED:
        # A potential that is still above its threshold after the last reset must exceed two.
        raised = threshold * (1 + reached(kept, threshold))
        return np.asarray(reached(v, raised), np.float64)
    spikes = np.zeros_like(v)
    for n in range(1, op.max_spikes + 1):
        more = reached(v, n * threshold)
        if not more.any():
            break
        spikes += more
    return spikes


def _reset(op: FloatNeurons, v: Reals, spikes: Reals, threshold: Reals) -> Reals:
    match op.reset:
        case Reset.ZERO:
            return np.where(spikes > 0, 0.0, v)
        case Reset.SUBTRACT:
            return v - spikes * threshold
        case Reset.NONE:
            return v
        case _:
            assert_never(op.reset)


def readout(op: FloatReadout, x: Reals, state: Reals | None) -> Reals:
    """Combine this step's value with those of the steps before."""
    if state is None or op.mode is ReadoutMode.LAST:
        return x
    if op.mode is ReadoutMode.SUM:
        return state + x
    return np.maximum(state, x)
