"""Sums of two tensors as functions of one weighted sum."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgespike.int8.additions import (
    Addition,
    FixedPointAddition,
    Float32Addition,
    OneShiftAddition,
)
from edgespike.int8.fractions import simplest_between
from edgespike.int8.net import Stored
from edgespike.int8.pairs import weighted_pair

BYTE = np.arange(-128, 128)
KINDS = (FixedPointAddition, OneShiftAddition, Float32Addition)


@given(st.fractions(0, 3, max_denominator=30), st.fractions(0, 3, max_denominator=30))
def test_the_simplest_fraction_is_the_first_of_all(one: Fraction, other: Fraction) -> None:
    low, high = sorted((one, other))
    if low == high:
        high = low + Fraction(1, 7)
    all_fractions = (
        Fraction(above, below) for below in range(1, 2000) for above in range(3 * below + below)
    )
    assert simplest_between(low, high) == next(x for x in all_fractions if low < x < high)


def test_without_a_bound_the_simplest_fraction_is_whole() -> None:
    assert simplest_between(Fraction(7, 2), None) == 4
    assert simplest_between(Fraction(0), None) == 1


def is_weighted_sum(table: list[list[int]], most: int) -> bool:
    """Try all weights."""
    pairs = list(product(range(len(table)), range(len(table[0]))))
    for m1, m2 in product(range(1, most), repeat=2):
        ordered = sorted((m1 * i + m2 * j, table[i][j]) for i, j in pairs)
        values = [value for _, value in ordered]
        groups: dict[int, set[int]] = {}
        for total, value in ordered:
            groups.setdefault(total, set()).add(value)
        if values == sorted(values) and all(len(group) == 1 for group in groups.values()):
            return True
    return False


@given(st.lists(st.integers(0, 3), min_size=12, max_size=12))
def test_weights_are_found_where_there_are_any(steps: list[int]) -> None:
    table = np.array(steps).reshape(3, 4).cumsum(axis=0).cumsum(axis=1)
    pair = weighted_pair(table, np.arange(3), np.arange(4))
    # In a table of 3 x 4, ratios lie between fractions of denominators up to 3.
    assert (pair is not None) == is_weighted_sum(table.tolist(), 12)


@given(st.lists(st.integers(0, 1), min_size=12, max_size=12), st.integers(-9, 9))
def test_all_pairs_have_their_value(steps: list[int], low: int) -> None:
    table = np.array(steps).reshape(4, 3).cumsum(axis=0).cumsum(axis=1)
    a, b = low + np.arange(4), 2 * low + np.arange(3)
    pair = weighted_pair(table, a, b)
    if pair is not None:
        sums = pair.first * a[:, None] + pair.second * b
        assert np.array_equal(pair.finish(sums), table)


def test_a_function_that_is_no_weighted_sum_has_none() -> None:
    a = np.arange(4)
    assert weighted_pair(np.multiply.outer(a, a), a, a) is None
    assert weighted_pair(np.array([[1, 0]]), a[:1], a[:2]) is None  # it descends


@pytest.mark.parametrize(
    ("scales", "weights"),
    [((1, 1, 1), (1, 1)), ((2, 1, 1), (2, 1)), ((3, 7, 5), (3, 7)), ((1, 1, 100), (1, 1))],
)
def test_scales_of_simple_ratios_have_simple_weights(
    scales: tuple[int, int, int], weights: tuple[int, int]
) -> None:
    first, second, total = (Stored(float(scale), 0) for scale in scales)
    combine = FixedPointAddition(first, second, total, -128, 127)
    pair = weighted_pair(combine(BYTE[:, None], BYTE), BYTE, BYTE)
    assert pair is not None
    assert (pair.first, pair.second) == weights


SCALES = st.floats(1 / 64, 64, width=32)
ZEROS = st.integers(-128, 127)


@pytest.mark.parametrize("kind", KINDS)
@given(
    scales=st.tuples(SCALES, SCALES, SCALES),
    zeros=st.tuples(ZEROS, ZEROS, ZEROS),
    low=st.sampled_from([-128, 0]),
)
def test_sums_of_8_bit_tensors_have_weights(
    kind: type[Addition],
    scales: tuple[float, float, float],
    zeros: tuple[int, int, int],
    low: int,
) -> None:
    first, second, total = map(Stored, scales, zeros)
    combine = kind(first, second, total, low, 127)
    table = combine(BYTE[:, None], BYTE)
    pair = weighted_pair(table, BYTE, BYTE)
    assert pair is not None
    assert max(pair.first, pair.second) < 1024
    sums = pair.first * BYTE[:, None] + pair.second * BYTE
    assert np.array_equal(pair.finish(sums), table)
