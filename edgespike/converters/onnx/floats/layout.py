"""Nodes that give the same elements, in another shape or order or side by side, or pad them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from edgespike.converters.floats import UnreadableError
from edgespike.converters.onnx.floats.building import Building
from edgespike.converters.onnx.floats.values import Answer, Value
from edgespike.converters.onnx.model import OnnxNode
from edgespike.floats.net import FloatConcatenate


def reshape(net: Building, node: OnnxNode) -> Value | Answer:
    """Convert a change of shape that keeps the order of the elements."""
    found = net.found.get(node.inputs[0])
    if isinstance(found, Answer):
        return found
    value, shape = net.unpadded(node, of_steps=True), net.shape(node)
    if value.elements.size != int(np.prod(shape)):
        raise UnreadableError(f"makes {shape} of {value.shape}; a graph repeats no elements")
    return _moved(value, value.elements.reshape(shape))


def _moved(value: Value, elements: Any) -> Value:
    return replace(value, elements=elements)


def transpose(net: Building, node: OnnxNode) -> Value:
    """Convert another order of the axes."""
    value = net.value(node, of_steps=True)
    axes = node.attributes.get("perm", tuple(range(len(value.shape)))[::-1])
    pads = tuple(value.pads[axis] for axis in axes) if value.pads else ()
    return replace(value, elements=value.elements.transpose(axes), pads=pads)


def concatenate(net: Building, node: OnnxNode) -> Value:
    """Convert values side by side."""
    if not all(net.depends(name) for name in node.inputs):
        raise UnreadableError("concatenates constants; give values of the net")
    values = [net.unpadded(node, place) for place in range(len(node.inputs))]
    if len({value.stored[1:] for value in values}) > 1:
        values = [net.stored_as(node, value, (value.elements.size,)) for value in values]
    starts = np.cumsum([0, *(value.elements.size for value in values)])
    # Channels are stored one after the other, so an input's elements are too.
    parts = [value.elements + start for value, start in zip(values, starts, strict=False)]
    elements = np.concatenate(parts, axis=node.attributes["axis"])
    stored = (sum(value.stored[0] for value in values), *values[0].stored[1:])
    if len(values) == 1:
        return _moved(values[0], elements)
    found = net.add(node, FloatConcatenate(), *values, stored=stored, elements=elements)
    net.joined[found.node] = tuple(values)
    return found


def gather(net: Building, node: OnnxNode) -> Value:
    """Convert a choice of places along an axis, if it takes all of a value, or its last step."""
    value, places = net.unpadded(node, of_steps=True), net.constant(node, 1, "places")
    if places is None:
        raise UnreadableError(_WHOLE)
    axis = node.attributes.get("axis", 0)
    try:
        elements = np.take(value.elements, np.asarray(places), axis)
    except (IndexError, TypeError) as error:
        raise UnreadableError(f"takes places that are not there: {error}") from None
    return _part(net, value, elements)


def slice_(net: Building, node: OnnxNode) -> Value:
    """Convert a slice, if it takes all of a value, or the last step of a sequence."""
    value = net.unpadded(node, of_steps=True)
    names = ("starts", "ends", "axes", "steps")
    if node.version < 10:
        given = [node.attributes.get(name) for name in names]
    else:
        given = [net.constant(node, place, name) for place, name in enumerate(names, start=1)]
    try:
        return _part(net, value, _sliced(value.elements, given))
    except (IndexError, TypeError, ValueError) as error:
        raise UnreadableError(f"takes places that are not there: {error}") from None


def _sliced(elements: Any, given: Sequence[Any]) -> Any:
    """Return the elements from `starts` to `ends` along `axes`, in `steps`."""
    starts, ends = (np.asarray(x).reshape(-1).tolist() for x in given[:2])
    axes = range(len(starts)) if given[2] is None else np.asarray(given[2]).reshape(-1).tolist()
    by = [1] * len(starts) if given[3] is None else np.asarray(given[3]).reshape(-1).tolist()
    for axis, start, end, step in zip(axes, starts, ends, by, strict=True):
        taken = range(elements.shape[axis])[_bounds(start, end, step, elements.shape[axis])]
        elements = np.take(elements, list(taken), axis)
    return elements


def _bounds(start: int, end: int, step: int, size: int) -> slice:
    """Return a slice of Python: there, an end before the first place has no number."""
    return slice(start, None if step < 0 and end < -size else end, step)


_WHOLE = (
    "takes a part of a value; a graph passes on all of it, so build the branches from layers of "
    "their own. Of a sequence, the last step can be taken, behind a node RNN: torch.onnx.export "
    "writes one with dynamo=False"
)


def _part(net: Building, value: Value, elements: Any) -> Value:
    """Return some elements of a value: all, those of the last step, or one of those it joins."""
    taken, size = np.sort(elements.reshape(-1)), value.elements.size // value.steps

    def are(start: int, end: int) -> bool:
        return np.array_equal(taken, np.arange(start, end))

    if are(0, value.elements.size):
        return _moved(value, elements)
    start = value.elements.size - size
    if are(start, value.elements.size):
        return Value(value.node, value.stored, elements - start)
    start = 0
    for part in net.joined.get(value.node, ()):
        end = start + part.elements.size
        if are(start, end):
            return Value(part.node, part.stored, elements - start)
        start = end
    raise UnreadableError(_WHOLE)


def pad(net: Building, node: OnnxNode) -> Value:
    """Remember zeros that the next convolution or pool adds."""
    value = net.value(node)
    if node.attributes.get("mode", "constant") != "constant":
        raise UnreadableError("pads with other values than zeros; use zeros")
    if node.version < 11:
        amounts, filled = node.attributes["pads"], node.attributes.get("value", 0.0)
    else:
        amounts, filled = net.constant(node, 1, "pads"), net.constant(node, 2, "a value")
    if filled is not None and np.any(filled):
        raise UnreadableError("pads with other values than zeros; use zeros")
    sides = np.asarray(amounts).reshape(2, -1)
    axes = net.constant(node, 3, "axes")
    everywhere = np.zeros((2, len(value.shape)), int)
    everywhere[:, slice(None) if axes is None else np.asarray(axes)] = sides
    if everywhere.min() < 0:
        raise UnreadableError(f"cuts off {-everywhere.min()} values; give at least 0")
    before = value.pads or ((0, 0),) * len(value.shape)
    pads = tuple(
        (first + int(a), last + int(b))
        for (first, last), (a, b) in zip(before, everywhere.T, strict=True)
    )
    return Value(value.node, value.stored, value.elements, pads)


def cast(net: Building, node: OnnxNode) -> Value | Answer:
    """Convert a cast to reals, or of a class, which changes no value."""
    found = net.found.get(node.inputs[0])
    kind = net.model.types.get(node.outputs[0])
    is_real = kind in ("float", "double")
    if isinstance(found, Answer) and (is_real or "ArgMax" in found.left_out):
        return found
    if not is_real:
        raise UnreadableError(f"casts to {kind}, which rounds values; keep float")
    return net.value(node)
