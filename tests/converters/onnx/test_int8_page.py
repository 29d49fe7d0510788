"""The page's table is what the converter goes by."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgespike.converters.onnx.int8.operators import nearest_table, support_table

PAGE = Path(__file__).parents[3] / "docs" / "converters" / "onnx_int8.md"


@pytest.mark.parametrize("table", [support_table(), nearest_table()], ids=["read", "not read"])
def test_table(table: str) -> None:
    assert table in PAGE.read_text(), f"put this into {PAGE}:\n{table}"
