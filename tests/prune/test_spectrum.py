from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgespike.errors import InputError
from edgespike.prune import Spectrum, greedy
from tests.prune.random_states import covariance, seeds, states


@given(seed=seeds, units=st.integers(1, 8), lam=st.floats(1e-3, 1e3))
def test_degrees_of_freedom_and_leverage_are_those_of_the_definition(
    seed: int, units: int, lam: float
) -> None:
    S = covariance(states(20, units, seed=seed))
    ridge = S @ np.linalg.inv(S + lam * np.eye(units))
    spectrum = Spectrum(S)
    assert spectrum.degrees_of_freedom(lam) == pytest.approx(np.trace(ridge), rel=1e-9)
    np.testing.assert_allclose(spectrum.leverage(lam), np.diag(ridge) / np.trace(ridge), rtol=1e-7)
    assert spectrum.leverage(lam).sum() == pytest.approx(1)


def test_states_of_rank_10_need_10_of_30_units() -> None:
    spectrum = Spectrum(covariance(states(200, 30, rank=10)))
    assert (spectrum.eigenvalues > 0).sum() == 10
    assert spectrum.units_needed(0.0) == 10
    assert spectrum.degrees_of_freedom(1e-9) == pytest.approx(10)
    assert "needs about 10 of its 30 units" in spectrum.summary(0.0)


def test_units_needed_counts_the_largest_eigenvalues() -> None:
    spectrum = Spectrum(np.diag([1.0, 6.0, 3.0]))
    np.testing.assert_allclose(spectrum.eigenvalues, [6, 3, 1])
    assert spectrum.energy == pytest.approx(10)
    found = [spectrum.units_needed(share) for share in (0.41, 0.39, 0.11, 0.09, 0.0)]
    assert found == [1, 2, 2, 3, 3]


@given(seed=seeds, tolerance=st.floats(1e-4, 0.5))
def test_no_choice_of_fewer_units_leaves_so_little(seed: int, tolerance: float) -> None:
    S = covariance(states(30, 8, seed=seed))
    needed = Spectrum(S).units_needed(tolerance)
    assert greedy(S, 8).units_needed(tolerance) >= needed


def test_dead_units_have_no_leverage() -> None:
    scores = Spectrum(covariance(states(50, 6, dead=2))).leverage(0.1)
    assert scores[4:].tolist() == [0, 0]
    assert (scores[:4] > 0).all()


def test_a_layer_that_is_dead_needs_no_units() -> None:
    spectrum = Spectrum(np.zeros((3, 3)))
    assert spectrum.units_needed(0.01) == 0
    assert spectrum.degrees_of_freedom(1.0) == 0
    assert spectrum.leverage(1.0).tolist() == [0, 0, 0]


@pytest.mark.parametrize("lam", [0.0, -1.0, np.inf, np.nan])
def test_lambda_must_be_positive(lam: float) -> None:
    with pytest.raises(InputError, match=r"lam is .*; it must be positive and finite"):
        Spectrum(np.eye(2)).degrees_of_freedom(lam)


@pytest.mark.parametrize("tolerance", [-0.1, 1.0, np.nan])
def test_the_tolerance_is_a_share(tolerance: float) -> None:
    with pytest.raises(InputError, match=r"tolerance is .*; it must be a share"):
        Spectrum(np.eye(2)).units_needed(tolerance)
