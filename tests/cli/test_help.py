"""Help, version, completion and wrong usage."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from edgespike.cli.app import app
from edgespike.data import DATA_SETS
from tests.cli.conftest import Cli

COMMANDS = (
    "data",
    "train",
    "prune",
    "convert",
    "ensemble",
    "export",
    "nir",
    "run",
    "verify",
    "energy",
    "entropy",
    "show",
    "targets",
    "demo",
)


def test_the_commands_are_these() -> None:
    assert tuple(command.name for command in app.registered_commands) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_every_command_has_help_with_an_example(cli: Cli, command: str, option: str) -> None:
    result = cli(command, option)
    assert result.code == 0
    assert f"Example: edgespike {command}" in " ".join(result.stdout.split())
    assert "--json" in result.stdout


def test_help_lists_every_command_in_one_line(cli: Cli) -> None:
    result = cli("--help")
    assert result.code == 0
    described = result.stdout.partition("Commands:")[2].split("\n\n")[0].splitlines()[1:]
    assert [line.split()[0] for line in described] == list(COMMANDS)
    assert "..." not in "".join(described)


def test_the_help_of_train_names_every_data_set(cli: Cli) -> None:
    assert set(DATA_SETS) <= set(re.findall(r"\w+", cli("train", "--help").stdout))


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_the_version_is_that_of_the_package(cli: Cli, option: str) -> None:
    assert cli(option).stdout == f"edgespike {version('edgespike')}\n"


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("edgespike ver", ["verify"]),
        ("edgespike export --target tf", ["tflite", "tflite-reference", "tflite-runtime"]),
        ("edgespike verify --targets cpu,lo", ["cpu,loihi"]),
        ("edgespike verify -t loihi,lo", []),
        ("edgespike demo -t cp", ["cpu"]),
        ("edgespike demo --model fashion_r", ["fashion_rnn"]),
        ("edgespike energy --profile loihi2", ["loihi2"]),
        ("edgespike prune --data fashion_mnist_", ["fashion_mnist_rows"]),
        pytest.param("edgespike train fashion_m", ["fashion_maqd"], marks=pytest.mark.torch),
    ],
)
def test_the_shell_completes_commands_and_names(words: str, found: list[str]) -> None:
    environment = {
        "_EDGESPIKE_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    done = subprocess.run(
        [sys.executable, "-m", "edgespike"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == found


@pytest.mark.parametrize("option", ["-t", "--target", "--targets"])
@pytest.mark.parametrize("command", ["run", "verify", "energy"])
def test_targets_have_the_same_option_everywhere(
    cli: Cli, graph_file: Path, input_file: Path, command: str, option: str
) -> None:
    result = cli(command, graph_file, "-i", input_file, option, "exact", "--json")
    assert result.code == 0
    named = {"run": result.json.get("target"), "verify": [*result.json.get("targets", [])]}
    assert named.get(command, "exact") in ("exact", ["exact"])


@pytest.mark.parametrize("command", ["run", "verify", "energy"])
def test_limit_is_another_word_for_samples(
    cli: Cli, graph_file: Path, input_file: Path, command: str
) -> None:
    arguments = (command, graph_file, "-i", input_file, "--json")
    answers = [cli(*arguments, option, 2).json for option in ("--samples", "--limit")]
    assert answers[0] == answers[1] != cli(*arguments).json


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_names_one_spelling_of_an_option(cli: Cli, command: str) -> None:
    words = set(re.findall(r"--[a-z-]+", cli(command, "--help").stdout))
    assert "--limit" not in words
    assert not {"--target", "--targets"} <= words


def test_the_help_says_what_becomes_of_older_files(cli: Cli) -> None:
    text = " ".join(cli("--help").stdout.split())
    assert "An output file replaces an older one" in text
    assert "An output folder must be new or empty" in text


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["nonesuch"], "nonesuch"),
        (["verify"], "MODEL"),
        (["verify", "g.safetensors"], "--input"),
        (["export", "g.safetensors", "-o", "out"], "--target"),
        (["export", "g.safetensors", "-t", "cpu"], "--out"),
        (["train", "fashion_s3nn"], "--out"),
        (["verify", "g.safetensors", "-i", "x.npy", "--samples", "0"], "--samples"),
        (["energy", "g.safetensors", "-i", "x.npy", "--audit", "many"], "--audit"),
        (["show", "g.safetensors", "--nonesuch"], "--nonesuch"),
    ],
)
def test_wrong_usage_exits_with_2_and_names_what_is_wrong(
    cli: Cli, arguments: list[str], named: str
) -> None:
    result = cli(*arguments)
    assert result.code == 2
    assert result.stdout == ""
    assert named in result.stderr
