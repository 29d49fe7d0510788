from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from edgespike.errors import InputError
from edgespike.prune import embedding, greedy, loss, reconstruct
from tests.prune.random_states import covariance, seeds, states


@given(seed=seeds, units=st.integers(2, 8), data=st.data())
def test_it_is_the_regression_of_all_units_on_the_kept_ones(
    seed: int, units: int, data: st.DataObject
) -> None:
    kept = data.draw(st.permutations(range(units)))[: data.draw(st.integers(1, units))]
    values = states(30, units, seed=seed)
    A = reconstruct(covariance(values), kept)
    expected = np.linalg.lstsq(values[:, kept], values, rcond=None)[0].T
    np.testing.assert_allclose(A, expected, atol=1e-8)
    np.testing.assert_array_equal(A[kept], np.eye(len(kept)))


def test_penalties_are_added_to_the_diagonal() -> None:
    S, kept, tau = covariance(states(30, 5)), [4, 1, 2], np.array([0.1, 2.0, 0.0])
    expected = S[:, kept] @ np.linalg.inv(S[np.ix_(kept, kept)] + np.diag(tau))
    np.testing.assert_allclose(reconstruct(S, kept, tau), expected, atol=1e-12)


def test_penalties_of_0_are_none() -> None:
    S = covariance(states(30, 5))
    np.testing.assert_array_equal(reconstruct(S, [1, 3], [0, 0]), reconstruct(S, [1, 3]))


def test_30_units_built_from_10_are_recovered_from_10() -> None:
    values = states(500, 30, rank=10)
    S = covariance(values)
    kept = greedy(S, 10).units
    recovered = values[:, kept] @ reconstruct(S, kept).T
    assert np.linalg.norm(recovered - values) / np.linalg.norm(values) < 1e-7
    bare = values[:, kept] @ embedding(30, kept).T
    assert np.linalg.norm(bare - values) / np.linalg.norm(values) > 0.3


def test_kept_units_that_are_dead_or_twins_do_no_harm() -> None:
    values = states(50, 4, dead=1)
    values = np.concatenate([values, values[:, :1]], axis=1)
    A = reconstruct(covariance(values), [0, 2, 3, 4])
    np.testing.assert_allclose(A[[0, 2, 3, 4]], np.eye(4))
    expected = np.linalg.lstsq(values[:, [0, 2, 3, 4]], values[:, 1], rcond=None)[0]
    np.testing.assert_allclose(A[1], expected, atol=1e-9)


@given(seed=seeds, with_rows=st.booleans())
def test_the_loss_is_the_mean_square_of_what_is_left_out(seed: int, with_rows: bool) -> None:
    generator = np.random.default_rng(seed)
    values, kept = states(25, 6, seed=seed), [5, 0, 3]
    A = generator.normal(size=(6, 3))
    Z = generator.normal(size=(4, 6)) if with_rows else np.eye(6)
    expected = np.mean(np.sum(((values - values[:, kept] @ A.T) @ Z.T) ** 2, axis=1))
    found = loss(covariance(values), kept, A, Z if with_rows else None)
    assert found == pytest.approx(expected, rel=1e-9)


def test_with_least_squares_the_loss_is_the_trace_of_the_residual() -> None:
    S, kept = covariance(states(40, 7)), [6, 2]
    A = reconstruct(S, kept)
    assert loss(S, kept, A) == pytest.approx(np.trace(S - A @ S[kept]), rel=1e-10)


def test_what_is_kept_whole_loses_nothing() -> None:
    S = covariance(states(40, 7, rank=3, dead=1))
    kept = np.arange(7)[::-1]
    assert loss(S, kept, reconstruct(S, kept)) == 0


@pytest.mark.parametrize("units", [[], [0, 0], [3], [-1], [0.5], [[0, 1]]])
def test_impossible_units_are_refused(units: ArrayLike) -> None:
    with pytest.raises(InputError, match=r"units (is|has shape)"):
        reconstruct(np.eye(3), units)


@pytest.mark.parametrize("tau", [[1.0], [1.0, -1.0], [np.nan, 0.0]])
def test_impossible_penalties_are_refused(tau: list[float]) -> None:
    with pytest.raises(InputError, match="expected 2 finite numbers of at least 0"):
        reconstruct(np.eye(3), [0, 1], tau)
