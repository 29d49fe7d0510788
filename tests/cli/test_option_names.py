"""An option has one name in all commands, and older spellings go on to work."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer.main

from edgespike.cli.app import app
from edgespike.cli.options import OLD_SPELLINGS, split_names
from tests.cli.conftest import Cli

GROUP: Any = typer.main.get_command(app)
COMMANDS: dict[str, Any] = GROUP.commands
NAMES = {
    "target": ("--target", "-t"),
    "targets": ("--target", "-t"),
    "input_file": ("--input", "-i"),
    "out": ("--out", "-o"),
    "labels": ("--labels",),
    "labels_file": ("--labels",),
    "limit": ("--limit",),
    "as_json": ("--json",),
    "force": ("--force",),
    "html": ("--html",),
    "wide": ("--wide",),
    "threads": ("--threads",),
    "seed": ("--seed",),
}
"""What options are called, by the name of the parameter that they set."""

OTHER_MEANINGS = {
    ("train", "targets"): ("--for",),
    ("convert", "samples"): ("--limit",),
    ("run", "samples"): ("--limit",),
}
"""Parameters of the same name that mean something else, or are called so for an older reason."""

SHORT = {"-t": "--target", "-i": "--input", "-o": "--out", "-h": "--help"}
"""What each letter stands for, in all commands."""

NO_LIMIT = {
    ("export", "--samples"): "X.npy",
    ("devices", "--samples"): "X",
    ("entropy", "--samples"): "N",
}
"""Options that have an older spelling's name and are not what it stood for."""


def options(command: str) -> dict[str, tuple[str, ...]]:
    return {
        each.name: tuple(each.opts)
        for each in COMMANDS[command].params
        if each.param_type_name == "option"
    }


def parsed(command: str, *words: str) -> dict[str, Any]:
    """Return what a command's parser makes of words, before any value is checked."""
    context = COMMANDS[command].make_context(command, [], resilient_parsing=True)
    context.resilient_parsing = False  # only an unknown option is an error
    found: dict[str, Any] = COMMANDS[command].make_parser(context).parse_args(list(words))[0]
    return {name: value for name, value in found.items() if value is not None}


@pytest.mark.parametrize("command", COMMANDS)
def test_options_are_named_alike(command: str) -> None:
    for parameter, names in options(command).items():
        expected = OTHER_MEANINGS.get((command, parameter), NAMES.get(parameter, names))
        assert names == expected, f"{command}: {parameter}"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_name_has_one_meaning(command: str) -> None:
    meanings = {names[0] for names in NAMES.values()}
    for parameter, names in options(command).items():
        for name in names:
            assert SHORT.get(name, names[0]) == names[0]
            if name in meanings and (command, parameter) not in OTHER_MEANINGS:
                assert parameter in NAMES
        if old := set(names) & set(OLD_SPELLINGS):
            assert {(command, name) for name in old} <= set(NO_LIMIT)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_the_new_spelling_alone(cli: Cli, command: str) -> None:
    words = cli(command, "--help").stdout.replace(",", " ").split()
    for old in OLD_SPELLINGS:
        assert (old in words) == ((command, old) in NO_LIMIT)


@pytest.mark.parametrize("command", COMMANDS)
def test_older_spellings_are_accepted_by_every_command_that_has_the_option(command: str) -> None:
    for old, new in OLD_SPELLINGS.items():
        names = [name for each in options(command).values() for name in each]
        if new in names:
            assert parsed(command, old, "3") == parsed(command, new, "3") != {}
        elif old not in names:
            with pytest.raises(Exception, match=rf"[Nn]o such option.*{old}"):
                parsed(command, old, "3")


def test_samples_of_export_are_a_file_and_those_of_entropy_are_points() -> None:
    assert parsed("export", "--samples", "x.npy") == {"samples": "x.npy"}
    assert parsed("entropy", "--samples", "7") == {"samples": "7"}
    for command in ("export", "entropy"):
        with pytest.raises(Exception, match=r"[Nn]o such option.*--limit"):
            parsed(command, "--limit", "7")


@pytest.mark.parametrize("option", ["-t", "--target", "--targets"])
@pytest.mark.parametrize("command", ["run", "verify", "energy"])
def test_a_target_is_chosen_by_any_spelling(
    cli: Cli, graph_file: Path, input_file: Path, command: str, option: str
) -> None:
    result = cli(command, graph_file, "-i", input_file, option, "exact", "--json")
    assert result.code == 0
    named = {"run": result.json.get("target"), "verify": [*result.json.get("targets", [])]}
    assert named.get(command, "exact") in ("exact", ["exact"])


def test_several_targets_are_separated_by_commas_or_repeated(
    cli: Cli, graph_file: Path, input_file: Path
) -> None:
    arguments = ("verify", graph_file, "-i", input_file, "--json")
    answers = [
        cli(*arguments, *words).json
        for words in (["-t", "cpu,exact"], ["-t", "cpu", "--target", "exact"])
    ]
    assert answers[0] == answers[1]
    assert list(answers[0]["targets"]) == ["cpu", "exact"]
    assert split_names(["a, b", "", "c,,d"]) == split_names("a,b,c,d") == list("abcd")


@pytest.mark.parametrize("command", ["run", "verify", "energy"])
def test_the_limit_is_obeyed_by_any_spelling(
    cli: Cli, graph_file: Path, input_file: Path, command: str
) -> None:
    arguments = (command, graph_file, "-i", input_file, "--json")
    answers = [cli(*arguments, option, 2).json for option in ("--samples", "--limit")]
    assert answers[0] == answers[1] != cli(*arguments).json


def test_no_letter_stands_for_two_options() -> None:
    stands_for = defaultdict(set)
    for command in COMMANDS:
        for names in options(command).values():
            for name in names:
                if len(name) == 2:
                    stands_for[name].add(names[0])
    assert {letter: names for letter, names in stands_for.items() if len(names) > 1} == {}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_writes_a_file_has_force(command: str) -> None:
    """Output folders must be new or empty instead."""
    outputs = {"out", "html", "svg", "save_inputs"}
    files = [
        each.name
        for each in COMMANDS[command].params
        if each.name in outputs and each.metavar != "DIR"
    ]
    assert ("force" in options(command)) == bool(files)


FILES_WRITTEN: dict[str, list[str]] = {
    "verify": ["verify", "G", "-i", "X", "-o", "OUT"],
    "energy": ["energy", "G", "-i", "X", "--html", "OUT"],
    "show": ["show", "G", "--svg", "OUT"],
    "ensemble": ["ensemble", "G", "G", "-o", "OUT"],
}


@pytest.mark.parametrize("command", FILES_WRITTEN)
def test_an_existing_file_is_replaced_only_with_force(
    cli: Cli, graph_file: Path, input_file: Path, tmp_path: Path, command: str
) -> None:
    out = tmp_path / "out"
    places = {"G": graph_file, "X": input_file, "OUT": out}
    arguments = [places.get(word, word) for word in FILES_WRITTEN[command]]
    assert cli(*arguments).code == 0
    written = out.read_bytes()
    out.write_text("mine")
    refused = cli(*arguments)
    assert (refused.code, refused.stdout, out.read_text()) == (2, "", "mine")
    assert f"cannot write {out}: it exists; choose another file, or" in refused.stderr
    assert cli(*arguments, "--force").code == 0
    assert out.read_bytes() == written


def test_the_demo_replaces_a_page_only_with_force(cli: Cli, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("mine")
    refused = cli("demo", "-t", "waiting", "--html", page)
    assert (refused.code, page.read_text()) == (2, "mine")
    assert "overwrite it with --force" in refused.stderr


def test_labels_of_the_input_give_an_accuracy(
    cli: Cli, graph_file: Path, input_file: Path, tmp_path: Path
) -> None:
    labels = np.array([0, 1, 2, 0])
    np.save(tmp_path / "y.npy", labels)
    np.savez(tmp_path / "both.npz", images=np.load(input_file), labels=labels)
    given = cli("energy", graph_file, "-i", input_file, "--labels", tmp_path / "y.npy", "--json")
    own = cli("energy", graph_file, "-i", tmp_path / "both.npz", "--json")
    assert own.json == given.json
    few = cli("energy", graph_file, "-i", tmp_path / "both.npz", "--limit", 2, "--json").json
    assert few["counts"]["samples"] == 2
    verified = cli("verify", graph_file, "-i", tmp_path / "both.npz", "--json").json
    assert (
        verified["inputs"] == cli("verify", graph_file, "-i", input_file, "--json").json["inputs"]
    )


def test_labels_give_an_accuracy(
    cli: Cli, graph_file: Path, input_file: Path, tmp_path: Path
) -> None:
    """The same share as that of ``run``, of the samples that are used."""
    np.save(tmp_path / "y.npy", np.array([0, 1, 2, 0]))
    arguments = (graph_file, "-i", input_file, "--labels", tmp_path / "y.npy", "--json")
    for limit in (3, 4):
        answers = [cli(word, *arguments, "--limit", limit).json for word in ("run", "energy")]
        assert answers[0]["accuracy"] == answers[1]["accuracy"]
        assert answers[1]["counts"]["samples"] == limit
    wrong = cli("energy", graph_file, "-i", input_file, "--labels", input_file)
    assert (wrong.code, wrong.stdout) == (2, "")
    assert "give integers of shape (4,)" in wrong.stderr
    assert json.loads(json.dumps(answers[1]))["target"] == "cpu"
