"""Small data of one's own, written as files."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgespike.data.own import DataError, DataOptions, OwnData, read_data


def read(path: Path, **options: Any) -> OwnData:
    return read_data(DataOptions(str(path), **options))


def faults(path: Path, **options: Any) -> list[str]:
    """Everything that is wrong."""
    with pytest.raises(DataError) as caught:
        read(path, **options)
    return list(caught.value.violations)


def pixels(count: int, *shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)


def labels(count: int, classes: int = 3) -> NDArray[np.int64]:
    return np.arange(count) % classes


def write_png(path: Path, image: NDArray[np.uint8]) -> Path:
    Image = pytest.importorskip("PIL.Image")
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return path


def write_images(folder: Path, classes: Sequence[str], each: int, *shape: int) -> Path:
    """Write images of one shape, ``each`` of a class."""
    images = pixels(len(classes) * each, *shape)
    for place, image in enumerate(images):
        write_png(folder / classes[place % len(classes)] / f"{place}.png", image)
    return folder


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def write_recordings(
    path: Path, lengths: Sequence[int], classes: int = 2, people: int = 0, features: int = 2
) -> Path:
    """Write recordings whose first feature is the number of the row in the file."""
    rng = np.random.default_rng(0)
    rows: list[list[object]] = []
    for recording, length in enumerate(lengths):
        person = recording // classes % people if people else 0
        for _ in range(length):
            numbers = [len(rows), *rng.normal(size=features - 1).round(3).tolist()]
            rows.append([f"r{recording}", f"p{person}", f"k{recording % classes}", *numbers])
    names = [f"f{place}" for place in range(features)]
    if people:
        return write_csv(path, ["recording", "person", "label", *names], rows)
    return write_csv(path, ["recording", "label", *names], ([row[0], *row[2:]] for row in rows))
