"""Runners in artefacts stand alone, so that each has its own copy of what several need."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
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


@pytest.mark.parametrize("runner", [run_lava, onnx_runner, pi_runner])
def test_samples_that_no_memory_holds_are_refused(runner: Any, tmp_path: Path) -> None:
    path = tmp_path / "samples.npy"
    declared = {"descr": "|u1", "fortran_order": False, "shape": (10**15, 6, 5)}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, declared)
    with pytest.raises(SystemExit, match="cannot read"):
        runner.load_samples(path)
