"""Images as sequences: row by row, or pixel by pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgespike.data.base import DataSet, Split


def as_sequences(images: NDArray[np.uint8], steps: int) -> NDArray[np.uint8]:
    """Cut images into sequences of steps, from the upper left to the lower right.

    Parameters
    ----------
    images
        (samples, channels, height, width).
    steps
        Number of steps; it must divide the number of pixels. The number of rows gives one row a
        step, the number of pixels one pixel a step.

    Returns
    -------
    array
        (samples, steps, features); the features of a step are its pixels, each with its channels.
    """
    return np.moveaxis(images, 1, -1).reshape(len(images), steps, -1)


@dataclass(frozen=True)
class Sequences:
    """A data set of images, cut into sequences by `as_sequences`."""

    images: DataSet
    steps: int

    @property
    def SHAPE(self) -> tuple[int, ...]:  # noqa: N802
        """Number of steps, and of features of a step."""
        return as_sequences(np.empty((1, *self.images.SHAPE), np.uint8), self.steps).shape[1:]

    @property
    def CLASSES(self) -> tuple[str, ...]:  # noqa: N802
        """Names of the classes, in the order of their labels."""
        return self.images.CLASSES

    def load(self, split: Split) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Load sequences, (samples, steps, features), and labels; raises what the images do."""
        images, labels = self.images.load(split)
        return as_sequences(images, self.steps), labels
