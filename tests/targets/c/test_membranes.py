"""Membranes of every kind compute what the interpreter does."""

from __future__ import annotations

from pathlib import Path

from tests.targets.c.graphs import every_membrane, extreme_membranes
from tests.targets.c.programs import WATCHED, assert_exact


def test_every_kind_is_exact(tmp_path: Path) -> None:
    assert_exact(WATCHED, every_membrane(), tmp_path)


def test_ends_of_the_formats_are_exact(tmp_path: Path) -> None:
    assert_exact(WATCHED, extreme_membranes(), tmp_path)
