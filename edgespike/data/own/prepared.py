"""What ``edgespike data -o`` writes beside its arrays: names of the classes, and the scaling."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from edgespike.data.own.items import FEATURE_AXIS, Kind
from edgespike.errors import EdgespikeError, FileFormatError, shown
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
    if text is None:
        return None
    # Spaces stay: a folder's name may begin with one.
    return tuple(line for line in text.replace("\r", "").split("\n") if line.strip())


@dataclass(frozen=True)
class Prepared:
    """What ``data.json`` says about the arrays beside it.

    Parameters
    ----------
    kind
        What a sample is; None without that file.
    scaling
        How the samples became whole numbers; None if they were already.
    """

    kind: Kind | None = None
    scaling: Scaling | None = None


def prepared(folder: Path) -> Prepared:
    """Read ``data.json``, if the folder has it.

    Raises
    ------
    InputError, FileFormatError
        The file cannot be read, or is not one that ``edgespike data -o`` wrote.
    """
    text = _text(folder / ABOUT_FILE)
    if text is None:
        return Prepared()
    try:
        about = json.loads(text)
        kind, found = about["source"]["kind"], about["scaling"]
        scaling = None if found is None else Scaling(tuple(found["offset"]), tuple(found["step"]))
        if kind not in FEATURE_AXIS:
            raise ValueError(f"kind {shown(kind)}")
    except (ValueError, KeyError, TypeError, RecursionError, EdgespikeError) as error:
        raise FileFormatError(
            f"{folder / ABOUT_FILE} was not written by edgespike data -o ({error}); write the "
            "folder again, or remove that file"
        ) from None
    return Prepared(kind, scaling)


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
