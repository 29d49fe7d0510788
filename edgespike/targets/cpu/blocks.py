"""What an engine is, and what it returns of some samples at some steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import Graph
from edgespike.graph.tensor import Integers


class Block(NamedTuple):
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


class Counted(NamedTuple):
    """Events of a range of samples and steps, and their answers.

    Parameters
    ----------
    samples, steps
        Which of them, with start and stop.
    accumulators
        The readout after the last of these steps, ``(samples, classes)``.
    sums
        For each neuron or pool, its events summed over the samples: integers ``(steps, *shape)``,
        channels first, in any memory order, where a first axis of 1 stands for all steps. They are
        the caller's.
    whole
        Whether these are the sums of all samples that were run, at each step, the input's too.
    """

    samples: slice
    steps: slice
    accumulators: NDArray[Any]
    sums: Mapping[str, NDArray[Any]]
    whole: bool = False


class Engine(Protocol):
    """Runs one graph on checked samples ``(samples, steps, *shape)``, channels first.

    A run may be stopped wherever it yields.
    """

    def blocks(self, samples: NDArray[Any]) -> Iterator[Block]:
        """Run samples and yield the values of all observed nodes, block by block."""

    def answer(self, samples: NDArray[Any], answers: Integers) -> Iterator[None]:
        """Run samples and write the readout after the last step, ``(samples, classes)``."""

    def counted(self, samples: NDArray[Any]) -> Iterator[Counted]:
        """Run samples without keeping their values; yield what is counted, part by part."""


def empty_accumulators(graph: Graph, samples: int) -> Integers:
    """Allocate the readout of some samples, ``(samples, classes)``."""
    return np.empty((samples, graph.tensors[graph.readout.name].size), np.int64)


def zero_sums(graph: Graph, name: str) -> Integers:
    """Return zeros for a node's event sums, ``(steps, *shape)``, channels last."""
    channels, *positions = graph.tensors[name].shape
    return np.zeros((graph.steps, *positions, channels), np.int64)


def channels_first(values: NDArray[Any], place: int) -> NDArray[Any]:
    """Move the last axis to a place; ``np.moveaxis`` takes several times as long."""
    return values.transpose(_axes(values.ndim, place))


@cache
def _axes(number: int, place: int) -> tuple[int, ...]:
    axes = range(number - 1)
    return (*axes[:place], number - 1, *axes[place:])


def cut(count: int, at_once: int) -> Iterator[slice]:
    """Cut ``0..count`` into slices."""
    for start in range(0, count, at_once):
        yield slice(start, min(start + at_once, count))
