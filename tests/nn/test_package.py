"""The package's names: each is imported when it is used, or says what must be installed for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

import edgespike.nn
import edgespike.prune

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("package", [edgespike.nn, edgespike.prune])
def test_every_name_is_there_and_no_other(package: object) -> None:
    names = dir(package)
    assert names == sorted(names, key=lambda name: (name.islower(), name))
    assert all(getattr(package, name).__name__ == name for name in names)
    with pytest.raises(AttributeError, match=r"module 'edgespike\.\w+' has no attribute 'nothing'"):
        _ = package.nothing  # type: ignore[attr-defined]


def printed(missing: str, program: str) -> str:
    """Run a program in a new Python that lacks a package, and return what it prints."""
    lines = f"""
import sys
sys.modules[{missing!r}] = None
from edgespike.errors import EnvironmentMissingError
try:
    {program}
except EnvironmentMissingError as error:
    print(error)
"""
    return subprocess.run(
        [sys.executable, "-c", lines], capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize("missing", ["matplotlib", "accelerate", "tensorboard"])
def test_training_does_without_what_only_a_report_needs(missing: str) -> None:
    assert printed(missing, "from edgespike.nn import train; print(train.__name__)") == "train\n"


def test_without_torch_the_extra_is_named() -> None:
    message = printed("torch", "from edgespike.nn import build")
    assert message.startswith("edgespike.nn needs torch, which is not installed; run pip install")
    assert "'.[train]'" in message


def test_without_torch_units_are_chosen_but_no_model_is_pruned() -> None:
    message = printed(
        "torch",
        "from edgespike.prune import greedy, Report; print('here', end=' '); "
        "from edgespike.prune import prune",
    )
    assert message.startswith("here edgespike.prune.prune needs the package 'torch'; run pip")
    assert "'.[train]'" in message
