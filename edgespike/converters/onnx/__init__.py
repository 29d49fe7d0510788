"""ONNX files: float nets, QONNX, and nets of 8-bit numbers.

A file is read once (:mod:`.reading`), whatever its net; the operators of its nodes say which of
three readers gets the net: :mod:`.qonnx`, :mod:`.int8`, or :mod:`.floats` where nothing rounds.
"""

from __future__ import annotations

from pathlib import Path

from edgespike.converters.base import Converter, ConvertOptions
from edgespike.converters.result import Conversion
from edgespike.quantise.result import Quantised
from edgespike.storage.file_kinds import is_onnx


def _convert(path: Path, options: ConvertOptions) -> Conversion | Quantised:
    from edgespike.converters.onnx.kinds import NetKind, kind_of_net
    from edgespike.converters.onnx.reading import read_onnx

    model = read_onnx(path)
    match kind_of_net(model):
        case NetKind.QONNX:
            from edgespike.converters.onnx.qonnx import convert_qonnx

            return convert_qonnx(model, options)
        case NetKind.INT8:
            from edgespike.converters.onnx.int8 import convert_int8

            return convert_int8(model, options)
        case NetKind.FLOATS:
            from edgespike.converters.onnx.floats import convert_floats

            return convert_floats(model, options)


def _recognises(head: bytes, path: Path) -> bool:
    return is_onnx(head)


CONVERTER = Converter(
    name="onnx",
    summary="ONNX files (.onnx): float nets, QONNX, and nets of 8-bit numbers",
    convert=_convert,
    options=(
        "input_range",
        "input_scale",
        "bits",
        "levels",
        "calibrate",
        "labels",
        "name",
    ),
    recognises=_recognises,
)
