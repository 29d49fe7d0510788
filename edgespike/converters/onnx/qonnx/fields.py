"""Numbers that nodes state, as constants and attributes, exactly."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.onnx.model import OnnxNode
from edgespike.converters.onnx.qonnx.steps import Fractions
from edgespike.converters.sums import ConversionStoppedError
from edgespike.errors import shown


def attribute(node: OnnxNode, name: str, default: float) -> Fraction:
    """Return an attribute that is a finite float32 number, exactly."""
    value = node.attributes.get(name, default)
    if not isinstance(value, int | float) or not np.isfinite(np.float32(value)):
        raise ConversionStoppedError(
            f"{node.title} has {name} {shown(value)}; give a finite number"
        )
    return Fraction(np.float32(value).item())


def positive(node: OnnxNode, what: str, values: NDArray[Any]) -> Fractions:
    """Return positive finite numbers as fractions."""
    values = np.asarray(values).ravel()
    if not (np.isfinite(values).all() and (values > 0).all()):
        worst = values[~(np.isfinite(values) & (values > 0))][0]
        raise ConversionStoppedError(
            f"{node.title} has {what} {worst}; it must be positive and finite"
        )
    return tuple(Fraction(value.item()) for value in values)


def number(node: OnnxNode, what: str, value: NDArray[Any]) -> Fraction:
    """Return the one finite number that a constant is, as a fraction."""
    values = np.asarray(value)
    if values.size != 1 or not np.isfinite(values).all():
        raise ConversionStoppedError(
            f"{node.title} has {what} of shape {values.shape}: {shown(values.tolist())}; give one "
            "finite number"
        )
    return Fraction(values.reshape(()).item())


def at(values: Any, channel: int) -> Any:
    """Return the entry of a channel, or the only one."""
    return values[channel if len(values) > 1 else 0]
