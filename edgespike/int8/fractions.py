"""The simplest fraction between two others."""

from __future__ import annotations

from fractions import Fraction


def simplest_between(low: Fraction, high: Fraction | None) -> Fraction:
    """Return the fraction with the smallest denominator, and then numerator, in ``low < x < high``.

    Parameters
    ----------
    low
        At least 0.
    high
        Above ``low``; ``None`` for no bound.
    """
    whole = low.numerator // low.denominator
    if high is None or whole + 1 < high:
        return Fraction(whole + 1)
    # Both ends are in whole..whole + 1: the rest is the reciprocal of a simplest fraction.
    upper = None if low == whole else 1 / (low - whole)
    return whole + 1 / simplest_between(1 / (high - whole), upper)
