"""How constants say that tensors are stored: types, scales and zero points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.onnx.int8.values import RefusedError, Weights
from edgespike.int8.net import Stored


def stored_of(scales: NDArray[Any], zeros: NDArray[Any] | None, default: str = "uint8") -> Stored:
    """Return how a tensor is stored; without zero points, they are 0 in a type."""
    if scales.size != 1 or (zeros is not None and zeros.size != 1):
        raise RefusedError(
            f"its scale has {scales.size} values, one for each channel; only weights may have "
            "that, quantise activations per tensor"
        )
    kind = default if zeros is None else str(zeros.dtype)
    low, high = limits_of(kind)
    if high - low > 255:
        raise RefusedError(f"it stores activations in {kind}; quantise them to 8 bits or fewer")
    _check_scales(scales)
    scale = float(scales.ravel()[0])
    if scale < 1 / SCALE_LIMIT:
        raise RefusedError(f"its scale is {scale}; the smallest is {1 / SCALE_LIMIT}")
    return Stored(scale, 0 if zeros is None else int(zeros.ravel()[0]), low, high)


SCALE_LIMIT = 2.0**30
"""Largest scale, with which products of scales and sums stay in float32's range."""


def _check_scales(scales: NDArray[Any]) -> None:
    if scales.dtype != np.float32:
        raise RefusedError(f"its scale is of type {scales.dtype}; it must be float32")
    wrong = scales[~((scales > 0) & (scales <= SCALE_LIMIT))]
    if wrong.size:
        raise RefusedError(f"its scale is {wrong[0]}; it must be positive, up to {SCALE_LIMIT}")


_LIMITS: Mapping[str, tuple[int, int]] = {
    f"{sign}int{bits}": (0, 2**bits - 1) if sign else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    for sign in ("", "u")
    for bits in (2, 4, 8, 16, 32)
}


def limits_of(kind: str) -> tuple[int, int]:
    """Return the smallest and largest number of an integer type.

    Raises
    ------
    RefusedError
        It is another type, such as one of 8-bit floats.
    """
    if kind not in _LIMITS:
        raise RefusedError(f"it stores numbers in {kind}; use int8 or uint8")
    return _LIMITS[kind]


def as_weights(
    numbers: NDArray[Any], scales: NDArray[Any], zeros: NDArray[Any] | None, axis: int
) -> Weights:
    """Return a constant of stored numbers, its zero points taken off.

    Raises
    ------
    RefusedError
        It has a scale for each block, or is of a type of real numbers.
    """
    limits_of(str(numbers.dtype))
    whole = numbers.astype(np.int64)
    each = [scales] if zeros is None else [scales, zeros.astype(np.int64)]
    _check_scales(scales)
    spread = [_along(values, whole.ndim, axis, whole.shape) for values in each]
    taken = whole - spread[1] if len(spread) > 1 else whole
    return Weights(taken, spread[0].astype(np.float32), str(numbers.dtype))


def _along(values: NDArray[Any], axes: int, axis: int, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return one value for all or one for each place of an axis, with as many axes as a tensor."""
    if values.size == 1:
        return values.reshape((1,) * axes)
    if values.ndim != 1 or not -axes <= axis < axes or len(values) != shape[axis]:
        raise RefusedError(
            f"its scales have shape {values.shape}, its numbers {shape}, axis {axis}; use one for "
            "all, or one for each output channel; no blocks"
        )
    spread = [1] * axes
    spread[axis] = len(values)
    return values.reshape(spread)


def in_words(stored: Stored) -> str:
    """Return a storage as messages say it."""
    return (
        f"{stored.low}..{stored.high} with scale {stored.scale:.6g} and zero point "
        f"{stored.zero_point}"
    )
