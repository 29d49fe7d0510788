"""Samples are checked, and whether all steps share their memory is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgespike.errors import InputError
from edgespike.graph import Graph, Input, Node, Readout, Reshape
from edgespike.graph.inputs import InputCheck, as_samples, never_changes, reshaping

GRAPH = Graph(
    "steps", (Node("in", Input((4,), 0, 9, 1.0)), Node("out", Readout(np.ones(4)), ("in",))), 3
)


class NoArray:
    """Cannot become an array, like tensors on other devices or with gradients."""

    def __init__(self, error: type[Exception]) -> None:
        self.error = error

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        raise self.error("it has gradients")


FOUR = np.arange(8).reshape(2, 4)
EACH_STEP = np.repeat(FOUR[:, None], 3, axis=1)


@pytest.mark.parametrize(
    ("samples", "constant"),
    [
        (as_samples(GRAPH, FOUR), True),
        (as_samples(GRAPH, FOUR)[1:, :2], True),
        (as_samples(GRAPH, FOUR.astype(np.uint8)), True),
        (as_samples(GRAPH, EACH_STEP), False),
        (as_samples(GRAPH, FOUR).copy(), False),
    ],
)
def test_samples_shown_unchanged_are_distinguished_from_those_given_step_by_step(
    samples: NDArray[np.integer], constant: bool
) -> None:
    assert never_changes(samples) is constant
    if constant:
        assert np.array_equal(samples, np.repeat(samples[:, :1], samples.shape[1], axis=1))


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((2, 4), "m8[s]"), r"dtype timedelta64\[s\]"),
        ([[1, 2, 3, 4], [1, 2]], "input of graph 'steps' is not an array"),
        (np.ma.array(FOUR, mask=FOUR == 3), "is masked, but a graph has no missing values; fill"),
        (NoArray(RuntimeError), "input of graph 'steps' is not an array: it has gradients"),
        (NoArray(TypeError), "input of graph 'steps' is not an array: it has gradients"),
    ],
)
def test_what_is_not_an_array_of_integers_is_refused(samples: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        as_samples(GRAPH, samples)


def pixels(low: int, high: int, scale: float) -> Graph:
    nodes = (Node("in", Input((4,), low, high, scale)), Node("out", Readout(np.ones(4)), ("in",)))
    return Graph("pixels", nodes)


@pytest.mark.parametrize(
    ("graph", "samples", "message"),
    [
        (pixels(0, 255, 1 / 255), FOUR > 3, r"dtype bool; give integers 0\.\.255.*numpy\.where"),
        (pixels(0, 255, 1 / 255), FOUR / 8, r"values 0\.\.0\.875; .*: numpy\.floor\(x / 0\.00392"),
        (pixels(0, 255, 1 / 255), FOUR * 30.0, r"x\.astype\(numpy\.int64\), since they are whole"),
        (
            pixels(0, 255, 1.0),
            FOUR / 8,
            r"would fill less than 2% of that, so scale the data",
        ),
        (pixels(0, 255, 1 / 255), FOUR / 8 - 0.5, r"do not fit 0\.\.1, so scale the data as in"),
        (pixels(0, 255, 1 / 255), FOUR - 1, r"values -1\.\.6; .* scale the data as in training"),
        (pixels(-9, 9, 0.1), FOUR / 8 - 0.5, r"values -0\.5\.\.0\.375; .*: numpy\.floor\(x / 0\.1"),
    ],
)
def test_what_is_not_in_the_units_of_the_input_gets_the_way_out_that_fits(
    graph: Graph, samples: NDArray[Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        as_samples(graph, samples)


IMAGES = Graph(
    "images",
    (
        Node("in", Input((3, 4, 5), 0, 9, 1.0)),
        Node("row", Reshape((60,)), ("in",)),
        Node("out", Readout(np.ones(60)), ("row",)),
    ),
)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 4, 5, 3), r"give \(samples, 3, 4, 5\): numpy\.moveaxis\(x, -1, 1\), since"),
        ((2, 20, 3), r"give \(samples, 3, 4, 5\)$"),
        ((2, 3, 4, 5, 1), r"give \(samples, 3, 4, 5\): x\.reshape\(-1, 3, 4, 5\)$"),
        ((3, 4, 5), r"give \(samples, 3, 4, 5\): x\[None\] if it is one sample$"),
    ],
)
def test_samples_of_another_shape_get_the_way_out_that_fits(
    shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        as_samples(IMAGES, np.zeros(shape, int))


@pytest.mark.parametrize(
    ("given", "shape"), [((2, 64, 3), (3, 1, 64)), ((2, 4, 5, 3), (3, 4, 5)), ((2, 7), (1, 7))]
)
def test_the_way_out_gives_the_shape(given: tuple[int, ...], shape: tuple[int, ...]) -> None:
    way = reshaping(given, shape).removeprefix(": ").partition(", since")[0]
    assert eval(way, {"x": np.zeros(given), "numpy": np}).shape == (2, *shape)


def test_booleans_are_spikes() -> None:
    assert as_samples(pixels(0, 1, 1.0), FOUR > 3).sum() == 4


def test_an_array_that_could_have_missing_values_but_has_none_is_read() -> None:
    assert np.array_equal(as_samples(GRAPH, np.ma.array(FOUR)), as_samples(GRAPH, FOUR))


@pytest.mark.parametrize(("low", "high"), [(0, 255), (-128, 127), (0, 254), (-127, 127), (0, 127)])
@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, ">i2"])
def test_values_are_checked_except_where_no_value_of_their_type_is_outside(
    low: int, high: int, dtype: Any
) -> None:
    nodes = Node("in", Input((1,), low, high, 1.0)), Node("out", Readout(np.ones(1)), ("in",))
    graph, limits = Graph("bytes", nodes, 1), np.iinfo(dtype)
    for value in (low - 1, low, high, high + 1):
        if limits.min <= value <= limits.max:
            samples = np.array([[low], [value]]).clip(limits.min, limits.max).astype(dtype)
            if low <= samples.min() and samples.max() <= high:
                assert as_samples(graph, samples).tolist() == samples[:, None].tolist()
            else:
                with pytest.raises(InputError, match=f"its range is {low}..{high}"):
                    as_samples(graph, samples)


RANGES = [
    *[(0, 1), (0, 9), (0, 127), (0, 128), (0, 255), (0, 256), (0, 2**16 - 1), (0, 2**16)],
    *[(0, 2**32), (0, 2**52), (-(2**52), 2**52), (-(2**15), 2**15 - 1), (-5, 2**31), (-1, 1)],
    *[(-9, 0), (-128, 127), (-129, 127), (-128, 255), (3, 9), (1, 255), (-9, -3)],
]
INTEGERS = [f"{order}{kind}{size}" for order in "<>" for kind in "iu" for size in (1, 2, 4, 8)]


@pytest.mark.parametrize(("low", "high"), RANGES)
def test_one_number_outside_is_refused_whatever_its_type_and_memory(low: int, high: int) -> None:
    """A check that is kept and one of its own for each array agree with the definition."""
    graph = replace(pixels(low, high, 1.0), steps=2)
    kept = InputCheck(graph)
    for dtype in map(np.dtype, INTEGERS):
        ends = np.iinfo(dtype)
        inside = min(max(low, int(ends.min)), high)
        near = {low - 1, low, 0, high, high + 1, int(ends.min), int(ends.max)}
        if not ends.min <= inside <= ends.max:
            continue
        for value in [each for each in near if ends.min <= each <= ends.max]:
            for samples in in_any_memory(inside, value, dtype):
                for check in (kept, partial(as_samples, graph)):
                    if low <= value <= high:
                        found = check(samples)
                        assert found.dtype == dtype
                        shown = samples if samples.ndim == 3 else np.stack([samples] * 2, axis=1)
                        assert np.array_equal(found, shown)
                    else:
                        with pytest.raises(InputError, match=f"its range is {low}..{high} "):
                            check(samples)


def in_any_memory(inside: int, value: int, dtype: np.dtype[Any]) -> Iterator[NDArray[Any]]:
    """Yield few and many samples, constant and changing, one of whose numbers is the value."""
    for shape in ((3, 4), (3, 2, 4), (5000, 4)):
        samples = np.full(shape, inside, dtype)
        samples[1, ..., 2] = value
        yield samples
    for shape in ((3, 4), (3, 2, 4)):
        samples = np.full(shape, inside, dtype)
        samples[-1, ..., 1] = value
        yield np.flip(np.flip(samples).copy())
        yield np.asfortranarray(samples)
        unaligned = np.empty(samples.nbytes + 1, np.uint8)[1:].view(dtype).reshape(shape)
        unaligned[...] = samples
        yield unaligned
        yield np.broadcast_to(samples[-1:], shape)
    yield np.broadcast_to(samples[:, :1], shape)  # the same memory at every step


def test_a_check_that_is_kept_knows_no_types_that_it_refused() -> None:
    check = InputCheck(GRAPH)
    for _ in range(2):
        for samples in (FOUR / 2, FOUR > 3, FOUR.astype(complex), FOUR.astype(object)):
            with pytest.raises(InputError, match="has dtype"):
                check(samples)
        with pytest.raises(InputError, match="is masked"):
            check(np.ma.array(FOUR, mask=FOUR == 3))
        with pytest.raises(InputError, match="has no samples"):
            check(FOUR[:0])
        assert np.array_equal(check(FOUR), as_samples(GRAPH, FOUR))


def test_samples_shown_at_every_step_cannot_be_written_through() -> None:
    found = as_samples(GRAPH, FOUR)
    assert np.shares_memory(found, FOUR)
    assert not found.flags.writeable
    assert FOUR.flags.writeable
