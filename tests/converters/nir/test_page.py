"""The page's tables are those of the code, and its figures those of the limits."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edgespike.converters.base import CHOICES
from edgespike.converters.nir import support
from edgespike.converters.nir.hdf5 import ARRAYS_LIMIT, TEXTS_LIMIT
from edgespike.converters.nir.net import NODES_LIMIT
from edgespike.converters.nir.producers import PRODUCERS

PAGE = Path(__file__).parents[3] / "docs" / "converters" / "nir.md"


@pytest.mark.parametrize(
    "table",
    [
        support.primitives_table,
        support.producers_table,
        support.recognised_table,
        support.receivers_table,
    ],
    ids=lambda table: table.__name__,
)
def test_tables(table: object) -> None:
    assert callable(table)
    assert table() in PAGE.read_text(), f"put this into {PAGE}:\n{table()}"


def test_limits() -> None:
    text = re.sub(r"\s+", " ", PAGE.read_text().partition("## Limits on files")[2])
    assert f"more than {ARRAYS_LIMIT >> 30} GiB of arrays" in text
    assert f"more than {NODES_LIMIT:,} nodes" in text
    assert f"more than {TEXTS_LIMIT // 2:,} edges" in text


def test_every_producer_is_a_choice() -> None:
    assert sorted(PRODUCERS) == sorted(CHOICES["producer"])
