"""Runners in artefacts stand alone, so that each has its own copy of what several need."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from edgespike.targets.loihi.simulator import run_lava
from edgespike.targets.onnx import onnx_runner
from edgespike.targets.tflite.devices import pi_runner


@pytest.mark.parametrize(
    ("name", "runners"),
    [
        ("check_files", [run_lava, onnx_runner]),
        ("load_samples", [run_lava, onnx_runner]),
        ("show", [onnx_runner]),
    ],
)
def test_all_copies_are_the_same(name: str, runners: list[Any]) -> None:
    for runner in runners:
        copy = inspect.getsource(getattr(runner, name))
        assert copy == inspect.getsource(getattr(pi_runner, name))
