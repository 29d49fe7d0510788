"""Reading the parameters of weighted torch layers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.sums import ConversionStoppedError


def check_weights(weight: Any, path: str) -> None:
    """Refuse trained weights that are not finite, or whose scale would be rounded."""
    trained = weight.detach().cpu().numpy()
    if trained.dtype not in (np.float32, np.float64):
        raise ConversionStoppedError(
            f"{path} computes in {trained.dtype}, which rounds the scale of its weights; convert "
            "the module in float32 or float64"
        )
    if not np.isfinite(trained).all():
        raise ConversionStoppedError(
            f"{path} has {int((~np.isfinite(trained)).sum())} weights that are not finite; "
            "train again from an earlier checkpoint"
        )


def zero_share(weight: NDArray[np.int64], zero: int) -> NDArray[np.int64]:
    """Return the bias that cancels what the level for 0 adds to each sum over all synapses."""
    return np.asarray(-zero * weight.reshape(len(weight), -1).sum(axis=1))


def floats(tensor: Any) -> NDArray[np.float64]:
    """Return a torch tensor's values."""
    return np.asarray(tensor.detach().cpu().numpy(), np.float64)
