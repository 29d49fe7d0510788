"""Functions of one number that follow a node of the graph and are not yet part of it.

Each is monotone. A comparison of their result with a bound is pulled back, step by step, to a
comparison of the integer that they start from: exactly, since constants are fractions, and a
square root is kept as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from math import ceil, inf, isfinite, isqrt, sqrt
from typing import TypeAlias

from typing_extensions import assert_never

from edgespike.converters.onnx.qonnx.rounding import Start
from edgespike.converters.sums import ConversionStoppedError
from edgespike.graph import MaxPool2d
from edgespike.passes.folding import first_integer

Fractions: TypeAlias = tuple[Fraction, ...]
"""One for each channel of the graph's node."""


@dataclass(frozen=True)
class Line:
    """``factor * x + offset``."""

    factor: Fractions
    offset: Fractions


@dataclass(frozen=True)
class OverRoot:
    """``x / sqrt(square)``, where a square is positive and its root no fraction."""

    square: Fractions


@dataclass(frozen=True)
class Clip:
    """``x``, but not below ``low`` and not above ``high``."""

    low: Fraction | None
    high: Fraction | None


@dataclass(frozen=True, eq=False)
class Pool:
    """The largest of each window."""

    op: MaxPool2d


Step: TypeAlias = Line | OverRoot | Clip | Pool


@dataclass(frozen=True)
class Half:
    """The numbers from ``shift + factor * sqrt(square)`` on.

    Parameters
    ----------
    shift, factor, square
        The bound.
    above
        Whether the bound itself does not belong to them.
    rest
        Whether all other numbers are meant instead.
    """

    shift: Fraction
    factor: Fraction = Fraction(0)
    square: Fraction = Fraction(0)
    above: bool = False
    rest: bool = False

    def sign_beside(self, number: Fraction) -> int:
        """Return the sign of the bound less a number: -1, 0 or 1."""
        shift, root = self.shift - number, self.factor * self.factor * self.square
        if shift * self.factor >= 0 or root == 0:
            total = shift + self.factor * (self.square > 0)
            return (total > 0) - (total < 0)
        larger = shift if shift * shift > root else self.factor if shift * shift < root else 0
        return (larger > 0) - (larger < 0)

    def holds(self, number: Fraction) -> bool:
        """Return whether a number is one of those that are meant."""
        sign = self.sign_beside(number)
        return (sign < 0 or (sign == 0 and not self.above)) != self.rest

    @property
    def straight(self) -> Half:
        """The numbers from the bound on."""
        return replace(self, rest=False)

    @cached_property
    def first(self) -> int:
        """The first integer of those from the bound on."""
        bound, error = self.near
        if abs(bound - round(bound)) > error:
            return ceil(bound)
        return first_integer(self.shift, self.factor, self.square, above=self.above)

    @cached_property
    def near(self) -> tuple[float, float]:
        """The bound in float64, and more than it may be wrong by; infinite where it has no such."""
        if not (_LEAST < self.square < 1 / _LEAST or not self.factor):
            return 0.0, inf
        try:
            shift, root = float(self.shift), float(self.factor) * sqrt(float(self.square))
        except OverflowError:
            return 0.0, inf
        # Five roundings, each by a part in 2**53; what is too small for float64 is less than the
        # last term.
        error = 2.0**-49 * (abs(shift) + abs(root)) + 2.0**-400
        return (shift + root, error) if isfinite(shift + root) else (0.0, inf)


_LEAST = Fraction(1, 2**1000)
"""Squares below it, or above its inverse, are not taken to float64."""

Reached: TypeAlias = Half | bool
"""Where a comparison is true: on a half of the line, everywhere or nowhere."""


def pull_back(steps: Sequence[Step], channel: int, start: Start) -> Reached:
    """Return the numbers whose image under the steps is one from ``start`` on."""
    found: Reached = Half(start.bound, above=start.above)
    for step in reversed(steps):
        if isinstance(found, bool):
            return found
        match step:
            case Line(factor, offset):
                found = _before_line(found, factor[channel], offset[channel])
            case OverRoot(square):
                found = _before_root(found, square[channel])
            case Clip(low, high):
                found = _before_clip(found, low, high)
            case Pool():
                pass  # the largest is in an upper half where one of them is
            case _:
                assert_never(step)
    return found


def _before_line(half: Half, factor: Fraction, offset: Fraction) -> Reached:
    if factor == 0:
        return half.holds(offset)
    falls = factor < 0
    return Half(
        (half.shift - offset) / factor,
        half.factor / factor,
        half.square,
        half.above != falls,
        half.rest != falls,
    )


def _before_root(half: Half, square: Fraction) -> Half:
    """Multiply the bound by the root of a square."""
    if half.factor == 0:
        return Half(Fraction(0), half.shift, square, half.above, half.rest)
    if half.square == square:
        return Half(half.factor * square, half.shift, square, half.above, half.rest)
    raise ConversionStoppedError(
        "two normalisations with different square roots follow one another; merge them"
    )


def _before_clip(half: Half, low: Fraction | None, high: Fraction | None) -> Reached:
    if low is not None and half.straight.holds(low):
        return not half.rest
    if high is not None and not half.straight.holds(high):
        return half.rest
    return half


def with_line(steps: tuple[Step, ...], factor: Fractions, offset: Fractions) -> tuple[Step, ...]:
    """Return steps that end in one more line; two lines in a row are one."""
    if steps and isinstance(last := steps[-1], Line):
        count, parts = len(factor), (factor, offset, last.factor, last.offset)
        alike = all(values.count(values[0]) == count for values in parts)
        # Where all channels are alike, one stands for all.
        f, o, g, p = (values[:1] if alike else values for values in parts)
        offset = tuple(a * d + b for a, b, d in zip(f, o, p, strict=True))
        factor = tuple(a * c for a, c in zip(f, g, strict=True))
        if alike:
            factor, offset = factor * count, offset * count
        steps = steps[:-1]
    return (*steps, Line(factor, offset))


def over_root(steps: tuple[Step, ...], squares: Fractions) -> tuple[Step, ...]:
    """Return steps that end in a division by roots, which are taken where they are fractions."""
    roots = [_whole_root(square) for square in squares]
    if all(root is not None for root in roots):
        factor = tuple(1 / root for root in roots if root is not None)
        return with_line(steps, factor, (Fraction(0),) * len(factor))
    return (*steps, OverRoot(squares))


def _whole_root(square: Fraction) -> Fraction | None:
    root = Fraction(isqrt(square.numerator), isqrt(square.denominator))
    return root if root * root == square else None
