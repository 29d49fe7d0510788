"""Values with channels last, as the engines and programs in C keep them."""

from __future__ import annotations

import numpy as np

from edgespike.graph.tensor import Integers


def plane(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return height, width and channels; features are the channels of one position."""
    return (1, 1, shape[0]) if len(shape) == 1 else (shape[1], shape[2], shape[0])


def order_of_reshape(source: tuple[int, ...], result: tuple[int, ...]) -> Integers:
    """Return where each element of a reshape's result, channels last, is in its source.

    Parameters
    ----------
    source, result
        Shapes of both in the graph, channels first.
    """
    height, width, channels = plane(source)
    places = np.arange(height * width * channels).reshape(height, width, channels)
    first = np.moveaxis(places, -1, 0).reshape(result)
    return np.moveaxis(first, 0, -1).ravel()
