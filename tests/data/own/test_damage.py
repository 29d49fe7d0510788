"""Damaged files end in an error with a message, or are read; nothing else happens."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgespike.errors import EdgespikeError
from tests.data.own.files import labels, pixels, read, write_images, write_recordings


def an_archive(folder: Path) -> Path:
    np.savez_compressed(folder / "x.npz", x=pixels(30, 4, 4), y=labels(30))
    return folder / "x.npz"


def a_table(folder: Path) -> Path:
    return write_recordings(folder / "x.csv", [8] * 8)


def an_image(folder: Path) -> Path:
    return write_images(folder, ["a", "b"], 3, 4, 4) / "b" / "3.png"


def arrays(folder: Path) -> Path:
    np.save(folder / "labels.npy", labels(30))
    np.save(folder / "samples.npy", pixels(30, 4, 4) / 255)
    return folder / "samples.npy"


@pytest.mark.parametrize("make", [an_archive, a_table, an_image, arrays])
def test_damaged_files_are_refused_or_read(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path)
    whole = path.read_bytes()
    place = path if path.suffix in (".npz", ".csv") else tmp_path
    rng = random.Random(0)
    refused = 0
    for _ in range(60):
        content = bytearray(whole)
        for _ in range(rng.choice([1, 1, 3])):
            start = rng.randrange(len(content))
            new = rng.choice([b"", b"\0\0\0\0", b"\xff\xff\xff\xff", bytes([rng.randrange(256)])])
            content[start : start + max(1, len(new))] = new
        if rng.random() < 0.2:
            del content[rng.randrange(len(content)) :]
        path.write_bytes(content)
        try:
            read(place)
        except EdgespikeError:
            refused += 1
    assert refused > 5
    path.write_bytes(whole)
    read(place)


def test_a_png_that_claims_to_go_on_allocates_nothing(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    path = an_image(tmp_path)
    content = bytearray(path.read_bytes())
    start = content.index(b"IDAT") - 4
    content[start : start + 4] = b"\x7f\xff\xff\xff"
    path.write_bytes(content)
    limits = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**29, limits[1]))
    try:
        with contextlib.suppress(EdgespikeError):  # Pillow may accept what there is
            read(tmp_path)
    except MemoryError:
        pytest.fail("2 GB were allocated")
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
