from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgespike.data import fashion_mnist
from edgespike.data.idx import parse_idx
from edgespike.errors import EnvironmentMissingError, FileFormatError

ARRAYS = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=4, max_side=5))
IMAGES = "train-images-idx3-ubyte.gz"
LABELS = "train-labels-idx1-ubyte.gz"


def idx(array: np.ndarray) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


@given(ARRAYS)
def test_idx_content_becomes_the_array_it_was_made_from(array: np.ndarray) -> None:
    assert np.array_equal(parse_idx(idx(array), "file"), array)


@given(ARRAYS, st.data())
def test_truncated_idx_content_is_refused(array: np.ndarray, data: st.DataObject) -> None:
    content = idx(array)
    length = data.draw(st.integers(0, len(content) - 1))
    with pytest.raises(FileFormatError, match=r"^the file "):
        parse_idx(content[:length], "the file")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "begins with nothing"),
        (b"PK\x03\x04", "begins with 504b0304"),
        (bytes([0, 0, 13, 1, 0, 0, 0, 0]), "begins with 00000d01"),
        (bytes([0, 0, 8, 3, 0, 0]), "ends after 6 bytes, inside its header"),
        (idx(np.zeros((2, 3), np.uint8)) + b"\0", r"holds 7 elements; its header says 6 \(2 x 3\)"),
        (bytes([0, 0, 8, 4]) + b"\xff" * 16, "holds 0 elements; its header says 3402823"),
    ],
)
def test_what_is_wrong_with_idx_content_is_said(content: bytes, fault: str) -> None:
    with pytest.raises(FileFormatError, match=fault):
        parse_idx(content, "file")


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Return the package's and the cache folder, both empty, and an address that cannot answer."""
    package, cache = tmp_path / "package", tmp_path / "cache"
    package.mkdir()
    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", package)
    monkeypatch.setattr(fashion_mnist, "cache_folder", lambda: cache)
    monkeypatch.setattr(fashion_mnist, "ADDRESS", (tmp_path / "nowhere").as_uri() + "/")
    return package, cache


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a small data set with its checksums, in a folder that stands for its address."""
    folder = tmp_path / "published"
    folder.mkdir()
    for name, array in ((IMAGES, np.arange(24).reshape(2, 3, 4)), (LABELS, np.array([7, 0]))):
        content = idx(array.astype(np.uint8))
        (folder / name).write_bytes(gzip.compress(content))
        monkeypatch.setitem(fashion_mnist.SHA256, name, hashlib.sha256(content).hexdigest())
    return folder


def check_small_data_set() -> None:
    images, labels = fashion_mnist.load("train")
    assert images.dtype == np.uint8
    assert np.array_equal(images, np.arange(24).reshape(2, 1, 3, 4))
    assert labels.dtype == np.int64
    assert labels.tolist() == [7, 0]


def test_a_download_is_kept_in_the_cache(
    folders: tuple[Path, Path], published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(fashion_mnist, "ADDRESS", published.as_uri() + "/")
        check_small_data_set()
    assert sorted(path.name for path in folders[1].iterdir()) == [IMAGES, LABELS]
    check_small_data_set()


def test_the_package_is_preferred_to_the_cache(folders: tuple[Path, Path], published: Path) -> None:
    for name in (IMAGES, LABELS):
        (folders[0] / name).write_bytes((published / name).read_bytes())
    check_small_data_set()
    assert not folders[1].exists()


def test_without_data_and_network_the_three_ways_out_are_named(folders: tuple[Path, Path]) -> None:
    with pytest.raises(EnvironmentMissingError) as caught:
        fashion_mnist.load("test")
    for way in ("package dataset-fashion-mnist", "connect to the network", str(folders[1])):
        assert way in str(caught.value)


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda content: content[:-20], "is not a complete gzip file"),
        (lambda content: b"<html>", "is not a complete gzip file"),
        (lambda content: gzip.compress(b"other"), "its checksum differs"),
    ],
)
def test_a_damaged_download_is_refused_and_not_kept(
    folders: tuple[Path, Path],
    published: Path,
    monkeypatch: pytest.MonkeyPatch,
    damage: Callable[[bytes], bytes],
    fault: str,
) -> None:
    monkeypatch.setattr(fashion_mnist, "ADDRESS", published.as_uri() + "/")
    (published / IMAGES).write_bytes(damage((published / IMAGES).read_bytes()))
    with pytest.raises(FileFormatError, match=fault):
        fashion_mnist.load("train")
    assert not folders[1].exists()


class BreaksOff(BaseHTTPRequestHandler):
    """Promise 100 bytes, send 3 and hang up."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        self.wfile.write(b"abc")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_download_that_breaks_off_is_said_to(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with HTTPServer(("127.0.0.1", 0), BreaksOff) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        monkeypatch.setattr(fashion_mnist, "ADDRESS", f"http://127.0.0.1:{server.server_port}/")
        with pytest.raises(EnvironmentMissingError, match=r"downloaded \(IncompleteRead"):
            fashion_mnist.load("train")
        thread.join()
    assert not folders[1].exists()


@pytest.mark.skipif(
    not fashion_mnist.DEBIAN_FOLDER.exists(), reason="dataset-fashion-mnist is not installed"
)
def test_the_real_test_set_is_whole() -> None:
    images, labels = fashion_mnist.load("test")
    assert images.shape == (10_000, 1, 28, 28)
    assert np.bincount(labels).tolist() == [1000] * 10
    assert images.max() == 255
