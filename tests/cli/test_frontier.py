"""``edgespike frontier``: a table of results as an answer, a page and a picture."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.frontier.test_fronts import ROWS
from tests.report.test_structure import Elements


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return tmp_path


def test_the_answer_fits_and_names_the_ranges(cli: Cli, folder: Path) -> None:
    told = cli("frontier", folder, "--at", "0.89,0.84")
    assert told.code == 0
    lines = told.stdout.splitlines()
    assert len(lines) <= 25
    assert max(map(len, lines)) <= 80
    assert "315" in told.stdout
    assert "300 to 330" in told.stdout
    assert "not reached" in told.stdout
    assert "from 370" in told.stdout
    assert "not reached by all seeds: 89.00% by 1 of 2 of b" in told.stdout


def test_rows_that_not_all_seeds_reach_leave_room_for_the_rest(cli: Cli, folder: Path) -> None:
    at = ",".join(f"0.{number}" for number in range(886, 896))
    told = cli("frontier", folder, "--at", at)
    assert len(told.stdout.splitlines()) <= 25
    assert "of b; and 7 more rows: --json" in " ".join(told.stdout.split())


def test_nets_that_are_always_wrong_have_no_common_accuracy(cli: Cli, tmp_path: Path) -> None:
    rows = "".join(json.dumps({**row, "accuracy": 0}) + "\n" for row in ROWS)
    (tmp_path / "results.jsonl").write_text(rows)
    told = cli("frontier", tmp_path)
    assert told.code == 0
    assert "so no accuracy is reached by all" in told.stdout
    pages = ("--html", tmp_path / "f.html", "--png", tmp_path / "f.png")
    assert cli("frontier", tmp_path, *pages).code == 0


def test_the_folder_and_its_table_give_the_same_json(cli: Cli, folder: Path) -> None:
    found = [cli("frontier", place, "--json").json for place in (folder, folder / "results.jsonl")]
    assert found[0] == found[1]
    assert [each["name"] for each in found[0]["series"]] == ["a", "b"]


def test_the_page_and_the_picture_are_written_once_unless_forced(cli: Cli, folder: Path) -> None:
    page, picture = folder / "f.html", folder / "f.png"
    command = ("frontier", folder, "--html", page, "--png", picture)
    assert cli(*command).code == 0
    text, drawn = page.read_text(), picture.read_bytes()
    assert drawn.startswith(b"\x89PNG")
    assert cli(*command).code == 2
    assert cli(*command, "--force").code == 0
    assert page.read_text() == text
    assert picture.read_bytes() == drawn


def test_the_page_is_sound_and_says_what_json_does(cli: Cli, folder: Path) -> None:
    page = folder / "f.html"
    assert cli("frontier", folder, "--html", page, "--at", "0.89").code == 0
    text = page.read_text()
    elements = Elements(text)
    ids = [attrs["id"] for _, attrs in elements.all if "id" in attrs]
    assert len(ids) == len(set(ids))
    links = {attrs["href"][1:] for tag, attrs in elements.all if tag == "a"}
    assert links <= set(ids)
    assert len([tag for tag, _ in elements.all if tag == "svg"]) == 3 * 2
    assert all(attrs.get("aria-label") for tag, attrs in elements.all if tag == "svg")
    for said in ("300 to 330", "not reached", "with a probability of 50%"):
        assert said in text


def test_names_on_the_page_are_escaped(cli: Cli, folder: Path) -> None:
    text = (folder / "results.jsonl").read_text().replace('"penalty": "a"', '"penalty": "<b>$_x"')
    (folder / "results.jsonl").write_text(text)
    assert cli("frontier", folder, "--html", folder / "f.html", "--png", folder / "f.png").code == 0
    assert "<b>" not in (folder / "f.html").read_text()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there are no results at"),
        ("", "there are no finished points"),
        ("{}\n", "line 1 is no row of results"),
        ("nonsense\n", "line 1 is not JSON"),
        ('{"point": "a", "penalty": "\\ud800"}\n', "line 1 holds half a character, '\\ud800'"),
        ("nonsense\n", "remove the line, and run the sweep again with --resume"),
        (
            '{"point": "a", "seed": [1]}\n',
            "line 1 is no row of results: seed is [1], not one value",
        ),
        ('{"point": "a"}\n{"point": "a"}\n', "line 2: point 'a' is there twice"),
        (
            '{"point": "a", "verified": true, "inputs": "b", "samples": 1}\n',
            "the results have no setting lambda",
        ),
        ('{"point": "a", "verified": true}\n', "inputs of point a is None"),
    ],
)
def test_what_is_no_table_is_refused(
    cli: Cli, tmp_path: Path, content: str | None, said: str
) -> None:
    if content is not None:
        (tmp_path / "results.jsonl").write_text(content)
    refused = cli("frontier", tmp_path)
    assert (refused.code, refused.stdout) == (2, "")
    assert said in refused.stderr


@pytest.mark.parametrize(
    ("option", "text"),
    [("--at", text) for text in ("0", "1.5", "nan", "x", "90%")]
    + [("--below", text) for text in ("-0.1", "1", "nan", "x", "0.95")],
)
def test_accuracies_are_shares(cli: Cli, folder: Path, option: str, text: str) -> None:
    refused = cli("frontier", folder, option, text)
    assert (refused.code, refused.stdout) == (2, "")
    assert option in refused.stderr or "0.95 below it is 0 or less" in refused.stderr


def test_costs_are_compared_below_the_accuracy_without_penalty(cli: Cli, folder: Path) -> None:
    found = cli("frontier", folder, "--below", "0,0.02", "--at", "0.8", "--json").json
    for series in found["series"]:  # without penalty: 0.90, 0.92, 0.90 and 0.84
        accuracies = [matched["accuracy"] for matched in series["matched"]]
        assert accuracies == pytest.approx([0.8, 0.89, 0.87])
