"""What whole numbers stand for, against the float net's own operations."""

from __future__ import annotations

import numpy as np
import pytest

from edgespike.floats.net import (
    FloatAdd,
    FloatAffine,
    FloatConcatenate,
    FloatOp,
    FloatPool2d,
    FloatReshape,
    Pooling,
    Reals,
)
from edgespike.floats.run import evaluate
from edgespike.quantise.lines import Line, added, concatenated

RNG = np.random.default_rng(4)
CHANNELS = 3


def line(scale: Reals | None = None) -> Line:
    scale = RNG.normal(size=CHANNELS) if scale is None else scale
    return Line(scale, RNG.normal(size=CHANNELS))


def whole() -> Reals:
    return RNG.integers(-9, 10, (5, CHANNELS, 4, 4)).astype(np.float64)


def real(found: Line, n: Reals) -> Reals:
    return evaluate(FloatAffine(found.scale, found.offset), n)


def test_a_line_through_zero() -> None:
    assert Line.of(2, 0.5).through_zero
    assert not line().through_zero
    np.testing.assert_array_equal(real(Line.of(CHANNELS, 0.5), whole()[:1] * 0 + 4), 2.0)


def test_the_line_of_an_affine_map() -> None:
    n, before = whole(), line()
    then = FloatAffine(RNG.normal(size=CHANNELS), RNG.normal(size=CHANNELS))
    found = real(before.then_affine(then.scale, then.offset), n)
    np.testing.assert_allclose(found, evaluate(then, real(before, n)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("pooling", [Pooling.SUM, Pooling.AVERAGE])
def test_the_line_of_sums_over_windows(pooling: Pooling) -> None:
    n, before, pool = whole(), line(), FloatPool2d(pooling, (2, 3), (1, 1))
    sums = evaluate(FloatPool2d(Pooling.SUM, (2, 3), (1, 1)), n)
    expected = evaluate(pool, real(before, n))
    np.testing.assert_allclose(real(before.then_sums(pool), sums), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("kernel", "exact"), [((2, 2), True), ((4, 1), True), ((3, 1), False)])
def test_a_mean_is_exact_over_a_power_of_two(kernel: tuple[int, int], exact: bool) -> None:
    pool = FloatPool2d(Pooling.AVERAGE, kernel, kernel)
    assert Line.of(2, 0.3).then_sums(pool).exact is exact


@pytest.mark.parametrize(
    ("scale", "factor", "exact"), [(0.75, 0.375, True), (0.1, 0.5, True), (0.1, 0.3, False)]
)
def test_a_product_is_exact_where_float64_does_not_round(
    scale: float, factor: float, exact: bool
) -> None:
    assert Line.of(1, scale).then_affine(np.array([factor]), np.zeros(1)).exact is exact


def test_the_line_of_another_shape() -> None:
    n, before = whole(), line()
    flat = FloatReshape((48,))
    found = before.then_reshape((3, 4, 4), (48,))
    assert found is not None
    np.testing.assert_array_equal(real(found, evaluate(flat, n)), evaluate(flat, real(before, n)))
    assert before.then_reshape((3, 4, 4), (2, 4, 6)) is None


@pytest.mark.parametrize("op", [FloatAdd(), FloatConcatenate()])
def test_the_line_of_two_values(op: FloatOp) -> None:
    scale = RNG.normal(size=CHANNELS)
    (n, first), (m, second) = ((whole(), line(scale)) for _ in range(2))
    join = concatenated if isinstance(op, FloatConcatenate) else added
    found = join([first, second])
    assert found is not None
    expected = evaluate(op, real(first, n), real(second, m))
    np.testing.assert_allclose(real(found, evaluate(op, n, m)), expected, rtol=0, atol=1e-12)


def test_values_that_are_not_worth_the_same_have_no_line_of_their_sum() -> None:
    assert added([line(), line()]) is None
