"""What is suspicious about data, though it can be read: nothing else would say so."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.data.own.faults import examples
from edgespike.data.own.items import FEATURE_AXIS
from edgespike.data.own.parts import PART_NAMES, OwnData

UNBALANCED = 5
"""How many times as many samples the largest class may have as the smallest."""

FEW = 10
"""Fewer training samples of a class are few."""

_AT_THE_END = 0.01
"""Share of values at an end of the range that says that test and training data differ."""


def problems(data: OwnData) -> list[str]:
    """Return sentences on classes, copies and ranges that may spoil training or testing."""
    return [*_class_problems(data), *_copies(data), *_range_problems(data)]


def class_counts(data: OwnData) -> dict[str, NDArray[np.int64]]:
    """Return the number of samples of each class, ``(classes,)``, by part."""
    classes = len(data.class_names)
    return {name: np.bincount(getattr(data, name).labels, minlength=classes) for name in PART_NAMES}


def _class_problems(data: OwnData) -> Iterator[str]:
    counts, names = class_counts(data), data.class_names
    train = counts["train"]
    if train.max() > UNBALANCED * train.min():
        most, least = int(train.argmax()), int(train.argmin())
        yield (
            f"classes are unbalanced: {train[most]:,} training samples of {names[most]}, "
            f"{train[least]:,} of {names[least]}; accuracy may hide the small ones"
        )
    few = [names[place] for place in np.flatnonzero(train < FEW)]
    if few:
        yield f"fewer than {FEW} training samples: {examples(few)}"
    if len(data.validation.labels):
        missing = [names[place] for place in np.flatnonzero(counts["validation"] == 0)]
        if missing:
            yield f"validation has no samples of {examples(missing)}"


def _copies(data: OwnData) -> Iterator[str]:
    """Yield how many samples are there twice, by the hash of their numbers."""
    train = dict(zip(_hashes(data.train.samples), data.train.labels.tolist(), strict=True))
    contrary = sum(
        train[digest] != label
        for digest, label in zip(
            _hashes(data.train.samples), data.train.labels.tolist(), strict=True
        )
    )
    for part in ("test", "validation"):
        samples = getattr(data, part).samples
        copies = sum(digest in train for digest in _hashes(samples))
        if copies:
            yield (
                f"{copies:,} of {len(samples):,} {part} samples are in train too, number for "
                "number; the accuracy will be too good"
            )
    if contrary:
        yield f"{contrary:,} training samples have a copy of another class"


def _hashes(samples: NDArray[Any]) -> Iterator[bytes]:
    for sample in samples:
        yield hashlib.blake2b(sample.tobytes(), digest_size=16).digest()


def _range_problems(data: OwnData) -> Iterator[str]:
    train, test = data.train.samples, data.test.samples
    axis = FEATURE_AXIS[data.source["kind"]]
    others = tuple(place for place in range(train.ndim) if place != axis)
    constant = np.flatnonzero(train.min(axis=others) == train.max(axis=others))
    if len(constant):
        yield (
            f"{len(constant):,} of {train.shape[axis]:,} features or channels never change in "
            f"train: number {examples(constant.tolist())}"
        )
    if data.scaling is None:
        return
    share, usual = _at_the_end(test), _at_the_end(train)
    if share > max(_AT_THE_END, 5 * usual):
        yield (
            f"{share:.1%} of the test values are at an end of the range learnt from train, of the "
            f"training values {usual:.1%}; were they measured alike?"
        )


def _at_the_end(samples: NDArray[Any]) -> float:
    low, high = (-127, 127) if samples.dtype == np.int8 else (0, 255)
    ends = np.count_nonzero(samples == high)
    if low:
        ends += np.count_nonzero(samples == low)
    return float(ends / samples.size)
