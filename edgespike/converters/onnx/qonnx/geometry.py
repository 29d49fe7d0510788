"""Windows of convolutions and pools over images and rows."""

from __future__ import annotations

from collections.abc import Sequence

from edgespike.converters.floats import UnreadableError
from edgespike.converters.onnx import windows
from edgespike.converters.onnx.model import OnnxNode
from edgespike.converters.onnx.qonnx.state import State
from edgespike.converters.onnx.windows import Windows
from edgespike.converters.sums import ConversionStoppedError


def windows_of(state: State, node: OnnxNode, kernel: Sequence[int]) -> Windows:
    """Return the windows of a node whose input has the channels on axis 1.

    Parameters
    ----------
    kernel
        For each axis behind the channels.
    """
    try:
        return windows.windows_of(node, state.model.shapes[node.inputs[0]][2:], kernel)
    except UnreadableError as error:
        raise ConversionStoppedError(f"{node.title} {error}") from None
