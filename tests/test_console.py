"""Tables on a terminal: words stay whole where they can, and break after hyphens."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from edgespike.console import print_aligned_table


def printed(width: int, runtime: str) -> list[str]:
    """Print a table of one row and return the lines of its first column."""
    stream = io.StringIO()
    columns = [("runtime", "left"), ("operations", "right")]
    console = Console(file=stream, width=width)
    print_aligned_table(console, columns, [(runtime, "261,119,369")])  # type: ignore[arg-type]
    _, _, _, *lines = stream.getvalue().splitlines()
    return [line.replace("261,119,369", "").strip() for line in lines if line.strip()]


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (80, ["numpy 2.4.6, ai-edge-litert 2.3.0"]),
        (30, ["numpy 2.4.6,", "ai-edge-litert", "2.3.0"]),
        (27, ["numpy 2.4.6,", "ai-edge-", "litert 2.3.0"]),
        (24, ["numpy", "2.4.6,", "ai-edge-", "litert", "2.3.0"]),
        (10, ["numpy", "2.4.6,", "ai-edge-", "litert", "2.3.0"]),
    ],
)
def test_a_cell_is_wrapped_between_words_and_after_hyphens(width: int, lines: list[str]) -> None:
    assert printed(width, "numpy 2.4.6, ai-edge-litert 2.3.0") == lines


def test_only_a_word_that_is_too_long_is_cut() -> None:
    assert "".join(printed(30, "a" * 40)) == "a" * 40


def test_lines_of_a_cell_stay_lines() -> None:
    assert printed(80, "first\n\nthird") == ["first", "third"]
