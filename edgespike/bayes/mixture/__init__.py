"""Gaussian mixtures and their entropy: an approximation, its error, and other approximations.

The entropy of a mixture has no closed form. The approximate entropy treats the mixture as if no two
components overlapped (Furuya et al., arXiv 2202.13059). It needs only the covariances and the
weights, and its error vanishes as the dimension grows. This package computes guaranteed bounds of
that error from both sides, an estimate that stays precise where the error is tiny, and the error
that is to be expected::

    mixture = GaussianMixture(weights, means, covariances)  # numpy arrays or torch tensors
    entropy = approximate_entropy(mixture)  # nats
    bounds = error_bounds(mixture)  # bounds.lower <= entropy - (true entropy) <= bounds.upper
    estimate = sampled_error(mixture)  # value and standard error

Everything except sampling takes batches and can be differentiated by autograd. With diagonal
covariances no array larger than the mixture is made, for any number of dimensions, except those
that autograd keeps.
"""

from __future__ import annotations

from edgespike.bayes.mixture.bounds import (
    ErrorBounds,
    SeparationBound,
    bhattacharyya_bound,
    bhattacharyya_lower_bound,
    error_bounds,
    expected_error_bound,
    log_overlap,
    overlap_error,
    separation_bound,
    spread,
    weight_entropy,
)
from edgespike.bayes.mixture.checks import MixtureError
from edgespike.bayes.mixture.entropy import (
    APPROXIMATIONS,
    approximate_entropy,
    gaussian_kernel_lower,
    huber_0,
    huber_2,
    kolchinsky_tracey_lower,
    kolchinsky_tracey_upper,
)
from edgespike.bayes.mixture.files import read_mixture
from edgespike.bayes.mixture.gaussian import Covariance, GaussianMixture
from edgespike.bayes.mixture.pairs import Directed, Middles, directed, middles
from edgespike.bayes.mixture.sampling import (
    Estimate,
    monte_carlo_entropy,
    sampled_error,
    sampled_error_by_components,
)
from edgespike.bayes.mixture.separation import separations
from edgespike.bayes.mixture.summary import Summary, summarise

__all__ = [
    "APPROXIMATIONS",
    "Covariance",
    "Directed",
    "ErrorBounds",
    "Estimate",
    "GaussianMixture",
    "Middles",
    "MixtureError",
    "SeparationBound",
    "Summary",
    "approximate_entropy",
    "bhattacharyya_bound",
    "bhattacharyya_lower_bound",
    "directed",
    "error_bounds",
    "expected_error_bound",
    "gaussian_kernel_lower",
    "huber_0",
    "huber_2",
    "kolchinsky_tracey_lower",
    "kolchinsky_tracey_upper",
    "log_overlap",
    "middles",
    "monte_carlo_entropy",
    "overlap_error",
    "read_mixture",
    "sampled_error",
    "sampled_error_by_components",
    "separation_bound",
    "separations",
    "spread",
    "summarise",
    "weight_entropy",
]
