"""The Pareto front of a series, and what it costs to reach an accuracy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from edgespike.errors import InputError
from edgespike.frontier.series import Level, Results, Run, Series, distinct_runs

BELOW_BEST = (0.0, 0.01, 0.02)
"""How far below what all series reach accuracies are matched, unless some are given."""

Place = tuple[float, float]
"""A cost and an accuracy."""


def pareto(places: Sequence[Place]) -> list[int]:
    """Return which places no other beats, by rising cost; of equal ones, the first.

    One beats another by less cost at no less accuracy, or more accuracy at no more cost.
    """
    order = sorted(range(len(places)), key=lambda at: (places[at][0], -places[at][1], at))
    front: list[int] = []
    for at in order:
        if not front or places[at][1] > places[front[-1]][1]:
            front.append(at)
    return front


def front_of(series: Series, cost: str) -> list[Level]:
    """Return the levels of a series on the Pareto front of their means over seeds."""
    places = [(level.cost(cost).mean, level.accuracy.mean) for level in series.levels]
    return [series.levels[at] for at in pareto(places)]


def cost_at(accuracy: float, places: Sequence[Place]) -> float:
    """Return what an accuracy costs on the Pareto front of places.

    Between two neighbours of the front, the cost is linear in the accuracy. Nothing is
    extrapolated: an accuracy below the front costs what its cheapest place does, an accuracy above
    it is not reached, and costs infinity.
    """
    front = [places[at] for at in pareto(places)]
    before: Place | None = None
    for place in front:
        if place[1] >= accuracy:
            if before is None:
                return place[0]
            share = (accuracy - before[1]) / (place[1] - before[1])
            return before[0] + share * (place[0] - before[0])
        before = place
    return math.inf


@dataclass(frozen=True)
class Matched:
    """What an accuracy costs a series.

    Parameters
    ----------
    typical, low, high
        The median, the least and the most over seeds; infinite where a seed does not reach the
        accuracy.
    reached, seeds
        How many seeds reach it, of how many.
    """

    typical: float
    low: float
    high: float
    reached: int
    seeds: int


def matched(series: Series, cost: str, accuracy: float) -> Matched:
    """Return what an accuracy costs, on the front of each seed's own nets."""
    found = [cost_at(accuracy, _places(runs, cost)) for runs in series.by_seed.values()]
    reached = sum(map(math.isfinite, found))
    # The median of two, one of them infinite, is infinite too.
    return Matched(median(found), min(found), max(found), reached, len(found))


def common_accuracies(results: Results) -> tuple[float, ...]:
    """Return accuracies that every seed of every series reaches: the highest, and a bit below."""
    best = min(
        max(run.accuracy for run in runs)
        for series in results.series
        for runs in series.by_seed.values()
    )
    return tuple(best - below for below in BELOW_BEST if best > below)


def below_unpenalised(results: Results, below: Sequence[float]) -> tuple[float, ...]:
    """Return accuracies some shares below the mean accuracy of the nets without penalty.

    These are the nets of strength 0 in series that have others too. Where there is such a series,
    one of strength 0 alone is a baseline of another kind, such as a float net's graph.

    Raises
    ------
    InputError
        There are no such nets, or an accuracy is 0 or less.
    """
    penalised = [
        series for series in results.series if any(level.strength != 0 for level in series.levels)
    ]
    free = distinct_runs(
        level
        for series in penalised or results.series
        for level in series.levels
        if level.strength == 0
    )
    if not free:
        raise InputError(
            f"no net has {results.along} = 0, so there is nothing to be below; train one for each "
            f"seed, or give accuracies with --at"
        )
    reference = fmean(run.accuracy for run in free)
    if reference <= max(below):
        raise InputError(
            f"the accuracy without penalty is {reference:.2%}, and {max(below):g} below it is 0 or "
            "less; give smaller differences"
        )
    return tuple(reference - difference for difference in below)


def coverage(seeds: int) -> float:
    """Return how likely the range over seeds contains the median over all possible seeds.

    It does not only if all seeds fall on one side of the median, each with probability 1/2: with
    probability ``2 * 2**-seeds``, whatever the distribution is.
    """
    return 1 - 2.0 ** (1 - seeds)


def _places(runs: Sequence[Run], cost: str) -> list[Place]:
    return [(run.costs[cost], run.accuracy) for run in runs]
