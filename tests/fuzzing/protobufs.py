"""Forged ONNX files: messages that are well formed, with fields changed anywhere inside."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import onnx

NUMBERS = (0, 1, -1, 2, 7, 8, 16, 255, 2**31 - 1, -(2**31), 2**40, 2**63 - 1, -(2**63))
REALS = (0.0, -1.0, 1e-45, 3e38, float("nan"), float("inf"))
WORDS = ("", "x", "y", "w", "Relu", "Loop", "Reshape", "Quant", "axis", "../x", "\0", "é" * 200)
OPERATORS = ("Conv", "MatMul", "Concat", "Reshape", "Slice", "Pad", "Gather", "ConstantOfShape")


def forged_onnx(content: bytes, draw: random.Random) -> bytes:
    """Change a few fields of an ONNX file, in any of its messages."""
    model = onnx.ModelProto.FromString(content)
    for _ in range(draw.choice((1, 1, 2, 4))):
        _change(draw.choice(list(_messages(model))), draw, model)
    return bytes(model.SerializeToString())


def _messages(message: Any) -> Iterator[Any]:
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in value if field.is_repeated else (value,):
                yield from _messages(inner)


def _change(message: Any, draw: random.Random, model: Any) -> None:
    """Change one field of a message, or set one that it lacks."""
    filled = [field for field, _ in message.ListFields()]
    fields = filled if filled and draw.random() < 0.9 else list(message.DESCRIPTOR.fields)
    field = draw.choice(fields)
    if field.is_repeated:
        _change_several(message, field, draw, model)
    elif field.message_type is not None:
        if draw.random() < 0.3:
            message.ClearField(field.name)
        else:
            getattr(message, field.name).SetInParent()
    else:
        setattr(message, field.name, _drawn(field, draw, model))


def _change_several(message: Any, field: Any, draw: random.Random, model: Any) -> None:
    values = getattr(message, field.name)
    place = draw.randrange(len(values)) if values else 0
    match draw.randrange(4):
        case 0 if values:
            del values[place]
        case 1 if values:
            values.extend([values[place]] * draw.choice((1, 1, 30)))
        case 2 if values and field.message_type is not None:
            values[place].CopyFrom(draw.choice(values))
        case _ if field.message_type is not None:
            values.add()
        case _ if values:
            values[place] = _drawn(field, draw, model)
        case _:
            values.append(_drawn(field, draw, model))


def _drawn(field: Any, draw: random.Random, model: Any) -> Any:
    """Draw a value of a field: names of the model itself more often than others."""
    kinds = type(field)
    match field.cpp_type:
        case kinds.CPPTYPE_STRING if field.type == kinds.TYPE_BYTES:
            return draw.choice((b"", b"SAME_UPPER", draw.randbytes(draw.choice((1, 8, 100)))))
        case kinds.CPPTYPE_STRING if field.name == "op_type":
            return draw.choice(OPERATORS)
        case kinds.CPPTYPE_STRING:
            names = [name for node in model.graph.node for name in (*node.input, *node.output)]
            return draw.choice((*names, *WORDS))
        case kinds.CPPTYPE_FLOAT | kinds.CPPTYPE_DOUBLE:
            return draw.choice(REALS)
        case kinds.CPPTYPE_ENUM:
            return draw.choice([value.number for value in field.enum_type.values])
        case kinds.CPPTYPE_INT32:
            return draw.choice([number for number in NUMBERS if -(2**31) <= number < 2**31])
        case kinds.CPPTYPE_UINT64:
            return abs(draw.choice(NUMBERS[:-1]))
        case _:
            return draw.choice(NUMBERS)
