"""Where a file's net begins and ends, without what only changes how numbers are stored there."""

from __future__ import annotations

from dataclasses import dataclass

from edgespike.converters.tflite.model import TfliteModel, TfliteOperator, TfliteTensor
from edgespike.converters.tflite.support import AT_THE_END, RESHAPES

_SHIFT = 128
"""By how much the zero points of int8 and uint8 differ for the same numbers."""


@dataclass(frozen=True)
class Ends:
    """The first and the last tensor of a net.

    Parameters
    ----------
    source
        The file's input.
    first
        The tensor that samples are, by number: the input behind reshapes and QUANTIZE, so that it
        has the axes of the first layer.
    may_be_unsigned
        Whether the first tensor may be uint8, since it is quantised again.
    last
        The tensor with the logits, by number.
    dropped
        Operators behind it that change no class, and why.
    left_out
        Numbers of all operators before the first and behind the last tensor.
    """

    source: TfliteTensor
    first: int
    may_be_unsigned: bool
    last: int
    dropped: tuple[tuple[TfliteOperator, str], ...]
    left_out: frozenset[int]

    @staticmethod
    def of(model: TfliteModel) -> Ends:
        """Return the ends of a file's net; of several inputs or outputs, those of the first."""
        first = model.inputs[0] if model.inputs else 0
        source = model.tensors[first]
        before: list[int] = []
        while (operator := _only_consumer(model, first)) is not None:
            if not (operator.kind in RESHAPES or _stores_input(model, operator)):
                break
            before.append(operator.number)
            first = operator.outputs[0]
        after = _only_consumer(model, first)
        quantised = after is not None and after.kind == "QUANTIZE"
        last, dropped = _last(model)
        left_out = frozenset(before) | {operator.number for operator, _ in dropped}
        return Ends(source, first, quantised, last, tuple(dropped), left_out)


def _only_consumer(model: TfliteModel, number: int) -> TfliteOperator | None:
    """Return the operator of one output that alone reads a tensor, and as its first input."""
    consumers = model.consumers.get(number, [])
    if len(consumers) != 1 or number in model.outputs:
        return None
    (operator,) = consumers
    fits = operator.inputs[:1] == (number,) and len(operator.outputs) == 1
    return operator if fits and operator.number > _producer(model, number) else None


def _producer(model: TfliteModel, number: int) -> int:
    producer = model.producers.get(number)
    return -1 if producer is None else producer.number


def _stores_input(model: TfliteModel, operator: TfliteOperator) -> bool:
    """Return whether an operator stores the real input, or stores it as int8 unchanged."""
    source = model.tensors[operator.inputs[0]]
    return operator.kind == "QUANTIZE" and (
        source.kind == "FLOAT32" or _shifts(model, operator, "UINT8", "INT8")
    )


def _shifts(model: TfliteModel, operator: TfliteOperator, source: str, result: str) -> bool:
    """Return whether an operator turns one type of 8 bits into the other, and changes no value."""
    a, b = model.tensors[operator.inputs[0]], model.tensors[operator.outputs[0]]
    if (a.kind, b.kind) != (source, result) or len(a.scales) != 1 or len(b.scales) != 1:
        return False
    shift = -_SHIFT if result == "INT8" else _SHIFT
    return bool(a.scales[0] == b.scales[0]) and b.zero_point - a.zero_point == shift


def _last(model: TfliteModel) -> tuple[int, list[tuple[TfliteOperator, str]]]:
    """Return the tensor with the logits, and what follows it."""
    last = model.outputs[0] if model.outputs else 0
    dropped: list[tuple[TfliteOperator, str]] = []
    while (operator := model.producers.get(last)) is not None:
        why = _why_left_out(model, operator)
        before = operator.inputs[0] if operator.inputs else -1
        if not why or before < 0 or _producer(model, before) >= operator.number:
            break
        if len(model.consumers[before]) != 1:
            break
        dropped.append((operator, why))
        last = before
    return last, dropped


def _why_left_out(model: TfliteModel, operator: TfliteOperator) -> str:
    if not operator.inputs or operator.inputs[0] < 0 or len(operator.outputs) != 1:
        return ""
    if operator.kind == "QUANTIZE" and _shifts(model, operator, "INT8", "UINT8"):
        return "uint8 stands for the same real numbers"
    if operator.kind == "SOFTMAX":
        taken = model.tensors[operator.inputs[0]]
        if taken.shape[-1:] != (taken.size,) or not operator.options["beta"] > 0:
            return ""
    return AT_THE_END.get(operator.kind, "")
