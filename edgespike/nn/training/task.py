"""A classification task in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.data import DATA_SETS
from edgespike.errors import InputError, named
from edgespike.graph import Scaling

EVALUATION_BATCH = 500
"""Number of samples that a net runs at once when it is not being trained."""

_SHOWN_CLASSES = 5


@dataclass(frozen=True)
class Task:
    """Images or sequences for training, for validation and for testing.

    Parameters
    ----------
    train_images, test_images
        uint8, (samples, channels, height, width) or (samples, steps, features); int8, -127 to 127,
        for a net with signed input.
    train_labels, test_labels
        int64, (samples,).
    validation_images, validation_labels
        The same for validation; None if there is none.
    class_names
        Names of the classes, in the order of their labels; empty if they have none.
    scaling
        How measured numbers became the samples' whole numbers; None if they were whole.
    source
        What was read, as `edgespike.data.own.OwnData` states it; None for a known data set.
    """

    train_images: NDArray[Any]
    train_labels: NDArray[np.int64]
    test_images: NDArray[Any]
    test_labels: NDArray[np.int64]
    validation_images: NDArray[Any] | None = None
    validation_labels: NDArray[np.int64] | None = None
    class_names: tuple[str, ...] = ()
    scaling: Scaling | None = None
    source: dict[str, Any] | None = None

    @property
    def validated(self) -> bool:
        """Whether there are samples for validation."""
        return self.validation_images is not None and len(self.validation_images) > 0

    def parts(self) -> Iterator[tuple[str, NDArray[Any], NDArray[np.int64]]]:
        """Yield name, samples and labels of each part that there is, training first."""
        yield "train", self.train_images, self.train_labels
        if self.validated:
            assert self.validation_images is not None
            assert self.validation_labels is not None
            yield "validation", self.validation_images, self.validation_labels
        yield "test", self.test_images, self.test_labels

    def check(self, input_shape: tuple[int, ...], classes: int, signed: bool = False) -> None:
        """Refuse data that a net of this input and number of classes cannot learn.

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
        dtype = np.dtype(np.int8 if signed else np.uint8)
        for _, images, labels in self.parts():
            if images.dtype != dtype or images.shape[1:] != input_shape or not len(images):
                raise InputError(
                    f"images are {images.dtype} of shape {images.shape}; the net needs {dtype} of "
                    f"(samples, {', '.join(map(str, input_shape))})"
                )
            if signed and (images == -128).any():
                raise InputError("images hold -128; signed input is -127 to 127: clip them")
            if labels.shape != images.shape[:1] or not ((labels >= 0) & (labels < classes)).all():
                raise InputError(
                    f"labels have shape {labels.shape} and go from {labels.min(initial=0)} to "
                    f"{labels.max(initial=0)}; expected {len(images)} from 0 to {classes - 1}"
                )

    def limited(self, limit: int) -> Task:
        """Return the first ``limit`` samples of each part; all for 0.

        Raises
        ------
        InputError
            There are fewer for training, or some classes lose all of them.
        """
        if not limit:
            return self
        if limit > len(self.train_images):
            raise InputError(
                f"the limit is {limit:,} samples, the data has {len(self.train_images):,} for "
                "training; lower the limit, or leave it out"
            )
        task = self.first(limit)
        task.check_classes()
        return task

    def first(self, limit: int) -> Task:
        """Return the first ``limit`` samples of each part."""
        cut = {
            f"{name}_{what}": array[:limit]
            for name, images, labels in self.parts()
            for what, array in (("images", images), ("labels", labels))
        }
        return replace(self, **cut)  # type: ignore[arg-type]

    def check_classes(self) -> None:
        """Refuse data in which a class has no training samples.

        Raises
        ------
        InputError
            At least one has none; the first few are named.
        """
        if not self.class_names:
            return
        count = np.bincount(self.train_labels, minlength=len(self.class_names))
        missing = [name for name, n in zip(self.class_names, count, strict=True) if not n]
        if missing:
            shown = ", ".join(named(name) for name in missing[:_SHOWN_CLASSES])
            more = len(missing) - _SHOWN_CLASSES
            raise InputError(
                f"{len(missing)} of {len(self.class_names)} classes have no samples for training: "
                f"{shown}{f' and {more} more' if more > 0 else ''}; add samples, remove the "
                "classes, or raise the limit"
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
