"""Parameters and constants of torch as float64 arrays, and what they mean for a channel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]


class ConstantError(Exception):
    """A constant is not one number for each channel; the message goes behind the call's place."""


def floats(numbers: Any) -> Reals:
    """Return a number's or a tensor's values; float64 holds those of every smaller float."""
    if hasattr(numbers, "detach"):
        return np.asarray(numbers.detach().double().cpu().numpy())
    return np.asarray(numbers, np.float64)


def per_channel(constant: Reals, shape: tuple[int, ...], channels: int) -> Reals:
    """Return one number for each channel of a value from what torch broadcasts to it.

    Parameters
    ----------
    shape
        Of a sample's value in torch.
    channels
        How many, the first axis of the value or of what it becomes in a net.

    Raises
    ------
    ConstantError
        There is more than one for a channel, or they make the value larger.
    """
    samples = 2  # so that numbers that differ from sample to sample are found
    try:
        everywhere = np.broadcast_to(constant, (samples, *shape))
    except ValueError:
        raise ConstantError(
            f"combines samples of shape {shape} with constants of shape {constant.shape}; give "
            "one constant for all, or one for each channel"
        ) from None
    flat = everywhere.reshape(samples, channels, -1)
    first = flat[:1, :, :1]
    if not (flat == first).all():
        raise ConstantError(
            f"combines samples of shape {shape} with constants that differ within a channel; give "
            "one constant for all, or one for each channel"
        )
    return np.ascontiguousarray(first[0, :, 0])


def normalisation(
    mean: Reals, variance: Reals, epsilon: float, weight: Reals | None, bias: Reals | None
) -> tuple[Reals, Reals]:
    """Return factor and offset of each channel of a batch normalisation in evaluation mode."""
    scale = (1 if weight is None else weight) / np.sqrt(variance + epsilon)
    return scale, (0 if bias is None else bias) - mean * scale
