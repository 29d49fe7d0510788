"""What every data set of this package offers."""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Split = Literal["train", "test"]


class DataSet(Protocol):
    """A module with images of several classes."""

    @property
    def SHAPE(self) -> tuple[int, int, int]:  # noqa: N802
        """Channels, height and width of an image."""

    @property
    def CLASSES(self) -> tuple[str, ...]:  # noqa: N802
        """Names of the classes, in the order of their labels."""

    def load(self, split: Split) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Load images, (samples, channels, height, width), and labels, (samples,)."""
