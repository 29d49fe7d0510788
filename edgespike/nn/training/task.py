"""A classification task in memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgespike.data import DATA_SETS
from edgespike.errors import InputError

EVALUATION_BATCH = 500
"""Number of samples that a net runs at once when it is not being trained."""


@dataclass(frozen=True)
class Task:
    """Images or sequences for training and for testing.

    Parameters
    ----------
    train_images, test_images
        uint8, (samples, channels, height, width) or (samples, steps, features).
    train_labels, test_labels
        int64, (samples,).
    """

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]

    def check(self, input_shape: tuple[int, ...], classes: int) -> None:
        """Refuse data that a net of this input shape and number of classes cannot learn.

        Raises
        ------
        InputError
            A shape, a dtype or a label does not fit, or there are no samples.
        """
        if len(self.train_images) < 2:
            raise InputError(
                f"there are {len(self.train_images)} training images; batch normalisation needs at "
                "least 2: raise the limit"
            )
        for images, labels in (
            (self.train_images, self.train_labels),
            (self.test_images, self.test_labels),
        ):
            if images.dtype != np.uint8 or images.shape[1:] != input_shape or not len(images):
                raise InputError(
                    f"images are {images.dtype} of shape {images.shape}; the net needs uint8 of "
                    f"(samples, {', '.join(map(str, input_shape))})"
                )
            if labels.shape != images.shape[:1] or not ((labels >= 0) & (labels < classes)).all():
                raise InputError(
                    f"labels have shape {labels.shape} and go from {labels.min(initial=0)} to "
                    f"{labels.max(initial=0)}; expected {len(images)} from 0 to {classes - 1}"
                )

    def first(self, limit: int) -> Task:
        """Return the first ``limit`` samples of each part."""
        return Task(
            self.train_images[:limit],
            self.train_labels[:limit],
            self.test_images[:limit],
            self.test_labels[:limit],
        )


def load_task(data: str, input_shape: tuple[int, ...], classes: int) -> Task:
    """Load the whole of a data set for a net.

    Parameters
    ----------
    data
        One of `edgespike.data.DATA_SETS`.
    input_shape, classes
        Those of the net.

    Raises
    ------
    InputError
        The net takes other images, or has another number of classes.
    EnvironmentMissingError, FileFormatError, WriteError
        The data is not on this machine and cannot be downloaded, is damaged, or cannot be stored.
    """
    found = DATA_SETS[data]
    fits = [k for k, v in DATA_SETS.items() if (v.SHAPE, len(v.CLASSES)) == (input_shape, classes)]
    if data not in fits:
        raise InputError(
            f"data {data} has samples of shape {found.SHAPE} and {len(found.CLASSES)} classes; the "
            f"net has input_shape {input_shape} and {classes} classes: change the net, or use "
            f"data that fits it ({', '.join(fits) or 'none is known'})"
        )
    return Task(*found.load("train"), *found.load("test"))
