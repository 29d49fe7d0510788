"""How runtimes add two tensors of different scales.

Each is the ``combine`` of an :class:`edgespike.int8.net.Int8Add`: from the stored numbers of two
tensors, broadcast, to those of the sum. The tests compare all pairs with the runtimes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from edgespike.graph.tensor import Integers
from edgespike.int8.net import OfTwo, Stored
from edgespike.int8.rounding import FixedPoint

_LEFT = 20
"""Bits that reference kernels shift operands to the left before they scale them."""


@dataclass(frozen=True)
class Addition(ABC):
    """Base of sums of two tensors.

    Parameters
    ----------
    first, second, total
        How the operands and the sum are stored; the scales are those of a file, float32.
    low, high
        What the result is clipped to: the type's range, or a narrower one for a fused activation.
    """

    first: Stored
    second: Stored
    total: Stored
    low: int
    high: int

    ratios: ClassVar[tuple[float, float]]
    """Scales of operands in units of the sum's scale, for which kernels are known to do this."""

    def check(self) -> Iterator[str]:
        """Yield what is not known of a runtime's sum of such scales."""
        least, most = self.ratios
        ratios = [each.scale / self.total.scale for each in (self.first, self.second)]
        for ratio in ratios:
            if not (ratio > 0 and least <= ratio < most):
                yield (
                    f"an operand's scale is {ratio:g} of the sum's; it must be at least {least:g} "
                    f"and below {most:g}, beyond which the runtime's kernels compute something else"
                )

    @abstractmethod
    def __call__(self, a: Integers, b: Integers) -> Integers:
        """Return the stored numbers of ``a + b``, int64."""


@dataclass(frozen=True, eq=False)
class Doubled:
    """The sum of a tensor and itself, a function of one tensor."""

    combine: OfTwo

    def __call__(self, a: Integers) -> Integers:
        """Return the stored numbers of ``a + a``."""
        return self.combine(a, a)


def check_addition(combine: OfTwo) -> Iterator[str]:
    """Yield what is not known of a runtime's sum, if it is one of a runtime's."""
    if isinstance(combine, Addition):
        yield from combine.check()


@dataclass(frozen=True)
class FixedPointAddition(Addition):
    """TFLite's and TFLite Micro's ADD: both operands and their sum by a 32-bit factor each.

    LiteRT's kernels for x86 wrap around where the sum does not fit into 16 bits.
    """

    ratios: ClassVar[tuple[float, float]] = (0, 64)

    @cached_property
    def _factors(self) -> tuple[FixedPoint, FixedPoint, FixedPoint]:
        twice = 2 * max(self.first.scale, self.second.scale)
        factors = (
            self.first.scale / twice,
            self.second.scale / twice,
            twice / (2**_LEFT * self.total.scale),
        )
        first, second, total = map(FixedPoint.of, factors)
        return first, second, total

    def __call__(self, a: Integers, b: Integers) -> Integers:
        """Return the stored numbers of ``a + b``, int64."""
        first, second, total = self._factors
        left = first.times((a - self.first.zero_point) << _LEFT)
        right = second.times((b - self.second.zero_point) << _LEFT)
        rounded = total.times(left + right) + self.total.zero_point
        return np.asarray(np.clip(rounded, self.low, self.high))


@dataclass(frozen=True)
class OneShiftAddition(Addition):
    """XNNPACK's sum: operands times whole numbers of 21 bits, one shift for both, halves up.

    It leaves other ratios to the runtime's own kernels.
    """

    ratios: ClassVar[tuple[float, float]] = (2.0**-10, 2.0**8)

    @cached_property
    def _factors(self) -> tuple[int, int, int]:
        total = np.float32(self.total.scale)
        ratios = [np.float32(each.scale) / total for each in (self.first, self.second)]
        shift = _LEFT + 1 - int(np.frexp(max(ratios))[1])
        first, second = (int(np.rint(np.ldexp(ratio, shift))) for ratio in ratios)
        return first, second, shift

    def __call__(self, a: Integers, b: Integers) -> Integers:
        """Return the stored numbers of ``a + b``, int64."""
        first, second, shift = self._factors
        sums = first * (a - self.first.zero_point) + second * (b - self.second.zero_point)
        rounded = ((sums + ((1 << shift) >> 1)) >> shift) + self.total.zero_point
        return np.asarray(np.clip(rounded, self.low, self.high))


@dataclass(frozen=True)
class Float32Addition(Addition):
    """ONNX Runtime's QLinearAdd on x86 processors with FMA: float32 products, halves to even.

    All zero points are one float32 number, to which both products are added, each rounded once
    with the sum.
    """

    ratios: ClassVar[tuple[float, float]] = (0, 2.0**31)

    def __call__(self, a: Integers, b: Integers) -> Integers:
        """Return the stored numbers of ``a + b``, int64."""
        total = np.float32(self.total.scale)
        first, second = (np.float32(each.scale) / total for each in (self.first, self.second))
        zeros = _fused(self.first.zero_point, first, second * np.float32(self.second.zero_point))
        fixed = np.float32(self.total.zero_point) - zeros
        rounded = np.rint(_fused(a, first, _fused(b, second, fixed))).astype(np.int64)
        return np.asarray(np.clip(rounded, self.low, self.high))


def _fused(x: Integers | int, factor: np.float32, other: Any) -> Any:
    """Return ``x * factor + other``, rounded to float32 once.

    The product of a number of 16 bits and a float32 number is exact in float64.
    """
    return np.float32(x * np.float64(factor) + np.float64(other))
