"""The interface of a data set."""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Split = Literal["train", "test"]


class DataSet(Protocol):
    """Samples of several classes: a module, or a view of one."""

    @property
    def SHAPE(self) -> tuple[int, ...]:  # noqa: N802
        """Shape of a sample: channels, height, width of an image; steps, features of a sequence."""

    @property
    def CLASSES(self) -> tuple[str, ...]:  # noqa: N802
        """Names of the classes, in the order of their labels."""

    def load(self, split: Split) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Load samples, (samples, *SHAPE), and labels, (samples,)."""
