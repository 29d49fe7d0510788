"""Emit the decay of potentials and currents: an exact product in float32, rounded towards zero."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgespike.targets.tflite.writing.emitter import Emitter, Value
from edgespike.targets.tflite.writing.schema import Activation

Kept = NDArray[np.float64]
"""What a decay keeps, whole numbers in units of ``2**-bits``: one, or an array that broadcasts."""

_HALF_BITS = 12
"""Bits of each half of a magnitude; products of two halves are exact in float32."""

_HALF = 1 << _HALF_BITS


def emit_decayed(emitter: Emitter, v: Value, kept: Kept, bits: int) -> Value:
    """Multiply whole numbers of up to ``2**24`` by ``kept / 2**bits``, rounding towards zero.

    The product could exceed what float32 holds exactly, so the magnitude is split into
    ``high * 4096 + low``, and so is ``kept`` if it has more than 12 bits.
    """
    one = float(1 << bits)
    if (kept == one).all():
        return v
    if np.isin(kept, (0.0, one)).all():
        return _binary(emitter, "MUL", v, kept / one)
    size = emitter.emit("abs", "ABS", [v.index], v.shape, steps=1)
    coarse = kept * (_HALF / one)
    if (coarse == np.floor(coarse)).all():
        result = _times_12_bits(emitter, size, coarse)
    else:
        result = _times_24_bits(emitter, size, coarse * _HALF)
    sign = _binary(emitter, "ADD", v, 0.0, Activation.RELU_N1_TO_1)
    return _binary(emitter, "MUL", result, sign)


def _times_12_bits(emitter: Emitter, size: Value, kept: Kept) -> Value:
    """Return ``floor(size * kept / 2**12)``.

    This is ``high * kept + floor(low * kept / 4096)``, where ``low * kept`` is below 2**24.
    """
    high = _floor(emitter, _binary(emitter, "MUL", size, 1 / _HALF))
    low = _binary(emitter, "SUB", size, _binary(emitter, "MUL", high, float(_HALF)))
    part = _floor(emitter, _binary(emitter, "MUL", low, kept / _HALF))
    return _binary(emitter, "ADD", _binary(emitter, "MUL", high, kept), part)


def _times_24_bits(emitter: Emitter, size: Value, kept: Kept) -> Value:
    """Return ``floor(size * kept / 2**24)``.

    With ``kept = coarse * 4096 + fine``, this is ``high * coarse`` and what is carried to it:
    ``floor((low * coarse + floor(size * fine / 4096)) / 4096)``. The inner floor is at most
    ``size``, and its lowest 12 bits fill those that ``low * coarse`` leaves free below 2**24.
    ``low`` and these bits are kept as fractions, ``/ 4096``.
    """
    coarse = np.floor(kept / _HALF)
    fine = kept - coarse * _HALF
    high, low = _halves(emitter, size)
    inner = _floor(emitter, _binary(emitter, "MUL", low, fine))
    inner = _binary(emitter, "ADD", _binary(emitter, "MUL", high, fine), inner)
    carried, rest = _halves(emitter, inner)
    part = _binary(emitter, "ADD", _binary(emitter, "MUL", low, coarse), rest)
    carried = _binary(emitter, "ADD", carried, _floor(emitter, part))
    return _binary(emitter, "ADD", _binary(emitter, "MUL", high, coarse), carried)


def _halves(emitter: Emitter, size: Value) -> tuple[Value, Value]:
    """Return the upper bits of a magnitude, and its lower 12 bits as a fraction, ``/ 4096``."""
    scaled = _binary(emitter, "MUL", size, 1 / _HALF)
    high = _floor(emitter, scaled)
    return high, _binary(emitter, "SUB", scaled, high)


def _floor(emitter: Emitter, x: Value) -> Value:
    return emitter.emit("floor", "FLOOR", [x.index], x.shape, steps=1)


def _binary(
    emitter: Emitter,
    operator: str,
    left: Value,
    right: Value | Kept | float,
    activation: Activation = Activation.NONE,
) -> Value:
    return emitter.elementwise(operator, left, right, activation, steps=1)
