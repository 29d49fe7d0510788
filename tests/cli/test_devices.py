"""``edgespike devices``: a table that fits, JSON, and exit code 1 where no device keeps limits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

import edgespike
from tests.cli.conftest import Cli
from tests.example_graphs import residual_graph, samples_for

GRAPH = residual_graph()


def test_the_command(cli: Cli, tmp_path: Path) -> None:
    graph, samples = tmp_path / "g.safetensors", tmp_path / "x.npy"
    edgespike.save(GRAPH, graph)
    np.save(samples, samples_for(GRAPH, 3)[:, 0])
    printed = cli("devices", str(graph), "--samples", str(samples)).stdout
    assert "c, cortex-m4" in printed
    assert max(map(len, printed.splitlines())) <= 80
    assert "random numbers" in cli("devices", str(graph)).stdout
    answer = json.loads(cli("devices", str(graph), "--json").stdout)
    assert answer["limits_kept"] is None
    assert {row["target"] for row in answer["devices"]} >= {"c", "cpu", "loihi", "onnx", "tflite"}
    tight = cli("devices", str(graph), "--flash", "100B", "--json")
    assert tight.code == 1
    assert json.loads(tight.stdout)["limits_kept"] is False
