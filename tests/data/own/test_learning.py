"""A scaling is learnt from training values, covers them, and survives odd ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from edgespike.data.own import DataError
from edgespike.data.own.learning import IDENTITY, PIXEL, converter, learn

REALS = st.floats(-1e12, 1e12, allow_nan=False, allow_subnormal=False).filter(
    lambda value: value == 0 or abs(value) > 1e-12
)


def scaled(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Scale values, and return what the whole numbers stand for too."""
    scaling, signed = learn(values, "sequences")
    whole = converter(scaling, values.shape[1:], signed)(values)
    return whole, np.asarray(scaling.offset) + whole * np.asarray(scaling.step)


@given(hnp.arrays(np.float64, st.tuples(st.integers(1, 30), st.integers(1, 3)), elements=REALS))
def test_training_values_are_covered_but_for_one_in_a_hundred(values: NDArray[np.float64]) -> None:
    whole, back = scaled(values)
    scaling, signed = learn(values, "sequences")
    assert whole.dtype == (np.int8 if values.min() < 0 else np.uint8)
    low = -127 if signed else 0
    for feature, step in enumerate(np.broadcast_to(scaling.step, values.shape[1])):
        column = whole[:, feature]
        far = np.abs(values[:, feature] - back[:, feature]) > step * (0.5 + 1e-6)
        inside = (column > low) & (column < (127 if signed else 255))
        assert not (far & inside).any()  # only what is clipped is far off
        changing = (
            values[:, feature] != np.asarray(scaling.offset)[min(feature, len(scaling.step) - 1)]
        )
        assert far.sum() <= max(1, 0.01 * changing.sum() + 1)


def test_a_bounded_signal_is_never_clipped() -> None:
    values = np.sin(np.arange(1000))[:, None] * [1.0, 300.0] + [0.0, -1000.0]
    scaling, signed = learn(values, "sequences")
    _, back = scaled(values)
    assert signed
    assert (np.abs(back - values) <= np.asarray(scaling.step) * 0.500001).all()
    assert scaling.step[1] == pytest.approx(300 * scaling.step[0], rel=0.01)


def test_an_outlier_does_not_take_the_range() -> None:
    values = np.sin(np.arange(1000))[:, None]
    values[17] = 1e6
    whole, _ = scaled(values)
    assert whole[17, 0] == 127
    assert len(np.unique(whole)) > 60  # all others keep a quarter of the range


def test_a_feature_that_rarely_changes_keeps_its_range() -> None:
    values = np.zeros((10_000, 1))
    values[:20, 0] = np.linspace(-1, 1, 20)
    whole, _ = scaled(values)
    assert (whole.min(), whole.max()) == (-127, 127)
    assert whole[5000, 0] == 0


@pytest.mark.parametrize("value", [0.0, 5.0, -5.0, 1e9, -1e-9])
def test_a_constant_feature_is_zero_and_breaks_nothing(value: float) -> None:
    whole, _ = scaled(np.stack([np.full(51, value), np.linspace(-1, 1, 51)], axis=1))
    assert set(whole[:, 0].tolist()) == {0}
    assert (whole[0, 1], whole[-1, 1]) == (-127, 127)


def test_values_without_a_sign_become_unsigned_from_zero() -> None:
    scaling, signed = learn(np.linspace(0, 3, 100)[:, None], "sequences")
    assert not signed
    assert scaling.offset == (0.0,)
    assert scaling.step == (3 / 255,)


def test_values_far_above_zero_begin_at_the_least() -> None:
    scaling, signed = learn(np.linspace(290, 310, 100)[:, None], "sequences")
    assert not signed
    assert scaling.offset == (290.0,)
    assert list(scaling.step) == [pytest.approx(20 / 255)]


@pytest.mark.parametrize("dtype", [np.int16, np.int64, np.float32])
def test_pixels_in_wider_types_are_taken_as_they_are(dtype: Any) -> None:
    values = np.arange(256).astype(dtype)[:, None]
    assert learn(values, "images") == (IDENTITY, False)


def test_small_whole_numbers_are_spread_over_the_range() -> None:
    scaling, _ = learn(np.array([[0], [1], [2], [3]]), "rows")
    assert scaling.step == (3 / 255,)


def test_images_of_0_to_1_have_pixels_of_255() -> None:
    values = np.linspace(0, 0.9, 100, dtype=np.float32)[:, None]
    assert learn(values, "images") == (PIXEL, False)
    assert learn(values, "sequences") != (PIXEL, False)


def test_pixels_come_back_exactly() -> None:
    pixels = np.arange(256, dtype=np.uint8)
    for dtype in (np.float32, np.float64):
        values = (pixels / 255).astype(dtype)[:, None]
        scaling, signed = learn(values, "images")
        np.testing.assert_array_equal(converter(scaling, (1,), signed)(values)[:, 0], pixels)


def test_values_beyond_float64_are_refused() -> None:
    with pytest.raises(DataError, match=r"feature 1 has values -1e\+305\.\.0"):
        learn(np.array([[0.0, -1e305], [1.0, 0.0]]), "rows")
