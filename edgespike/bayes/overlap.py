"""Whether the components of a mixture stay apart, which the approximate entropy assumes.

The gradient of the approximate entropy with respect to the means is 0: where the likelihood or the
prior pulls two components to one place, nothing keeps them apart. They are then one network at the
cost of two, and the objective counts an entropy that does not exist.
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
"""Nats by which the entropy may be too large before a warning is issued."""


class CollapseWarning(UserWarning):
    """Components of a mixture overlap, so its entropy is overestimated."""


@dataclass(frozen=True)
class Overlap:
    """How far apart the components of a mixture are."""

    alpha: float | None
    """The smallest separation, see :func:`edgespike.bayes.mixture.separations`; None for K = 1."""

    closest: tuple[int, int] | None
    """The components that have it, counted from 0; None for K = 1."""

    error_bound: float
    """Upper bound of the approximate entropy's error, by Bhattacharyya coefficients, in nats."""

    weight_entropy: float
    """Error in nats if all components coincide."""

    def warn_of_collapse(self) -> None:
        """Issue a `CollapseWarning` if the entropy may be too large by over `MOST_ERROR`."""
        if self.closest is None or self.error_bound <= MOST_ERROR:
            return
        first, second = self.closest
        warnings.warn(
            "components collapse: the mixture's entropy may be overestimated by "
            f"{self.error_bound:.3g} nats (of at most {self.weight_entropy:.3g}); components "
            f"{first} and {second} are closest, separation {self.alpha:.3g}: start from weights "
            "further apart, with smaller deviations, or with fewer members",
            CollapseWarning,
            stacklevel=2,
        )


def measure_overlap(mixture: GaussianMixture) -> Overlap:
    """Measure how far apart the components of one mixture (not a batch) are."""
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
