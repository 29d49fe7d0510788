"""Emit thresholds and membranes in float32 with whole numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from edgespike.graph import Comparison, Membrane, Reset, ResetTime, Tensor, Threshold
from edgespike.graph.ops.membrane import DECAY_ONE, FRACTION_BITS
from edgespike.targets.shared.lines import fit_line
from edgespike.targets.shared.thresholds import upright
from edgespike.targets.tflite.planning.plan import fraction_bits
from edgespike.targets.tflite.writing.emitter import Emitter, Value
from edgespike.targets.tflite.writing.schema import Activation


def emit_threshold(emitter: Emitter, name: str, op: Threshold, tensor: Tensor, x: Value) -> Value:
    """Emit a threshold that is computed alone: by one product if the levels lie on a line.

    Otherwise each level is ``min(relu(x - theta + 1), 1)``, and they are summed.
    """
    line = fit_line(op, tensor)
    if line is not None:
        slope, offset = line
        scaled = emitter.elementwise("MUL", x, slope)
        moved = emitter.elementwise("ADD", scaled, offset, Activation.RELU)
        most = emitter.elementwise("MINIMUM", moved, op.levels)
        return emitter.emit(name, "FLOOR", [most.index], x.shape)
    sign, theta, _, _ = upright(op.theta, op.flipped, tensor.low, tensor.high)
    if op.flipped.any():
        x = emitter.elementwise("MUL", x, sign)
    channels = x.shape[-1]
    spread = emitter.reshape(x, (int(np.prod(x.shape)) // channels, channels, 1))
    wide = (*spread.shape[:2], op.levels)
    constant = emitter.builder.constant(f"{name}.theta", (1 - theta).astype(np.float32))
    above = emitter.emit("add", "ADD", [spread.index, constant], wide, activation=Activation.RELU)
    reached = emitter.elementwise("MINIMUM", above, 1)
    count = emitter.emit("sum", "SUM", [reached.index, emitter.shape_constant((3,))], wide[:2])
    return emitter.reshape(count, x.shape, name=name)


def emit_membrane(emitter: Emitter, name: str, op: Membrane, x: Value, saturates: bool) -> Value:
    """Emit integrate-and-fire neurons, unrolled over the steps."""
    v: Value | None = None
    fired: Value | None = None
    spikes = []
    for current in split_steps(emitter, scale_up(emitter, op, x, saturates)):
        v, fired = membrane_step(emitter, op, current, v, fired, saturates)
        spikes.append(fired)
    return join_steps(emitter, spikes, x.shape, name)


def scale_up(emitter: Emitter, op: Membrane, x: Value, saturates: bool) -> Value:
    """Return accumulators as whole numbers of the unit of potentials, ``2**-fraction_bits``."""
    one = 2.0 ** fraction_bits(op, saturates)
    return emitter.elementwise("MUL", x, one) if one > 1 else x


def membrane_step(
    emitter: Emitter,
    op: Membrane,
    current: Value,
    kept: Value | None,
    fired: Value | None,
    saturates: bool,
) -> tuple[Value, Value]:
    """Emit one step of integrate-and-fire neurons.

    Parameters
    ----------
    emitter, op
        What adds the operators, and the neurons.
    current
        What they integrate at this step, as :func:`scale_up` returns it.
    kept, fired
        Potential and spikes after the step before; none at the first step.
    saturates
        Whether the potential may saturate.

    Returns
    -------
    potential, spikes
        After this step.
    """
    bits = fraction_bits(op, saturates)
    theta = op.theta.astype(np.float64) * 2.0**bits
    v = current
    if kept is not None and op.decay < DECAY_ONE:
        v = _binary(emitter, "ADD", current, _decayed(emitter, kept, op.decay))
    if fired is not None and op.reset_time is ResetTime.NEXT_STEP:
        v = _reset(emitter, op, v, fired, theta)
    if saturates:
        most = op.saturation / 2.0 ** (FRACTION_BITS - bits)
        v = _binary(emitter, "MINIMUM", _binary(emitter, "MAXIMUM", v, -most), most)
    fired = _fire(emitter, op, v, theta)
    if op.reset_time is ResetTime.SAME_STEP:
        v = _reset(emitter, op, v, fired, theta)
    return v, fired


def split_steps(emitter: Emitter, x: Value) -> list[Value]:
    """Return each step of a value, ``(batch, 1, places, channels)``."""
    channels = x.shape[-1]
    places = int(np.prod(x.shape)) // channels
    whole = emitter.reshape(x, (emitter.steps, places, channels), steps=1)
    return emitter.split(whole, emitter.steps, steps=1)


def join_steps(emitter: Emitter, parts: list[Value], shape: tuple[int, ...], name: str) -> Value:
    """Undo :func:`split_steps`."""
    whole = parts[0]
    if len(parts) > 1:
        whole = emitter.emit(
            "steps",
            "CONCATENATION",
            [part.index for part in parts],
            (len(parts), *parts[0].shape[1:]),
            steps=1,
            axis=1,
        )
    return emitter.reshape(whole, shape, name=name)


def _binary(
    emitter: Emitter,
    operator: str,
    left: Value,
    right: Value | NDArray[np.float64] | float,
    activation: Activation = Activation.NONE,
) -> Value:
    return emitter.elementwise(operator, left, right, activation, steps=1)


def _decayed(emitter: Emitter, v: Value, decay: int) -> Value:
    """Multiply by ``(4096 - decay) / 4096``, rounding towards zero.

    The product could exceed what float32 holds exactly, so the magnitude is split into
    ``high * 4096 + low``: with ``kept = 4096 - decay``, the result is
    ``high * kept + floor(low * kept / 4096)``, where ``low * kept`` is below 2**24.
    """
    kept = DECAY_ONE - decay
    if decay == 0:
        return v
    size = emitter.emit("abs", "ABS", [v.index], v.shape, steps=1)
    high = _floor(emitter, _binary(emitter, "MUL", size, 1 / DECAY_ONE))
    low = _binary(emitter, "SUB", size, _binary(emitter, "MUL", high, float(DECAY_ONE)))
    part = _floor(emitter, _binary(emitter, "MUL", low, kept / DECAY_ONE))
    result = _binary(emitter, "ADD", _binary(emitter, "MUL", high, float(kept)), part)
    sign = _binary(emitter, "ADD", v, 0.0, Activation.RELU_N1_TO_1)
    return _binary(emitter, "MUL", result, sign)


def _floor(emitter: Emitter, x: Value) -> Value:
    return emitter.emit("floor", "FLOOR", [x.index], x.shape, steps=1)


def _fire(emitter: Emitter, op: Membrane, v: Value, theta: NDArray[np.float64]) -> Value:
    """Count the multiples of theta that the potential reaches or exceeds, up to ``max_spikes``."""
    strict = int(op.comparison is Comparison.GREATER)
    if op.max_spikes == 1:
        above = _binary(emitter, "ADD", v, 1 - strict - theta, Activation.RELU)
        return _binary(emitter, "MINIMUM", above, 1.0)
    enough = _binary(emitter, "ADD", v, -float(strict), Activation.RELU)
    # The rounded quotient is off by at most one; its remainder tells whether, and which way.
    guess = _floor(emitter, _binary(emitter, "MUL", enough, 1 / theta))
    rest = _binary(emitter, "SUB", enough, _binary(emitter, "MUL", guess, theta))
    more = _binary(emitter, "ADD", rest, 1 - theta, Activation.RELU)
    less = _binary(emitter, "MUL", rest, -1.0, Activation.RELU)
    exact = _binary(emitter, "ADD", guess, _binary(emitter, "MINIMUM", more, 1.0))
    exact = _binary(emitter, "SUB", exact, _binary(emitter, "MINIMUM", less, 1.0))
    return _binary(emitter, "MINIMUM", exact, float(op.max_spikes))


def _reset(
    emitter: Emitter, op: Membrane, v: Value, fired: Value, theta: NDArray[np.float64]
) -> Value:
    match op.reset:
        case Reset.SUBTRACT:
            return _binary(emitter, "SUB", v, _binary(emitter, "MUL", fired, theta))
        case Reset.ZERO:
            any_spike = fired if op.max_spikes == 1 else _binary(emitter, "MINIMUM", fired, 1.0)
            return _binary(emitter, "SUB", v, _binary(emitter, "MUL", v, any_spike))
        case Reset.NONE:
            return v
        case _:
            assert_never(op.reset)
