"""Tables lose nothing, however narrow the terminal."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from edgespike.cli import show
from edgespike.cli.output import print_table
from edgespike.graph import load_graph
from tests.cli.conftest import Cli

WIDTHS = ["0", "1", "20", "60", "200"]


@pytest.mark.parametrize("width", WIDTHS)
def test_numbers_and_names_of_columns_stay_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: str
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    names = ["target", *(f"number{i} " for i in range(9)), "result"]
    print_table(names, [("a-long-name-of-a-target", *(10**12 + i for i in range(9)), "DIFFERENT")])
    printed = capsys.readouterr().out
    for name in names:
        assert name.strip() in printed
    for i in range(9):
        assert f"{10**12 + i:,}" in printed
    assert "DIFFERENT" in printed


@pytest.mark.parametrize("width", WIDTHS)
def test_long_text_is_folded_and_not_lost(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: str
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    text = "abcdefghijklmnopqrstuvwxyz" * 4
    print_table(["file", "members "], [(text, ", ".join(map(str, range(100, 140))))])
    printed = capsys.readouterr().out.partition("─")[2]
    assert "".join(re.findall("[a-z]", printed)) == text
    assert re.findall(r"\d+", printed) == [str(number) for number in range(100, 140)]


def test_a_table_that_can_be_folded_to_the_terminal_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    print_table(["name", "number "], [("a name of many words " * 5, 10**12)])
    assert max(map(len, capsys.readouterr().out.splitlines())) == 40


@pytest.mark.parametrize("width", WIDTHS)
def test_no_rows_are_a_table_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: str
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    print_table(["sample ", "class "], [])
    assert capsys.readouterr().out.split()[:2] == ["sample", "class"]


@pytest.mark.parametrize("width", WIDTHS)
def test_the_energy_report_has_all_its_numbers(
    monkeypatch: pytest.MonkeyPatch, cli: Cli, graph_file: Path, input_file: Path, width: str
) -> None:
    asked = ("--layers", "--steps", "--models")
    arguments = ("energy", graph_file, "-i", input_file, *asked)
    monkeypatch.setenv("COLUMNS", "300")
    wide = cli(*arguments).stdout
    monkeypatch.setenv("COLUMNS", width)
    narrow = cli(*arguments).stdout
    assert Counter(re.findall(r"[\d,]{4,}", narrow)) == Counter(re.findall(r"[\d,]{4,}", wide))


@pytest.mark.parametrize("width", [70, 120])
def test_show_fits_a_terminal_and_is_one_line_a_node_if_wide(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    graph_file: Path,
    width: int,
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    show.command(graph_file, layers=True, wide=True)
    wide = capsys.readouterr().out.splitlines()
    show.command(graph_file, layers=True)
    lines = capsys.readouterr().out.splitlines()
    names = [node.name for node in load_graph(graph_file).nodes]
    assert max(len(line) for line in lines if "SHA-256" not in line) <= width < max(map(len, wide))
    assert [line.split()[0] for line in wide[4 : len(names) + 4]] == names
