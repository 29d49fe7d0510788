"""Weighted sums equal those of Python's integers, whichever type they are computed in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgespike.exact_factors import exact_factors
from edgespike.graph import Conv2d, Dense
from edgespike.graph.tensor import ACCUMULATOR_LIMIT
from edgespike.interpreter import conv2d, dense
from tests.test_interpreter import conv_by_loops

Whole = NDArray[np.int64]


@st.composite
def factors(draw: st.DrawFn) -> tuple[Whole, Whole]:
    """Draw a weight ``(outputs, inputs)`` and inputs ``(samples, inputs)`` of any magnitude.

    No sum leaves the range that a graph proves: at most 2**53 in magnitude.
    """
    outputs, inputs, samples = (draw(st.integers(1, 5)) for _ in range(3))
    # The bounds of the two multiply to 2**53 / inputs, about where float64 ceases to be proven.
    bits = draw(st.integers(0, 53))
    most = 2**bits, ACCUMULATOR_LIMIT // inputs // 2**bits
    weight, x = (
        [
            draw(st.integers(-limit, limit) | st.sampled_from([-limit, limit, 0]))
            for _ in range(rows * inputs)
        ]
        for limit, rows in zip(most, (outputs, samples), strict=True)
    )
    return np.array(weight).reshape(outputs, inputs), np.array(x).reshape(samples, inputs)


@given(factors())
def test_products_equal_those_of_integers_without_limit(drawn: tuple[Whole, Whole]) -> None:
    weight, x = drawn
    expected = x.astype(object) @ weight.T.astype(object)
    exact_weight, exact_x = exact_factors(weight, x)
    assert exact_weight.dtype == exact_x.dtype
    assert np.array_equal((exact_x @ exact_weight.T).astype(np.int64), expected)
    bias = np.arange(len(weight))
    found = dense(Dense(weight, bias), x)
    assert found.dtype == np.int64
    assert np.array_equal(found, expected + bias)
    assert np.array_equal(found, np.einsum("oi,ni->no", weight, x) + bias)


@given(factors(), st.integers(1, 3))
def test_convolutions_of_any_magnitude_equal_loops(drawn: tuple[Whole, Whole], kernel: int) -> None:
    taps, pixels = drawn
    inputs = taps.shape[1]
    weight = np.zeros((len(taps), inputs, 1, kernel), np.int64)
    weight[:, :, 0, 0] = taps
    op = Conv2d(weight, np.arange(len(taps)), padding=(1, 1))
    x = pixels.reshape(len(pixels), inputs, 1, 1)
    found = conv2d(op, x)
    assert found.dtype == np.int64
    assert np.array_equal(found, conv_by_loops(op, x))


@pytest.mark.parametrize(
    ("weight", "x", "exact"),
    [
        ([[2**26]], [[2**27]], np.float64),
        ([[2**26 + 1]], [[2**27]], np.int64),
        ([[2**26, 0]], [[2**26, 0]], np.float64),
        ([[2**26, 0]], [[2**26 + 1, 0]], np.int64),
        ([[-(2**53)]], [[0]], np.float64),
        ([[-(2**53) - 1]], [[0]], np.int64),  # the weight itself does not fit
        ([[0]], [[2**53 + 1]], np.int64),
        ([[-(2**63)]], [[-1]], np.int64),  # its magnitude does not even fit into int64
        ([[0]], [[0]], np.float64),
    ],
)
def test_float64_is_used_up_to_its_limit(
    weight: list[list[int]], x: list[list[int]], exact: type
) -> None:
    factor, other = exact_factors(np.array(weight), np.array(x))
    assert factor.dtype == other.dtype == np.dtype(exact)
    assert factor.tolist() == weight
    assert other.tolist() == x


def test_a_sum_that_float64_would_round_is_exact() -> None:
    """2**53 - 1 + 2 - 2 has a partial sum of 2**53 + 1, which float64 does not hold."""
    weight, x = np.array([[2**53 - 1, 2, -2]]), np.array([[1, 1, 1]])
    assert dense(Dense(weight, np.array([0])), x).tolist() == [[2**53 - 1]]
    kernel = weight.reshape(1, 3, 1, 1)
    assert conv2d(Conv2d(kernel, np.array([0])), x.reshape(1, 3, 1, 1)).tolist() == [
        [[[2**53 - 1]]]
    ]
