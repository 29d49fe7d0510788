"""Comparisons that are pulled back through monotone steps, against evaluation with 80 digits."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from edgespike.converters.onnx.qonnx.ending import _keeps_order
from edgespike.converters.onnx.qonnx.rounding import Start
from edgespike.converters.onnx.qonnx.steps import (
    Clip,
    Half,
    Line,
    OverRoot,
    Step,
    over_root,
    pull_back,
    with_line,
)
from edgespike.converters.sums import ConversionStoppedError

numbers = st.fractions(-9, 9, max_denominator=12)
lines = st.builds(lambda f, o: Line((f,), (o,)), numbers, numbers)
clips = st.builds(lambda a, b: Clip(min(a, b), max(a, b)), numbers, numbers) | st.builds(
    Clip, st.none() | numbers, st.none()
)
roots = st.sampled_from([Fraction(2), Fraction(3, 7), Fraction(9, 4), Fraction(10**6 + 1)])


@st.composite
def chains(draw: st.DrawFn) -> tuple[Step, ...]:
    """Draw steps with at most one root, as one normalisation has it."""
    steps: tuple[Step, ...] = tuple(draw(st.lists(lines | clips, max_size=3)))
    if draw(st.booleans()):
        steps = over_root(steps, (draw(roots),))
    return (*steps, *draw(st.lists(lines | clips, max_size=3)))


def decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


def value_of(steps: tuple[Step, ...], number: int) -> Decimal:
    value = Decimal(number)
    for step in steps:
        match step:
            case Line(factor, offset):
                value = value * decimal(factor[0]) + decimal(offset[0])
            case OverRoot(square):
                value /= decimal(square[0]).sqrt()
            case Clip(low, high):
                value = value if low is None else max(value, decimal(low))
                value = value if high is None else min(value, decimal(high))
    return value


@given(chains(), numbers, st.booleans(), st.integers(-50, 50))
def test_a_number_is_in_the_set_if_its_image_is_from_the_bound_on(
    steps: tuple[Step, ...], bound: Fraction, above: bool, number: int
) -> None:
    found = pull_back(steps, 0, Start(bound, above))
    with localcontext() as context:
        context.prec = 80
        difference = value_of(steps, number) - decimal(bound)
    # These numbers come no nearer without a tie.
    reached = not above if abs(difference) < Decimal("1e-60") else difference > 0
    holds = found if isinstance(found, bool) else found.holds(Fraction(number))
    assert holds == reached


@given(chains(), numbers, st.booleans())
def test_the_first_integer_is_the_least_from_the_bound_on(
    steps: tuple[Step, ...], bound: Fraction, above: bool
) -> None:
    found = pull_back(steps, 0, Start(bound, above))
    assume(isinstance(found, Half))
    assert isinstance(found, Half)
    assert found.holds(Fraction(found.first)) != found.rest
    assert found.holds(Fraction(found.first - 1)) == found.rest


@given(numbers, numbers, roots, st.integers(-60, 60))
@example(Fraction(0), Fraction(1, 10**400), Fraction(2), 0)
@example(Fraction(10**400), Fraction(1), Fraction(2), 0)
@example(Fraction(1), Fraction(10**160), Fraction(1, 10**320), 0)
@example(Fraction(1, 3), Fraction(10**300), Fraction(10**300), 0)
def test_a_bound_in_float64_is_no_more_wrong_than_it_says(
    shift: Fraction, factor: Fraction, square: Fraction, exponent: int
) -> None:
    half = Half(shift * Fraction(2) ** exponent, factor, square)
    bound, error = half.near
    with localcontext() as context:
        context.prec = 900
        exact = decimal(half.shift) + decimal(factor) * decimal(square).sqrt()
        assert abs(Decimal(bound) - exact) <= Decimal(error)


@given(st.lists(numbers, min_size=2, max_size=2), st.lists(numbers, min_size=2, max_size=2))
def test_two_lines_in_a_row_are_one(factors: list[Fraction], offsets: list[Fraction]) -> None:
    first, second = (Line((f,), (o,)) for f, o in zip(factors, offsets, strict=True))
    (one,) = with_line((first,), second.factor, second.offset)
    assert isinstance(one, Line)
    for number in range(-3, 4):
        inner = first.factor[0] * number + first.offset[0]
        outer = second.factor[0] * inner + second.offset[0]
        assert one.factor[0] * number + one.offset[0] == outer


def test_roots_that_are_fractions_are_taken() -> None:
    assert over_root((), (Fraction(9, 4), Fraction(1))) == (
        Line((Fraction(2, 3), Fraction(1)), (Fraction(0), Fraction(0))),
    )


def test_two_different_roots_are_refused() -> None:
    shift = Line((Fraction(1),), (Fraction(1),))
    steps = (OverRoot((Fraction(2),)), shift, OverRoot((Fraction(3),)))
    with pytest.raises(ConversionStoppedError, match="different square roots"):
        pull_back(steps, 0, Start(Fraction(5), False))


@given(
    st.lists(st.fractions(-3, 3, max_denominator=60), min_size=2, max_size=5),
    st.sampled_from([1, 2, 4, 8, 16, 64]),
)
def test_a_rounded_bias_keeps_every_order_of_whole_sums_or_is_said_not_to(
    bias: list[Fraction], parts: int
) -> None:
    rounded = [Fraction(round_half_up(parts * value), parts) for value in bias]
    keeps = all(
        _sign(n + a - b) == _sign(n + x - y)
        for n in range(-8, 9)
        for a, x in zip(bias, rounded, strict=True)
        for b, y in zip(bias, rounded, strict=True)
    )
    assert _keeps_order(bias, parts) == keeps


def round_half_up(value: Fraction) -> int:
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)


def _sign(value: Fraction) -> int:
    return (value > 0) - (value < 0)
