"""What every weighted torch layer is read with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.builder import CannotGoOnError


def check_weights(weight: Any, path: str) -> None:
    """Refuse trained weights whose scale would be rounded, or that are no numbers."""
    trained = weight.detach().cpu().numpy()
    if trained.dtype not in (np.float32, np.float64):
        raise CannotGoOnError(
            f"{path} computes in {trained.dtype}, which rounds the scale of its weights; convert "
            "the module in float32 or float64"
        )
    if not np.isfinite(trained).all():
        raise CannotGoOnError(
            f"{path} has {int((~np.isfinite(trained)).sum())} weights that are not finite; "
            "train again from a state before they were lost"
        )


def zero_share(weight: NDArray[np.int64], zero: int) -> NDArray[np.int64]:
    """Return the bias that takes off each sum what the level for 0 adds to it on every synapse."""
    return np.asarray(-zero * weight.reshape(len(weight), -1).sum(axis=1))


def floats(tensor: Any) -> NDArray[np.float64]:
    """Return a torch tensor's values."""
    return np.asarray(tensor.detach().cpu().numpy(), np.float64)
