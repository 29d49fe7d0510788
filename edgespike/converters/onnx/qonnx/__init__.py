"""QONNX: nets of real numbers whose nodes round to few levels.

A value in such a net is a whole level times a float32 scale, so that the sums of a layer are whole
numbers times the product of two scales. :mod:`.walk` makes a graph of a net, exactly: what stands
between a layer and the next quantiser (:mod:`.steps`) is monotone, and becomes thresholds.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from edgespike.converters.base import ConvertOptions
from edgespike.converters.onnx.model import OnnxModel
from edgespike.converters.result import Conversion, PartCheck


def convert_qonnx(model: OnnxModel, options: ConvertOptions) -> Conversion:
    """Return the graph of a QONNX net, with what was found and decided.

    Raises
    ------
    UnsupportedError
        Lists everything that has no exact form in a graph.
    """
    from edgespike.converters.onnx.qonnx.agreement import check
    from edgespike.converters.onnx.qonnx.walk import walk

    walked = walk(model, options)

    def compare(samples: NDArray[Any]) -> list[PartCheck]:
        return check(model, walked, samples)

    return Conversion(walked.graph, said=walked.said, check=compare)
