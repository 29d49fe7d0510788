"""Rounding of weights, beside slow and obvious forms of it."""

from __future__ import annotations

import numpy as np
import pytest

from edgespike.floats.net import FloatConv2d, FloatDense, Reals
from edgespike.quantise import rounding
from edgespike.quantise.layer_rounding import rounded_layer, windows
from edgespike.quantise.rounding import best_units, largest, nearest, rounded
from tests.quantise.losses import squared

RNG = np.random.default_rng(5)


@pytest.mark.parametrize("bits", range(2, 9))
def test_a_unit_loses_least_of_all_candidates(bits: int) -> None:
    most = largest(bits)
    weight = RNG.normal(size=(5, 40))
    for row, unit in zip(weight, best_units(weight, most), strict=True):
        reach = np.abs(row).max() / most
        losses = [squared(row, reach * f, -most, most) for f in rounding.SEARCH]
        assert squared(row, float(unit), -most, most) <= min(losses) * (1 + 1e-12)
    assert best_units(np.zeros((2, 3)), most).tolist() == [1, 1]
    whole = RNG.integers(-most, most + 1, (3, 50))
    whole[:, 0] = most
    assert np.array_equal(nearest(whole / best_units(whole / 8.0, most)[:, None] / 8, most), whole)


def one_by_one(weight: Reals, x: Reals, most: int) -> Reals:
    """Round as GPTQ's equations say, with the inverse updated by elimination at each input."""
    weight, moments = weight.copy(), x.T @ x
    diagonal = moments.diagonal().copy()
    inverse = np.linalg.inv(moments + rounding.DAMPING * diagonal.mean() * np.eye(len(moments)))
    for i in sorted(range(len(moments)), key=lambda i: -diagonal[i]):
        q = np.clip(np.floor(weight[:, i] + 0.5), -most, most)
        error = (weight[:, i] - q) / inverse[i, i]
        weight -= np.outer(error, inverse[i])
        weight[:, i] = q
        inverse -= np.outer(inverse[:, i], inverse[i]) / inverse[i, i]
        inverse[i, i] = 1  # done: its row and column are zero, and nothing changes it any more
        inverse[i, :i] = inverse[i, i + 1 :] = inverse[:i, i] = inverse[i + 1 :, i] = 0
    return weight


def correlated(rows: int, inputs: int) -> Reals:
    return np.abs(RNG.normal(size=(rows, 4)) @ RNG.normal(size=(4, inputs))) + RNG.random(
        (rows, inputs)
    )


def test_rounding_is_that_of_gptqs_equations() -> None:
    x = correlated(300, 150).astype(np.float32)
    weight = RNG.normal(size=(6, 150)) * 2
    found = rounded(weight, x, 7)
    assert np.abs(found).max() <= 7
    assert (found == one_by_one(weight, x.astype(np.float64), 7)).mean() > 0.995  # float ties
    error, plain = (((w - weight) @ x.T) ** 2 for w in (found, nearest(weight, 7)))
    assert error.mean() < 0.4 * plain.mean()


def test_rounding_of_wide_layers_goes_by_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    x = correlated(200, 50).astype(np.float32)
    weight = RNG.normal(size=(3, 50)) * 2
    monkeypatch.setattr(rounding, "MOST_INPUTS", 20)
    parts = [rounded(weight[:, a:b], x[:, a:b], 3) for a, b in ((0, 17), (17, 34), (34, 50))]
    assert np.array_equal(rounded(weight, x, 3), np.concatenate(parts, axis=1))


def test_rounding_keeps_whole_weights_zeros_and_silent_inputs() -> None:
    x = correlated(100, 30).astype(np.float32)
    whole = RNG.integers(-7, 8, (4, 30)).astype(np.float64)
    assert np.array_equal(rounded(whole, x, 7), whole)
    weight = RNG.normal(size=(4, 30)) * 2
    weight[:, ::3] = 0  # pruned
    assert not rounded(weight, x, 7)[:, ::3].any()
    x[:, 5] = 0
    assert np.array_equal(rounded(weight, x, 7)[:, 5], nearest(weight[:, 5], 7))
    assert np.array_equal(rounded(weight, 0 * x, 7), nearest(weight, 7))
    assert np.array_equal(rounded(weight, x[:0], 7), nearest(weight, 7))


@pytest.mark.parametrize("groups", [1, 2])
def test_windows_of_a_convolution_by_a_loop(groups: int) -> None:
    weight = RNG.normal(size=(4, 4 // groups, 2, 3))
    op = FloatConv2d(weight, np.zeros(4), (1, 2), (1, 0, 2, 1), (2, 1), groups)
    x = RNG.integers(0, 9, (3, 4, 5, 6))
    padded = np.pad(x, ((0, 0), (0, 0), (1, 0), (2, 1)))
    each = 4 // groups
    for group, rows in enumerate(windows(op, x)):
        expected = [
            padded[n, group * each : (group + 1) * each, i : i + 3 : 2, j : j + 3].ravel()
            for n in range(3)
            for i in range(padded.shape[2] - 2)
            for j in range(0, padded.shape[3] - 2, 2)
        ]
        assert np.array_equal(rows, expected)


def test_a_layer_is_rounded_group_by_group() -> None:
    weight = RNG.normal(size=(4, 2, 3, 3)) * 3
    op = FloatConv2d(weight, np.zeros(4), groups=2)
    x = RNG.integers(0, 9, (5, 4, 6, 6))
    found = rounded_layer(op, weight, x, 7)
    for group, rows in enumerate(windows(op, x)):
        part = slice(2 * group, 2 * group + 2)
        assert np.array_equal(
            found[part].reshape(2, -1), rounded(weight[part].reshape(2, -1), rows, 7)
        )
    dense, flat = RNG.normal(size=(3, 36)), RNG.integers(0, 9, (50, 36))
    expected = rounded(dense, flat.astype(np.float32), 7)
    assert np.array_equal(rounded_layer(FloatDense(dense, np.zeros(3)), dense, flat, 7), expected)
