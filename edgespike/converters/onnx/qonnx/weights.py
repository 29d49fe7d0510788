"""Constants that weigh: whole numbers and their scales, out of quantisers on constants."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.onnx.model import OnnxNode
from edgespike.converters.onnx.qonnx.bits import Bits
from edgespike.converters.onnx.qonnx.fields import positive
from edgespike.converters.sums import ConversionStoppedError
from edgespike.errors import shown
from edgespike.graph.tensor import Integers

WEIGHT_LIMIT = 2**31
"""Largest magnitude of a weight in its own unit."""


@dataclass(frozen=True, eq=False)
class Weights:
    """Constants ``values * scale / parts``.

    Parameters
    ----------
    values
        Whole numbers.
    scale
        float32 or float64 that fit by broadcasting, in full shape: views where they repeat.
    parts
        How many parts a unit has, where a zero point is not whole.
    """

    values: Integers
    scale: NDArray[Any]
    parts: int = 1

    def transpose(self, axes: tuple[int, ...]) -> Weights:
        """Return the constants with their axes in another order."""
        return replace(self, values=self.values.transpose(axes), scale=self.scale.transpose(axes))

    def reshape(self, shape: tuple[int, ...]) -> Weights:
        """Return the constants under another shape."""
        return replace(self, values=self.values.reshape(shape), scale=self.scale.reshape(shape))

    def fractions(self) -> NDArray[Any]:
        """Return the constants as fractions, an array of objects."""
        exact = [
            Fraction(float(scale)) * int(value) / self.parts
            for value, scale in zip(self.values.flat, self.scale.flat, strict=True)
        ]
        return np.array(exact, dtype=object).reshape(self.values.shape)

    def units(self, path: str) -> list[Fraction]:
        """Return the real value of a unit of each output, the first axis."""
        rows = self.scale.reshape(len(self.scale), -1)
        if (rows != rows[:, :1]).any():
            raise ConversionStoppedError(
                f"{path} has weights whose scales differ within an output; give one scale, or one "
                "for each output"
            )
        return [Fraction(float(scale)) / self.parts for scale in rows[:, 0]]


def quantised(node: OnnxNode, data: NDArray[Any], others: list[NDArray[Any]]) -> Weights:
    """Return what a Quant or BipolarQuant node makes of a constant, as qonnx computes it.

    Parameters
    ----------
    others
        Its other inputs: scale, and for Quant zero point and bit width.
    """
    if not np.isfinite(data).all():
        raise ConversionStoppedError(f"{node.title} quantises constants that are not finite")
    positive(node, "scale", others[0])
    data = np.asarray(data, np.float32)
    scale = _broadcast(node, "scale", others[0], data)
    if node.op == "BipolarQuant":
        return Weights(np.where(data >= 0, 1, -1).astype(np.int64), scale)
    bits = Bits.of(node, others[2])
    zeros = _broadcast(node, "zero point", others[1], data)
    codes = bits.codes(data / scale + zeros)
    if bits.bipolar:
        codes = 2 * codes - 1
    parts = max(Fraction(float(zero)).denominator for zero in np.unique(others[1]))
    if parts > 256 or not np.isfinite(zeros).all():
        raise ConversionStoppedError(
            f"{node.title} has zero point {shown(np.ravel(others[1])[0])}; give whole ones"
        )
    values = (codes.astype(np.float64) - zeros) * parts
    return Weights(values.astype(np.int64), scale, parts)


def _broadcast(node: OnnxNode, what: str, values: NDArray[Any], data: NDArray[Any]) -> NDArray[Any]:
    try:
        return np.broadcast_to(values, data.shape)
    except ValueError:
        raise ConversionStoppedError(
            f"{node.title} has {what} of shape {values.shape}, which does not fit the constant's "
            f"{data.shape}"
        ) from None


def plain(path: str, values: NDArray[Any]) -> Weights:
    """Return constants that no node quantises, if they are small multiples of one number.

    Raises
    ------
    ConversionStoppedError
        They are not.
    """
    data = np.asarray(values, np.float64)
    if not np.isfinite(data).all():
        raise ConversionStoppedError(f"{path} has weights that are not finite")
    mantissas, exponents = np.frexp(data)
    whole = (mantissas * 2.0**53).astype(np.int64)
    used = whole != 0
    if not used.any():
        return Weights(np.zeros(data.shape, np.int64), np.broadcast_to(1.0, data.shape))
    lowest = int(exponents[used].min())
    shifts = np.where(used, exponents - lowest, 0)
    # The lowest bit of all, then the largest common divisor of what is left.
    trailing = int(
        np.min([(int(x) & -int(x)).bit_length() - 1 + s for x, s in _pairs(whole, shifts)])
    )
    unit = 2.0 ** (lowest - 53 + trailing)
    multiples = data / unit
    if np.abs(multiples).max() > WEIGHT_LIMIT:
        raise _not_quantised(path)
    common = int(np.gcd.reduce(multiples.astype(np.int64), axis=None))
    levels = multiples.astype(np.int64) // common
    if np.abs(levels).max() >= 2**16:
        raise _not_quantised(path)
    return Weights(levels, np.broadcast_to(unit * common, data.shape))


def _pairs(whole: Integers, shifts: Integers) -> list[tuple[int, int]]:
    unique = np.unique(np.stack([whole.ravel(), shifts.ravel()]), axis=1)
    return [(int(x), int(s)) for x, s in unique.T if x]


def _not_quantised(path: str) -> ConversionStoppedError:
    return ConversionStoppedError(
        f"{path} has weights that are no small multiples of one number; quantise them with a Quant "
        "node"
    )
