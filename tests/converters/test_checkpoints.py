"""Checkpoints on disk become graphs, each the same under every path."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from edgespike.converters import convert, load  # noqa: E402
from edgespike.errors import GraphError  # noqa: E402
from edgespike.graph import load_graph, save_graph  # noqa: E402
from edgespike.models import IMAGES, build  # noqa: E402
from edgespike.nn.nets.checkpoint import save_model  # noqa: E402
from edgespike.nn.nets.models import build as build_net  # noqa: E402
from edgespike.nn.nets.spec import ConvSpec, DenseSpec, NetSpec  # noqa: E402

pytestmark = pytest.mark.torch

SPEC = NetSpec((1, 8, 8), 3, (ConvSpec(4, pool=2, bits=6), DenseSpec(5)))


def saved(path: Path, **metadata: Any) -> Path:
    torch.manual_seed(0)
    save_model(path, build_net(SPEC), SPEC, metadata)
    return path


def test_a_checkpoint_and_its_graph_file_load_as_the_same_graph(tmp_path: Path) -> None:
    graph = load(saved(tmp_path / "tiny.safetensors"))
    save_graph(graph, tmp_path / "graph.safetensors")
    assert load(tmp_path / "graph.safetensors") == graph


def test_the_name_of_the_file_changes_nothing(tmp_path: Path) -> None:
    graphs = [load(saved(tmp_path / name)) for name in ("a.safetensors", "b", "c d.safetensors")]
    assert {graph.name for graph in graphs} == {"model"}
    assert len({graph.hash for graph in graphs}) == 1


def test_the_name_in_the_metadata_is_the_graphs(tmp_path: Path) -> None:
    assert load(saved(tmp_path / "a", name="fashion")).name == "fashion"
    with pytest.raises(GraphError, match="name 'my net' may hold"):
        load(saved(tmp_path / "b", name="my net"))


def test_a_name_that_is_given_precedes_the_metadata(tmp_path: Path) -> None:
    path = saved(tmp_path / "a", name="fashion")
    named = convert(path, name="mine")
    assert named.name == "mine"
    assert named.nodes == load(path).nodes


def test_the_shipped_graph_is_named_after_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import numpy as np

    def images(_part: str) -> tuple[Any, Any]:
        return np.zeros((9, 1, 8, 8), np.uint8), np.zeros(9, np.int64)

    monkeypatch.setattr(build, "load_fashion_mnist", images)
    run = tmp_path / "run"
    run.mkdir()
    saved(run / "model.safetensors")
    (run / "training.jsonl").write_text("{}")
    checkpoints = tmp_path / "checkpoints"
    checkpoints.mkdir()
    build.ship("small", run, tmp_path, checkpoints)
    graph = load_graph(tmp_path / "small.safetensors")
    assert graph.name == "small"
    assert load(checkpoints / "small.safetensors").hash == graph.hash
    assert (tmp_path / "small.jsonl").read_text() == "{}"
    assert (tmp_path / IMAGES).is_file()


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
from edgespike.converters import load
from edgespike.errors import EnvironmentMissingError
try:
    load(sys.argv[1])
except EnvironmentMissingError as error:
    print(error)
"""


def test_without_torch_the_file_and_the_ways_out_are_named(tmp_path: Path) -> None:
    path = saved(tmp_path / "tiny.safetensors")
    message = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, str(path)], capture_output=True, text=True, check=True
    ).stdout
    for part in (f"{path} is a trained checkpoint", "'.[train]'", "use the graph file"):
        assert part in message
