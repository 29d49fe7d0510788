"""Folding changes no answer, and says by what it leaves where it does not hold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from edgespike.floats.fold import folded
from edgespike.floats.net import (
    FloatAdd,
    FloatAffine,
    FloatConv2d,
    FloatDense,
    FloatInput,
    FloatNet,
    FloatNode,
    FloatOp,
    FloatPool2d,
    FloatReadout,
    FloatRelu,
    FloatReshape,
    Pooling,
    Reals,
)
from edgespike.floats.run import answers

RNG = np.random.default_rng(5)
SHAPE = (4, 6, 6)


def reals(*shape: int) -> Reals:
    return RNG.normal(size=shape)


def affine(channels: int = 4, *, offset: bool = True, positive: bool = False) -> FloatAffine:
    scale = reals(channels)
    return FloatAffine(abs(scale) if positive else scale, reals(channels) * offset)


def conv(padding: int = 0, groups: int = 1) -> FloatConv2d:
    sides = (padding, padding, padding, padding)
    return FloatConv2d(reals(4, 4 // groups, 3, 3), reals(4), padding=sides, groups=groups)


def pool(kind: Pooling, padding: int = 0) -> FloatPool2d:
    return FloatPool2d(kind, (2, 2), (2, 2), (padding, padding, padding, padding))


def net(ops: Sequence[FloatOp]) -> FloatNet:
    """A chain of operations, flattened into three classes."""
    nodes = [FloatNode("input", FloatInput(SHAPE))]
    for number, op in enumerate(ops):
        nodes.append(FloatNode(f"n{number}", op, (nodes[-1].name,)))
    shape = np.shape(answers(FloatNet((*nodes, end(nodes))), np.zeros((1, *SHAPE))))[1:]
    size = int(np.prod(shape))
    nodes.append(FloatNode("flat", FloatReshape((size,)), (nodes[-1].name,)))
    nodes.append(FloatNode("dense", FloatDense(reals(3, size), reals(3)), ("flat",)))
    return FloatNet((*nodes, end(nodes)))


def end(nodes: Sequence[FloatNode]) -> FloatNode:
    return FloatNode("readout", FloatReadout(), (nodes[-1].name,))


def left(before: FloatNet) -> int:
    """How many affine nodes remain, after checking that the answers do."""
    after = folded(before)
    x = reals(5, *SHAPE)
    np.testing.assert_allclose(answers(after, x), answers(before, x), rtol=1e-12, atol=1e-12)
    return sum(1 for _ in after.of_type(FloatAffine))


@pytest.mark.parametrize(
    "ops",
    [
        [conv(), affine()],
        [conv(1), affine(), FloatRelu()],
        [conv(groups=2), affine(), affine()],
        [conv(), pool(Pooling.AVERAGE), affine()],
        [conv(), pool(Pooling.MAX, 1), affine(positive=True), FloatRelu()],
        [conv(), pool(Pooling.SUM), affine(offset=False)],
        [conv(), pool(Pooling.AVERAGE, 1), affine(offset=False)],
        [affine(), conv()],
        [affine(), conv(groups=2), FloatRelu()],
        [affine(), conv(groups=4), FloatRelu()],
        [affine(offset=False), conv(1), FloatRelu()],
        [affine(), pool(Pooling.AVERAGE), conv()],
        [FloatRelu(), affine()],
        [FloatRelu(), affine(), FloatReshape((12, 3, 4))],
        [FloatRelu(), FloatReshape((144,)), affine(144)],
        [affine(), affine()],
    ],
)
def test_a_factor_beside_a_layer_is_folded(ops: list[FloatOp]) -> None:
    assert left(net(ops)) == 0


@pytest.mark.parametrize(
    "ops",
    [
        [affine(), conv(1)],
        [affine(), FloatRelu()],
        [FloatRelu(), affine(), pool(Pooling.MAX)],
        [conv(), pool(Pooling.MAX), FloatAffine(-np.ones(4), np.zeros(4)), FloatRelu()],
        [conv(), FloatRelu(), pool(Pooling.AVERAGE, 1), affine(), FloatRelu()],
        [affine(), pool(Pooling.SUM), conv()],
        [FloatRelu(), affine(), FloatReshape((2, 12, 6)), pool(Pooling.AVERAGE)],
    ],
)
def test_what_does_not_commute_stays(ops: list[FloatOp]) -> None:
    assert left(net(ops)) == 1


def test_a_layer_whose_sums_go_elsewhere_too_keeps_its_weights() -> None:
    start = [FloatNode("input", FloatInput(SHAPE)), FloatNode("conv", conv(1), ("input",))]
    both = [
        *start,
        FloatNode("affine", affine(), ("conv",)),
        FloatNode("add", FloatAdd(), ("conv", "affine")),
        FloatNode("flat", FloatReshape((144,)), ("add",)),
    ]
    assert left(FloatNet((*both, end(both)))) == 1


@pytest.mark.parametrize(
    ("other", "expected"),
    [(conv(), 0), (FloatPool2d(Pooling.MAX, (3, 3), (1, 1)), 1)],
    ids=["layer", "pool"],
)
def test_a_factor_goes_into_all_layers_behind_it_or_into_none(
    other: FloatOp, expected: int
) -> None:
    nodes = [
        FloatNode("input", FloatInput(SHAPE)),
        FloatNode("affine", affine(), ("input",)),
        FloatNode("conv", conv(), ("affine",)),
        FloatNode("other", other, ("affine",)),
        FloatNode("add", FloatAdd(), ("conv", "other")),
        FloatNode("flat", FloatReshape((64,)), ("add",)),
    ]
    assert left(FloatNet((*nodes, end(nodes)))) == expected
