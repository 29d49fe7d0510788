"""The description on a package index: README.md without what only works in the source tree."""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import setup

_NOTE = "Files and folders that this page names are those of the source distribution.\n\n"


def description(readme: str) -> str:
    """Return a README whose relative pictures are left out and whose relative links are text."""
    pictures = r"!\[[^\]]*\]\((?!https?:)[^)]*\)\n*"
    links = r"\[([^\]]*)\]\((?!https?:)[^)]*\)"
    text = re.sub(links, r"\1", re.sub(pictures, "", readme))
    title, _, rest = text.partition("\n\n")
    return f"{title}\n\n{_NOTE}{rest}"


setup(
    long_description=description(Path(__file__).with_name("README.md").read_text("utf-8")),
    long_description_content_type="text/markdown",
)
