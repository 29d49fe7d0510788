"""Bits of float64 numbers, against fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgespike.quantise.dyadic import (
    NO_BITS,
    exact_product,
    exact_sum,
    fraction_bits,
    odd_part,
    shifted,
    significant_bits,
)

finite = st.floats(allow_nan=False, allow_infinity=False)
short = st.builds(lambda n, k: n * 2.0**k, st.integers(-4095, 4095), st.integers(-40, 40))


def is_whole(value: Fraction) -> bool:
    return value.denominator == 1


@given(value=finite | short)
def test_fraction_bits_are_the_fewest_that_make_a_number_whole(value: float) -> None:
    bits = int(fraction_bits(np.array([value]))[0])
    if value == 0:
        assert bits == NO_BITS
    else:
        assert is_whole(Fraction(value) * Fraction(2) ** bits)
        assert not is_whole(Fraction(value) * Fraction(2) ** (bits - 1))


@given(value=finite | short)
def test_a_number_is_its_odd_part_times_a_power_of_two(value: float) -> None:
    odd, bits = int(odd_part(np.array([value]))[0]), int(fraction_bits(np.array([value]))[0])
    assert Fraction(value) == odd * Fraction(2) ** -bits
    assert significant_bits(np.array([value])) == abs(odd).bit_length()


@given(value=short, bits=st.integers(-900, 900))
def test_shifting_loses_nothing(value: float, bits: int) -> None:
    assert Fraction(float(shifted(np.array([value]), bits)[0])) == Fraction(value) * (
        Fraction(2) ** bits
    )


@given(left=finite | short, right=short)
def test_a_product_that_is_called_exact_is_exact(left: float, right: float) -> None:
    with np.errstate(over="ignore"):
        product = float(np.float64(left) * np.float64(right))
    within = product == 0 or 1e-290 < abs(product) < 1e290
    if within and exact_product(np.array([left]), np.array([right])):
        assert Fraction(product) == Fraction(left) * Fraction(right)


@given(values=st.lists(short, max_size=6))
def test_a_sum_that_is_called_exact_is_exact(values: list[float]) -> None:
    if exact_sum(np.array(values, np.float64)):
        assert Fraction(sum(values, 0.0)) == sum(map(Fraction, values), Fraction(0))


@pytest.mark.parametrize(
    ("left", "right", "exact"),
    [(0.1, 0.5, True), (0.5, 0.1, True), (0.1, 3.0, False), (0.75, 0.625, True)],
)
def test_products_of_known_numbers(left: float, right: float, exact: bool) -> None:
    assert exact_product(np.array([left]), np.array([right])) is exact
