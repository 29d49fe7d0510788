"""The four idx files of an MNIST-like data set: found, checked, downloaded.

A file may lie in a folder as its authors compressed it, or unpacked and without ``.gz``.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgespike.data.base import Split
from edgespike.data.download import download
from edgespike.data.idx import parse_idx
from edgespike.errors import FileFormatError
from edgespike.storage.files import write_atomically


@dataclass(frozen=True)
class IdxFiles:
    """Where a data set is and how it is recognised.

    Parameters
    ----------
    name
        What people call the data set.
    address
        Of the folder with the four files, ending with a slash.
    sha256
        The checksum of each file's uncompressed content, by its name, which ends with ``.gz``:
        distributors compress the same data differently.
    folders
        Where the files are looked for, in this order.
    cache
        Where they are looked for last, and where downloads are kept.
    other_ways
        How else the files come onto this machine, for the error message.
    """

    name: str
    address: str
    sha256: Mapping[str, str]
    folders: tuple[Path, ...]
    cache: Path
    other_ways: str

    def load(self, split: Split) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Load images, (samples, 1, height, width), and labels, (samples,).

        Raises
        ------
        EnvironmentMissingError
            A file is in none of the folders and cannot be downloaded.
        FileFormatError
            A file is truncated or is not the one its authors published.
        """
        prefix = {"train": "train", "test": "t10k"}[split]
        images = parse_idx(*self._content(f"{prefix}-images-idx3-ubyte.gz"))
        labels = parse_idx(*self._content(f"{prefix}-labels-idx1-ubyte.gz"))
        return images[:, None], labels.astype(np.int64)

    def _content(self, file: str) -> tuple[bytes, str]:
        """Return a file's uncompressed content, and what to call the file in error messages."""
        for folder in (*self.folders, self.cache):
            for path in (folder / file, folder / file.removesuffix(".gz")):
                if path.is_file():
                    return self._unpack(path.read_bytes(), path.name, str(path)), str(path)
        packed = download(self.address + file, self.name, self.other_ways)
        content = self._unpack(packed, file, self.address + file)
        self.cache.mkdir(parents=True, exist_ok=True)
        write_atomically(self.cache / file, packed)
        return content, self.address + file

    def _unpack(self, content: bytes, file: str, place: str) -> bytes:
        """Uncompress what is compressed, and compare checksums."""
        published = file.removesuffix(".gz") + ".gz"
        if file == published:
            try:
                content = gzip.decompress(content)
            except (OSError, EOFError, zlib.error) as error:
                raise FileFormatError(
                    f"{place} is not a whole gzip file ({error}); remove it and run again"
                ) from None
        if hashlib.sha256(content).hexdigest() != self.sha256[published]:
            raise FileFormatError(
                f"{place} is not the {file} that its authors published (its checksum differs); "
                "remove it and run again"
            )
        return content
