"""Whether the components of a mixture stay apart, on which the approximate entropy rests.

The gradient of the approximate entropy by the means is 0: where the likelihood or the prior pulls
two components to one place, nothing else keeps them apart. They are one network then, that costs
two, and the objective counts an entropy that is not there.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from edgespike.bayes.mixture import (
    GaussianMixture,
    bhattacharyya_bound,
    middles,
    separations,
    weight_entropy,
)

MOST_ERROR = 0.01
"""Nats by which the entropy may be too large before there is a warning."""


class CollapseWarning(UserWarning):
    """Components of a mixture overlap, so that its entropy is taken for too large."""


@dataclass(frozen=True)
class Overlap:
    """How far apart the components of a mixture are."""

    alpha: float | None
    """The least separation, see :func:`edgespike.bayes.mixture.separations`; None for K = 1."""

    closest: tuple[int, int] | None
    """The components that have it, counted from 0; None for K = 1."""

    error_bound: float
    """Nats by which the approximate entropy is too large at most, by Bhattacharyya coefficients."""

    weight_entropy: float
    """Nats by which it is too large if all components coincide."""

    def warn_of_collapse(self) -> None:
        """Issue a `CollapseWarning` if the entropy may be too large by over `MOST_ERROR`."""
        if self.closest is None or self.error_bound <= MOST_ERROR:
            return
        first, second = self.closest
        warnings.warn(
            f"components collapse: the mixture's entropy may be taken for {self.error_bound:.3g} "
            f"nats too large (of at most {self.weight_entropy:.3g}); closest are {first} and "
            f"{second}, separation {self.alpha:.3g}: start from weights further apart, with "
            "smaller deviations, or with fewer members",
            CollapseWarning,
            stacklevel=2,
        )


def measure_overlap(mixture: GaussianMixture) -> Overlap:
    """Measure how far apart the components of one mixture, no batch, are."""
    mixture = mixture.as_numpy()
    logs = mixture.log_weights()
    most = float(weight_entropy(logs))
    alpha = closest = None
    if mixture.components > 1:
        rows, columns = np.triu_indices(mixture.components, 1)
        pairs = separations(mixture)[rows, columns]
        least = int(np.argmin(pairs))
        alpha, closest = float(pairs[least]), (int(rows[least]), int(columns[least]))
    bound = float(bhattacharyya_bound(logs, middles(mixture)))
    return Overlap(alpha, closest, min(bound, most), most)
