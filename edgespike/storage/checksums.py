"""``SHA256SUMS``, in the format of ``sha256sum``: the hash of every file in a folder.

The bundles' runners check it without edgespike, see ``check_files`` in ``pi_runner.py`` and
``run_lava.py``.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from edgespike.storage.files import write_atomically

CHECKSUMS = "SHA256SUMS"
"""Name of the file."""


def write_checksums(folder: Path) -> None:
    """Write ``SHA256SUMS`` into a folder, with the hashes of all files in it and below.

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
