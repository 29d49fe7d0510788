from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgespike.errors import InputError
from edgespike.prune import Covariance
from tests.prune.random_states import covariance, seeds, states


def gathered(*parts: np.ndarray) -> Covariance:
    result = Covariance(parts[0].shape[-1])
    for part in parts:
        result.add(part)
    return result


@pytest.mark.parametrize("shape", [(7, 4), (3, 5, 4), (4,), (2, 3, 2, 4)])
def test_it_is_the_mean_of_products_whatever_the_arrangement(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).normal(size=shape) + 1
    found = gathered(values)
    assert found.count == values.size // 4
    np.testing.assert_allclose(found.matrix(), covariance(values.reshape(-1, 4)), rtol=1e-14)


def test_more_states_than_are_multiplied_at_a_time_give_the_same() -> None:
    values = states(3000, 128)
    np.testing.assert_allclose(gathered(values).matrix(), covariance(values), atol=1e-14)


@given(seed=seeds, cuts=st.lists(st.integers(0, 40), max_size=4))
def test_parts_add_up_to_one_pass(seed: int, cuts: list[int]) -> None:
    values = states(40, 6, seed=seed)
    parts = np.split(values, sorted(cuts))
    one_pass = gathered(values)
    apart = sum((gathered(part) for part in parts), start=Covariance(6))
    for several in (gathered(*parts), apart):
        assert several.count == one_pass.count
        np.testing.assert_allclose(several.matrix(), one_pass.matrix(), rtol=1e-12, atol=1e-14)


def test_adding_leaves_the_parts_as_they_were() -> None:
    one, other = gathered(states(3, 2)), gathered(states(5, 2, seed=1))
    before = one.matrix()
    assert (one + other).count == 8
    assert one.count == 3
    np.testing.assert_array_equal(one.matrix(), before)


def test_float32_states_are_summed_in_float64() -> None:
    values = np.full((1000, 1), 0.1, dtype=np.float32)
    assert gathered(values).matrix()[0, 0] == pytest.approx(float(np.float32(0.1)) ** 2, rel=1e-14)


def test_states_that_a_mask_leaves_out_do_not_count() -> None:
    values = states(12, 3).reshape(4, 3, 3)
    mask = np.array([[True, True, True], [True, False, False], [False] * 3, [True, True, False]])
    found = Covariance(3)
    found.add(np.where(mask[..., None], values, np.nan), mask)
    assert found.count == 6
    np.testing.assert_allclose(found.matrix(), covariance(values[mask]), rtol=1e-14)


def test_one_state_is_enough() -> None:
    np.testing.assert_array_equal(gathered(np.array([1.0, 2.0])).matrix(), [[1, 2], [2, 4]])


def test_no_states_have_no_covariance() -> None:
    empty = gathered(np.zeros((0, 3)))
    with pytest.raises(InputError, match="no states were seen; the data set needs at least 1"):
        empty.matrix()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_states_that_are_not_finite_are_refused_whole(bad: float) -> None:
    found = gathered(states(5, 3))
    before = found.matrix()
    spoilt = states(4, 3)
    spoilt[2, 1] = bad
    with pytest.raises(InputError, match=r"of 1 of 3 units hold NaN or infinity \(first: unit 1\)"):
        found.add(spoilt)
    assert found.count == 5
    np.testing.assert_array_equal(found.matrix(), before)


@pytest.mark.parametrize(
    ("values", "mask", "message"),
    [
        (np.zeros((2, 4)), None, r"shape \(2, 4\) and type float64; expected real numbers"),
        (np.zeros((2, 3), complex), None, "type complex128; expected real"),
        (np.zeros((2, 3)), np.ones(3, bool), r"mask has shape \(3,\) .* expected bool, \(2,\)"),
        (np.zeros((2, 3)), np.ones(2), "mask has shape .* type float64; expected bool"),
    ],
)
def test_what_does_not_fit_is_refused(
    values: np.ndarray, mask: np.ndarray | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Covariance(3).add(values, mask)


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(InputError, match="units is 0; a covariance needs at least 1"):
        Covariance(0)
    with pytest.raises(InputError, match=r"the sum has shape \(2, 2\)"):
        Covariance(3) + Covariance(2)
