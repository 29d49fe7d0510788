"""Functions of whole numbers as tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgespike.graph.tensor import Integers


@dataclass(frozen=True, eq=False)
class Steps:
    """A function of whole numbers that changes only at some of them.

    Parameters
    ----------
    starts
        Ascending; the first is the smallest argument.
    values
        From each start on.
    """

    starts: Integers
    values: Integers

    def __call__(self, x: Integers) -> Integers:
        """Return the values at ``x``, which is not below the first start."""
        return np.asarray(self.values[np.searchsorted(self.starts, x, side="right") - 1])
