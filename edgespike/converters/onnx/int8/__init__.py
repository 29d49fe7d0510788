"""ONNX nets of 8-bit numbers: QDQ and operators on integers."""

from __future__ import annotations

from edgespike.converters.base import ConvertOptions
from edgespike.converters.onnx.kinds import INT8_OPERATORS
from edgespike.converters.onnx.model import OnnxModel
from edgespike.converters.result import Conversion
from edgespike.errors import UnsupportedError


def convert_int8(model: OnnxModel, options: ConvertOptions) -> Conversion:
    """Refuse a net of 8-bit numbers.

    Raises
    ------
    UnsupportedError
        Always; it names the nodes.
    """
    raise UnsupportedError(
        "model cannot be converted",
        [
            f"{node.title} is a {node.op}; give a net of floats"
            for node in model.nodes
            if node.op in INT8_OPERATORS or node.op.startswith("QLinear")
        ],
    )
