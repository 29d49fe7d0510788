"""Choosing the members of an ensemble by how they do on held-out samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb, fsum

import numpy as np
from numpy.typing import NDArray

from edgespike.batches import ReportProgress, no_report, tally_all
from edgespike.counting import Counter
from edgespike.errors import InputError, UnsupportedError
from edgespike.graph import Graph
from edgespike.targets import prepare
from edgespike.trace import log_probabilities

MOST_SUBSETS = 2000
"""Up to this number, all subsets are tried; beyond it the search is greedy."""


@dataclass(frozen=True)
class MemberFigures:
    """How the candidates for an ensemble do on held-out samples.

    Parameters
    ----------
    log_probabilities
        Logarithm of each class's probability by each candidate, ``(candidates, samples, classes)``.
    labels
        Class of each sample, ``(samples,)``.
    operations
        Synaptic operations and multiply-accumulates per sample of each candidate, on non-zero
        quantised weights, mean over the samples: ``(candidates,)``.
    """

    log_probabilities: NDArray[np.float64]
    labels: NDArray[np.int64]
    operations: NDArray[np.float64]

    def cost(self, members: Sequence[int]) -> float:
        """Return the operations of some candidates together; the sum is the same in any order."""
        return fsum(self.operations[list(members)])

    def score(self, members: Sequence[int]) -> Score:
        """Score the ensemble of some candidates."""
        mean = _log_mean(self.log_probabilities[list(members)])
        return Score(
            tuple(members),
            -float(mean[np.arange(len(self.labels)), self.labels].mean()),
            float((mean.argmax(axis=1) == self.labels).mean()),
            self.cost(members),
        )


@dataclass(frozen=True)
class Score:
    """How good an ensemble is, and what it costs.

    Parameters
    ----------
    members
        Indices of its members among the candidates, ascending.
    nll
        Negative log-likelihood of the labels under the mean probability, in nats per sample.
    accuracy
        Share of the samples whose class of the largest mean probability is the label, 0 to 1.
    operations
        Synaptic operations and multiply-accumulates per sample.
    """

    members: tuple[int, ...]
    nll: float
    accuracy: float
    operations: float


def measure_members(
    graphs: Sequence[Graph],
    samples: NDArray[np.int64],
    labels: NDArray[np.int64],
    progress: ReportProgress = no_report,
) -> MemberFigures:
    """Run every graph on labelled samples, on the cpu target.

    Parameters
    ----------
    graphs
        Candidates with the same input and the same classes.
    samples
        As :func:`edgespike.graph.inputs.as_samples` takes them.
    labels
        Class of each sample.
    progress
        Called before the first graph and after each, with the name "members" and the number of
        graphs that have run.

    Raises
    ------
    InputError
        The samples do not fit, or the labels are not classes.
    """
    classes = graphs[0].readout_op.classes
    low, high = int(labels.min(initial=0)), int(labels.max(initial=0))
    if labels.shape != (len(samples),) or low < 0 or high >= classes:
        raise InputError(
            f"labels have shape {labels.shape} and values {low}..{high}; give one class for each "
            f"of {len(samples)} samples, 0..{classes - 1}"
        )
    probabilities, operations = [], []
    progress("members", 0, len(graphs))
    for done, graph in enumerate(graphs, start=1):
        tally = tally_all(prepare(graph, "cpu"), samples, "cpu")
        counts = Counter(graph).counts(tally)
        total = counts.synaptic_operations() + counts.multiply_accumulates()
        probabilities.append(log_probabilities(graph, tally.accumulators))
        operations.append(total / len(samples))
        progress("members", done, len(graphs))
    return MemberFigures(np.stack(probabilities), labels, np.array(operations))


def select_members(
    figures: MemberFigures, members: int | None = None, budget: float | None = None
) -> Score:
    """Choose the ensemble whose mean probability makes the labels most likely.

    All subsets are tried if there are at most :data:`MOST_SUBSETS`. Otherwise members are added one
    by one, each time the one that makes the labels most likely.

    Parameters
    ----------
    figures
        Figures of the candidates.
    members
        How many to choose; ``None`` for any number.
    budget
        Most operations per sample; ``None`` for no limit.

    Raises
    ------
    UnsupportedError
        There are fewer candidates, or the budget is too small for any choice.
    """
    limit = np.inf if budget is None else budget
    _refuse(figures, members, limit)
    count = len(figures.operations)
    likely = figures.log_probabilities[:, np.arange(len(figures.labels)), figures.labels]
    sizes = range(1, count + 1) if members is None else range(members, members + 1)
    if sum(comb(count, size) for size in sizes) <= MOST_SUBSETS:
        subsets = (each for size in sizes for each in combinations(range(count), size))
        tried = (each for each in subsets if figures.cost(each) <= limit)
    else:
        found = _greedily(figures, likely, members, limit)
        tried = (each for each in found if len(each) in sizes)
    best = min(tried, key=lambda each: -_log_mean(likely[list(each)]).mean())
    return figures.score(sorted(best))


def _refuse(figures: MemberFigures, members: int | None, limit: float) -> None:
    """Raise UnsupportedError if no choice has that many members within the limit."""
    count, least = len(figures.operations), members or 1
    cheapest = figures.cost(_cheapest(figures, range(count), least))
    if members is not None and not 1 <= members <= count:
        fault = f"members is {members}; there are {count} to choose from"
    elif not cheapest <= limit:  # refuses a limit that is NaN as well
        fault = (
            f"the budget is {limit:,.0f} operations per sample; the cheapest {least} need "
            f"{cheapest:,.0f}"
        )
    else:
        return
    raise UnsupportedError("members cannot be chosen", [fault])


def _greedily(
    figures: MemberFigures, likely: NDArray[np.float64], members: int | None, limit: float
) -> Iterator[tuple[int, ...]]:
    """Add members one by one, keeping enough of the budget for those that are still to come.

    ``likely`` is the logarithm of each label's probability by each candidate, ``(candidates,
    samples)``.
    """
    chosen: tuple[int, ...] = ()
    rest = set(range(len(figures.operations)))
    while rest and len(chosen) != members:
        missing = 0 if members is None else members - len(chosen) - 1
        fitting = [
            one
            for one in sorted(rest)
            if figures.cost([*chosen, one, *_cheapest(figures, rest - {one}, missing)]) <= limit
        ]
        if not fitting:
            return
        best = min(fitting, key=lambda one: -_log_mean(likely[[*chosen, one]]).mean())
        chosen, rest = (*chosen, best), rest - {best}
        yield chosen


def _cheapest(figures: MemberFigures, candidates: Iterable[int], count: int) -> list[int]:
    """Return that many of the candidates, those with the fewest operations."""
    return sorted(candidates, key=lambda one: figures.operations[one])[:count]


def _log_mean(log_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithm of the mean over the first axis."""
    return np.asarray(np.logaddexp.reduce(log_values, axis=0) - np.log(len(log_values)))
