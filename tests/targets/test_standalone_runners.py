"""Runners in artefacts stand alone; each checks the files that it needs before it uses them."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgespike.targets.loihi.simulator import run_lava
from edgespike.targets.onnx import onnx_runner
from edgespike.targets.shared import samples_and_answers
from edgespike.targets.tflite.devices import pi_runner


@pytest.mark.parametrize("runner", [run_lava, onnx_runner])
def test_all_copies_of_the_check_are_the_same(runner: Any) -> None:
    assert inspect.getsource(runner.check_files) == inspect.getsource(pi_runner.check_files)


def test_samples_that_no_memory_holds_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "samples.npy"
    declared = {"descr": "|u1", "fortran_order": False, "shape": (10**15, 6, 5)}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, declared)
    with pytest.raises(SystemExit, match="cannot read"):
        samples_and_answers.load_samples(path)
