"""Split samples into two parts, class by class, and never within a unit such as a recording."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgespike.data.own.order import shuffled
from edgespike.errors import InputError

Indices = NDArray[np.int64]

TRIES = 30
"""How many orders of the units are tried; the best split is taken."""

_TIE = 1e-9
"""Smaller differences may come from the order in which a processor adds."""

_COUNTS_LIMIT = 2**26
"""Most units times classes."""

_WORK = 20_000
"""Units times tries, where there are many units."""


def split(
    labels: Indices, units: Indices | None, classes: int, share: float, seeds: tuple[int, ...]
) -> tuple[Indices, Indices]:
    """Return which samples stay, and which are taken: about a share of each class.

    At least one sample of each class is taken and at least one stays, where the class has two
    samples, or samples in two units.

    Parameters
    ----------
    labels
        ``(samples,)``, 0..classes - 1.
    units
        ``(samples,)``: samples with one number stay together; None if each is its own unit.
    share
        0 to below 1; 0 takes nothing.
    seeds
        Of the order in which units are taken.
    """
    if share == 0:
        return np.arange(len(labels)), np.zeros(0, np.int64)
    if units is None:
        taken = _take_samples(labels, classes, share, seeds)
    else:
        taken = _take_units(labels, units, classes, share, seeds)
    return np.flatnonzero(~taken), np.flatnonzero(taken)


def _take_samples(
    labels: Indices, classes: int, share: float, seeds: tuple[int, ...]
) -> NDArray[np.bool_]:
    order = shuffled(len(labels), *seeds)
    order = order[np.argsort(labels[order], kind="stable")]
    taken = np.zeros(len(labels), np.bool_)
    start = 0
    for count in np.bincount(labels, minlength=classes).tolist():
        wanted = min(max(1, int(count * share + 0.5)), count - 1)
        taken[order[start : start + max(0, wanted)]] = True
        start += count
    return taken


def _take_units(
    labels: Indices, units: Indices, classes: int, share: float, seeds: tuple[int, ...]
) -> NDArray[np.bool_]:
    found, places = np.unique(units, return_inverse=True)
    if len(found) * classes > _COUNTS_LIMIT:
        raise InputError(
            f"{len(found):,} recordings or groups of {classes:,} classes are too many to be split; "
            "give the parts as files of their own"
        )
    counts = np.zeros((len(found), classes))
    np.add.at(counts, (places, labels), 1)
    tries = max(1, min(TRIES, _WORK // len(found)))
    best, best_score = np.zeros(len(found), np.bool_), (np.inf, np.inf)
    for attempt in range(tries):
        chosen = _greedy(counts, share, shuffled(len(found), *seeds, attempt).tolist())
        score = _score(counts, chosen, share)
        if score < best_score:
            best, best_score = chosen, score
        if best_score == (0, 0.0):
            break
    return best[places]


def _greedy(counts: NDArray[np.float64], share: float, order: list[int]) -> NDArray[np.bool_]:
    """Take a unit if that brings the classes nearer to their share, or brings a new class."""
    totals = counts.sum(axis=0)
    wanted, weights = totals * share, 1 / np.maximum(totals, 1)
    so_far = np.zeros(len(totals))
    chosen = np.zeros(len(counts), np.bool_)
    for unit in order:
        own = counts[unit]
        after, has = so_far + own, own > 0
        if (after[has] >= totals[has]).any():
            continue  # a class would have nothing left
        nearer = (np.abs(wanted - after) - np.abs(wanted - so_far)) @ weights < -_TIE
        if nearer or (so_far[has] == 0).any():
            so_far, chosen[unit] = after, True
    return chosen


def _score(
    counts: NDArray[np.float64], chosen: NDArray[np.bool_], share: float
) -> tuple[float, float]:
    """Return how many classes are missing in a part, and how far the parts are from the share."""
    totals = counts.sum(axis=0)
    taken = counts[chosen].sum(axis=0)
    missing = int(((totals > 0) & ((taken == 0) | (taken == totals))).sum())
    return missing, round(float(np.abs(taken - share * totals) @ (1 / np.maximum(totals, 1))), 9)
