"""Samples that come with an artefact, to check an installation with.

A damaged or inexact copy of a graph answers most samples like the graph: each value is compared
with a threshold, and nearly always it is far from it. So samples are chosen among many candidates
such that values are exactly on, and just below, as many thresholds as possible.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import Graph
from edgespike.graph.inputs import as_samples
from edgespike.graph.tensor import Integers
from edgespike.targets.shared.candidates import draw
from edgespike.targets.shared.near_thresholds import (
    Counts,
    closeness,
    reachable,
    thresholds_of,
)
from edgespike.targets.shared.sample_limits import (
    SAMPLE_VALUES_LIMIT,
    check_limits,
    sample_values,
    work,
)

LEAST_SAMPLES, MOST_SAMPLES = 8, 32
"""How many samples come with an artefact, unless all of them would be too large."""

WANTED = 6
"""How many values should be on each threshold, and just below it, over all samples."""

# Limits for trying candidates, so that it takes a few seconds: their number, operations,
# counts of close values, and the steps of all batches together.
_CANDIDATES = 384
_WORK = 2**32
_COUNTS = 2**25
_STEPS = 2**12

_VALUES_AT_ONCE = 2**22
"""Most values, or counts, that are in memory at once."""


@dataclass(frozen=True)
class CheckSamples:
    """Samples and what a graph computes for them.

    Parameters
    ----------
    samples
        ``(samples, *shape)`` for one step; ``(samples, steps, *shape)`` for several. The first
        ones check the most.
    expected
        The interpreter's accumulators, ``(samples, classes)``.
    covered
        How many of ``places`` occur as values in the samples.
    places
        Number of values on or just below a threshold, over channels and levels, that the graph's
        ranges allow.
    """

    samples: NDArray[Any]
    expected: Integers
    covered: int
    places: int

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def coverage(self) -> str:
        """What the samples cover, in words."""
        if not self.places:
            return "they cover no thresholds, because there are none, or too many"
        share = self.covered / self.places
        return f"{share:.1%} of the {self.places} values on or just below a threshold occur in them"


def check_samples(
    graph: Graph, given: NDArray[Any] | None = None, *, extremes: bool = False
) -> CheckSamples:
    """Choose samples and compute their accumulators; always the same for the same arguments.

    Parameters
    ----------
    graph
        The graph.
    given
        Samples to choose from, as :func:`edgespike.graph.inputs.as_samples` takes them; ``None`` to
        choose from random ones of many kinds.
    extremes
        Whether the first are the sample with the most events, and one whose input has none if its
        range has 0; no other sample tells whether memory for all events is there.

    Raises
    ------
    InputError
        The given samples do not fit the graph.
    UnsupportedError
        The graph is too large.
    """
    check_limits(graph)
    most = SAMPLE_VALUES_LIMIT // sample_values(graph)
    at_once = max(1, min(most, _VALUES_AT_ONCE // max(graph.values_per_step, _places(graph))))
    count, take = _candidates(graph, given, at_once)
    silent = extremes and graph.input_op.low <= 0 <= graph.input_op.high
    if silent:
        count, take = count + 1, _and_silence(graph, count, take)
    counts, events = _counts(graph, count, take, at_once)
    allowed = reachable(graph) if counts.size else np.zeros(0, bool)
    first = [int(events.argmax())] if extremes else []
    first += [count - 1] if silent and count - 1 not in first else []
    samples = np.stack([take(index) for index in _choose(counts[:, allowed], most, first)])
    exact = [
        closeness(graph, samples[start : start + at_once])
        for start in range(0, len(samples), at_once)
    ]
    covered = np.zeros(len(allowed), bool)
    for part in exact if counts.size else ():
        covered |= part.counts.any(axis=0)
    return CheckSamples(
        samples if graph.steps > 1 else samples[:, 0],
        np.concatenate([part.accumulators for part in exact]),
        int((covered & allowed).sum()),
        int(allowed.sum()),
    )


Take = Callable[[int], NDArray[Any]]
"""Returns the candidate with a number, ``(steps, *shape)``."""


def _candidates(graph: Graph, given: NDArray[Any] | None, at_once: int) -> tuple[int, Take]:
    """Return how many candidates to try, and a function that returns each."""
    count = min(_CANDIDATES, _WORK // work(graph), _COUNTS // max(1, _places(graph)))
    count = min(max(LEAST_SAMPLES, count), at_once * max(1, _STEPS // graph.steps))
    dtype = _dtype(graph)
    if given is None:
        return count, lambda index: draw(graph.input_op, graph.steps, index).astype(dtype)
    array = as_samples(graph, given)
    chosen = np.unique(np.linspace(0, len(array) - 1, count).round().astype(int))
    return len(chosen), lambda index: array[chosen[index]].astype(dtype)


def _and_silence(graph: Graph, count: int, take: Take) -> Take:
    """Return a function that returns a sample of zeros as candidate ``count``."""
    silence = np.zeros((graph.steps, *graph.input_op.shape), _dtype(graph))
    return lambda index: silence if index == count else take(index)


def _places(graph: Graph) -> int:
    return 2 * thresholds_of(graph)


def _counts(graph: Graph, count: int, take: Take, at_once: int) -> tuple[Counts, Integers]:
    """Count each candidate's values on and just below thresholds, and its events.

    If there are too many thresholds, counts have no columns, and events are those of the input.
    """
    if count * _places(graph) > _COUNTS:
        events = [np.count_nonzero(take(index)) for index in range(count)]
        return np.zeros((count, 0), np.uint8), np.array(events)
    parts = []
    for start in range(0, count, at_once):
        batch = [take(index) for index in range(start, min(start + at_once, count))]
        parts.append(closeness(graph, np.stack(batch)))
    return (
        np.concatenate([part.counts for part in parts]),
        np.concatenate([part.events for part in parts]),
    )


def _choose(counts: Counts, most: int, first: list[int]) -> list[int]:
    """Choose candidates one by one, always the one that adds most of what is still wanted.

    ``first`` are chosen before all others.
    """
    most = min(most, MOST_SAMPLES)
    wanted = np.full(counts.shape[1], WANTED, np.uint8)
    chosen = first[:most]
    for index in chosen:
        wanted -= np.minimum(counts[index], wanted)
    left = [index for index in range(len(counts)) if index not in chosen]
    while left and len(chosen) < most:
        gains = np.minimum(counts[left], wanted).sum(axis=1, dtype=np.int64)
        best = int(gains.argmax())
        if gains[best] == 0 and len(chosen) >= LEAST_SAMPLES:
            break
        wanted -= np.minimum(counts[left[best]], wanted)
        chosen.append(left.pop(best))
    return chosen


def _dtype(graph: Graph) -> np.dtype[Any]:
    """Return the smallest data type that holds the input's range."""
    low, high = graph.input_op.low, graph.input_op.high
    types = [np.dtype(code) for code in "BbHhIiq"]
    return next(each for each in types if np.iinfo(each).min <= low and high <= np.iinfo(each).max)
