"""Small ReLU nets in real numbers, one for each way in which layers can be connected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.floats.net import (
    FloatAdd,
    FloatAffine,
    FloatConcatenate,
    FloatConv2d,
    FloatDelay,
    FloatDense,
    FloatInput,
    FloatNet,
    FloatNode,
    FloatOp,
    FloatPool2d,
    FloatReadout,
    FloatRelu,
    FloatReshape,
    FloatTanh,
    Pooling,
    Reals,
)
from edgespike.graph import ReadoutMode

SHAPE = (2, 8, 8)
HALF = ((2, 2), (2, 2))


class Nodes:
    """A net of float nodes under construction; each call adds one behind the last."""

    def __init__(self, shape: tuple[int, ...] = SHAPE, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes = [FloatNode("input", FloatInput(shape), path="the input")]

    @property
    def last(self) -> str:
        return self.nodes[-1].name

    def __call__(self, op: FloatOp, *sources: str) -> str:
        name = f"{type(op).__name__.removeprefix('Float').lower()}{len(self.nodes)}"
        self.nodes.append(FloatNode(name, op, sources or (self.last,), f"net.{name}"))
        return name

    def conv(self, before: int, after: int, *sources: str, kernel: int = 3, groups: int = 1) -> str:
        shape = (after, before // groups, kernel, kernel)
        weight = self.rng.normal(size=shape) * np.sqrt(2 / np.prod(shape[1:]))
        op = FloatConv2d(weight, self.rng.normal(size=after) / 8, groups=groups)
        padding = (kernel // 2,) * 4
        return self(FloatConv2d(op.weight, op.bias, padding=padding, groups=groups), *sources)

    def dense(self, before: int, after: int, *sources: str) -> str:
        weight = self.rng.normal(size=(after, before)) * np.sqrt(2 / before)
        return self(FloatDense(weight, self.rng.normal(size=after) / 8), *sources)

    def affine(self, channels: int, *sources: str, sign: bool = False) -> str:
        scale = self.rng.uniform(0.5, 2, channels)
        if sign:
            scale[::2] *= -1
        return self(FloatAffine(scale, self.rng.normal(size=channels) / 4), *sources)

    def relu(self, *sources: str) -> str:
        return self(FloatRelu(), *sources)

    def pool(self, pooling: Pooling = Pooling.MAX, *sources: str) -> str:
        return self(FloatPool2d(pooling, *HALF), *sources)

    def recurrent(self, before: int, after: int, op: FloatOp, *sources: str) -> str:
        """Add a layer whose values go into its sums of the next step."""
        driven = self.dense(before, after, *sources)
        name = f"state{len(self.nodes)}"
        kept = self(FloatDelay((after,)), name)
        weight = self.rng.normal(size=(after, after)) * 0.7 / np.sqrt(after)
        self(FloatAdd(), driven, self(FloatDense(weight, np.zeros(after)), kept))
        self.nodes.append(FloatNode(name, op, (self.last,), f"net.{name}"))
        return name

    def finish(
        self, channels: int, size: int, steps: int = 1, mode: ReadoutMode = ReadoutMode.SUM
    ) -> FloatNet:
        """Flatten (channels, size, size), and end in 5 classes."""
        self(FloatReshape((channels * size * size,)))
        self.dense(channels * size * size, 5)
        self(FloatReadout(mode))
        return FloatNet(tuple(self.nodes), steps)


def plain() -> FloatNet:
    net = Nodes()
    net.conv(2, 6), net.affine(6, sign=True), net.relu(), net.pool()
    net.conv(6, 8), net.affine(8), net.relu()
    return net.finish(8, 4)


def pool_first() -> FloatNet:
    """Pools and affine maps stand before the activation, as some write it."""
    net = Nodes()
    net.conv(2, 6), net.pool(), net.affine(6), net.relu()
    net.conv(6, 8), net.affine(8), net.pool(), net.relu()
    return net.finish(8, 2)


def flipped_pool() -> FloatNet:
    """A normalisation with negative factors follows the pool, so the two cannot be swapped."""
    net = Nodes()
    net.conv(2, 6), net.pool(), net.affine(6, sign=True), net.relu()
    return net.finish(6, 4)


def identity_block() -> FloatNet:
    net = Nodes()
    net.conv(2, 6)
    start = net.relu()
    net.conv(6, 6), net.affine(6), net.relu(), net.conv(6, 6)
    net(FloatAdd(), net.affine(6), start), net.relu()
    return net.finish(6, 8)


def projection_block() -> FloatNet:
    net = Nodes()
    net.conv(2, 6)
    start = net.relu()
    net.conv(6, 8), net.relu(), net.conv(8, 8)
    end = net.affine(8)
    net.conv(6, 8, start, kernel=1)
    net(FloatAdd(), end, net.affine(8)), net.relu()
    return net.finish(8, 8)


def three_branches() -> FloatNet:
    """Two branches of a layer and two that pass events on are added."""
    net = Nodes()
    net.conv(2, 6)
    start = net.relu()
    net.conv(6, 6)
    other = net.relu()
    net(FloatAdd(), net.conv(6, 6, start), other, net.conv(6, 6, other, kernel=1), start)
    net.relu()
    return net.finish(6, 8)


def before_activation() -> FloatNet:
    """Blocks add to sums that never pass an activation themselves."""
    net = Nodes()
    stream = net.conv(2, 6)
    for _ in range(2):
        net.affine(6, stream), net.relu(), net.conv(6, 6), net.relu(), net.conv(6, 6)
        stream = net(FloatAdd(), net.last, stream)
    net.relu()
    return net.finish(6, 8)


def added_events() -> FloatNet:
    net = Nodes()
    net.conv(2, 6)
    start = net.relu()
    net.conv(6, 6)
    net(FloatAdd(), net.relu(), start)
    net.conv(6, 6)
    net.relu()
    return net.finish(6, 8)


def added_bounded() -> FloatNet:
    """Events are added of which one is bounded, far below the other's largest."""
    net = Nodes()
    net.conv(2, 6)
    start = net.relu()
    net.conv(6, 6)
    net(FloatAdd(), net(FloatRelu(0.25)), start)
    net.conv(6, 6)
    net.relu()
    return net.finish(6, 8)


def added_pools() -> FloatNet:
    """Events of different units are added: an average and a maximum."""
    net = Nodes()
    net.conv(2, 6)
    start = net.relu()
    net(FloatAdd(), net.pool(Pooling.AVERAGE, start), net.pool(Pooling.MAX, start))
    return net.finish(6, 4)


def concatenated() -> FloatNet:
    net = Nodes()
    net.conv(2, 4)
    start = net.relu()
    net.conv(4, 5)
    net(FloatConcatenate(), start, net.relu())
    net.conv(9, 8), net.relu()
    return net.finish(8, 8)


def concatenated_sums() -> FloatNet:
    net = Nodes()
    one = net.conv(2, 4)
    two = net.conv(2, 5, "input", kernel=1)
    net(FloatConcatenate(), one, two)
    net.affine(9), net.relu()
    return net.finish(9, 8)


def averaged() -> FloatNet:
    net = Nodes()
    net.conv(2, 6), net.relu(), net.pool(Pooling.AVERAGE)
    net.conv(6, 8), net.relu(), net.conv(8, 5, kernel=1)
    net(FloatPool2d(Pooling.AVERAGE, (4, 4), (4, 4)))
    net(FloatReshape((5,)))
    net(FloatReadout())
    return FloatNet(tuple(net.nodes))


def bounded() -> FloatNet:
    net = Nodes()
    net.conv(2, 6), net(FloatRelu(1.0)), net.conv(6, 6), net(FloatRelu(1.5))
    return net.finish(6, 8)


def separable() -> FloatNet:
    """Two weighted layers follow each other without an activation."""
    net = Nodes()
    net.conv(2, 6), net.relu(), net.conv(6, 6, groups=6), net.conv(6, 8, kernel=1), net.relu()
    return net.finish(8, 8)


def grouped() -> FloatNet:
    net = Nodes()
    net.conv(2, 6), net.relu(), net.conv(6, 8, groups=2), net.relu()
    return net.finish(8, 8)


def normalised_input() -> FloatNet:
    """Mean and deviation of the input are in the net, and the first layer pads."""
    net = Nodes()
    net(FloatAffine(np.array([2.0, 3.0]), np.array([-0.8, -1.7])))
    net.conv(2, 6), net.relu()
    return net.finish(6, 8)


def normalised_events() -> FloatNet:
    net = Nodes()
    net.conv(2, 6), net.relu(), net.affine(6), net.conv(6, 6, groups=2), net.relu(), net.affine(6)
    return net.finish(6, 8)


def dense_only() -> FloatNet:
    net = Nodes((20,))
    net.dense(20, 16), net.relu(), net.dense(16, 12), net.affine(12), net.relu()
    net.dense(12, 5)
    net(FloatReadout())
    return FloatNet(tuple(net.nodes))


def dense_block() -> FloatNet:
    net = Nodes((20,))
    net.dense(20, 16)
    start = net.relu()
    net.dense(16, 16)
    net(FloatAdd(), net.last, start), net.relu(), net.dense(16, 5)
    net(FloatReadout())
    return FloatNet(tuple(net.nodes))


def unfolded() -> FloatNet:
    """Features become an image."""
    net = Nodes((20,))
    net.dense(20, 32), net.relu(), net(FloatReshape((2, 4, 4))), net.conv(2, 6), net.relu()
    return net.finish(6, 4)


def ends_in_events() -> FloatNet:
    net = Nodes((20,))
    net.dense(20, 16), net.relu(), net.dense(16, 5), net.relu(), net(FloatReadout())
    return FloatNet(tuple(net.nodes))


def stepped() -> FloatNet:
    net = Nodes((20,))
    net.dense(20, 16), net.relu(), net.dense(16, 5)
    net(FloatReadout(ReadoutMode.MAX))
    return FloatNet(tuple(net.nodes), steps=3)


def shifted_pools() -> FloatNet:
    """Affine maps stand between activations and pools, one of them with padding."""
    net = Nodes()
    net.conv(2, 6)
    start = net.relu()
    net.affine(6, sign=True), net.pool()
    end = net.conv(6, 6)
    net.affine(6, start, sign=True)
    net(FloatPool2d(Pooling.AVERAGE, (2, 2), (2, 2), (1, 1, 1, 1)))
    net(FloatPool2d(Pooling.SUM, (2, 2), (1, 1)))
    net(FloatAdd(), net.conv(6, 6), end), net.relu()
    return net.finish(6, 4)


def pooled_input() -> FloatNet:
    net = Nodes()
    net.pool(Pooling.AVERAGE), net.conv(2, 6), net(FloatRelu(6.0)), net.relu()
    return net.finish(6, 4)


def two_heads() -> FloatNet:
    net = Nodes((20,))
    start = net.dense(20, 16), net.relu()
    net.dense(16, 3)
    net(FloatConcatenate(), net.last, net.dense(16, 2, start[1]))
    net(FloatReadout())
    return FloatNet(tuple(net.nodes))


def squashed() -> FloatNet:
    """A tanh behind a pool, then the sigmoid that a tanh with affine maps beside it is."""
    net = Nodes()
    net.conv(2, 6), net.pool(), net(FloatTanh()), net.conv(6, 6)
    half = np.full(6, 0.5)
    net(FloatAffine(half, 0 * half)), net(FloatTanh()), net(FloatAffine(half, half))
    net.conv(6, 8), net(FloatTanh())
    return net.finish(8, 4)


def recurrent() -> FloatNet:
    net = Nodes((20,))
    net.recurrent(20, 16, FloatTanh()), net.dense(16, 5)
    net(FloatReadout(ReadoutMode.LAST))
    return FloatNet(tuple(net.nodes), steps=6)


def two_loops() -> FloatNet:
    """The second layer is of ReLUs, and the first one's state is used beside it."""
    net = Nodes((20,))
    first = net.recurrent(20, 16, FloatTanh())
    second = net.recurrent(16, 12, FloatRelu())
    net(FloatConcatenate(), first, second), net.dense(28, 5)
    net(FloatReadout(ReadoutMode.LAST))
    return FloatNet(tuple(net.nodes), steps=6)


def crossed_loops() -> FloatNet:
    """Two layers, each of which takes what both had at the step before."""
    net = Nodes((20,))
    one, two = (net(FloatDelay((8,)), name) for name in ("one", "two"))
    for name, op in (("one", FloatTanh()), ("two", FloatRelu())):
        net(FloatAdd(), *(net.dense(n, 8, x) for n, x in ((20, "input"), (8, one), (8, two))))
        scaled = net(FloatAffine(np.full(8, 0.4), np.zeros(8)))
        net.nodes.append(FloatNode(name, op, (scaled,), f"net.{name}"))
    net(FloatConcatenate(), "one", "two"), net.dense(16, 5)
    net(FloatReadout(ReadoutMode.LAST))
    return FloatNet(tuple(net.nodes), steps=6)


def step_before() -> FloatNet:
    """A delay without a loop: two steps of an activation side by side."""
    net = Nodes((20,))
    net.dense(20, 16)
    now = net(FloatTanh())
    net(FloatConcatenate(), now, net(FloatDelay((16,)), now)), net.dense(32, 8)
    net.relu(), net.dense(8, 5)
    net(FloatReadout())
    return FloatNet(tuple(net.nodes), steps=3)


def image_loop() -> FloatNet:
    """A convolution of the state, and a pool before and behind the activation that is kept."""
    net = Nodes()
    driven = net.conv(2, 4)
    kept = net(FloatDelay((4, 8, 8)), "state")
    net(FloatAdd(), driven, net.conv(4, 4, kept, kernel=1))
    net(FloatPool2d(Pooling.MAX, (3, 3), (1, 1), (1, 1, 1, 1)))
    net(FloatAffine(np.full(4, 0.5), np.zeros(4)))
    net.nodes.append(FloatNode("state", FloatTanh(), (net.last,), "net.state"))
    net.pool()
    return net.finish(4, 4, steps=4, mode=ReadoutMode.LAST)


def shared_sums() -> FloatNet:
    """Two sums are used twice each, and then added to each other."""
    net = Nodes()
    one, two = net.conv(2, 6), net.conv(2, 6, "input")
    net.relu(one), net.conv(6, 6)
    first = net.last
    net.relu(two), net.conv(6, 6)
    net(FloatAdd(), net.last, first, one, two), net.relu()
    return net.finish(6, 8)


NETS: dict[str, Callable[[], FloatNet]] = {
    make.__name__: make
    for make in (
        plain,
        pool_first,
        flipped_pool,
        identity_block,
        projection_block,
        three_branches,
        before_activation,
        added_events,
        added_bounded,
        added_pools,
        concatenated,
        concatenated_sums,
        averaged,
        bounded,
        separable,
        grouped,
        normalised_input,
        normalised_events,
        dense_only,
        dense_block,
        unfolded,
        ends_in_events,
        stepped,
        shifted_pools,
        pooled_input,
        two_heads,
        shared_sums,
        squashed,
        recurrent,
        two_loops,
        crossed_loops,
        step_before,
        image_loop,
    )
}


def samples(net: FloatNet, count: int = 96, seed: int = 1) -> NDArray[np.uint8]:
    """Return smooth random images, or features, of 0..255."""
    op = net.nodes[0].op
    assert isinstance(op, FloatInput)
    rng = np.random.default_rng(seed)
    if len(op.shape) == 1:
        return rng.integers(0, 256, (count, *op.shape), np.uint8)
    coarse: Any = rng.integers(0, 256, (count, op.shape[0], 2, 2))
    fine = coarse.repeat(op.shape[1] // 2, axis=2).repeat(op.shape[2] // 2, axis=3)
    noisy = fine + rng.integers(-20, 21, fine.shape)
    return np.asarray(np.clip(noisy, 0, 255), np.uint8)


def sequences(net: FloatNet, count: int = 64, seed: int = 1) -> NDArray[np.uint8]:
    """Return samples that differ from step to step, ``(samples, steps, *shape)``."""
    each = samples(net, count * net.steps, seed)
    return each.reshape(count, net.steps, *each.shape[1:])


def as_reals(x: NDArray[np.uint8]) -> Reals:
    return x / 255.0
