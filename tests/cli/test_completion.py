"""The shell completes the names of recipes, targets, models, profiles and data sets."""

from __future__ import annotations

from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from edgespike.cli.app import app
from edgespike.data import DATA_SETS
from edgespike.energy import shipped_profiles
from edgespike.models import MODELS
from edgespike.prune import Method
from edgespike.targets import BUILT_IN

GROUP: Any = typer.main.get_command(app)
TARGETS, PROFILES = list(BUILT_IN), shipped_profiles()


def completed(*words: str) -> list[str]:
    """Return what bash is given to complete the last word."""
    environment = {
        "_EDGESPIKE_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(["edgespike", *words]),
        "COMP_CWORD": f"{len(words)}",
    }
    result = CliRunner().invoke(app, [], prog_name="edgespike", env=environment)
    return result.stdout.split()


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["run", "g", "--target"], TARGETS),
        (["run", "g", "-t"], TARGETS),
        (["energy", "g", "-t"], TARGETS),
        (["export", "g", "-t"], TARGETS),
        (["verify", "g", "-t"], TARGETS),
        (["verify", "g", "--target"], TARGETS),
        (["demo", "-t"], TARGETS),
        (["targets", "--setup"], TARGETS),
        (["train", "recipe", "--for"], TARGETS),
        (["demo", "--model"], list(MODELS)),
        (["energy", "g", "--profile"], PROFILES),
        (["prune", "c", "--data"], list(DATA_SETS)),
        (["prune", "c", "--method"], [method.value for method in Method]),
        (["nir", "g", "--for"], ["nir", "snntorch", "norse", "sinabs", "spikingjelly"]),
        (["convert", "m", "--coding"], ["graded", "unary"]),
        (["export", "g", "--coding"], ["graded", "unary"]),
    ],
    ids=" ".join,
)
def test_all_names_are_offered_and_the_beginning_of_one_chooses(
    words: list[str], names: list[str]
) -> None:
    assert set(names) <= set(completed(*words, ""))
    for name in names[:2]:
        assert name in completed(*words, name[:-1])
        assert all(found.startswith(name[:2]) for found in completed(*words, name[:2]))
    assert completed(*words, "nonesuch") == []


@pytest.mark.torch
def test_recipes_are_offered() -> None:
    from edgespike.nn.training.recipe import shipped_recipes

    assert completed("train", "") == completed("sweep", "") == list(shipped_recipes())
    assert completed("train", "fashion_m") == ["fashion_maqd"]


@pytest.mark.parametrize("command", ["verify", "demo"])
def test_the_last_of_several_targets_is_completed_with_one_that_is_not_named_yet(
    command: str,
) -> None:
    assert completed(command, "-t", "cpu,lo") == ["cpu,loihi"]
    assert completed(command, "-t", "cpu", "-t", "lo") == ["loihi"]
    assert completed(command, "-t", "loihi,lo") == []


def test_every_option_that_takes_such_a_name_completes_it() -> None:
    """A new command that takes a target, a profile or a data set has completion too."""
    takes = ("--target", "--profile", "--setup", "--method", "--for")
    found = [
        (name, parameter.opts[0])
        for name, command in GROUP.commands.items()
        for parameter in command.params
        if set(parameter.opts) & set(takes)
    ]
    assert len(found) >= 9
    for command, option in found:
        assert completed(command, option, "") != [], f"{command} {option}"
