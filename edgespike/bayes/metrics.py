"""Metrics of how far probabilities can be trusted: detection and calibration; numpy only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.errors import InputError


def area_under_roc(negatives: NDArray[Any], positives: NDArray[Any]) -> float:
    """Return the area under the receiver operating characteristic of a score.

    It is the probability that a positive has a higher score than a negative, with ties counting
    half (the Mann-Whitney statistic), computed exactly from ranks.

    Parameters
    ----------
    negatives, positives
        Scores, ``(samples,)`` each; to detect unknown data, those of known and of unknown data.

    Raises
    ------
    InputError
        One of them is empty, or a score is NaN.
    """
    if not len(negatives) or not len(positives):
        raise InputError(
            f"{len(negatives)} negatives and {len(positives)} positives; give one or more of each"
        )
    if np.isnan(negatives).any() or np.isnan(positives).any():
        raise InputError("some scores are NaN; leave their samples out")
    ordered = np.sort(negatives)
    below = np.searchsorted(ordered, positives, side="left")
    up_to = np.searchsorted(ordered, positives, side="right")
    return float((below + up_to).mean() / (2 * len(negatives)))


def expected_calibration_error(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], bins: int = 15
) -> float:
    """Return the mean difference between confidence and accuracy, 0 to 1.

    Samples are sorted by the probability of their predicted class into bins of equal width, each of
    which includes its upper end. The differences of the bins are weighted by their numbers of
    samples (Guo et al., On calibration of modern neural networks, 2017, eq. 5).

    Parameters
    ----------
    probabilities
        ``(samples, classes)``; each row sums to 1.
    labels
        Class of each sample, ``(samples,)``.
    bins
        At least 1.

    Raises
    ------
    InputError
        There are no samples or no bins, or the shapes do not fit.
    """
    confidence, accuracy, share = calibration_bins(probabilities, labels, bins)
    return float(np.sum(share * np.abs(confidence - accuracy)))


def calibration_bins(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], bins: int = 15
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean confidence, accuracy and share of samples of each bin that is not empty.

    Parameters and errors are those of :func:`expected_calibration_error`.
    """
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1] or not len(labels):
        raise InputError(
            f"probabilities have shape {probabilities.shape}, labels {labels.shape}; give "
            "(samples, classes) and (samples,), with one sample or more"
        )
    if bins < 1:
        raise InputError(f"bins is {bins}; give 1 or more")
    largest = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    place = np.clip(np.ceil(largest * bins).astype(np.int64) - 1, 0, bins - 1)
    counts = np.bincount(place, minlength=bins)
    used = counts > 0
    confidence = np.bincount(place, largest, bins)[used] / counts[used]
    accuracy = np.bincount(place, correct, bins)[used] / counts[used]
    return confidence, accuracy, counts[used] / len(labels)
