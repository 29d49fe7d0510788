"""Tables that commands put into pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgespike.errors import FileFormatError
from tests.targets.c.check_mcu import Ran, rows, section, titles
from tests.targets.c.mcu import OnCore
from tests.targets.c.page import markdown, write_section

PAGE = Path(__file__).parents[3] / "docs" / "targets" / "c.md"


def test_a_section_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- a -->\nold\n<!-- end of a -->\nafter <!-- b -->\n")
    for text in ("one \\1\n", "two\n"):
        write_section(page, "a", text)
        wanted = f"before\n<!-- a -->\n\n{text}\n<!-- end of a -->\nafter <!-- b -->\n"
        assert page.read_text() == wanted
    with pytest.raises(FileFormatError, match="has 0 sections <!-- b -->, expected 1"):
        write_section(page, "b", "text")


def test_a_table() -> None:
    assert markdown(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |\n"


def run(core: str, exact: int = 10) -> OnCore:
    return OnCore(core, 10, exact, [4_000_000, 5_000_001], 547_000, 6_000, 500)


def test_shipped_models_stand_beside_tflm() -> None:
    found = rows([Ran("fashion_s3nn", (10, 10), [run("m4"), run("rv32")])])
    by_title = [dict(zip(titles(), row, strict=True)) for row in found]
    assert [row["graph"] for row in by_title] == [
        "fashion_s3nn",
        "TFLM, reference",
        "TFLM, CMSIS-NN",
    ]
    assert by_title[0]["exact"] == "10 samples, 3 places"
    assert [row["m4"] for row in by_title] == ["4.500 M", "119.9 M", "31.50 M"]
    assert [row["m0"] for row in by_title] == ["-"] * 3
    assert [row["RAM, KB"] for row in by_title] == ["6.5", "51", "51"]


@pytest.mark.parametrize(("here", "exact"), [((9, 10), 10), ((10, 10), 9), (None, 9)])
def test_a_wrong_answer_is_seen(here: tuple[int, int] | None, exact: int) -> None:
    ran = Ran("membrane 1", here, [run("m4", exact)])
    assert not ran.exact
    assert "NOT EXACT" in section([ran])


def test_the_page_has_what_make_check_mcu_writes() -> None:
    text = PAGE.read_text().split("<!-- check-mcu -->")[1].split("<!-- end")[0]
    assert markdown(titles(), []) in text
    names = [line.split(" | ")[0].removeprefix("| ") for line in text.splitlines() if "M |" in line]
    assert names[0] == "fashion_s3nn"
    assert "NOT EXACT" not in text
