"""MNIST: read compressed or unpacked, from a named folder before the cache."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest

from edgespike.data import mnist
from edgespike.errors import EnvironmentMissingError, FileFormatError

IMAGES = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2, *range(8)])
LABELS = bytes([0, 0, 8, 1, 0, 0, 0, 2, 9, 4])
FILES = {"t10k-images-idx3-ubyte.gz": IMAGES, "t10k-labels-idx1-ubyte.gz": LABELS}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a cache folder that does not exist, an address that cannot answer, and small files."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(mnist, "cache_folder", lambda: folder)
    monkeypatch.setattr(mnist, "ADDRESS", (tmp_path / "nowhere").as_uri() + "/")
    for name, content in FILES.items():
        monkeypatch.setitem(mnist.SHA256, name, hashlib.sha256(content).hexdigest())
    return folder


def write(folder: Path, compressed: bool) -> None:
    folder.mkdir()
    for name, content in FILES.items():
        if compressed:
            (folder / name).write_bytes(gzip.compress(content))
        else:
            (folder / name.removesuffix(".gz")).write_bytes(content)


def check(folder: Path | None = None) -> None:
    images, labels = mnist.load("test", folder)
    assert images.dtype == np.uint8
    assert np.array_equal(images, np.arange(8).reshape(2, 1, 2, 2))
    assert labels.dtype == np.int64
    assert labels.tolist() == [9, 4]


@pytest.mark.parametrize("compressed", [True, False])
def test_files_in_the_cache_may_be_compressed(cache: Path, compressed: bool) -> None:
    write(cache, compressed)
    check()


def test_a_named_folder_is_preferred_to_the_cache(cache: Path, tmp_path: Path) -> None:
    cache.mkdir()
    (cache / "t10k-images-idx3-ubyte").write_bytes(b"damaged")
    write(tmp_path / "named", compressed=False)
    check(tmp_path / "named")


def test_a_download_is_kept_in_the_cache(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "published", compressed=True)
    with monkeypatch.context() as patched:
        patched.setattr(mnist, "ADDRESS", (tmp_path / "published").as_uri() + "/")
        check()
    check()


def test_without_data_and_network_the_ways_out_are_named(cache: Path) -> None:
    with pytest.raises(EnvironmentMissingError, match=r"connect to the network .* or put") as error:
        mnist.load("test")
    assert str(cache) in str(error.value)


def test_an_unpacked_file_of_somebody_else_is_refused(cache: Path) -> None:
    write(cache, compressed=False)
    (cache / "t10k-labels-idx1-ubyte").write_bytes(LABELS + b"0")
    with pytest.raises(FileFormatError, match=r"labels-idx1-ubyte that its authors published"):
        mnist.load("test")


@pytest.mark.skipif(not mnist.cache_folder().exists(), reason="MNIST is not in the cache")
def test_the_real_test_set_is_whole() -> None:
    images, labels = mnist.load("test")
    assert images.shape == (10_000, 1, 28, 28)
    assert np.bincount(labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
