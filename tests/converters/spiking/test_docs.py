"""The page of the converter says what the code supports, and its example runs."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("snntorch", reason="needs snntorch: pip install snntorch")

from edgespike.converters.snntorch.support import neurons  # noqa: E402
from edgespike.converters.spiking.support import BEGIN, END, layers  # noqa: E402

pytestmark = pytest.mark.torch

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "converters" / "snntorch.md"


def test_the_table_of_support_is_that_of_the_code() -> None:
    expected = "\n".join(["", *neurons(), "", *layers(), ""])
    _, rest = PAGE.read_text().split(BEGIN)
    found, _ = rest.split(END)
    assert found == expected, f"put this between the marks of {PAGE}:\n{expected}"


@pytest.mark.slow
def test_the_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(ROOT / "examples" / "from_snntorch.py"))
    assert "bit for bit: True" in capsys.readouterr().out


def test_links_lead_to_files() -> None:
    for page in PAGE.parent.glob("s*.md"):
        links = re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text())
        assert [link for link in links if not (page.parent / link).exists()] == []
