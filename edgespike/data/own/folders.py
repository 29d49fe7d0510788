"""List folders in an order that is the same on every machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from edgespike.data.own.order import natural
from edgespike.errors import InputError

ENTRIES_LIMIT = 1_000_000
"""Most files and folders of one folder."""

_IGNORED = ("Thumbs.db", "desktop.ini", "__MACOSX")


@dataclass(frozen=True)
class Entry:
    """A file or folder, links followed."""

    name: str
    path: Path
    is_folder: bool


def entries(folder: Path) -> list[Entry]:
    """Return what a folder holds, sorted naturally, without hidden files.

    Raises
    ------
    InputError
        The folder cannot be listed, or holds more than `ENTRIES_LIMIT`.
    """
    found: list[Entry] = []
    try:
        with os.scandir(folder) as listed:
            for each in listed:
                if each.name.startswith(".") or each.name in _IGNORED:
                    continue
                if len(found) == ENTRIES_LIMIT:
                    raise InputError(f"{folder} holds more than {ENTRIES_LIMIT:,} files; use fewer")
                found.append(Entry(each.name, Path(each.path), each.is_dir()))
    except OSError as error:
        place = error.filename or folder
        raise InputError(f"cannot read {place}: {error.strerror or error}") from None
    return sorted(found, key=lambda entry: natural(entry.name))
