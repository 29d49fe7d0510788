"""CIFAR-10 (Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009).

60,000 colour images of 32x32 pixels. The six files of its binary version are looked for in the
user's cache folder; if one is missing, all are downloaded into it from the author's page. The
version for Python is not used: it consists of pickles, which can execute code.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import zlib
from pathlib import Path

import numpy as np
import platformdirs
from numpy.typing import NDArray

from edgespike.data.base import Split
from edgespike.data.download import download
from edgespike.errors import FileFormatError
from edgespike.storage.files import write_atomically

ADDRESS = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
ARCHIVE_FOLDER = "cifar-10-batches-bin"
"""The folder in the archive, and in the cache."""

SHAPE = (3, 32, 32)
CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)

RECORD_BYTES = 1 + 3 * 32 * 32
_FILE_BYTES = 10_000 * RECORD_BYTES

# Of the unpacked files, so that files from other sources are checked too.
SHA256 = {
    "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
}
_PREFIX = {"train": "data_batch_", "test": "test_batch"}


def load(split: Split) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Load the 50,000 training or the 10,000 test samples.

    Returns
    -------
    tuple
        Images, uint8, (samples, 3, 32, 32), red, green, blue, and labels 0 to 9, int64,
        (samples,); `CLASSES` names them.

    Raises
    ------
    EnvironmentMissingError
        The data is not on this machine and cannot be downloaded.
    FileFormatError
        A file is truncated or is not the one that its author published.
    WriteError
        The cache folder cannot be written.
    """
    folder = cache_folder()
    if not all((folder / name).is_file() for name in SHA256):
        _fill(folder)
    names = [name for name in SHA256 if name.startswith(_PREFIX[split])]
    images, labels = zip(*(_batch(folder, name) for name in names), strict=True)
    return np.concatenate(images), np.concatenate(labels)


def cache_folder() -> Path:
    """Return the folder in which the unpacked files are kept."""
    return platformdirs.user_cache_path("edgespike") / ARCHIVE_FOLDER


def parse_batch(content: bytes, name: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Parse records of one label byte and 1024 red, 1024 green and 1024 blue bytes, row by row.

    Parameters
    ----------
    content
        The file's bytes.
    name
        Name of the file in error messages.

    Raises
    ------
    FileFormatError
        There are no records, the last one is incomplete, or a label is above 9.
    """
    if not content or len(content) % RECORD_BYTES:
        raise FileFormatError(
            f"{name} has {len(content)} bytes; a batch consists of records of {RECORD_BYTES}"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD_BYTES)
    labels = records[:, 0].astype(np.int64)
    if labels.max() >= len(CLASSES):
        raise FileFormatError(
            f"{name} has label {labels.max()} in record {labels.argmax()}; "
            f"labels are 0 to {len(CLASSES) - 1}"
        )
    return records[:, 1:].reshape(-1, *SHAPE), labels


def _batch(folder: Path, name: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    path = folder / name
    content = path.read_bytes()
    _check(content, name, str(path))
    return parse_batch(content, str(path))


def _fill(folder: Path) -> None:
    """Download the archive, and keep its six files if all of them are correct."""
    packed = download(
        ADDRESS, "CIFAR-10", f"unpack that file in {folder.parent}, where it creates {folder.name}"
    )
    files = _unpack(packed)
    for name, content in files.items():
        _check(content, name, f"{name} in {ADDRESS}")
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_atomically(folder / name, content)


def _unpack(packed: bytes) -> dict[str, bytes]:
    """Unpack the six files in memory. Other entries are ignored, and no name becomes a path."""
    wanted = {f"{ARCHIVE_FOLDER}/{name}": name for name in SHA256}
    found = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
            for member in archive:
                if member.name in wanted and member.isreg() and member.size <= _FILE_BYTES:
                    stream = archive.extractfile(member)
                    found[wanted[member.name]] = stream.read() if stream else b""
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise FileFormatError(
            f"{ADDRESS} is not a complete tar.gz archive ({error}); run again"
        ) from None
    missing = [name for name in SHA256 if name not in found]
    if missing:
        raise FileFormatError(f"the archive at {ADDRESS} lacks {', '.join(missing)}")
    return found


def _check(content: bytes, name: str, place: str) -> None:
    if hashlib.sha256(content).hexdigest() != SHA256[name]:
        raise FileFormatError(
            f"{place} is not the file that its author published (its checksum differs); "
            "remove it and run again"
        )
