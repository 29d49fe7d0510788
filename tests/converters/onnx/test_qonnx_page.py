"""The page's table and limits are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

from edgespike.converters.onnx.qonnx import beginning, ending, events, support, walk
from edgespike.converters.onnx.qonnx.rounding import MODES

PAGE = Path(__file__).parents[3] / "docs" / "converters" / "qonnx.md"


def test_the_table_is_on_the_page() -> None:
    table = support.operators_table()
    assert table in PAGE.read_text(), f"put this into {PAGE}:\n{table}"


def test_the_table_names_what_is_read() -> None:
    named = [name for names in support.OPERATORS for name in names.split(", ")]
    assert sorted(named) == sorted([*walk.HANDLERS, *walk.QUANTISERS, *ending.DROPPED])


def test_limits() -> None:
    text = re.sub(r"\s+", " ", PAGE.read_text())
    assert f"whole factors up to {events.FACTOR_LIMIT:,}" in text
    assert f"of at most {events.LEVEL_LIMIT + 1:,} values" in text
    assert f"up to 1/{ending.PARTS_LIMIT:,} of a unit" in text
    assert f"{beginning.PIXELS[0]}..{beginning.PIXELS[1]}" in text
    assert all(f"`{mode}`" in text for mode in MODES)
