"""Fold normalisation into integer thresholds, exactly: rational arithmetic, no float rounding.

A trained neuron compares ``gamma * (x - mean) / sqrt(variance + epsilon) + beta`` with a level,
where ``x = accumulator * scale + bias``. Solved for the accumulator, which is an integer, this
gives one integer threshold. Batch normalisation has one mean and variance per channel; layer-batch
normalisation has one of each per layer, which is the same formula with repeated values.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, isfinite, isqrt

import numpy as np
from numpy.typing import NDArray

from edgespike.errors import UnsupportedError
from edgespike.graph.ops import Threshold
from edgespike.graph.tensor import Tensor

_PRECISION = 64
"""Fractional bits of the first guess of a square root; the guess is then made exact."""


@dataclass(frozen=True)
class Normalisation:
    """Trained statistics and affine parameters, one float64 per channel.

    The identity is ``gamma = 1, beta = 0, mean = 0, variance = 1, epsilon = 0``.
    """

    gamma: NDArray[np.float64]
    beta: NDArray[np.float64]
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    epsilon: float

    @classmethod
    def identity(cls, channels: int) -> Normalisation:
        """Return the normalisation that changes nothing."""
        zeros, ones = np.zeros(channels), np.ones(channels)
        return cls(ones, zeros, zeros, ones, 0.0)


def fold(
    scale: Fraction,
    bias: Sequence[float],
    normalisation: Normalisation,
    levels: Sequence[Fraction],
    accumulator: Tensor,
) -> Threshold:
    """Return the thresholds of ``normalise(accumulator * scale + bias) >= level``.

    Parameters
    ----------
    scale
        Real value of one unit of the accumulator, positive.
    bias
        Real bias of each channel, added before the normalisation.
    normalisation
        What is applied to the weighted sum before the comparison.
    levels
        The values that the normalised sum is compared with, ascending.
    accumulator
        Proven range of each channel. Thresholds out of reach are moved to its edge, which
        changes nothing; a channel with ``gamma = 0`` fires always or never.

    Returns
    -------
    threshold
        A channel with negative ``gamma`` is flipped.

    Raises
    ------
    UnsupportedError
        A parameter is not finite, or a variance plus epsilon is not positive.
    """
    _check(bias, normalisation)
    channels = len(accumulator.low)
    theta = np.empty((channels, len(levels)), np.int64)
    flipped = normalisation.gamma < 0
    for channel in range(channels):
        shift = (_exact(normalisation.mean[channel]) - _exact(bias[channel])) / scale
        gamma, beta = (_exact(x[channel]) for x in (normalisation.gamma, normalisation.beta))
        spread = _exact(normalisation.variance[channel]) + _exact(normalisation.epsilon)
        low, above = int(accumulator.low[channel]), int(accumulator.high[channel]) + 1
        for index, level in enumerate(levels):
            if gamma == 0:
                found = low if beta >= level else above
            else:
                factor = (level - beta) / (gamma * scale)
                found = first_integer(shift, factor, spread, above=gamma < 0)
            theta[channel, index] = min(max(found, low), above)
    # Where a channel is flipped, the highest level has the lowest threshold.
    return Threshold(np.sort(theta, axis=1), flipped)


@dataclass(frozen=True)
class Line:
    """``scale * (sign * accumulator + offset)``: one channel of a normalised sum.

    Parameters
    ----------
    scale
        Positive.
    sign
        That of gamma, 1 or -1.
    offset
        In units of the accumulator.
    """

    scale: Fraction
    sign: int
    offset: Fraction


def fold_affine(scale: Fraction, bias: Sequence[float], normalisation: Normalisation) -> list[Line]:
    """Return ``normalise(accumulator * scale + bias)`` of each channel as a straight line.

    Square roots are rounded, with an error far below that of float64.

    Parameters
    ----------
    scale, bias, normalisation
        As for :func:`fold`.

    Raises
    ------
    UnsupportedError
        A parameter is not finite, a variance plus epsilon is not positive, or a gamma is 0.
    """
    _check(bias, normalisation)
    constant = np.flatnonzero(normalisation.gamma == 0)
    if len(constant):
        raise UnsupportedError(
            "normalisation cannot be folded into a scale",
            [
                f"gamma of channel {channel} is 0, which makes it a constant "
                f"{normalisation.beta[channel]}; leave the normalisation out, or train it again"
                for channel in constant
            ],
        )
    lines = []
    for channel in range(len(bias)):
        gamma, beta = (_exact(x[channel]) for x in (normalisation.gamma, normalisation.beta))
        spread = _exact(normalisation.variance[channel]) + _exact(normalisation.epsilon)
        shift = (_exact(bias[channel]) - _exact(normalisation.mean[channel])) / scale
        sign = 1 if gamma > 0 else -1
        factor = fine_root(scale * scale * gamma * gamma / spread)
        lines.append(Line(factor, sign, sign * shift + beta / factor))
    return lines


def first_integer(shift: Fraction, factor: Fraction, spread: Fraction, *, above: bool) -> int:
    """Return the least integer ``n >= shift + factor * sqrt(spread)``; ``n > ...`` if above.

    A flipped neuron fires at ``n <= ...``, which is ``n < theta`` for the least integer above.
    """

    def reached(n: int) -> bool:
        """Compare without a root: by the signs first, then by the squares."""
        difference, square = n - shift, factor * factor * spread
        if above and difference * difference == square and (difference >= 0) == (factor >= 0):
            return False
        if factor >= 0:
            return difference >= 0 and difference * difference >= square
        return difference >= 0 or difference * difference <= square

    guess = ceil(shift + _root(factor * factor * spread) * (1 if factor >= 0 else -1))
    while reached(guess - 1):
        guess -= 1
    while not reached(guess):
        guess += 1
    return guess


def _root(square: Fraction) -> Fraction:
    """Return a square root with an error below ``2**-_PRECISION``."""
    scaled = (square.numerator << 2 * _PRECISION) // square.denominator
    return Fraction(isqrt(scaled), 1 << _PRECISION)


def fine_root(square: Fraction) -> Fraction:
    """Return a square root with a relative error below ``2**-_PRECISION``; that of 1 is 1."""
    size = square.denominator.bit_length() - square.numerator.bit_length()
    shift = _PRECISION + max(size, 0)
    return _root(square * (1 << 2 * shift)) / (1 << shift)


def _exact(value: float) -> Fraction:
    return Fraction(float(value))


def _check(bias: Sequence[float], normalisation: Normalisation) -> None:
    named: list[tuple[str, Iterable[float]]] = [
        ("bias", bias),
        ("gamma", normalisation.gamma),
        ("beta", normalisation.beta),
        ("mean", normalisation.mean),
        ("variance", normalisation.variance),
    ]
    violations = [
        f"{name} of channel {channel} is {value}; it must be finite, train again from a "
        "checkpoint where it is"
        for name, values in named
        for channel, value in enumerate(values)
        if not isfinite(value)
    ]
    violations += [
        f"variance of channel {channel} plus epsilon is {value + normalisation.epsilon}; it must "
        "be positive, use a normalisation with an epsilon"
        for channel, value in enumerate(normalisation.variance)
        if isfinite(value) and value + normalisation.epsilon <= 0
    ]
    if violations:
        raise UnsupportedError("normalisation cannot be folded into thresholds", violations)
