"""ONNX nets of real numbers, quantised after training."""

from __future__ import annotations

from edgespike.converters.base import ConvertOptions
from edgespike.converters.onnx.model import OnnxModel
from edgespike.errors import UnsupportedError
from edgespike.quantise.result import Quantised


def convert_floats(model: OnnxModel, options: ConvertOptions) -> Quantised:
    """Refuse a net of floats."""
    raise UnsupportedError("model cannot be converted", [f"{model.path} is a net of floats"])
