"""Sections of documentation pages that commands write."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from edgespike.errors import FileFormatError
from edgespike.storage.files import write_atomically


def write_section(page: Path, name: str, text: str) -> None:
    """Replace what is between ``<!-- NAME -->`` and ``<!-- end of NAME -->`` in a page.

    Raises
    ------
    FileFormatError
        The page does not have such a section exactly once.
    """
    section = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
    found, count = section.subn(lambda match: f"{match[1]}\n{text}\n{match[2]}", page.read_text())
    if count != 1:
        raise FileFormatError(f"{page} has {count} sections <!-- {name} -->, expected 1")
    write_atomically(page, found.encode())


def markdown(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
