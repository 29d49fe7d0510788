"""Runners in artefacts stand alone, so that each has its own copy of what both need."""

from __future__ import annotations

import inspect

import pytest

from edgespike.targets.loihi.simulator import run_lava
from edgespike.targets.tflite.devices import pi_runner


@pytest.mark.parametrize("name", ["check_files", "load_samples"])
def test_both_copies_are_the_same(name: str) -> None:
    of_lava, of_the_pi = (getattr(runner, name) for runner in (run_lava, pi_runner))
    assert inspect.getsource(of_lava) == inspect.getsource(of_the_pi)
