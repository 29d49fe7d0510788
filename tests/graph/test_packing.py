"""Packed arrays: every array comes back, in as few bytes as its states allow."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from edgespike.graph.packing import distinct, pack, unpack

SHAPES = hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=7)
DIGITS_A_BYTE = {2: 8, 3: 5, 4: 4, 5: 3, 6: 3, **dict.fromkeys(range(7, 17), 2)}


def back(array: NDArray[np.generic]) -> NDArray[np.generic]:
    """Pack and unpack an array, with the note as JSON."""
    stored, note = pack(array)
    return unpack(stored, json.loads(json.dumps(note)))


@given(hnp.arrays(np.bool_, SHAPES) | hnp.arrays(np.int64, SHAPES))
def test_every_array_comes_back(array: NDArray[np.generic]) -> None:
    assert back(array).dtype.kind == array.dtype.kind
    assert np.array_equal(back(array), array)


@st.composite
def few_states(draw: st.DrawFn) -> tuple[NDArray[np.int64], int]:
    """Draw an array that uses its lowest and highest state, and how many states it has."""
    states = draw(st.integers(2, 16))
    step = draw(st.integers(1, 2**60) | st.sampled_from([1, 2]))
    low = draw(st.integers(-(2**63), 2**63 - 1 - step * (states - 1)))
    digits = draw(hnp.arrays(np.int64, SHAPES, elements=st.integers(0, states - 1))).ravel()
    digits = np.concatenate([digits, [0, 1, states - 1]])
    return np.array([low + step * int(digit) for digit in digits]), states


@given(few_states())
def test_few_states_take_as_many_digits_per_byte_as_fit(
    case: tuple[NDArray[np.int64], int],
) -> None:
    array, states = case
    stored, note = pack(array)
    assert stored.nbytes == -(-array.size // DIGITS_A_BYTE[states])
    assert isinstance(note, dict)
    assert note["states"] == states
    assert np.array_equal(unpack(stored, note), array)


@given(few_states())
def test_equal_arrays_are_packed_alike_and_others_not(
    case: tuple[NDArray[np.int64], int],
) -> None:
    array, _ = case
    other = np.roll(array, 1)
    one, two = (pack(each)[0].tobytes() for each in (array, other))
    assert (one == two) == np.array_equal(array, other)


def test_the_step_is_the_longest_that_reaches_all_values() -> None:
    stored, note = pack(np.array([[3, -3, -1, 3]]))
    assert note == {"shape": [1, 4], "low": -3, "step": 2, "states": 4}
    assert stored.tolist() == [0b11_00_01_11]


@pytest.mark.parametrize("value", [0, 5, -5, 2**63 - 1, -(2**63)])
def test_one_state_takes_one_bit_per_value(value: int) -> None:
    array = np.full((2, 10), value)
    stored, note = pack(array)
    assert stored.nbytes == 3
    assert np.array_equal(unpack(stored, note), array)


def test_booleans_are_bits_the_first_one_highest() -> None:
    stored, note = pack(np.array([[True, False, True], [False, False, True]]))
    assert (stored.tolist(), note) == ([0b101001_00], [2, 3])


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (range(17), np.int8),  # too many states
        ([0, 1, 16], np.int8),
        ([-(2**63), 1 - 2**63, 2**63 - 1], np.int64),
        ([5], np.int8),  # one byte either way
        ([], np.int8),
        (range(-300, 300), np.int16),
    ],
)
def test_other_integers_take_the_narrowest_type(values: list[int], dtype: type) -> None:
    stored, note = pack(np.array(values, np.int64))
    assert note is None
    assert stored.dtype == dtype


def test_floats_stay_as_they_are() -> None:
    array = np.array([0.0, 1.0, np.pi])
    stored, note = pack(array)
    assert (stored.tobytes(), note) == (array.tobytes(), None)


def test_booleans_that_are_all_true_take_no_bytes() -> None:
    stored, note = pack(np.ones((3, 4), np.bool_))
    assert stored.nbytes == 0
    assert (unpack(stored, note) == np.ones((3, 4), np.bool_)).all()


@pytest.mark.parametrize(
    ("stored", "note"),
    [
        (np.zeros(1, np.uint8), {"shape": [3], "every": 1}),
        (np.zeros(0, np.uint8), {"shape": [3], "every": 0}),
        (np.zeros(0, np.uint8), {"shape": [-3], "every": 1}),
        (np.zeros(0, np.uint8), {"shape": [2**40], "every": 1}),
    ],
)
def test_other_claims_about_every_boolean_are_refused(
    stored: np.ndarray, note: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match=r"boolean|shape"):
        unpack(stored, note)


@given(
    st.lists(
        st.integers(-5, 5) | st.integers(-(2**17), 2**17) | st.sampled_from([-(2**63), 2**63 - 1])
    )
)
def test_distinct_values_and_their_numbers_equal_those_of_sorting(numbers: list[int]) -> None:
    array = np.array(numbers, np.int64).reshape(-1, 1)
    values, counts = distinct(array)
    expected, numbers_of_each = np.unique(array, return_counts=True)
    assert values.tolist() == expected.tolist()
    assert counts.tolist() == numbers_of_each.tolist()


@pytest.mark.parametrize("block", [1, 3, 100])
def test_blocks_change_no_digit(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    array = np.array([-(2**63), 2**63 - 1, -1, -(2**63), -1, 2**63 - 1, -1])
    whole = pack(array)
    monkeypatch.setattr("edgespike.graph.packing.BLOCK_SIZE", block)
    parts = pack(array)
    assert parts[1] == whole[1]
    assert np.array_equal(parts[0], whole[0])
    assert np.array_equal(unpack(*parts), array)
