"""What the integers of the input stand for."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from edgespike.converters.base import ConvertOptions
from edgespike.converters.builder import GraphBuilder
from edgespike.converters.onnx.model import OnnxModel, OnnxNode
from edgespike.converters.onnx.qonnx.bits import Bits
from edgespike.converters.onnx.qonnx.state import Activation
from edgespike.converters.onnx.qonnx.steps import with_line
from edgespike.converters.sums import ConversionStoppedError
from edgespike.errors import UnsupportedError

PIXELS = (0, 255)
"""The integers of an input of which nothing is known: 8-bit pixels, which stand for 0 to 1."""

INTEGERS_LIMIT = 2**16
"""Most integers of an input whose float32 values are computed one by one."""

INPUT_BITS = range(1, 17)
"""Bits of a quantiser of the input whose levels become the input."""

_PASSING = ("Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze")
_LAST_TO_FIRST = (0, 3, 1, 2)


@dataclass(frozen=True)
class InputRange:
    """The integers of the input.

    Parameters
    ----------
    low, high
        Smallest and largest.
    scale
        Real value of one unit.
    said
        Where it comes from.
    """

    low: int
    high: int
    scale: float
    said: str


def begin(model: OnnxModel, options: ConvertOptions) -> tuple[GraphBuilder, Activation, list[str]]:
    """Return a builder with the input, its value, and what was decided.

    Raises
    ------
    UnsupportedError
        The input has a shape that no graph has.
    """
    found = _range(model, options)
    shape, axes, said = _shape(model)
    builder = GraphBuilder.start(shape, limits=(found.low, found.high), scale=found.scale)
    table = None
    if found.high - found.low < INTEGERS_LIMIT:
        integers = np.arange(found.low, found.high + 1)
        with np.errstate(over="ignore"):
            values = (integers * found.scale).astype(np.float32)[None]
        table = values if np.isfinite(values).all() else None
    factor, offset = ((value,) * shape[0] for value in (Fraction(found.scale), Fraction(0)))
    value = Activation("input", axes, with_line((), factor, offset), table=table)
    return builder, value, [found.said, *said]


def _range(model: OnnxModel, options: ConvertOptions) -> InputRange:
    if options.input_range is not None or options.input_scale is not None:
        low, high = options.input_range or PIXELS
        scale = options.input_scale
        if scale is None:
            scale = 1 / max(abs(low), abs(high), 1)
        said = f"the input is whole numbers {low}..{high} that stand for {scale:.9g} each, as given"
        return InputRange(low, high, scale, said)
    node = _first_quantiser(model)
    found = None if node is None else _own_range(model, node)
    if found is not None:
        return found
    if node is not None:
        _refuse_wide_levels(model, node)
    low, high = PIXELS
    return InputRange(
        low,
        high,
        1 / high,
        f"the file does not say what its input is: it is taken for 8-bit pixels, {low}..{high}, "
        "that stand for 0 to 1; input_range and input_scale say otherwise",
    )


def _first_quantiser(model: OnnxModel) -> OnnxNode | None:
    """Return the Quant node that all of the input goes to, unchanged; ``None`` if there is none."""
    name = model.input
    while True:
        takers = [node for node in model.nodes if name in node.inputs]
        if len(takers) != 1:
            return None
        (node,) = takers
        if node.op in ("Quant", "IntQuant"):
            return node if node.inputs[0] == name else None
        if node.op not in _PASSING:
            return None
        name = node.outputs[0]


def _bits(model: OnnxModel, node: OnnxNode) -> Bits | None:
    """Return a quantiser's levels; ``None`` if its width is not one that is converted."""
    width = model.constants.get(node.inputs[3]) if len(node.inputs) > 3 else None
    if width is None or width.size != 1:
        return None
    try:
        return Bits.of(node, width)
    except ConversionStoppedError:
        return None


def _refuse_wide_levels(model: OnnxModel, node: OnnxNode) -> None:
    """Raise ``UnsupportedError`` if an input has more levels than a graph's input may have.

    Such a file says what its input is, so it must not be taken for pixels.
    """
    bits = _bits(model, node)
    if bits is not None and bits.bits > INPUT_BITS[-1]:
        raise UnsupportedError(
            "model cannot be converted",
            [
                f"{node.title} gives the input {bits.bits} bits; levels of an input may have "
                f"{INPUT_BITS[-1]}; give input_range and input_scale, the whole numbers that "
                "samples are and what one stands for"
            ],
        )


def _own_range(model: OnnxModel, node: OnnxNode) -> InputRange | None:
    """Return the levels of a quantiser, if they are whole numbers of one scale."""
    bits = _bits(model, node)
    constants = [model.constants.get(name) for name in node.inputs[1:3]]
    if bits is None or any(value is None or value.size != 1 for value in constants):
        return None
    scale, zero = (float(value.item()) for value in constants if value is not None)
    usable = np.isfinite([scale, zero]).all() and scale > 0 and zero == round(zero)
    if not usable or bits.bipolar or bits.bits not in INPUT_BITS or bits.low == bits.high:
        return None
    low, high = bits.low - round(zero), bits.high - round(zero)
    return InputRange(
        low,
        high,
        scale,
        f"the input is the levels of its own quantiser, {node.title}: whole numbers "
        f"{low}..{high} that stand for {scale:.9g} each",
    )


def _shape(model: OnnxModel) -> tuple[tuple[int, ...], tuple[int, ...], list[str]]:
    """Return the graph's input shape, the file's axes in it, and what is to be said of them."""
    sizes = model.shapes[model.input][1:]
    takers = [node for node in model.nodes if model.input in node.inputs]
    last = all(
        node.op == "Transpose" and tuple(node.attributes.get("perm", ())) == _LAST_TO_FIRST
        for node in takers
    )
    match sizes:
        case (_,):
            return sizes, (0,), []
        case (channels, length):
            return (channels, 1, length), (0, 2), []
        case (height, width, channels) if last:
            said = "samples are (channels, height, width); the file takes the channels last"
            return (channels, height, width), (1, 2, 0), [said]
        case (_, _, _):
            return sizes, (0, 1, 2), []
        case _:
            raise UnsupportedError(
                "model cannot be converted",
                [
                    f"input {model.input} has shape {model.shapes[model.input]}; give (batch, "
                    "features), (batch, channels, length) or (batch, channels, height, width)"
                ],
            )
