"""The page's tables are those of the code, and its limits those that are kept."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from edgespike.converters.tflite import building, schema, support

PAGE = Path(__file__).parents[3] / "docs" / "converters" / "tflite.md"


@pytest.mark.parametrize(
    "table",
    [support.operators_table, support.roundings_table, support.refused_table],
    ids=lambda table: table.__name__,
)
def test_tables(table: Callable[[], str]) -> None:
    assert table() in PAGE.read_text(), f"put this into {PAGE}:\n{table()}"


def test_limits() -> None:
    text = re.sub(r"\s+", " ", PAGE.read_text().partition("## Limits on files")[2])
    assert f"more than {schema.FILE_LIMIT >> 20} MiB" in text
    assert f"more than {schema.OPERATORS_LIMIT:,} operators" in text
    assert f"{building.WEIGHTS_LIMIT:,} weights" in text
    assert f"{building.CHANNELS_LIMIT:,} channels" in text
    assert f"{building.VALUES_LIMIT:,} numbers" in text
