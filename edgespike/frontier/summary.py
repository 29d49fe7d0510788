"""A frontier as plain values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from edgespike.frontier.fronts import Matched, common_accuracies, coverage, front_of, matched
from edgespike.frontier.series import Level, Results, Series


@dataclass(frozen=True)
class Frontier:
    """Results, and the accuracies, from 0 to 1, at which their costs are compared."""

    results: Results
    accuracies: tuple[float, ...]

    def front(self, series: Series, cost: str) -> list[Level]:
        """Return the levels on the Pareto front of a series."""
        return front_of(series, cost)

    def at(self, series: Series, cost: str, accuracy: float) -> Matched:
        """Return what an accuracy costs a series."""
        return matched(series, cost, accuracy)

    @property
    def seeds(self) -> tuple[int, int]:
        """The smallest and the largest number of seeds of a series."""
        counts = [len(series.by_seed) for series in self.results.series]
        return min(counts), max(counts)

    @property
    def method(self) -> tuple[str, ...]:
        """How the figures are made, in sentences."""
        least, most = self.seeds
        seeds = str(least) if least == most else f"{least} to {most}"
        sure = (
            "There is one seed: nothing is known of the spread."
            if most == 1
            else f"The range over {seeds} seeds contains "
            f"the median over all possible seeds with a probability of {coverage(least):.0%}"
            f"{'' if least == most else ' or more'}, whatever their distribution."
        )
        return (
            f"All figures are of the deployed graphs, on the same {self.results.samples:,} test "
            "samples, means of a sample.",
            "A point of a front is the mean over seeds; no other point of its series has less cost "
            "at no less accuracy, or more accuracy at no more cost.",
            "At a matched accuracy, each seed's own front is interpolated, the cost linear in the "
            "accuracy between neighbours, and never extrapolated: below a front, its cheapest "
            "net counts, and above it the accuracy is not reached. Stated are the median and "
            f"the range over seeds. {sure}",
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values; a cost that is not reached is None."""
        results = self.results
        return {
            "samples": results.samples,
            "along": results.along,
            "energy_by": results.energy_by,
            "left_out": results.left_out,
            "method": list(self.method),
            "series": [self._series(series) for series in results.series],
        }

    def _series(self, series: Series) -> dict[str, Any]:
        return {
            "name": series.name,
            "settings": dict(series.settings),
            "seeds": len(series.by_seed),
            "levels": [self._level(level) for level in series.levels],
            "fronts": {
                cost: [level.strength for level in self.front(series, cost)]
                for cost in self.results.costs
            },
            "matched": [
                {
                    "accuracy": accuracy,
                    **{
                        cost: _finite(asdict(self.at(series, cost, accuracy)))
                        for cost in self.results.costs
                    },
                }
                for accuracy in self.accuracies
            ],
        }

    def _level(self, level: Level) -> dict[str, Any]:
        return {
            self.results.along: level.strength,
            "seeds": len(level.runs),
            "accuracy": asdict(level.accuracy),
            **{cost: asdict(level.cost(cost)) for cost in self.results.costs},
        }


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


def frontier_of(results: Results, accuracies: Sequence[float] = ()) -> Frontier:
    """Return the frontier of results at given accuracies, or at those that all series reach."""
    return Frontier(results, tuple(accuracies) or common_accuracies(results))
