"""A recipe and data of seconds, and sweeps of it in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tests.nn.small import striped_task

RECIPE = """
epochs = {epochs}
batch_size = 16
learning_rate = 0.01

[data]
path = "stripes.npz"

[net]
activation = "spike"

[[net.layers]]
kind = "conv"
channels = 4
pool = 2
bits = 6

[[net.layers]]
kind = "dense"
features = 8
"""


def write_recipe(folder: Path, epochs: int = 2) -> Path:
    """Write ``small.toml`` and its data, 120 small images, into a folder."""
    task = striped_task(120)
    np.savez(folder / "stripes.npz", samples=task.train_images, labels=task.train_labels)
    path = folder / "small.toml"
    path.write_text(RECIPE.format(epochs=epochs))
    return path


def start_sweep(folder: Path, *words: str) -> subprocess.Popen[str]:
    """Start a sweep of ``small.toml`` into ``out``."""
    return subprocess.Popen(
        [sys.executable, "-m", "edgespike", "sweep", "small.toml", "-o", "out", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def rows_of(folder: Path) -> list[dict[str, Any]]:
    """Read the finished points, as anybody would."""
    text = (folder / "out" / "results.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def timeless(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "seconds"}
