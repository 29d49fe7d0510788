"""What a net of stored numbers computes, beside sums that are written out number by number."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from edgespike.errors import InputError
from edgespike.graph.tensor import Integers
from edgespike.int8.net import (
    Int8AveragePool,
    Int8Concatenate,
    Int8Conv2d,
    Int8Dense,
    Int8Input,
    Int8MaxPool,
    Int8Net,
    Int8Node,
    Int8Op,
    Int8Pad,
    Int8Readout,
    Int8Reshape,
    Stored,
)
from edgespike.int8.run import run_int8

RNG = np.random.default_rng(9)
STORED = Stored(0.5, -3)
SHAPE = (4, 6, 5)
X = RNG.integers(-128, 128, (3, *SHAPE))


def computed(*ops: Int8Op, samples: Integers = X) -> Integers:
    """Return the numbers of the last of some operations that follow each other."""
    nodes = [Int8Node("n", Int8Input(samples.shape[1:]), STORED)]
    for op in (*ops, Int8Readout()):
        nodes.append(Int8Node(f"{nodes[-1].name}n", op, STORED, (nodes[-1].name,)))
    return run_int8(Int8Net(tuple(nodes)), samples)[nodes[-1].name]


def windows(
    shape: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, int],
    padding: tuple[int, int, int, int],
    dilation: tuple[int, int],
) -> Iterator[tuple[int, int, list[tuple[int, int, int, int]]]]:
    """Yield each window: its row and column, and the places of kernel and image inside."""
    (high, wide), (top, bottom, left, right) = shape[1:], padding
    for row in range(0, high + top + bottom - dilation[0] * (kernel[0] - 1), stride[0]):
        for column in range(0, wide + left + right - dilation[1] * (kernel[1] - 1), stride[1]):
            places = [
                (i, j, row - top + i * dilation[0], column - left + j * dilation[1])
                for i in range(kernel[0])
                for j in range(kernel[1])
            ]
            inside = [each for each in places if 0 <= each[2] < high and 0 <= each[3] < wide]
            yield row // stride[0], column // stride[1], inside


GEOMETRIES = [
    ((1, 1), (0, 0, 0, 0), (1, 1)),
    ((2, 1), (1, 2, 0, 1), (1, 1)),
    ((1, 2), (2, 0, 2, 1), (2, 1)),
    ((3, 2), (1, 1, 1, 1), (1, 2)),
]


@pytest.mark.parametrize(("stride", "padding", "dilation"), GEOMETRIES)
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_convolutions(
    stride: tuple[int, int],
    padding: tuple[int, int, int, int],
    dilation: tuple[int, int],
    groups: int,
) -> None:
    weight, bias = RNG.integers(-9, 10, (8, 4 // groups, 3, 2)), RNG.integers(-9, 10, 8)
    op = Int8Conv2d(weight, bias, lambda sums: 2 * sums, stride, padding, dilation, groups)
    found = computed(op)
    count = 0
    for row, column, inside in windows(SHAPE, (3, 2), stride, padding, dilation):
        for output in range(8):
            first = output * groups // 8 * (4 // groups)
            sums = bias[output] + sum(
                weight[output, channel, i, j] * (X[:, first + channel, y, x] + 3)
                for channel in range(4 // groups)
                for i, j, y, x in inside
            )
            assert (found[:, output, row, column] == 2 * sums).all()
            count += 3
    assert count == found.size


@pytest.mark.parametrize(("stride", "padding", "_"), GEOMETRIES[:2])
def test_pools(stride: tuple[int, int], padding: tuple[int, int, int, int], _: object) -> None:
    kernel, places = (3, 2), (1, 1)
    largest = computed(Int8MaxPool(kernel, stride, padding))
    means = computed(Int8AveragePool(kernel, stride, lambda sums, n: 10 * sums + n, padding))
    count = 0
    for row, column, inside in windows(SHAPE, kernel, stride, padding, places):
        seen = np.stack([X[:, :, y, x] for _, _, y, x in inside])
        assert (largest[:, :, row, column] == seen.max(axis=0)).all()
        assert (means[:, :, row, column] == 10 * seen.sum(axis=0) + len(inside)).all()
        count += 3 * 4
    assert count == largest.size == means.size


def test_dense_layers_take_zero_points_off() -> None:
    weight, bias = RNG.integers(-9, 10, (2, 120)), np.array([5, -6])
    found = computed(Int8Reshape((120,)), Int8Dense(weight, bias, lambda sums: -sums))
    flat = X.reshape(3, 120)
    wanted = [[-sum(w * (x + 3)) - b for w, b in zip(weight, bias, strict=True)] for x in flat]
    assert found.tolist() == wanted


def test_pads_are_zero_points() -> None:
    found = computed(Int8Pad((1, 0, 2, 1)))
    assert found.shape == (3, 4, 7, 8)
    assert (found[:, :, 1:, 2:7] == X).all()
    assert (found[:, :, 0] == -3).all()
    assert (found[..., [0, 1, 7]] == -3).all()


def test_channels_are_put_one_after_the_other() -> None:
    nodes = (
        Int8Node("a", Int8Input(SHAPE), STORED),
        Int8Node("b", Int8Concatenate(), STORED, ("a", "a")),
        Int8Node("c", Int8Readout(), STORED, ("b",)),
    )
    values = run_int8(Int8Net(nodes), X)
    assert np.array_equal(values["b"], np.concatenate([X, X], axis=1))
    assert set(values) == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (X[0], r"samples are int64 of shape \(4, 6, 5\); give whole numbers \(samples, 4, 6, 5\)"),
        (X + 0.5, "samples are float64"),
        (X + 1000, r"samples are .*; give stored numbers, -128..127"),
    ],
)
def test_samples_that_do_not_fit_are_refused(samples: Integers, said: str) -> None:
    nodes = (
        Int8Node("a", Int8Input(SHAPE), STORED),
        Int8Node("b", Int8Readout(), STORED, ("a",)),
    )
    with pytest.raises(InputError, match=said):
        run_int8(Int8Net(nodes), samples)
