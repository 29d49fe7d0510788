from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgespike.errors import InputError
from edgespike.prune import Group, Method, Objective, at_random, by_leverage, choose, greedy
from tests.prune.random_states import covariance, seeds, states

Matrix = NDArray[np.float64]


def objective_of(S: Matrix, M: Matrix, tau: Matrix, units: list[int]) -> float:
    """Compute Tr M R by the definition of R."""
    if not units:
        return float(np.trace(M @ S))
    inner = S[np.ix_(units, units)] + np.diag(tau[units])
    return float(np.trace(M @ (S - S[:, units] @ np.linalg.solve(inner, S[units]))))


@given(seed=seeds, units=st.integers(1, 9), penalised=st.booleans(), weighted=st.booleans())
def test_each_unit_lowers_the_objective_as_much_as_any_can(
    seed: int, units: int, penalised: bool, weighted: bool
) -> None:
    generator = np.random.default_rng(seed)
    S = covariance(states(3 * units, units, seed=seed))
    rows = generator.normal(size=(2, units))
    M = rows.T @ rows + 0.1 * np.eye(units) if weighted else np.eye(units)
    tau = generator.uniform(0, 0.5, units) if penalised else np.zeros(units)
    found = greedy(S, units, M if weighted else None, tau if penalised else None)
    assert sorted(found.units) == list(range(units))
    for place in range(units):
        before = found.units[:place].tolist()
        best = min(
            objective_of(S, M, tau, [*before, unit]) for unit in range(units) if unit not in before
        )
        chosen = objective_of(S, M, tau, [*before, int(found.units[place])])
        assert chosen == pytest.approx(best, rel=1e-7, abs=1e-9 * found.initial)
        assert found.losses[place] == pytest.approx(chosen, rel=1e-7, abs=1e-9 * found.initial)


def test_more_units_than_are_held_before_chosen_ones_are_dropped() -> None:
    S = covariance(states(400, 150))
    few, all_of_them = greedy(S, 140), greedy(S, 150)
    np.testing.assert_array_equal(few.units, all_of_them.units[:140])
    chosen = few.units.tolist()
    expected = objective_of(S, np.eye(150), np.zeros(150), chosen)
    assert few.losses[-1] == pytest.approx(expected, rel=1e-8)


def test_of_equal_units_the_first_is_taken_and_its_twin_last() -> None:
    values = states(50, 3)
    twins = np.concatenate([values, values], axis=1)
    found = greedy(covariance(twins), 6)
    assert sorted(found.units[:3]) == [0, 1, 2]
    assert found.losses[2] == pytest.approx(0, abs=1e-12)


def test_units_that_are_combinations_of_chosen_ones_come_after_and_dead_ones_at_the_end() -> None:
    S = covariance(states(100, 12, rank=4, dead=3))
    found = greedy(S, 12)
    assert found.losses[3] == pytest.approx(0, abs=1e-10 * found.initial)
    assert found.units[-3:].tolist() == [9, 10, 11]
    assert found.units_needed(1e-9) == 4


def test_dead_units_are_not_chosen_while_others_are_left() -> None:
    S = covariance(states(100, 10, dead=4))
    assert set(greedy(S, 6).units) == set(range(6))
    assert set(by_leverage(S, 6, 0.1)) == set(range(6))


def test_an_objective_that_looks_away_still_gives_as_many_units_as_asked() -> None:
    S = covariance(states(100, 5))
    looks_at_nothing = greedy(S, 5, np.zeros((5, 5)))
    assert looks_at_nothing.units.tolist() == np.argsort(-np.diag(S)).tolist()


def test_all_units_dead() -> None:
    assert greedy(np.zeros((3, 3)), 2).units.tolist() == [0, 1]
    assert by_leverage(np.zeros((3, 3)), 2, 1.0).tolist() == [0, 1]


def test_units_needed_is_the_first_number_within_the_tolerance() -> None:
    found = greedy(np.diag([8.0, 1.0, 1.0]), 3)
    assert [found.units_needed(share) for share in (0.9, 0.2, 0.15, 0.1, 0.0)] == [1, 1, 2, 2, 3]


def test_the_objective_adds_up_its_three_losses() -> None:
    output, recurrent = states(2, 4), states(4, 4, seed=1)
    found = Objective(2.0, 3.0, 0.5).matrix(4, output, recurrent)
    expected = 2 * np.eye(4) + 3 * output.T @ output + 0.5 * recurrent.T @ recurrent
    np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_array_equal(Objective(1.0, 1.0, 1.0).matrix(2), np.eye(2))


def test_the_same_seed_draws_the_same_units() -> None:
    S = covariance(states(100, 20))
    draws: list[Callable[[int], NDArray[np.int64]]] = [
        lambda seed: by_leverage(S, 8, 0.1, seed),
        lambda seed: at_random(20, 8, seed),
    ]
    for draw in draws:
        assert len(set(draw(3))) == 8
        np.testing.assert_array_equal(draw(3), draw(3))
        assert any(draw(seed).tolist() != draw(0).tolist() for seed in range(1, 5))


def test_units_are_drawn_in_proportion_to_their_leverage() -> None:
    S = np.diag([9.0, 1.0])
    # Scores 0.9 and 0.5 for lam 1, so the first in 9 of 14.
    share = np.mean([by_leverage(S, 1, 1.0, seed)[0] == 0 for seed in range(2000)])
    assert share == pytest.approx(9 / 14, abs=0.04)


@pytest.mark.parametrize("keep", [0, -1, 4, 1.5, True, None])
def test_impossible_numbers_of_units_are_refused(keep: int) -> None:
    S = covariance(states(9, 3))
    for ask in (
        lambda: greedy(S, keep),
        lambda: by_leverage(S, keep, 0.1),
        lambda: at_random(3, keep),
    ):
        with pytest.raises(InputError, match=rf"keep is {keep}; .* 3 units, so it must be 1 to 3"):
            ask()


@pytest.mark.parametrize(
    ("S", "message"),
    [
        (np.zeros((2, 3)), "shape .2, 3.; expected .units, units."),
        (np.zeros((0, 0)), "at least 1 unit"),
        (np.full((2, 2), np.nan), "holds NaN or infinity"),
        (np.array([[1.0, 0.5], [0.0, 1.0]]), "not symmetric"),
    ],
)
def test_what_is_no_covariance_is_refused(S: Matrix, message: str) -> None:
    with pytest.raises(InputError, match=message):
        greedy(S, 1)


@pytest.mark.parametrize("method", [each for each in Method if not each.keeps_units])
def test_methods_that_keep_all_units_choose_none(method: Method) -> None:
    with pytest.raises(InputError, match=f"method {method.value} keeps all units"):
        choose(Group("layer", np.eye(3), np.eye(3)), 2, method)


def test_objectives_and_penalties_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match=r"the objective has shape \(2, 2\)"):
        greedy(np.eye(3), 1, np.eye(2))
    with pytest.raises(InputError, match="3 numbers of at least 0 for 3 units"):
        greedy(np.eye(3), 1, penalties=[-1, 0, 0])
    for weights in ((-1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (np.nan, 1.0, 1.0)):
        with pytest.raises(InputError, match="finite and at least 0, one of them positive"):
            Objective(*weights)
