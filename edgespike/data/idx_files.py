"""Find, check and download the four idx files of an MNIST-like data set.

A file may be compressed, as its authors published it, or unpacked and without ``.gz``.
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
    """Where a data set is kept, and how its files are recognised.

    Parameters
    ----------
    name
        Name of the data set, for error messages.
    address
        Address of the folder with the four files, ending with a slash.
    sha256
        The checksum of each file's uncompressed content, by its name, which ends with ``.gz``.
        It is not that of the compressed file, since distributors compress the same data
        differently.
    folders
        Folders in which the files are looked for, in this order.
    cache
        Folder in which they are looked for last, and in which downloads are kept.
    other_ways
        Other ways to get the files onto this machine, for the error message.
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
            A file is truncated or is not the one that its authors published.
        """
        prefix = {"train": "train", "test": "t10k"}[split]
        images = parse_idx(*self._content(f"{prefix}-images-idx3-ubyte.gz"))
        labels = parse_idx(*self._content(f"{prefix}-labels-idx1-ubyte.gz"))
        return images[:, None], labels.astype(np.int64)

    def _content(self, file: str) -> tuple[bytes, str]:
        """Return a file's uncompressed content, and its name for error messages."""
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
        """Uncompress a file if it is compressed, and compare its checksum."""
        published = file.removesuffix(".gz") + ".gz"
        if file == published:
            try:
                content = gzip.decompress(content)
            except (OSError, EOFError, zlib.error) as error:
                raise FileFormatError(
                    f"{place} is not a complete gzip file ({error}); remove it and run again"
                ) from None
        if hashlib.sha256(content).hexdigest() != self.sha256[published]:
            raise FileFormatError(
                f"{place} is not the {file} that its authors published (its checksum differs); "
                "remove it and run again"
            )
        return content
