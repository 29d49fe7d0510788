"""Description of a mixture posterior: what a recipe says about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

from edgespike.bayes.posterior import Deviations, Weights
from edgespike.errors import shown
from edgespike.nn.nets.checks import outside, refuse, unknown

_MOST_MEMBERS = 1000
_LARGEST = 1e6


@dataclass(frozen=True)
class PosteriorSpec:
    """Train a mixture of Gaussians over the net's weights instead of one net.

    Parameters
    ----------
    members
        Number of components K, each a net with its own initial weights.
    deviations, weights, prior_deviation, initial_deviation
        See `edgespike.bayes.posterior.MixturePosterior`. An ensemble of the members weights them
        equally: with "learned" weights it differs from the trained mixture.
    temperature
        1 for Bayes' rule; a lower value gives the prior and the entropy less weight.
    samples
        Number of nets drawn from the mixture that are kept in addition to the components' means.

    Raises
    ------
    ValueError
        Values are out of range; all of them are named.
    """

    members: int = 4
    deviations: Deviations = "weight"
    weights: Weights = "uniform"
    prior_deviation: float = 1.0
    initial_deviation: float = 0.05
    temperature: float = 1.0
    samples: int = 0

    def __post_init__(self) -> None:
        refuse(self._faults())

    def _faults(self) -> Iterator[str]:
        yield from outside(self, 1, _MOST_MEMBERS, "members")
        yield from outside(self, 0, _MOST_MEMBERS, "samples")
        for name in ("prior_deviation", "initial_deviation"):
            if not 1 / _LARGEST <= (value := getattr(self, name)) <= _LARGEST:
                yield f"{name} is {shown(value)}; it must be {1 / _LARGEST} to {_LARGEST}"
        if not 0 <= self.temperature <= _LARGEST:
            yield f"temperature is {self.temperature}; it must be 0 to {_LARGEST}"
        yield from unknown(self, get_args(Deviations), "deviations")
        yield from unknown(self, get_args(Weights), "weights")
