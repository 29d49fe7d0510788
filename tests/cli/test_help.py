"""Help, version, completion and wrong usage."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import version

import pytest

from edgespike.cli.app import app
from edgespike.data import DATA_SETS
from tests.cli.conftest import Cli

COMMANDS = (
    "data",
    "train",
    "sweep",
    "frontier",
    "prune",
    "convert",
    "ensemble",
    "export",
    "nir",
    "run",
    "verify",
    "energy",
    "compare",
    "budget",
    "entropy",
    "show",
    "targets",
    "devices",
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
        ("edgespike verify --target cpu,lo", ["cpu,loihi"]),
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


def test_the_help_says_what_becomes_of_older_files(cli: Cli) -> None:
    text = " ".join(cli("--help").stdout.split())
    assert "it replaces an older one with --force only" in text
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
        (["verify", "g.safetensors", "-i", "x.npy", "--limit", "0"], "--limit"),
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
