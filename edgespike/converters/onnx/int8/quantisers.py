"""QuantizeLinear and DequantizeLinear."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from edgespike.converters.onnx.int8.arithmetic import narrowed, of_one, of_one_ratio
from edgespike.converters.onnx.int8.storages import as_weights, limits_of, stored_of
from edgespike.converters.onnx.int8.values import (
    FINER,
    Answer,
    Codes,
    Entering,
    Finer,
    Pending,
    RefusedError,
    Value,
    Weights,
    kind_of,
)
from edgespike.converters.onnx.int8.walk import Walk
from edgespike.converters.onnx.model import OnnxNode
from edgespike.int8.additions import Float32Addition
from edgespike.int8.net import Int8Add, Int8Concatenate, Int8Function, Int8Op, Stored


def quantise(walk: Walk, node: OnnxNode) -> Value | None:
    """Store real numbers: what the node before computes becomes a node of the net."""
    if node.inputs[0] in walk.constants:
        walk.constants[node.outputs[0]] = _numbers(walk, node)
        return None
    value = walk.value(node.inputs[0])
    stored = _stored(walk, node)
    match value:
        case Entering():
            return walk.enter(value, stored, real=False)
        case Pending() | Codes():
            key = node.inputs[0], stored
            if key not in walk.made:
                walk.made[key] = _made(walk, node, value, stored)
            return walk.made[key]
        case Answer():
            return value
        case Weights():
            numbers = _numbers(walk, node, value.real)
            walk.constants[node.outputs[0]] = numbers
            return None
        case _:
            assert_never(value)


TWICE = (
    "Numbers that are stored anew are rounded again, as the file says; where that follows at once, "
    "ONNX Runtime rounds only once, unless its option session.disable_double_qdq_remover is 1."
)


def _made(walk: Walk, node: OnnxNode, value: Pending | Codes, stored: Stored) -> Codes:
    if isinstance(value, Pending):
        return finished(walk, value, stored, real=True)
    if not value.real:
        raise RefusedError("its input is stored already; dequantise it first")
    if value.stored != stored:
        walk.said[TWICE] = None
    return restored(walk, node.title, value, stored)


def finished(walk: Walk, value: Pending, stored: Stored, *, real: bool = False) -> Codes:
    """Add the node of an operator whose result is stored now.

    Parameters
    ----------
    real
        Whether it is one of real numbers.
    """
    narrow = narrowed(stored, value.least, value.most)
    op, inputs = value.make(narrow)
    certain = value.certain and not (real and _is_float(walk, value, narrow, stored, inputs))
    if isinstance(op, Int8Add) and isinstance(op.combine, Float32Addition):
        rule = of_one_ratio(op.combine)
        certain = certain and rule is op.combine
        op = Int8Add(rule)
    codes = _built(walk, value, op, stored, inputs)
    if not certain and not isinstance(op, Int8Function | Int8Concatenate):
        apart = 0.0
        if value.sums is not None and value.sums.offset is not None:
            # ONNX Runtime may round a real bias to units of the sums first.
            apart = float(value.sums.factor.max()) / 2 / stored.scale
        walk.finer[codes.node] = Finer(value.title, _finer(walk, value, stored), narrow, apart)
    return codes


def _is_float(
    walk: Walk, value: Pending, narrow: Stored, stored: Stored, inputs: tuple[str, ...]
) -> bool:
    """Return whether ONNX Runtime leaves an operator of real numbers in float32.

    It has integer kernels only where a quantiser of the input's type follows at once, or after a
    clip that the stored range makes anyway.
    """
    given = {node.stored.low for node in walk.nodes if node.name in inputs}
    return bool(value.later) or narrow != stored or given != {stored.low}


def _built(
    walk: Walk, value: Pending, op: Int8Op, stored: Stored, inputs: tuple[str, ...]
) -> Codes:
    codes = walk.add(value.title, op, stored, inputs, value.shape)
    if value.places is not None:
        codes = replace(codes, places=value.places)
    for move in value.later:
        codes = move(codes)
    return codes


def _finer(walk: Walk, value: Pending, stored: Stored) -> Codes:
    """Return a result in finer units; its nodes are not the net's."""
    start = len(walk.nodes)
    finer = Stored(stored.scale / FINER, 0, -(2**30), 2**30)
    op, inputs = value.make(finer)
    codes = _built(walk, value, op, finer, inputs)
    walk.beside += walk.nodes[start:]
    del walk.nodes[start:]
    return codes


def restored(walk: Walk, title: str, value: Codes, stored: Stored) -> Codes:
    """Return real numbers of one storage in another."""
    if value.stored == stored:
        return replace(value, real=False)
    function = Int8Function(of_one(value.stored, stored))
    own = walk.add(title, function, stored, [value.node], walk.shapes[value.node])
    return Codes(own.node, stored, value.places, real=False)


def dequantise(walk: Walk, node: OnnxNode) -> Value:
    """Take stored numbers for real ones."""
    if _block(node):
        raise RefusedError("it has a scale for each block; quantise per tensor or per channel")
    zeros = _zeros(walk, node)
    if node.inputs[0] in walk.constants:
        numbers = walk.constants[node.inputs[0]]
        scales = walk.constant(node, 1, "scale")
        return as_weights(numbers, scales, zeros, node.attributes.get("axis", 1))
    value = walk.value(node.inputs[0])
    scales = walk.constant(node, 1, "scale")
    if isinstance(value, Answer):
        return value
    kind = walk.model.types.get(node.inputs[0], "uint8")
    stored = stored_of(scales, zeros, kind)
    if isinstance(value, Entering):
        return walk.enter(value, stored, real=True)
    if not isinstance(value, Codes) or value.real:
        raise RefusedError(f"its input is {kind_of(value)}; it must be stored numbers")
    return replace(taken(walk, value, stored), real=True)


def taken(walk: Walk, value: Codes, stored: Stored) -> Codes:
    """Return stored numbers as a reader takes them, with scale and zero point of its own."""
    if value.stored == stored:
        return value
    same = Int8Function(lambda numbers: numbers)
    title = f"{value.node}_taken"
    own = walk.add(title, same, stored, [value.node], walk.shapes[value.node])
    return Codes(own.node, stored, value.places, real=False)


def _stored(walk: Walk, node: OnnxNode) -> Stored:
    if _block(node):
        raise RefusedError("it has a scale for each block; quantise per tensor")
    scales = walk.constant(node, 1, "scale")
    kind = walk.model.types.get(node.outputs[0], "uint8")
    return stored_of(scales, _zeros(walk, node), kind)


def _zeros(walk: Walk, node: OnnxNode) -> NDArray[Any] | None:
    if len(node.inputs) < 3 or not node.inputs[2]:
        return None
    return walk.constant(node, 2, "zero point")


def _block(node: OnnxNode) -> bool:
    return bool(node.attributes.get("block_size", 0))


def _numbers(walk: Walk, node: OnnxNode, real: NDArray[Any] | None = None) -> NDArray[Any]:
    """Return the numbers that a constant is stored as."""
    values = walk.constants[node.inputs[0]] if real is None else real
    scales, zeros = walk.constant(node, 1, "scale"), _zeros(walk, node)
    kind = walk.model.types.get(node.outputs[0], "uint8")
    kind = kind if zeros is None else str(zeros.dtype)
    low, high = limits_of(kind)
    if high - low > 2**16:
        raise RefusedError(f"it stores numbers in {kind}; use int8 or uint8")
    unit = as_weights(
        np.zeros(values.shape, np.int8), scales, zeros, node.attributes.get("axis", 1)
    )
    if not np.isfinite(values).all():
        raise RefusedError("it quantises values that are not finite; replace them")
    moved = np.rint(values.astype(np.float32) / unit.scale) - unit.numbers
    return np.asarray(np.clip(moved, low, high)).astype(zeros.dtype if zeros is not None else kind)
