"""The page's table is what the converter goes by."""

from __future__ import annotations

from pathlib import Path

from edgespike.converters.onnx.int8.operators import support_table

PAGE = Path(__file__).parents[3] / "docs" / "converters" / "onnx_int8.md"


def test_table() -> None:
    assert support_table() in PAGE.read_text(), f"put this into {PAGE}:\n{support_table()}"
