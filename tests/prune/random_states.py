"""Random states and covariances for tests."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray


def states(
    count: int, units: int, rank: int | None = None, dead: int = 0, seed: int = 0
) -> NDArray[np.float64]:
    """Draw states of a given rank; the last ``dead`` units are always 0."""
    generator = np.random.default_rng(seed)
    drawn = generator.normal(size=(count, rank or units))
    if rank:
        drawn = drawn @ generator.normal(size=(rank, units))
    drawn[:, units - dead :] = 0
    return drawn


def covariance(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values.T @ values / len(values)


seeds = st.integers(0, 2**32 - 1)
