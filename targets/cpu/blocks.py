"""What engines give: the values of some samples at some steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray


@dataclass(frozen=True)
class Block:
    """Values of a range of samples and steps.

    Parameters
    ----------
    samples, steps
        Which ones, with start and stop.
    values
        Of the input and of every observed node: integers ``(steps, samples, *shape)`` with
        channels last. A first axis of 1 stands for the same values at every step.
    """

    samples: slice
    steps: slice
    values: Mapping[str, NDArray[Any]]


class Engine(Protocol):
    """Something that runs one graph."""

    def blocks(self, samples: NDArray[Any]) -> Iterator[Block]:
        """Run checked samples ``(samples, steps, *shape)``, channels first, block by block."""
