"""The table of support on the page is what the code supports.

``python -m tests.converters.onnx.test_page`` writes it.
"""

from __future__ import annotations

import re
from pathlib import Path

from edgespike.converters.onnx.floats.operators import FAMILIES, LEFT_OUT
from edgespike.converters.onnx.loading import ELEMENT_LIMIT, FILE_LIMIT
from edgespike.converters.onnx.reading import VALUE_LIMIT
from edgespike.converters.onnx.structure import OPSETS

PAGE = Path(__file__).parents[3] / "docs" / "converters" / "onnx.md"
PLACE = re.compile(r"(<!-- support:[^\n]*-->\n)(.*)(<!-- end of support -->)", re.DOTALL)


def table() -> str:
    """Return the table, as the code says it."""
    rows = [
        f"| {', '.join(f'`{name}`' for name in family.handlers)} | {family.becomes} |"
        for family in FAMILIES
    ]
    names = ", ".join(f"`{name}`" for name in LEFT_OUT)
    lines = ["| operator | becomes |", "|---|---|", *rows, f"| {names} | nothing |"]
    return "\n".join(["", *lines, "", ""])


def test_the_page_says_what_the_code_supports() -> None:
    found = PLACE.search(PAGE.read_text())
    assert found is not None
    assert found[2] == table(), f"run {__doc__}"


def test_the_page_says_the_limits() -> None:
    text = " ".join(PAGE.read_text().split())
    assert f"version {OPSETS[0]} to {OPSETS[-1]} (the *opset*)" in text
    assert f"more than {FILE_LIMIT // 2**20} MiB" in text
    assert ELEMENT_LIMIT == VALUE_LIMIT
    assert f"{ELEMENT_LIMIT // 10**6} million elements of constants or of all values" in text


def test_links_lead_to_files() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", PAGE.read_text())
    assert links
    assert [link for link in links if not (PAGE.parent / link).exists()] == []


if __name__ == "__main__":
    PAGE.write_text(PLACE.sub(lambda found: found[1] + table() + found[3], PAGE.read_text()))
