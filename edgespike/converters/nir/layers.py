"""NIR's nodes as operations in real numbers, and the shapes of their values.

Shapes are NIR's, without a batch. A value of shape (channels, length) is carried as
(channels, 1, length); the order of its elements is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np

from edgespike.converters.nir.dialect import Dialect
from edgespike.converters.nir.neurons import neurons_of, spread, threshold_of
from edgespike.converters.nir.schema import IDENTITY, NEURONS, NirNode
from edgespike.errors import shown
from edgespike.floats.net import (
    FloatAffine,
    FloatConv2d,
    FloatDelay,
    FloatDense,
    FloatOp,
    FloatPool2d,
    FloatReshape,
    Pooling,
)

Shape = tuple[int, ...]

DELAY_LIMIT = 1000
"""Most steps of a delay; each is a node of the net."""


@dataclass(frozen=True, eq=False)
class Part:
    """What a node becomes: operations one after the other, and the shape of their value."""

    ops: tuple[FloatOp, ...]
    shape: Shape


class _FaultError(Exception):
    """What is wrong with a node, without its name."""


def carried(shape: Shape) -> Shape:
    """Return the shape as which a value of a NIR shape is carried."""
    if len(shape) == 2:
        return (shape[0], 1, shape[1])
    return shape or (1,)


def part_of(node: NirNode, shape: Shape, dialect: Dialect, faults: list[str]) -> Part | None:
    """Return what a node becomes that gets values of a shape; note what is wrong."""
    try:
        if node.kind in NEURONS or node.kind == "Threshold":
            neurons = (
                threshold_of(node, carried(shape), faults)
                if node.kind == "Threshold"
                else neurons_of(node, carried(shape), dialect, faults)
            )
            return None if neurons is None else Part((neurons,), shape)
        if node.kind == "Delay":
            return _delay(node, shape, dialect)
        return _LAYERS[node.kind](node, shape)
    except _FaultError as fault:
        faults.append(f"{node.path} ({node.kind}) {fault}")
        return None


def _dense(node: NirNode, shape: Shape) -> Part:
    weight = node.arrays["weight"]
    if weight.ndim != 2:
        raise _FaultError(f"has weights of shape {weight.shape}; they must be (outputs, inputs)")
    outputs, inputs = weight.shape
    bias = _bias(node, outputs)
    ops: list[FloatOp] = [FloatDense(weight, bias)]
    if prod(shape) != inputs or (shape and max(shape) != inputs):
        raise _FaultError(
            f"has {inputs} inputs and gets values of shape {shape}; put a Flatten before it, or "
            "make the shapes fit"
        )
    if len(carried(shape)) != 1:
        ops.insert(0, FloatReshape((inputs,)))
    return Part(tuple(ops), (outputs,))


def _bias(node: NirNode, outputs: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    bias = node.arrays.get("bias", np.zeros(outputs))
    if bias.size != outputs:
        raise _FaultError(f"has a bias of shape {bias.shape} for {outputs} outputs")
    return bias.reshape(outputs)


def _conv(node: NirNode, shape: Shape) -> Part:
    axes = 1 if node.kind == "Conv1d" else 2
    weight = node.arrays["weight"]
    if weight.ndim != 2 + axes:
        raise _FaultError(f"has weights of {weight.ndim} axes; it must have {2 + axes}")
    if len(shape) != 1 + axes:
        raise _FaultError(f"gets values of shape {shape}; they must have {1 + axes} axes")
    stride, dilation = _sizes(node, "stride", axes, 1), _sizes(node, "dilation", axes, 1)
    groups = _sizes(node, "groups", 1, 1)[0]
    kernel = weight.shape[2:]
    if weight.shape[1] * groups != shape[0] or weight.shape[0] % groups:
        raise _FaultError(
            f"has weights of shape {weight.shape} in {groups} groups and gets {shape[0]} channels"
        )
    pads = _padding(node, kernel, stride, dilation)
    sizes = tuple(
        (size + sum(pad) - d * (k - 1) - 1) // s + 1
        for size, pad, k, s, d in zip(shape[1:], pads, kernel, stride, dilation, strict=True)
    )
    if min(sizes) < 1:
        raise _FaultError(f"has a kernel that does not fit into values of shape {shape}")
    if axes == 1:
        weight = weight[:, :, None]
        stride, dilation, pads = (1, *stride), (1, *dilation), ((0, 0), *pads)
    (top, bottom), (left, right) = pads
    op = FloatConv2d(
        weight,
        _bias(node, len(weight)),
        (stride[0], stride[1]),
        (top, bottom, left, right),
        (dilation[0], dilation[1]),
        groups,
    )
    return Part((op,), (len(weight), *sizes))


def _padding(
    node: NirNode, kernel: Shape, stride: Shape, dilation: Shape
) -> tuple[tuple[int, int], ...]:
    """Return padding before and after, for each axis; 'same' pads more after, as torch does."""
    word = node.texts.get("padding")
    if word == "valid":
        return tuple((0, 0) for _ in kernel)
    if word == "same":
        if set(stride) != {1}:
            raise _FaultError(f"has padding 'same' with stride {stride}; give numbers instead")
        totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return tuple((total // 2, total - total // 2) for total in totals)
    if word is not None:
        raise _FaultError(f"has padding {shown(word)}; it must be numbers, 'same' or 'valid'")
    return tuple((size, size) for size in _sizes(node, "padding", len(kernel), 0))


def _pool(node: NirNode, shape: Shape) -> Part:
    if len(shape) != 3:
        raise _FaultError(f"gets values of shape {shape}; they must be (channels, height, width)")
    kernel = _sizes(node, "kernel_size", 2, 1)
    stride, padding = _sizes(node, "stride", 2, 1), _sizes(node, "padding", 2, 0)
    sizes = tuple(
        (size + 2 * pad - k) // s + 1
        for size, pad, k, s in zip(shape[1:], padding, kernel, stride, strict=True)
    )
    if min(sizes) < 1 or any(2 * pad > k for pad, k in zip(padding, kernel, strict=True)):
        raise _FaultError(
            f"has kernel {kernel} and padding {padding}, which do not fit values of shape {shape}"
        )
    pooling = Pooling.SUM if node.kind == "SumPool2d" else Pooling.AVERAGE
    down, right = padding
    op = FloatPool2d(
        pooling, (kernel[0], kernel[1]), (stride[0], stride[1]), (down, down, right, right)
    )
    return Part((op,), (shape[0], *sizes))


def _flatten(node: NirNode, shape: Shape) -> Part:
    axes = len(shape)
    ends = [_sizes(node, name, 1, low, least=-axes)[0]
            for name, low in (("start_dim", 0), ("end_dim", -1))]  # fmt: skip
    start, end = (place + axes if place < 0 else place for place in ends)
    if not 0 <= start <= end < max(axes, 1):
        raise _FaultError(
            f"joins axes {ends[0]} to {ends[1]} of values of shape {shape}; axes do not count a "
            "batch"
        )
    joined = (*shape[:start], prod(shape[start : end + 1]), *shape[end + 1 :])
    if carried(joined) == carried(shape):
        return Part((), joined)
    return Part((FloatReshape(carried(joined)),), joined)


def _scale(node: NirNode, shape: Shape) -> Part:
    values = spread(node.arrays["scale"], carried(shape))
    if values is None:
        raise _FaultError(f"has scales of shape {node.arrays['scale'].shape} and gets {shape}")
    flat = values.reshape(len(values), -1)
    if not (flat == flat[:, :1]).all():
        raise _FaultError(
            "scales the elements of a channel differently; put it into the weights of the layer "
            "before or after it"
        )
    return Part((FloatAffine(flat[:, 0].copy(), np.zeros(len(flat))),), shape)


def _delay(node: NirNode, shape: Shape, dialect: Dialect) -> Part:
    delays = np.unique(node.arrays["delay"])
    if delays.size != 1:
        raise _FaultError(f"delays its elements by {delays.size} different times; split it")
    steps = float(delays[0]) / dialect.dt
    if not 0 <= steps <= DELAY_LIMIT or abs(steps - round(steps)) > 1e-6 * max(steps, 1):
        raise _FaultError(
            f"delays by {delays[0]:g} s, which is {steps:g} steps of {dialect.dt:g} s; give a dt "
            f"that makes it a whole number of at most {DELAY_LIMIT}"
        )
    return Part((FloatDelay(carried(shape)),) * round(steps), shape)


def delays(node: NirNode, dialect: Dialect) -> bool:
    """Return whether a node is a delay of at least one step, which may close a loop."""
    return node.kind == "Delay" and float(node.arrays["delay"].max()) >= dialect.dt / 2


def _sizes(node: NirNode, name: str, count: int, default: int, least: int | None = None) -> Shape:
    """Return whole numbers of a field, one for each axis."""
    values = node.arrays.get(name, np.array(default, np.float64)).ravel()
    lowest = default if least is None else least
    if values.size not in (1, count) or (values != np.round(values)).any():
        raise _FaultError(f"has {name} {shown(values.tolist())}; it must be {count} whole numbers")
    if values.min() < lowest or values.max() >= 2**31:
        raise _FaultError(f"has {name} {shown(values.tolist())}; it must be at least {lowest}")
    return tuple(int(value) for value in np.broadcast_to(values, count))


_LAYERS: dict[str, Callable[[NirNode, Shape], Part]] = {
    "Affine": _dense,
    "Linear": _dense,
    "Conv1d": _conv,
    "Conv2d": _conv,
    "SumPool2d": _pool,
    "AvgPool2d": _pool,
    "Flatten": _flatten,
    "Scale": _scale,
    "Output": lambda node, shape: Part((), shape),
    IDENTITY: lambda node, shape: Part((), shape),
}
