"""What ``edgespike data -o`` writes beside its arrays: names of the classes, and the scaling."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgespike.errors import EdgespikeError, FileFormatError
from edgespike.graph import Scaling
from edgespike.storage.files import opened

NAMES_FILE, ABOUT_FILE = "classes.txt", "data.json"

_LIMIT = 2**20
"""Most bytes of one of these files."""


def prepared_names(folder: Path) -> tuple[str, ...] | None:
    """Return the names of the classes, one a line of ``classes.txt``; None without that file.

    Raises
    ------
    InputError, FileFormatError
        The file cannot be read, is too large, or is not UTF-8.
    """
    text = _text(folder / NAMES_FILE)
    return None if text is None else tuple(filter(None, map(str.strip, text.splitlines())))


def prepared_scaling(folder: Path) -> Scaling | None:
    """Return the scaling in ``data.json``; None without that file, or if it has none.

    Raises
    ------
    InputError, FileFormatError
        The file cannot be read, or is not one that ``edgespike data -o`` wrote.
    """
    text = _text(folder / ABOUT_FILE)
    if text is None:
        return None
    try:
        found = json.loads(text)["scaling"]
        return None if found is None else Scaling(tuple(found["offset"]), tuple(found["step"]))
    except (ValueError, KeyError, TypeError, RecursionError, EdgespikeError) as error:
        raise FileFormatError(
            f"{folder / ABOUT_FILE} does not hold a scaling ({error}); write the folder again "
            "with edgespike data -o"
        ) from None


def as_table(scaling: Scaling | None) -> Mapping[str, Any] | None:
    """Return a scaling as ``data.json`` holds it."""
    return None if scaling is None else {"offset": scaling.offset, "step": scaling.step}


def _text(path: Path) -> str | None:
    if not path.exists():
        return None
    with opened(path) as file:
        content = file.read(_LIMIT + 1)
    if len(content) > _LIMIT:
        raise FileFormatError(f"{path} has more than {_LIMIT:,} bytes; is it another file?")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileFormatError(f"{path} is not UTF-8; save it again") from None
