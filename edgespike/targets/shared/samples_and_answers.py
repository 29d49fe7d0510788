"""Read samples and print answers, with numpy alone: a part of every bundle's program."""

from __future__ import annotations

import csv
import math
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

IMAGES = (".png", ".bmp")
"""Endings of images that are read if Pillow is installed."""

MODES = ("1", "L", "P", "RGB")
"""What Pillow calls images without transparency whose channels have 8 bits or fewer."""

DESCRIBING = ("label", "recording", "group", "person", "subject", "participant", "user")
"""Columns of a table that say what a row is of, as edgespike itself reads them."""


def read_samples(path: Path, about: dict[str, Any]) -> Any:
    """Read samples and return whole numbers as the network takes them.

    They are read from an array (``.npy``), a table (``.csv``; one row is one step, as wide as a
    sample) or an image. Whole numbers in an array are what the network takes. If the network has a
    scaling, numbers with a fraction in an array, and all numbers of a table, are measured ones.

    Parameters
    ----------
    path
        The file.
    about
        What the network takes: ``shape`` of a sample's step, channels first, ``steps``, ``low``,
        ``high``, and ``scaling``, ``None`` or a table of ``offset`` and ``step``.

    Returns
    -------
    samples
        Integers ``(samples, *shape)`` or ``(samples, steps, *shape)``; shape and range of those in
        an array are not checked.
    """
    kind = path.suffix.lower()
    if kind in IMAGES:
        return read_image(path, about)
    return as_whole(read_table(path, about) if kind == ".csv" else load_samples(path), about)


def as_whole(samples: Any, about: dict[str, Any]) -> Any:
    """Return an array as whole numbers: measured ones are scaled, if there is a scaling."""
    if about["scaling"] is not None and samples.dtype.kind == "f":
        check_shape(samples, about)
        return scaled(samples, about)
    return samples


def load_samples(path: Path) -> Any:
    """Read one array."""
    try:
        samples = np.load(path)
    except (OSError, ValueError, EOFError, MemoryError, zipfile.BadZipFile) as error:
        sys.exit(f"cannot read {path}: {error}")
    if not isinstance(samples, np.ndarray):
        sys.exit(f"{path} is an archive of arrays; give one array, in a .npy file")
    return samples


def read_table(path: Path, about: dict[str, Any]) -> Any:
    """Read rows of numbers, one for each step; the first row may name the columns.

    Columns that say what a row is of (`DESCRIBING`) are left out if there are more than the network
    takes. A sample never goes over the end of what they describe alike: rows that are left there
    are not used.
    """
    steps, width = about["steps"], math.prod(about["shape"])
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, ValueError, csv.Error) as error:
        sys.exit(f"cannot read {path}: {error}")
    header = [] if not rows or any(map(is_number, rows[0])) else rows.pop(0)
    apart = [place for place, name in enumerate(header) if name.strip() in DESCRIBING]
    if len(header) <= width:
        apart = []
    keys = [[row[place] for place in apart if place < len(row)] for row in rows]
    rows = [[cell for place, cell in enumerate(row) if place not in apart] for row in rows]
    for number, row in enumerate(rows, start=1):
        text = [cell for cell in row if not is_number(cell)]
        if text or len(row) != width:
            found = f"holds {text[0][:40]!r}" if text else f"has {len(row)}"
            sys.exit(f"{path}: row {number} of numbers {found}; give {width} numbers in each row")
    starts = [n for n, key in enumerate(keys) if not n or key != keys[n - 1]]
    ends = [*starts[1:], len(rows)]
    if len({tuple(keys[start]) for start in starts}) < len(starts):
        sys.exit(f"{path}: rows of the same {', '.join(header[p] for p in apart)} are not together")
    if not rows or (not apart and len(rows) % steps):
        several = f" for each sample of {steps} steps" if steps > 1 else ""
        sys.exit(f"{path} has {len(rows)} rows of numbers; give {steps} or more{several}")
    numbers = np.array([[float(value) for value in row] for row in rows])
    if about["scaling"] is None and not (numbers % 1).any():
        numbers = numbers.astype(np.int64)
    pairs = zip(starts, ends)  # noqa: B905 - Python 3.9 knows no strict
    first = [n for a, b in pairs for n in range(a, b - steps + 1, steps)]
    if not first:
        sys.exit(f"{path} has no {steps} rows of one {' and '.join(header[p] for p in apart)}")
    windows = np.stack([numbers[n : n + steps] for n in first])
    return windows.reshape(-1, *([steps] if steps > 1 else []), *about["shape"])


def is_number(text: str) -> bool:
    """Return whether a cell of a table holds a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def read_image(path: Path, about: dict[str, Any]) -> Any:
    """Read one image, resized, whose pixels are the network's whole numbers."""
    shape, limits = tuple(about["shape"]), (about["low"], about["high"])
    if len(shape) != 3 or shape[0] not in (1, 3) or about["scaling"] or limits != (0, 255):
        sys.exit(
            f"{path} is an image; this network takes {limits[0]}..{limits[1]} of shape {shape}"
            f"{', scaled from measured numbers' if about['scaling'] else ''}; give a .npy file"
        )
    try:
        from PIL import Image
    except ImportError:
        sys.exit("images need Pillow: python -m pip install pillow")
    try:
        with Image.open(path) as image:
            stored = f"{image.mode} {image.tile[0][3] if image.tile else ''}"
            if image.mode not in MODES or "16" in stored or "transparency" in image.info:
                sys.exit(f"{path} is stored as {stored}; save it without transparency, in 8 bits")
            fitting = image.convert("L" if shape[0] == 1 else "RGB")
            if fitting.size != shape[:0:-1]:
                fitting = fitting.resize(shape[:0:-1], Image.Resampling.BILINEAR)
            pixels = np.asarray(fitting)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        sys.exit(f"cannot read {path}: {error}")
    return np.moveaxis(pixels.reshape(*shape[1:], shape[0]), -1, 0)[None]


def check_shape(samples: Any, about: dict[str, Any]) -> None:
    """Stop if measured numbers have another shape than a network takes."""
    shape, steps = tuple(about["shape"]), about["steps"]
    if samples.shape[1:] not in (shape, (steps, *shape)) or not len(samples):
        axes = ", ".join(map(str, (steps, *shape) if steps > 1 else shape))
        sys.exit(f"samples have shape {samples.shape}; give (samples, {axes})")


def scaled(measured: Any, about: dict[str, Any]) -> Any:
    """Return the whole numbers of measured ones, int64: floor((x - offset) / step + 1/2), clipped.

    All is computed in float64, in this order. ``offset`` and ``step`` are one number, or one for
    each entry of the first axis of a sample's step.
    """
    bad = np.count_nonzero(~np.isfinite(measured))
    if bad:
        sys.exit(f"{bad} of {measured.size} measured numbers are not finite; fill or remove them")
    size = math.prod(about["shape"])
    offset, step = (
        np.repeat(np.array(about["scaling"][name], np.float64), size // len(about["scaling"][name]))
        for name in ("offset", "step")
    )
    with np.errstate(over="ignore"):
        rows = measured.reshape(-1, size).astype(np.float64)
        whole = np.floor((rows - offset) / step + 0.5)
    whole = np.clip(whole, about["low"], about["high"]).astype(np.int64)
    return whole.reshape(measured.shape)


def log_probabilities(logits: Any, members: int) -> Any:
    """Return the logarithm of each member's softmax, ``(samples, members, classes)``."""
    each = np.clip(logits, -1e300, 1e300).reshape(len(logits), members, -1)
    each = each - each.max(axis=2, keepdims=True)
    return each - np.logaddexp.reduce(each, axis=2, keepdims=True)


def mean_of_members(each: Any) -> Any:
    """Return the logarithm of the members' mean probabilities, ``(samples, classes)``."""
    return np.logaddexp.reduce(each, axis=1) - np.log(each.shape[1])


def classes(logits: Any, members: int) -> Any:
    """Return the class of each sample; of an ensemble, that of the largest mean probability."""
    if members == 1:
        return np.argmax(logits, axis=1)
    return mean_of_members(log_probabilities(logits, members)).argmax(axis=1)


def show(logits: Any, members: int, names: Any = ()) -> None:
    """Print the class of each sample, one a line, and its name, if the classes have names.

    For an ensemble it is the class with the largest mean probability: the softmax of each member's
    logits, averaged over the members. It is followed by that probability, the entropy of the mean,
    the mean of the members' entropies, and their difference, the mutual information, which tells
    how far the members disagree. Entropies are in nats.
    """
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # of names that the terminal cannot show
    after = [f" {name}" for name in names] or [""] * (logits.shape[1] // members)
    if members == 1:
        print(*(f"{best}{after[best]}" for best in classes(logits, members)), sep="\n")
        return
    each = log_probabilities(logits, members)
    mean = mean_of_members(each)
    entropy = -(np.exp(mean) * mean).sum(axis=1)
    expected = -(np.exp(each) * each).sum(axis=2).mean(axis=1)
    disagreement = np.maximum(entropy - expected, 0)
    columns = np.exp(mean.max(axis=1)), entropy, expected, disagreement
    named = " name" if len(names) else ""
    print(f"# class probability entropy expected_entropy mutual_information{named}")
    for best, *row in zip(mean.argmax(axis=1), *columns):  # noqa: B905  # Python 3.9 has no strict
        print(best, *(f"{value:.6f}" for value in row), end=f"{after[best]}\n")
