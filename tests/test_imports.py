"""Loading a checkpoint or a graph imports no room that it does not need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import edgespike.models

ROOT = Path(__file__).parent.parent
CHECKPOINT = ROOT / "examples" / "checkpoints" / "fashion_s3nn.safetensors"
GRAPH = Path(edgespike.models.__file__).parent / "fashion_s3nn.safetensors"

WITH_CHECKPOINT = [
    "edgespike.nn.training",
    "edgespike.nn.nets.from_float",
    "edgespike.data",
    "edgespike.bayes",
    "edgespike.prune",
    "edgespike.energy",
    "edgespike.report",
    "edgespike.cli",
    "rich",
]
"""Rooms and packages that loading a checkpoint must not import."""

WITH_GRAPH = [*WITH_CHECKPOINT, "edgespike.nn", "edgespike.converters.torch", "torch"]

LOAD_MODEL = "import edgespike.nn; edgespike.nn.load_model"
LOAD = "import edgespike; edgespike.load"


def imported(code: str, path: Path) -> set[str]:
    """Run ``code(path)`` in a new Python, and return the modules that it imported."""
    program = f"import sys; {code}(sys.argv[1]); print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    return set(run.stdout.split())


def under(modules: set[str], rooms: list[str]) -> list[str]:
    return [
        module for module in modules if any(f"{module}.".startswith(f"{room}.") for room in rooms)
    ]


@pytest.mark.torch
@pytest.mark.parametrize("code", [LOAD_MODEL, LOAD])
def test_loading_a_checkpoint_imports_neither_trainer_nor_data_nor_mixtures(code: str) -> None:
    pytest.importorskip("torch")
    modules = imported(code, CHECKPOINT)
    assert "edgespike.nn.nets.checkpoint" in modules
    assert under(modules, WITH_CHECKPOINT) == []


def test_loading_a_graph_imports_nothing_of_the_training_side() -> None:
    modules = imported(LOAD, GRAPH)
    assert "edgespike.graph.files" in modules
    assert under(modules, WITH_GRAPH) == []
