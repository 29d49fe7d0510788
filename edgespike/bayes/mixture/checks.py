"""Checks that arrays are a Gaussian mixture; all faults are listed at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from array_api_compat import array_namespace, is_array_api_obj, is_numpy_array, is_torch_array
from numpy.typing import NDArray

from edgespike.bayes.mixture.arrays import AnyArray, to_numpy
from edgespike.errors import ViolationsError

WEIGHT_TOLERANCE = 1e-6
"""Largest deviation of the sum of the weights from 1."""

LARGEST_RATIO = 1e60
"""Largest ratio of two standard deviations, and largest distance of means in standard deviations.

It is far above what float32 can hold; its fourth power is still finite in float64.
"""

_NAMED = 3
"""Number of bad values that are listed individually."""


class MixtureError(ViolationsError):
    """Arrays are not a Gaussian mixture."""


def check_shapes(weights: AnyArray, means: AnyArray, covariances: AnyArray) -> None:
    """Check that the arrays are of one kind and that their shapes fit together.

    Raises
    ------
    MixtureError
        They are of different kinds, not float32 or float64, or their shapes do not fit together.
    """
    named = {"weights": weights, "means": means, "covariances": covariances}
    faults = list(_type_faults(named)) or list(_shape_faults(weights, means, covariances))
    if faults:
        raise MixtureError("these arrays are not a Gaussian mixture", faults)


def check_values(weights: AnyArray, means: AnyArray, covariances: AnyArray) -> None:
    """Check the values of arrays whose shapes fit.

    Raises
    ------
    MixtureError
        Values are not finite, not positive, not symmetric, singular, or too far apart.
    """
    weights, means, covariances = map(to_numpy, (weights, means, covariances))
    faults = [
        *_finite_faults("weights", weights),
        *_finite_faults("means", means),
        *_finite_faults("covariances", covariances),
    ]
    if not faults:
        faults = [*_weight_faults(weights), *_covariance_faults(means, covariances)]
    if faults:
        raise MixtureError("these arrays are not a Gaussian mixture", faults)


def _type_faults(named: dict[str, AnyArray]) -> Iterator[str]:
    for name, array in named.items():
        if not is_array_api_obj(array) or not (is_numpy_array(array) or is_torch_array(array)):
            yield f"{name} is a {type(array).__name__}; pass a numpy array or a torch tensor"
        elif array.dtype not in (array_namespace(array).float32, array_namespace(array).float64):
            yield f"{name} is {array.dtype}; convert it to float32 or float64"
    if len({is_numpy_array(array) for array in named.values()}) > 1:
        yield "some arrays are numpy's and some torch's; pass all of one kind"


def _shape_faults(weights: AnyArray, means: AnyArray, covariances: AnyArray) -> Iterator[str]:
    if means.ndim < 2 or 0 in means.shape:
        yield f"means have the shape {tuple(means.shape)}; expected (K, m), both at least 1"
        return
    *batch, components, dimension = means.shape
    if tuple(weights.shape) != (*batch, components):
        yield (
            f"weights have the shape {tuple(weights.shape)}, means {tuple(means.shape)}; "
            f"expected weights of shape {(*batch, components)}"
        )
    shapes = [
        (*batch, count, *rest)
        for count in (components, 1)
        for rest in ((dimension, dimension), (dimension,), ())
    ]
    if tuple(covariances.shape) not in shapes:
        full, diagonal, isotropic = shapes[:3]
        yield (
            f"covariances have the shape {tuple(covariances.shape)}, means {tuple(means.shape)}; "
            f"expected {full} for matrices, {diagonal} for variances, {isotropic} for one variance "
            f"a component, or 1 instead of {components} for a covariance that all share"
        )


def _finite_faults(name: str, values: NDArray[Any]) -> Iterator[str]:
    # Minimum and maximum first: they need no extra memory, and both propagate NaN.
    if not (np.isfinite(values.min()) and np.isfinite(values.max())):
        yield _listed(name, values, ~np.isfinite(values), "not finite")


def _weight_faults(weights: NDArray[Any]) -> Iterator[str]:
    if (weights <= 0).any():
        advice = "not positive; leave out components without weight"
        yield _listed("weights", weights, weights <= 0, advice)
    sums = weights.astype(np.float64).sum(axis=-1)
    wrong = abs(sums - 1) > WEIGHT_TOLERANCE
    if wrong.any():
        yield (
            f"weights sum to {float(np.atleast_1d(sums)[np.atleast_1d(wrong)][0]):.10g}; they must "
            f"sum to 1 within {WEIGHT_TOLERANCE:g}: divide them by their sum"
        )


def _covariance_faults(means: NDArray[Any], covariances: NDArray[Any]) -> Iterator[str]:
    full = covariances.ndim > means.ndim
    variances = covariances
    if full:
        variances = np.diagonal(covariances, axis1=-2, axis2=-1)
    if variances.min() <= 0:
        # Otherwise a batch of isotropic variances would be named like one of diagonal ones.
        name = "variances on the diagonal of covariances" if full else "covariances"
        yield _listed(name, variances, variances <= 0, "not positive, so singular; it must be > 0")
        return
    if full:
        yield from _matrix_faults(covariances)
    yield from _scale_faults(means, variances)


def _matrix_faults(matrices: NDArray[Any]) -> Iterator[str]:
    precision = float(np.finfo(matrices.dtype).eps)
    for index in np.ndindex(matrices.shape[:-2]):
        matrix = matrices[index].astype(np.float64)
        scale = np.sqrt(np.diagonal(matrix))
        correlations = matrix / scale[:, None] / scale
        place = f"covariances[{_text(index)}]"
        skew = abs(correlations - correlations.T).max()
        if skew > precision**0.5:
            yield (
                f"{place} is not symmetric: elements across its diagonal differ by {skew:.3g} of "
                f"their standard deviations, more than {precision**0.5:.1g}; use (S + S') / 2"
            )
        elif (least := _least_share(correlations)) <= precision * len(matrix):
            yield (
                f"{place} is singular or not positive definite: {least:.3g} of a dimension's "
                f"variance is independent of the others, at least {precision * len(matrix):.1g} is "
                "needed; drop dependent dimensions or add to the diagonal"
            )


def _least_share(correlations: NDArray[np.float64]) -> float:
    """Return the smallest share of a variance that the preceding dimensions do not explain."""
    try:
        factor = np.linalg.cholesky(correlations)
    except np.linalg.LinAlgError:
        return 0.0
    return float(np.diagonal(factor).min() ** 2)


def _scale_faults(means: NDArray[Any], variances: NDArray[Any]) -> Iterator[str]:
    smallest = float(variances.min()) ** 0.5
    widest = float(variances.max()) ** 0.5
    distance = float(means.max()) - float(means.min())
    for name, value in (("means differ by", distance), ("standard deviations reach", widest)):
        if value / smallest > LARGEST_RATIO:
            yield (
                f"{name} {value:.3g}, more than {LARGEST_RATIO:g} times the smallest standard "
                f"deviation, {smallest:.3g}; scale the dimensions"
            )


def _listed(name: str, values: NDArray[Any], bad: NDArray[np.bool_], what: str) -> str:
    places = np.argwhere(bad)
    first = [f"{name}[{_text(place)}] = {values[tuple(place)]:.6g}" for place in places[:_NAMED]]
    more = f" and {len(places) - _NAMED:,} more" if len(places) > _NAMED else ""
    return f"{', '.join(first)}{more}: {what}"


def _text(index: Any) -> str:
    return ", ".join(str(int(place)) for place in index)
