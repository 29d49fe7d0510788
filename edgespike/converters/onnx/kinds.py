"""Which kind of net an ONNX file holds, by its operators."""

from __future__ import annotations

from enum import Enum

from edgespike.converters.onnx.model import OnnxModel

QONNX_OPERATORS = ("Quant", "IntQuant", "BipolarQuant", "Trunc", "MultiThreshold")
"""Of Brevitas, QONNX and FINN: a real number rounded to few levels, all in floats."""

INT8_OPERATORS = (
    "QuantizeLinear",
    "DequantizeLinear",
    "DynamicQuantizeLinear",
    "ConvInteger",
    "MatMulInteger",
    "QGemm",
)
"""Of ONNX and ONNX Runtime, beside those whose names begin with QLinear."""


class NetKind(Enum):
    """What rounds in a net."""

    QONNX = "QONNX"
    INT8 = "8-bit numbers"
    FLOATS = "floats"


def kind_of_net(model: OnnxModel) -> NetKind:
    """Return what rounds in a net; QONNX's operators decide where there are several kinds."""
    if any(node.domain and node.op in QONNX_OPERATORS for node in model.nodes):
        return NetKind.QONNX
    if any(node.op in INT8_OPERATORS or node.op.startswith("QLinear") for node in model.nodes):
        return NetKind.INT8
    return NetKind.FLOATS
