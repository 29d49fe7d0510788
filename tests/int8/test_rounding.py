"""Products of whole numbers and real factors, rounded as each kernel does, on Python integers."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgespike.int8.rounding import FixedPoint, Requantise, Rounding, doubling_high_product

INT32 = st.integers(-(2**31), 2**31 - 1)
SUMS = st.integers(-(2**31) + 1, 2**31 - 1) | st.integers(-300, 300)


def quotient(a: int, b: int) -> int:
    """Divide as C does, towards zero."""
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def fixed_point(factor: float) -> tuple[int, int]:
    """Return mantissa and exponent as TFLite's QuantizeMultiplier does."""
    fraction, exponent = math.frexp(factor)
    mantissa = int(Fraction(fraction) * 2**31 + Fraction(1, 2))
    if mantissa == 2**31:
        mantissa, exponent = 2**30, exponent + 1
    return (0, 0) if exponent < -31 else (mantissa, exponent)


def high_product(a: int, b: int) -> int:
    """Return gemmlowp's SaturatingRoundingDoublingHighMul."""
    if a == b == -(2**31):
        return 2**31 - 1
    nudge = 2**30 if a * b >= 0 else 1 - 2**30
    return quotient(a * b + nudge, 2**31)


def divided(x: int, bits: int) -> int:
    """Return gemmlowp's RoundingDivideByPOT."""
    mask = (1 << bits) - 1
    return (x >> bits) + ((x & mask) > (mask >> 1) + (x < 0))


def nearest(x: Fraction) -> int:
    """Return the nearest whole number, a half away from zero."""
    return int(abs(x) + Fraction(1, 2)) * (-1 if x < 0 else 1)


def oracle(total: int, factor: float, rounding: Rounding) -> int:
    """Round one product, step by step."""
    mantissa, exponent = fixed_point(factor)
    right = max(-exponent, 0)
    if rounding in (Rounding.DOUBLE_AWAY, Rounding.DOUBLE_IN_BLOCKS):  # one is no whole block
        return divided(high_product(total << max(exponent, 0), mantissa), right)
    if rounding is Rounding.DOUBLE_UP:
        high = ((total << max(exponent, 0)) * mantissa + 2**30) >> 31
        return (high + (1 << right >> 1)) >> right
    if rounding is Rounding.FLOAT_EVEN:
        return round(Fraction(float(np.float32(total) * np.float32(factor))))
    return nearest(Fraction(total * factor))


@given(INT32, INT32)
def test_the_high_half_of_a_product_is_gemmlowps(a: int, b: int) -> None:
    found = doubling_high_product(np.array([a]), np.array([b]))
    assert found.tolist() == [high_product(a, b)]


def test_the_high_half_of_a_product_saturates() -> None:
    least = np.array([-(2**31)])
    assert doubling_high_product(least, least).tolist() == [2**31 - 1]


@given(st.floats(1e-12, 1.0) | st.integers(0, 40).map(lambda bits: 2.0**-bits))
def test_factors_have_the_mantissa_and_exponent_of_tflite(factor: float) -> None:
    found = FixedPoint.of(np.array([factor]))
    assert (found.mantissa.item(), found.exponent.item()) == fixed_point(factor)


@pytest.mark.parametrize(
    ("factor", "mantissa", "exponent"),
    [
        (0.0, 0, 0),
        (1.0, 2**30, 1),
        (0.5, 2**30, 0),
        (1 - 2.0**-40, 2**30, 1),  # rounds up to 1
        (2.0**-32, 2**30, -31),
        (2.0**-33, 0, 0),
        (3.0, 3 * 2**29, 2),
    ],
)
def test_factors_at_the_ends(factor: float, mantissa: int, exponent: int) -> None:
    found = FixedPoint.of(factor)
    assert (int(found.mantissa), int(found.exponent)) == (mantissa, exponent)


@pytest.mark.parametrize("rounding", Rounding)
@given(total=SUMS, factor=st.floats(2.0**-40, 1.0) | st.integers(0, 35).map(lambda n: 2.0**-n))
def test_each_rounding_is_that_of_its_kernels(
    rounding: Rounding, total: int, factor: float
) -> None:
    if factor >= 0.5:  # the shift to the left leaves a bit less
        total //= 2
    far = 2**40
    requantise = Requantise(np.array([factor]), rounding, 0, -far, far)
    assert requantise(np.array([[total]])).item() == oracle(total, factor, rounding)


@pytest.mark.parametrize(
    ("rounding", "expected"),
    [
        # -1.5, -0.5, 0.5 and 1.5, and a double rounding that goes to -2
        (Rounding.DOUBLE_AWAY, [-2, -1, 1, 2]),
        (Rounding.DOUBLE_UP, [-1, 0, 1, 2]),
        (Rounding.FLOAT_EVEN, [-2, 0, 0, 2]),
        (Rounding.ONCE_AWAY, [-2, -1, 1, 2]),
    ],
)
def test_halves(rounding: Rounding, expected: list[int]) -> None:
    requantise = Requantise(np.array([1 / 8]), rounding, 0, -128, 127)
    assert requantise(np.array([[-12, -4, 4, 12]])).tolist() == [expected]


@pytest.mark.parametrize("channels", [7, 8, 9, 15, 16, 17])
def test_channels_in_whole_blocks_are_rounded_up(channels: int) -> None:
    factor = np.full(channels, 1 / 8)
    requantise = Requantise(factor, Rounding.DOUBLE_IN_BLOCKS, 0, -128, 127)
    in_blocks = channels // 8 * 8
    expected = [[-1]] * in_blocks + [[-2]] * (channels - in_blocks)
    assert requantise(np.full((channels, 1), -12)).tolist() == expected


def test_channels_have_their_own_factors_and_share_the_rest() -> None:
    factor = np.array([0.25, 0.5])
    requantise = Requantise(factor, Rounding.ONCE_AWAY, -3, -5, 100)
    sums = np.array([-1000, -4, 0, 4, 1000])
    found = requantise(np.stack([sums, sums]).reshape(2, 5, 1))
    assert found[..., 0].tolist() == [[-5, -4, -3, -2, 100], [-5, -5, -3, -1, 100]]
    assert found.dtype == np.int64


@pytest.mark.parametrize("rounding", Rounding)
@given(
    factor=st.floats(0, 2) | st.integers(0, 40).map(lambda n: 2.0**-n),
    start=st.integers(-(2**29), 2**29),
)
def test_larger_sums_give_larger_numbers(rounding: Rounding, factor: float, start: int) -> None:
    requantise = Requantise(np.array([factor]), rounding, 7, -(2**40), 2**40)
    sums = start + np.arange(2000)[None]
    assert (np.diff(requantise(sums)) >= 0).all()


@pytest.mark.parametrize(
    ("factor", "reach", "said"),
    [
        (np.nan, 1, "channel 1 has a factor of nan"),
        (-1.0, 1, "factor of -1; it must be at least 0"),
        (np.inf, 1, "factor of inf"),
        (0.1, 2**31, "sums up to 2147483648; the limit is 2147483647"),
        (4.0, 2**28, "sums up to 268435456; the limit is 268435455"),
    ],
)
def test_what_32_bits_do_not_hold_is_said(factor: float, reach: int, said: str) -> None:
    factors = np.array([0.1, factor])
    requantise = Requantise(factors, Rounding.DOUBLE_AWAY, 0, -128, 127)
    (fault,) = requantise.check(np.array([5, reach]))
    assert said in fault
    assert list(requantise.check(np.array([5, 0]))) == ([] if 0 <= factor < 5 else [fault])
