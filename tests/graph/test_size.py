"""What weights take in a file, beside the entropy of their values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgespike.graph import Dense, Graph, Input, Node, Readout
from edgespike.graph.files import graph_bytes, read_safetensors, save_graph
from edgespike.graph.ops import Weighted
from edgespike.graph.packing import pack
from edgespike.graph.size import SIZE_COLUMNS, WeightSize, graph_size
from tests.energy.examples import TWO_LAYERS
from tests.strategies import MIXES, Case, cases


def test_a_layer_is_measured_as_by_hand() -> None:
    size = graph_size(TWO_LAYERS)
    # Weights 1 0 2 3: one of each. Weights 1 -1 0 2: one of each. 4 states, 4 a byte.
    assert size.layers == (
        WeightSize("first", 4, 4, 1, 2.0, 1),
        WeightSize("second", 4, 4, 1, 2.0, 1),
    )
    assert size.total == WeightSize("total", 8, None, 2, 2.0, 2)
    assert [layer.entropy_bytes for layer in size.layers] == [1, 1]
    assert size.file_bytes == len(graph_bytes(TWO_LAYERS))


def ternary(zeros: int, others: int) -> Graph:
    weight = np.array([[0] * zeros + [1] * others + [-1] * others])
    return Graph(
        "ternary",
        (
            Node("input", Input((weight.size,), 0, 1, 1.0)),
            Node("dense", Dense(weight, np.array([0])), ("input",)),
            Node("readout", Readout(np.array([1.0])), ("dense",)),
        ),
    )


@pytest.mark.parametrize(
    ("zeros", "others", "entropy", "cells"),
    [
        (1000, 1000, math.log2(3), ("3,000", "3", "33.3%", "1.58", "600", "595")),
        (2000, 1000, 1.5, ("4,000", "3", "50.0%", "1.50", "800", "750")),
        (4000, 0, 0.0, ("4,000", "1", "100.0%", "0.00", "500", "0")),
    ],
)
def test_ternary_weights(zeros: int, others: int, entropy: float, cells: tuple[str, ...]) -> None:
    (layer,) = graph_size(ternary(zeros, others)).layers
    assert layer.entropy == pytest.approx(entropy, abs=1e-12)
    assert layer.cells() == cells
    assert len(cells) == len(SIZE_COLUMNS)


@given(case=st.sampled_from(MIXES).flatmap(cases))
@settings(max_examples=30)
def test_sizes_are_those_of_the_file_and_never_below_the_entropy(
    tmp_path_factory: pytest.TempPathFactory, case: Case
) -> None:
    path = tmp_path_factory.mktemp("size") / "graph.safetensors"
    save_graph(case.graph, path)
    tensors = read_safetensors(path)[1]
    size = graph_size(case.graph)
    assert size.file_bytes == path.stat().st_size
    assert [layer.name for layer in size.layers] == [
        node.name for node in case.graph.nodes if isinstance(node.op, Weighted)
    ]
    for layer in size.layers:
        assert layer.file_bytes == tensors[f"{layer.name}.weight"].nbytes >= layer.entropy_bytes
    assert size.total.weights - size.total.zeros == case.graph.synapses()
    assert size.total.file_bytes == sum(layer.file_bytes for layer in size.layers)


def test_a_graph_without_weights_has_a_size_too() -> None:
    nodes = (Node("input", Input((2,), 0, 1, 1.0)), Node("out", Readout(np.ones(2)), ("input",)))
    size = graph_size(Graph("none", nodes))
    assert size.layers == ()
    assert size.total == WeightSize("total", 0, None, 0, 0.0, 0)
    assert size.total.cells() == ("0", "–", "0.0%", "0.00", "0", "0")


def test_a_graph_is_packed_once_for_hash_and_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, packed = ternary(5, 3), []

    def counted(array: NDArray[Any]) -> Any:
        packed.append(array)
        return pack(array)

    monkeypatch.setattr("edgespike.graph.description.pack", counted)
    assert graph.hash == ternary(5, 3).hash
    first = len(packed) // 2
    assert graph_size(graph) == graph_size(graph)
    assert graph.hash
    assert len(packed) == 2 * first
