"""Samples for training, validation and testing, as a net takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import Scaling

PART_NAMES = ("train", "validation", "test")
"""The parts, in the order in which they are listed and hashed."""


@dataclass(frozen=True)
class Part:
    """Samples and their labels.

    Parameters
    ----------
    samples
        Whole numbers: uint8, 0 to 255, or int8, -127 to 127. ``(samples, channels, height,
        width)`` for images, ``(samples, features, 1, 1)`` for rows of features, ``(samples, steps,
        features)`` for sequences, ``(samples, steps, channels, height, width)`` for frames of
        events.
    labels
        int64, ``(samples,)``, places in the names of the classes.
    """

    samples: NDArray[Any]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class OwnData:
    """Data that was read, split and scaled.

    Parameters
    ----------
    train, validation, test
        The parts; ``validation`` may have no samples.
    class_names
        Names of the classes, in the order of their labels.
    scaling
        How measured numbers became the samples' whole numbers, learnt from ``train`` alone; None
        for pixels of 8 bits, which are taken as they are.
    source
        What was read, as a plain table: ``path``, ``format``, ``kind``, ``files`` and ``samples``
        (how many), ``sha256`` of all parts and class names, and ``notes``, sentences on what was
        left out or changed. The same data and options give the same table on every machine, but
        for the path.
    """

    train: Part
    validation: Part
    test: Part
    class_names: tuple[str, ...]
    scaling: Scaling | None
    source: dict[str, Any]
