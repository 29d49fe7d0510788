"""TFLite files (``.tflite``) of 8-bit nets, computed as a runtime that is named does: exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgespike.converters.base import Converter, ConvertOptions
from edgespike.converters.result import Conversion, PartCheck
from edgespike.converters.tflite.reading import has_format


def _convert(path: Path, options: ConvertOptions) -> Conversion:
    from edgespike.converters.tflite.agreement import check_file
    from edgespike.converters.tflite.convert import read_net
    from edgespike.converters.tflite.kernels import KERNELS
    from edgespike.converters.tflite.reading import read_file
    from edgespike.int8.lowering import lower

    kernels = KERNELS[options.rounding or next(iter(KERNELS))]
    found = read_net(read_file(path), kernels, str(path))
    origin = f"a TFLite file, computed as {kernels.title} do (rounding {kernels.name})"
    lowered = lower(found.net, options.graph_name(), origin)

    def check(samples: NDArray[Any]) -> list[PartCheck]:
        return check_file(found, lowered, kernels, samples)

    return Conversion(lowered.graph, said=found.net.said, check=check)


CONVERTER = Converter(
    name="tflite",
    summary="TFLite files of int8 nets",
    convert=_convert,
    options=("name", "rounding"),
    recognises=lambda head, path: has_format(head),
)
