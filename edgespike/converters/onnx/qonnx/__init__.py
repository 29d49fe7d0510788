"""QONNX: nets of real numbers whose nodes round to few levels."""

from __future__ import annotations

from edgespike.converters.base import ConvertOptions
from edgespike.converters.onnx.kinds import QONNX_OPERATORS
from edgespike.converters.onnx.model import OnnxModel
from edgespike.converters.result import Conversion
from edgespike.errors import UnsupportedError


def convert_qonnx(model: OnnxModel, options: ConvertOptions) -> Conversion:
    """Refuse a QONNX net.

    Raises
    ------
    UnsupportedError
        Always; it names the nodes.
    """
    raise UnsupportedError(
        "model cannot be converted",
        [
            f"{node.title} is a {node.op} of {node.domain}; give a net of floats"
            for node in model.nodes
            if node.op in QONNX_OPERATORS
        ],
    )
