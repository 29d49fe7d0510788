"""Folding: the integer comparison is the real one, for every accumulator value."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgespike.errors import UnsupportedError
from edgespike.graph import Signal, Tensor
from edgespike.interpreter import threshold
from edgespike.passes.folding import Line, Normalisation, fold, fold_affine

RANGE = 60


def accumulator(channels: int = 1) -> Tensor:
    low = np.full(channels, -RANGE)
    return Tensor((channels,), low, -low, Signal.ACCUMULATOR)


def normalisation(
    gamma: float, beta: float, mean: float, variance: float, epsilon: float
) -> Normalisation:
    return Normalisation(
        np.array([gamma]), np.array([beta]), np.array([mean]), np.array([variance]), epsilon
    )


def real_level(
    acc: int, scale: Fraction, bias: float, norm: Normalisation, levels: list[Fraction]
) -> int:
    """Normalise in 200 digits and compare: the definition, as written in papers."""
    with localcontext() as context:
        context.prec = 200

        def decimal(value: Fraction | float) -> Decimal:
            exact = Fraction(value)
            return Decimal(exact.numerator) / Decimal(exact.denominator)

        x = decimal(acc * scale + Fraction(bias)) - decimal(norm.mean[0])
        spread = (decimal(norm.variance[0]) + decimal(norm.epsilon)).sqrt()
        u = decimal(norm.gamma[0]) * x / spread + decimal(norm.beta[0])
        return sum(u >= decimal(level) for level in levels)


numbers = st.floats(-4, 4, width=32)


@given(
    gamma=numbers,
    beta=numbers,
    mean=numbers,
    bias=numbers,
    variance=st.floats(0, 9, width=32),
    scale=st.fractions(Fraction(1, 1000), 2, max_denominator=10**6),
    count=st.integers(1, 4),
)
@settings(max_examples=300)
def test_every_accumulator_value_gives_the_level_of_the_real_formula(
    gamma: float,
    beta: float,
    mean: float,
    bias: float,
    variance: float,
    scale: Fraction,
    count: int,
) -> None:
    norm = normalisation(gamma, beta, mean, variance, 1e-5)
    levels = [Fraction(2 * level + 1, 2) for level in range(count)]
    folded = fold(scale, [bias], norm, levels, accumulator())
    values = np.arange(-RANGE, RANGE + 1)
    found = threshold(folded, values[:, None])[:, 0]
    expected = [real_level(int(value), scale, bias, norm, levels) for value in values]
    assert found.tolist() == expected


@pytest.mark.parametrize("gamma", [1.0, -1.0])
def test_a_tie_counts_as_reached(gamma: float) -> None:
    """With gamma 1 the neuron fires at 7 exactly; with gamma -1 at -7 exactly."""
    norm = normalisation(gamma, 0.0, 0.0, 4.0, 0.0)
    folded = fold(Fraction(2), [0.0], norm, [Fraction(7)], accumulator())
    values = np.array([[-8], [-7], [-6], [6], [7], [8]])
    expected = [0, 0, 0, 0, 1, 1] if gamma > 0 else [1, 1, 0, 0, 0, 0]
    assert threshold(folded, values)[:, 0].tolist() == expected


@pytest.mark.parametrize(("beta", "level"), [(2.0, 1), (1.0, 1), (0.5, 0)])
def test_gamma_zero_makes_a_constant(beta: float, level: int) -> None:
    norm = normalisation(0.0, beta, 3.0, 1.0, 1e-5)
    folded = fold(Fraction(1), [0.0], norm, [Fraction(1)], accumulator())
    values = np.arange(-RANGE, RANGE + 1)[:, None]
    assert set(threshold(folded, values)[:, 0].tolist()) == {level}


def test_layer_wide_statistics_fold_like_repeated_channels() -> None:
    """One mean and variance for the whole layer: each channel still has its own gamma and beta."""
    both = Normalisation(
        np.array([0.5, -2.0]), np.array([0.25, 1.5]), np.full(2, 0.75), np.full(2, 1.25), 1e-5
    )
    folded = fold(Fraction(1, 8), [0.0, 0.0], both, [Fraction(1)], accumulator(2))
    for channel in range(2):
        alone = normalisation(both.gamma[channel], both.beta[channel], 0.75, 1.25, 1e-5)
        expected = fold(Fraction(1, 8), [0.0], alone, [Fraction(1)], accumulator())
        assert folded.theta[channel].tolist() == expected.theta[0].tolist()
        assert folded.flipped[channel] == expected.flipped[0]


def test_all_parameters_that_are_not_finite_are_named() -> None:
    norm = normalisation(float("nan"), float("inf"), 0.0, -1.0, 0.5)
    with pytest.raises(UnsupportedError) as caught:
        fold(Fraction(1), [0.0], norm, [Fraction(1)], accumulator())
    text = str(caught.value)
    assert "gamma of channel 0 is nan" in text
    assert "beta of channel 0 is inf" in text
    assert "variance of channel 0 plus epsilon is -0.5" in text


def test_a_normalised_sum_is_a_line() -> None:
    """0.5 a + 1 by gamma -4, beta 2, mean 3, variance 4: -4 (0.5 a - 2) / 2 + 2 = 1 (-a + 6)."""
    gamma, beta, mean, variance = (np.array([value]) for value in (-4.0, 2.0, 3.0, 4.0))
    norm = Normalisation(gamma, beta, mean, variance, 0.0)
    (line,) = fold_affine(Fraction(1, 2), [1.0], norm)
    assert line == Line(Fraction(1), -1, Fraction(6))


@pytest.mark.parametrize("variance", [1e-12, 2.0, 3e30])
def test_the_factor_of_a_normalised_sum_is_exact_to_float64(variance: float) -> None:
    one, zero = np.ones(1), np.zeros(1)
    (line,) = fold_affine(Fraction(1), [0.0], Normalisation(one, one, zero, one * variance, 0.0))
    square = line.scale**2 * Fraction(variance)
    assert abs(square - 1) < Fraction(1, 2**62)
    assert float(line.offset * line.scale) == 1.0


def test_a_factor_of_zero_makes_no_line() -> None:
    one, zero = np.ones(1), np.zeros(1)
    with pytest.raises(UnsupportedError, match="gamma of channel 0 is 0, which makes it a co"):
        fold_affine(Fraction(1), [0.0], Normalisation(zero, one, zero, one, 0.0))
