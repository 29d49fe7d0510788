"""How tensors of a file are stored, as far as kernels of 8-bit numbers take them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.sums import ConversionStoppedError
from edgespike.converters.tflite.model import TfliteTensor
from edgespike.converters.tflite.precision import not_of_kinds
from edgespike.errors import shown
from edgespike.int8.net import Stored

SCALES = (1e-30, 1e30)
"""Smallest and largest scale."""

RANGES = {"INT8": (-128, 127), "UINT8": (0, 255)}
"""Smallest and largest number of a type."""


def usable(tensor: TfliteTensor) -> TfliteTensor:
    """Return a tensor that is whole and in the file.

    Raises
    ------
    ConversionStoppedError
        It is not, as in all functions here if a tensor cannot be used.
    """
    if tensor.faults:
        raise ConversionStoppedError("; ".join(f"{tensor.title}: {x}" for x in tensor.faults))
    return tensor


def stored_of(tensor: TfliteTensor, kinds: tuple[str, ...]) -> Stored:
    """Return how the numbers of a tensor of one of some types are stored."""
    if tensor.kind not in kinds:
        raise ConversionStoppedError(f"{tensor.title} {not_of_kinds(tensor, kinds)}")
    low, high = RANGES[tensor.kind]
    if len(tensor.scales) != 1 or len(tensor.zero_points) > 1:
        raise ConversionStoppedError(
            f"{tensor.title} has {len(tensor.scales)} scales; an activation must have one"
        )
    _check_scales(tensor)
    zero_point = tensor.zero_point
    if not low <= zero_point <= high:
        raise ConversionStoppedError(
            f"{tensor.title} has the zero point {zero_point}; it must be in {low}..{high}"
        )
    return Stored(float(tensor.scales[0]), zero_point, low, high)


def weight_scales(tensor: TfliteTensor, outputs: int, axis: int) -> NDArray[np.float32]:
    """Return the scales of a layer's weights.

    Parameters
    ----------
    outputs, axis
        How many outputs the layer has, and the axis of its weights that tells them apart.
    """
    scales, zero_points = tensor.scales, tensor.zero_points
    if len(scales) not in (1, outputs) or len(zero_points) not in (0, 1, len(scales)):
        raise ConversionStoppedError(
            f"{tensor.title} has {len(scales)} scales and {len(zero_points)} zero points; 1 or "
            f"{outputs} are expected"
        )
    if len(scales) > 1 and tensor.axis != axis:
        raise ConversionStoppedError(
            f"{tensor.title} has a scale for each index of axis {tensor.axis}; axis {axis} is "
            "expected"
        )
    _check_scales(tensor)
    if zero_points.any():
        raise ConversionStoppedError(
            f"{tensor.title} has the zero point {shown(int(zero_points[zero_points != 0][0]))}; "
            "8-bit weights must have 0: convert the model again to int8"
        )
    return scales


def _check_scales(tensor: TfliteTensor) -> None:
    """Refuse scales that are not positive, or whose products are not finite."""
    low, high = SCALES
    for scale in tensor.scales[~((tensor.scales >= low) & (tensor.scales <= high))]:
        raise ConversionStoppedError(
            f"{tensor.title} has a scale of {scale:g}; it must be in {low:g}..{high:g}"
        )
