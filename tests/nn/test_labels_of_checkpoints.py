"""Names of classes and the scaling of the input travel from a checkpoint into the graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import edgespike
from edgespike.errors import FileFormatError
from edgespike.graph import Scaling
from edgespike.nn import save_model
from tests.nn.small import NET, random_net


def converted(tmp_path: Path, **metadata: Any) -> edgespike.Graph:
    path = tmp_path / "model.safetensors"
    save_model(path, random_net(), NET, metadata)
    return edgespike.load(path)


def test_names_and_scaling_are_those_of_the_graph(tmp_path: Path) -> None:
    names, scaling = ("a", "b", "c"), Scaling((1.0,), (0.5,))
    table = {"offset": [1.0], "step": [0.5]}
    graph = converted(tmp_path, class_names=names, scaling=table)
    assert (graph.class_names, graph.scaling) == (names, scaling)
    edgespike.save(graph, tmp_path / "graph.safetensors")
    again = edgespike.load(tmp_path / "graph.safetensors")
    assert (again.class_names, again.scaling) == (names, scaling)


def test_a_checkpoint_without_them_is_the_same_graph_as_before(tmp_path: Path) -> None:
    graph = converted(tmp_path)
    module = edgespike.convert(random_net(), NET.input_shape)
    assert (graph.class_names, graph.scaling) == ((), None)
    assert graph.hash == module.hash


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"class_names": ["a", "b"]}, "there are 2 class names for 3 classes"),
        ({"class_names": "abc"}, "class_names is 'abc'"),
        ({"class_names": ["a", 2, "c"]}, "class_names"),
        ({"scaling": 3}, "holds the scaling 3, expected a table of offset and step"),
        ({"scaling": {"offset": [0.0]}}, "expected a table of offset and step"),
        ({"scaling": {"offset": [0.0], "step": [0.0]}}, "a step must be above 0"),
        ({"scaling": {"offset": "abc", "step": [1.0]}}, "offset is 'abc'"),
        ({"scaling": {"offset": [0.0] * 2, "step": [1.0] * 2}}, "has 2 offsets and steps"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, metadata: dict[str, Any], said: str) -> None:
    with pytest.raises(FileFormatError, match=said):
        converted(tmp_path, **metadata)
