"""Factors and offsets beside a weighted layer, against running both."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edgespike.floats.net import FloatAffine, FloatConv2d, FloatDense, FloatPool2d, Pooling, Reals
from edgespike.floats.run import evaluate
from edgespike.floats.weighted import Weighted, after_affine, sums_of_constants, then_affine

RNG = np.random.default_rng(3)


def dense(padding: int) -> Weighted:
    return FloatDense(RNG.normal(size=(6, 4)), RNG.normal(size=6))


def grouped(padding: int) -> Weighted:
    weight = RNG.normal(size=(6, 2, 3, 3))
    return FloatConv2d(weight, RNG.normal(size=6), padding=(padding,) * 4, groups=2)


LAYERS = pytest.mark.parametrize("make", [dense, grouped])


def values(op: Weighted, channels: int = 4) -> Reals:
    return RNG.normal(size=(3, channels, 5, 5) if isinstance(op, FloatConv2d) else (3, channels))


def affine(channels: int) -> FloatAffine:
    return FloatAffine(RNG.normal(size=channels), RNG.normal(size=channels))


@LAYERS
def test_an_affine_map_behind_a_layer(make: Callable[[int], Weighted]) -> None:
    op, behind = make(1), affine(6)
    x = values(op)
    found = evaluate(then_affine(op, behind.scale, behind.offset), x)
    np.testing.assert_allclose(found, evaluate(behind, evaluate(op, x)), rtol=0, atol=1e-12)


@LAYERS
def test_an_affine_map_before_a_layer(make: Callable[[int], Weighted]) -> None:
    op, before = make(0), affine(4)
    x = values(op)
    found = evaluate(after_affine(op, before.scale, before.offset), x)
    np.testing.assert_allclose(found, evaluate(op, evaluate(before, x)), rtol=0, atol=1e-12)


@LAYERS
def test_a_factor_before_a_padded_layer(make: Callable[[int], Weighted]) -> None:
    op, scale = make(1), RNG.normal(size=4)
    x = values(op)
    expected = evaluate(op, evaluate(FloatAffine(scale, np.zeros(4)), x))
    found = evaluate(after_affine(op, scale, np.zeros(4)), x)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_an_affine_map_of_images_that_are_flattened_before_a_layer() -> None:
    op, before = FloatDense(RNG.normal(size=(6, 8)), RNG.normal(size=6)), affine(2)
    x = RNG.normal(size=(3, 2, 2, 2))
    expected = evaluate(op, evaluate(before, x).reshape(3, 8))
    found = evaluate(after_affine(op, before.scale, before.offset), x.reshape(3, 8))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@LAYERS
def test_sums_of_constants(make: Callable[[int], Weighted]) -> None:
    op, each = make(0), RNG.normal(size=4)
    x = evaluate(FloatAffine(np.zeros(4), each), values(op))
    found = evaluate(op, x) - evaluate(op, 0 * x)
    found = found.reshape(3, 6, -1)
    expected = np.broadcast_to(sums_of_constants(op, each)[:, None], found.shape)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("op", [grouped(2), FloatPool2d(Pooling.SUM, (2, 2), (2, 2), (1, 2, 3, 4))])
def test_sides_are_the_padding(op: FloatConv2d | FloatPool2d) -> None:
    (top, bottom), (left, right) = op.sides
    assert (top, bottom, left, right) == op.padding
