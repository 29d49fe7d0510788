"""The table of support on the page is what the code supports.

``python -m tests.converters.torch_floats.test_page`` writes it.
"""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "converters" / "torch.md"
PLACE = re.compile(r"(<!-- support:[^\n]*-->\n)(.*)(<!-- end of support -->)", re.DOTALL)


def table() -> str:
    """Return both tables, as the code says them."""
    from edgespike.converters.torch.floats.operators import FAMILIES
    from edgespike.converters.torch.floats.patterns import INSTEAD

    read = [f"| {family.written} | {family.becomes} |" for family in FAMILIES]
    refused = [f"| {written} | {way} |" for written, (way, _) in INSTEAD.items()]
    lines = [
        "| read | becomes |",
        "|---|---|",
        *read,
        "",
        "| refused, by name and place | the way out |",
        "|---|---|",
        *refused,
    ]
    return "\n".join(["", *lines, "", ""])


def test_the_page_says_what_the_code_supports() -> None:
    found = PLACE.search(PAGE.read_text())
    assert found is not None
    assert found[2] == table(), f"run {__doc__}"


def test_links_lead_to_files() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", PAGE.read_text())
    assert links
    assert [link for link in links if not (PAGE.parent / link).exists()] == []


if __name__ == "__main__":
    PAGE.write_text(PLACE.sub(lambda found: found[1] + table() + found[3], PAGE.read_text()))
