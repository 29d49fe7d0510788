"""Reading the parameters of weighted torch layers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.sums import ConversionStoppedError
from edgespike.converters.torch.constants import floats


def check_weights(weight: Any, path: str) -> None:
    """Refuse trained weights that are not finite, or not real numbers."""
    if not weight.dtype.is_floating_point:
        raise ConversionStoppedError(
            f"{path} has weights of {weight.dtype}; convert the module in float32 or float64"
        )
    trained = floats(weight)
    if not np.isfinite(trained).all():
        raise ConversionStoppedError(
            f"{path} has {int((~np.isfinite(trained)).sum())} weights that are not finite; "
            "train again from an earlier checkpoint"
        )


def zero_share(weight: NDArray[np.int64], zero: int) -> NDArray[np.int64]:
    """Return the bias that cancels what the level for 0 adds to each sum over all synapses."""
    return np.asarray(-zero * weight.reshape(len(weight), -1).sum(axis=1))
