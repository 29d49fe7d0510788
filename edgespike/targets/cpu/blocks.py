"""What an engine returns: the values of some samples at some steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import Graph
from edgespike.graph.tensor import Integers


@dataclass(frozen=True)
class Block:
    """Values of a range of samples and steps.

    Parameters
    ----------
    samples, steps
        Which of them, with start and stop.
    values
        Of every observed node: integers ``(steps, samples, *shape)`` with channels last. A first
        axis of 1 stands for the same values at every step. The next block may overwrite them.
    """

    samples: slice
    steps: slice
    values: Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Counted:
    """Events of a range of samples and steps, and their answers.

    Parameters
    ----------
    samples, steps
        Which of them, with start and stop.
    accumulators
        The readout after the last of these steps, ``(samples, classes)``.
    sums
        For each neuron or pool, its events summed over the samples: integers ``(steps, *shape)``,
        channels last, where a first axis of 1 stands for all steps. They are the caller's.
    """

    samples: slice
    steps: slice
    accumulators: NDArray[Any]
    sums: Mapping[str, NDArray[Any]]


class Engine(Protocol):
    """Runs one graph."""

    def blocks(self, samples: NDArray[Any]) -> Iterator[Block]:
        """Run checked samples ``(samples, steps, *shape)``, channels first, block by block."""

    def counted(self, samples: NDArray[Any]) -> Iterator[Counted]:
        """Run checked samples without keeping their values; yield what is counted, part by part."""


def empty_accumulators(graph: Graph, samples: int) -> Integers:
    """Allocate the readout of some samples, ``(samples, classes)``."""
    return np.empty((samples, graph.tensors[graph.readout.name].size), np.int64)


def zero_sums(graph: Graph, name: str) -> Integers:
    """Return zeros for a node's event sums, ``(steps, *shape)``, channels last."""
    channels, *positions = graph.tensors[name].shape
    return np.zeros((graph.steps, *positions, channels), np.int64)


def cut(count: int, at_once: int) -> Iterator[slice]:
    """Cut ``0..count`` into slices."""
    for start in range(0, count, at_once):
        yield slice(start, min(start + at_once, count))
