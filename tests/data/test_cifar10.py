"""CIFAR-10: read from the cache, downloaded whole or not at all, and nothing else unpacked."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from edgespike.data import cifar10
from edgespike.data.base import Split
from edgespike.errors import EnvironmentMissingError, FileFormatError

RECORD = 3073
TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))


def batch(labels: list[int], seed: int = 0) -> bytes:
    records = np.random.default_rng(seed).integers(0, 256, (len(labels), RECORD), np.uint8)
    records[:, 0] = labels
    return records.tobytes()


def test_a_record_is_a_label_and_three_planes_row_by_row() -> None:
    content = bytes([7]) + bytes(range(256)) * 12
    images, labels = cifar10.parse_batch(content, "file")
    assert images.dtype == np.uint8
    assert images.shape == (1, 3, 32, 32)
    assert labels.dtype == np.int64
    assert labels.tolist() == [7]
    for channel, row, column in [(0, 0, 0), (0, 0, 31), (0, 5, 2), (1, 0, 1), (2, 31, 31)]:
        assert images[0, channel, row, column] == (1024 * channel + 32 * row + column) % 256


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "the file has 0 bytes; a batch consists of records of 3073"),
        (batch([1, 2])[:-1], "the file has 6145 bytes"),
        (batch([1, 2]) + b"0", "the file has 6147 bytes"),
        (batch([1, 9, 10]), "the file has label 10 in record 2; labels are 0 to 9"),
        (batch([255, 3]), "the file has label 255 in record 0"),
    ],
)
def test_what_is_wrong_with_a_batch_is_said(content: bytes, fault: str) -> None:
    with pytest.raises(FileFormatError, match=fault):
        cifar10.parse_batch(content, "the file")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a cache folder that does not exist yet, and an address that cannot answer."""
    folder = tmp_path / "cache" / "cifar-10-batches-bin"
    monkeypatch.setattr(cifar10, "cache_folder", lambda: folder)
    monkeypatch.setattr(cifar10, "ADDRESS", (tmp_path / "nowhere.tar.gz").as_uri())
    return folder


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Make a small data set, and register its checksums."""
    made = {name: batch([seed, 9], seed) for seed, name in enumerate(TRAIN)}
    made["test_batch.bin"] = batch([8, 0, 8], 5)
    for name, content in made.items():
        monkeypatch.setitem(cifar10.SHA256, name, hashlib.sha256(content).hexdigest())
    return made


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def archive(files: Mapping[str, bytes]) -> bytes:
    """Pack files under their names, unchanged."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as packed:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            packed.addfile(member, io.BytesIO(data))
    return content.getvalue()


def as_published(files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {f"cifar-10-batches-bin/{name}": content for name, content in files.items()}


def publish(tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "published.tar.gz"
    path.write_bytes(content)
    monkeypatch.setattr(cifar10, "ADDRESS", path.as_uri())


def check_small_data_set(files: Mapping[str, bytes]) -> None:
    parts: dict[Split, tuple[str, ...]] = {"train": TRAIN, "test": ("test_batch.bin",)}
    for split, names in parts.items():
        images, labels = cifar10.load(split)
        whole = np.frombuffer(b"".join(files[name] for name in names), np.uint8).reshape(-1, RECORD)
        assert labels.tolist() == whole[:, 0].tolist()
        assert np.array_equal(images.reshape(len(whole), -1), whole[:, 1:])


def test_files_in_the_cache_are_read(cache: Path, files: dict[str, bytes]) -> None:
    write(cache, files)
    check_small_data_set(files)


def test_a_download_is_kept_in_the_cache(
    cache: Path, files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        publish(tmp_path, archive(as_published(files)), patched)
        check_small_data_set(files)
    assert sorted(path.name for path in cache.iterdir()) == sorted(files)
    check_small_data_set(files)


def test_one_missing_file_makes_a_new_download(
    cache: Path, files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(cache, {name: files[name] for name in TRAIN})
    publish(tmp_path, archive(as_published(files)), monkeypatch)
    check_small_data_set(files)


def test_without_data_and_network_the_ways_out_are_named(cache: Path) -> None:
    with pytest.raises(EnvironmentMissingError) as caught:
        cifar10.load("test")
    for way in ("CIFAR-10", "connect to the network", f"unpack that file in {cache.parent}"):
        assert way in str(caught.value)


@pytest.mark.parametrize("damaged", [b"", batch([8, 0, 8], 5)[:-1], batch([8, 0, 9], 5)])
def test_a_damaged_file_in_the_cache_is_named(
    cache: Path, files: dict[str, bytes], damaged: bytes
) -> None:
    write(cache, {**files, "test_batch.bin": damaged})
    with pytest.raises(FileFormatError, match=r"test_batch\.bin is not the file .* checksum"):
        cifar10.load("test")


def test_entries_that_lead_elsewhere_are_not_looked_at(
    cache: Path, files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = {"../evil": b"x", str(tmp_path / "evil"): b"x", "cifar-10-batches-bin/../../evil": b"x"}
    publish(tmp_path, archive({**evil, **as_published(files)}), monkeypatch)
    check_small_data_set(files)
    assert not list(tmp_path.rglob("evil"))
    assert sorted(path.name for path in cache.iterdir()) == sorted(files)


def link_archive(files: Mapping[str, bytes]) -> bytes:
    """Pack a link to a file on this machine in place of the test batch."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as packed:
        for name in files:
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            packed.addfile(member)
    return content.getvalue()


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda files: b"<html>", "not a complete tar.gz archive"),
        (lambda files: b"", "not a complete tar.gz archive"),
        (lambda files: archive(as_published(files))[:-30_000], "not a complete tar.gz archive"),
        (archive, "lacks data_batch_1.bin, data_batch_2.bin"),
        (lambda files: archive({}), "lacks data_batch_1.bin"),
        (link_archive, "lacks data_batch_1.bin"),
        (
            lambda files: archive(as_published({**files, "test_batch.bin": b"other"})),
            "test_batch.bin in file:.* checksum differs",
        ),
        (
            lambda files: archive(as_published({**files, "test_batch.bin": bytes(31_000_000)})),
            "lacks test_batch.bin",
        ),
    ],
)
def test_a_damaged_download_is_refused_and_not_kept(
    cache: Path,
    files: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    damage: Callable[[Mapping[str, bytes]], bytes],
    fault: str,
) -> None:
    publish(tmp_path, damage(files), monkeypatch)
    with pytest.raises(FileFormatError, match=fault):
        cifar10.load("train")
    assert not cache.exists()


@pytest.mark.skipif(not cifar10.cache_folder().exists(), reason="CIFAR-10 is not in the cache")
@pytest.mark.parametrize(("split", "of_a_class"), [("train", 5000), ("test", 1000)])
def test_the_real_data_is_whole(split: Split, of_a_class: int) -> None:
    images, labels = cifar10.load(split)
    assert images.shape == (10 * of_a_class, 3, 32, 32)
    assert np.bincount(labels).tolist() == [of_a_class] * 10
    assert (images.min(), images.max()) == (0, 255)
