"""``SHA256SUMS``: the hash of every file in a folder, as ``sha256sum -c`` reads it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from edgespike.storage.files import write_atomically

CHECKSUMS = "SHA256SUMS"
"""Name of the file."""


def write_checksums(folder: Path) -> None:
    """Write the hashes of all files in a folder and below it into the folder.

    Raises
    ------
    WriteError
        The folder cannot be written.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}\n"
        for path in files
        if path != folder / CHECKSUMS
    ]
    write_atomically(folder / CHECKSUMS, "".join(lines).encode())
