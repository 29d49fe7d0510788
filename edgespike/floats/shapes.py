"""The shapes of a net in real numbers, and whether its parts fit together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from math import prod

import numpy as np

from edgespike.errors import shown
from edgespike.floats.net import (
    FloatAdd,
    FloatAffine,
    FloatConcatenate,
    FloatConv2d,
    FloatDelay,
    FloatDense,
    FloatInput,
    FloatNet,
    FloatNeurons,
    FloatNode,
    FloatOp,
    FloatPool2d,
    FloatReshape,
)
from edgespike.graph.ops.windows import window_counts

Shape = tuple[int, ...]


def shape_after(op: FloatOp, shapes: Sequence[Shape]) -> Shape:
    """Return the shape of an operation's value; its inputs must fit it, see `faults_of`."""
    match op:
        case FloatInput(shape) | FloatReshape(shape) | FloatDelay(shape):
            return shape
        case FloatDense(weight):
            return weight.shape[:1]
        case FloatConv2d(weight):
            kernel = weight.shape[2:]
            size = window_counts(shapes[0], kernel, op.stride, op.sides, op.dilation)
            return (len(weight), *size)
        case FloatPool2d():
            return (shapes[0][0], *window_counts(shapes[0], op.kernel, op.stride, op.sides))
        case FloatConcatenate():
            return (sum(shape[0] for shape in shapes), *shapes[0][1:])
        case _:
            return shapes[0]


def shapes_of(net: FloatNet) -> tuple[dict[str, Shape], list[str]]:
    """Return the shape of each node's value, by name, and what does not fit together.

    What follows a node that does not fit has no shape.
    """
    shapes: dict[str, Shape] = {}
    faults: list[str] = []
    for node in net.nodes:
        delayed = isinstance(node.op, FloatDelay)
        if not delayed and any(name not in shapes for name in node.inputs):
            continue
        inputs = [] if delayed else [shapes[name] for name in node.inputs]
        found = [f"{node.title}: {line}" for line in faults_of(node, inputs)]
        faults += found
        if not found:
            shapes[node.name] = shape_after(node.op, inputs)
    for node in net.of_type(FloatDelay):
        source = shapes.get(node.inputs[0])
        if source is not None and source != shapes[node.name]:
            faults.append(
                f"{node.title}: delays values of shape {source} as {shapes[node.name]}"
                "; give the shape of its source"
            )
    return shapes, faults


def faults_of(node: FloatNode, shapes: Sequence[Shape]) -> Iterator[str]:
    """Yield which parameters are not finite or do not fit the inputs."""
    yield from not_finite(node.op)
    match node.op:
        case FloatDense(weight, bias):
            if len(shapes[0]) != 1 or weight.shape[1:] != shapes[0]:
                yield f"takes {shown(weight.shape[1:])} inputs and gets {shapes[0]}; flatten first"
            elif bias.shape != weight.shape[:1]:
                yield f"bias has shape {bias.shape}; expected {weight.shape[:1]}"
        case FloatConv2d(weight):
            if len(shapes[0]) != 3 or weight.shape[1] * node.op.groups != shapes[0][0]:
                yield (
                    f"takes {weight.shape[1] * node.op.groups} channels of an image and gets "
                    f"{shapes[0]}; change its input"
                )
            elif min(shape_after(node.op, shapes)) < 1:
                yield f"kernel {weight.shape[2:]} does not fit into {shapes[0]}; pad it"
        case FloatPool2d():
            if len(shapes[0]) != 3 or min(shape_after(node.op, shapes)) < 1:
                yield f"kernel {node.op.kernel} does not fit into {shapes[0]}; use a smaller one"
        case FloatAffine(scale, offset):
            if scale.shape != shapes[0][:1] or offset.shape != shapes[0][:1]:
                yield f"has {scale.size} channels, its input {shapes[0][0]}; they must be equal"
        case FloatReshape(shape):
            if prod(shape) != prod(shapes[0]):
                yield f"makes {shown(shape)} of {shapes[0]}; the number of elements must be equal"
        case FloatAdd():
            if len(set(shapes)) > 1:
                yield f"adds values of shapes {shown(list(shapes))}; all must be equal"
        case FloatConcatenate():
            if len({shape[1:] for shape in shapes}) > 1:
                yield f"joins shapes {shown(list(shapes))}; height and width must be equal"
        case FloatNeurons() as op:
            yield from _neuron_faults(op, shapes[0])
        case _:
            pass


def not_finite(op: FloatOp) -> Iterator[str]:
    """Yield which parameters of an operation hold values that are not finite."""
    for field in fields(op):
        value = getattr(op, field.name)
        if isinstance(value, np.ndarray) and not np.isfinite(value).all():
            bad = int((~np.isfinite(value)).sum())
            yield f"{field.name} has {bad} values that are not finite; train again"


def _neuron_faults(op: FloatNeurons, shape: Shape) -> Iterator[str]:
    for name in ("threshold", "beta", "alpha", "gain", "bias", "floor"):
        value = getattr(op, name)
        if value is not None and value.shape not in (shape, shape[:1]):
            yield f"{name} has shape {value.shape}; expected {shape[:1]} or {shape}"
    if (op.threshold <= 0).any():
        yield f"threshold goes down to {op.threshold.min():g}; it must be above 0"
    if op.gain is not None and (op.gain <= 0).any():
        yield f"gain goes down to {op.gain.min():g}; it must be above 0"
    if op.floor is not None and (op.floor > 0).any():
        yield f"floor goes up to {op.floor.max():g}; it must be at most 0"
    for name, factor in (("beta", op.beta), ("alpha", op.alpha)):
        if factor is not None and not ((factor >= 0) & (factor <= 1)).all():
            yield f"{name} is {factor.min():g}..{factor.max():g}; it must be in 0..1"
    if op.max_spikes < 1:
        yield f"max_spikes is {op.max_spikes}; it must be at least 1"
