"""Graphs as QONNX models: qonnx computes every node, and the converter reads the graph back."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from edgespike.converters.base import ConvertOptions
from edgespike.converters.onnx.qonnx import convert_qonnx
from edgespike.converters.onnx.reading import read_onnx
from edgespike.errors import UnsupportedError
from edgespike.graph import (
    Add,
    Dense,
    Graph,
    Input,
    MaxPool2d,
    Multiply,
    Node,
    Readout,
    Reshape,
    SumPool2d,
    Threshold,
)
from edgespike.interpreter import interpret
from edgespike.models import shipped_model
from edgespike.targets.onnx.qonnx_form import qonnx_model, qonnx_violations
from tests.example_graphs import membrane_graph, residual_graph, samples_for, weights
from tests.random_graphs import accepted, up_to
from tests.strategies import LEVEL_MIXES, STATELESS_MIXES


def values_of(graph: Graph, sample: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Return what qonnx computes for one sample, by the graph's node."""
    core = pytest.importorskip("qonnx.core.onnx_exec")
    wrapper = pytest.importorskip("qonnx.core.modelwrapper").ModelWrapper(qonnx_model(graph))
    shapes = pytest.importorskip("qonnx.transformation.infer_shapes").InferShapes()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Output shapes disagree", UserWarning)
        found: dict[str, NDArray[Any]] = core.execute_onnx(
            wrapper.transform(shapes),
            {"graph:input": sample[None].astype(np.float32)},
            return_full_exec_context=True,
        )
    return found


def read_back(folder: Path, graph: Graph) -> Graph:
    path = folder / "graph.onnx"
    onnx.save(qonnx_model(graph), path)
    return convert_qonnx(read_onnx(path), ConvertOptions()).graph


def assert_equal(graph: Graph, samples: NDArray[Any], folder: Path) -> None:
    """Compare every node with qonnx's values, and the answers with those of the graph read back."""
    trace = interpret(graph, samples, [node.name for node in graph.nodes])
    for index, sample in enumerate(samples):
        theirs = values_of(graph, sample)
        for node in graph.nodes[:-1]:
            assert np.array_equal(theirs[node.name][0], trace.values[node.name][index, 0]), node
    again = read_back(folder, graph)
    assert np.array_equal(
        interpret(again, samples).values[again.readout.name],
        trace.values[graph.readout.name],
    )
    assert np.array_equal(again.readout_op.scale, graph.readout_op.scale.astype(np.float32))


def violations(graph: Graph) -> list[str]:
    return list(qonnx_violations(graph))


@pytest.mark.parametrize("mix", [*STATELESS_MIXES, *LEVEL_MIXES])
def test_random_graphs(mix: str, tmp_path: Path) -> None:
    for drawn in accepted(mix, up_to(5), lambda graph: bool(violations(graph)), at_once=20):
        assert_equal(drawn.case.graph, drawn.case.samples[:2], tmp_path)


def test_products_have_no_qonnx_form() -> None:
    graph = with_layers(
        Node("square", Multiply(), ("in", "in")),
        Node("last", Dense(weights(1, 2, 6), weights(2, 2)), ("square",)),
    )
    assert violations(graph) == [
        "square multiplies two values, which edgespike cannot read back from QONNX; write the "
        "model without the QONNX form"
    ]


def test_the_model_is_valid_and_names_its_values_as_the_graph() -> None:
    graph = residual_graph()
    model = qonnx_model(graph)
    onnx.checker.check_model(model)
    made = {name for node in model.graph.node for name in node.output}
    assert {node.name for node in graph.nodes} <= made
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [
        ("", 11),
        ("qonnx.custom_op.general", 1),
    ]


def with_layers(*nodes: Node, shape: tuple[int, ...] = (6,), low: int = 0, high: int = 3) -> Graph:
    """Return a graph of these nodes, of which the first takes "in" and the last is "last"."""
    return Graph(
        "small",
        (
            Node("in", Input(shape, low, high, 0.5)),
            *nodes,
            Node("out", Readout(np.array([0.5, 1.0])), ("last",)),
        ),
    )


@pytest.mark.parametrize(
    ("op", "name"),
    [
        (Threshold(np.full((6, 1), 2), np.zeros(6, bool)), "BINARY"),
        (Threshold(np.full((6, 1), 2), np.zeros(6, bool), -1, 2), "BIPOLAR"),
        (Threshold(np.full((6, 3), 2), np.zeros(6, bool)), "UINT2"),
        (Threshold(np.full((6, 4), 2), np.zeros(6, bool)), "UINT3"),
        (Threshold(np.full((6, 3), 2), np.zeros(6, bool), -2), "INT2"),
        (Threshold(np.full((6, 3), 2), np.zeros(6, bool), -1), "INT3"),
        (Threshold(np.full((6, 3), 2), np.zeros(6, bool), -3, 2), "INT3"),
    ],
)
def test_thresholds_state_the_smallest_type_of_their_levels(op: Threshold, name: str) -> None:
    graph = with_layers(
        Node("levels", op, ("in",)),
        Node("last", Dense(weights(1, 2, 6), weights(2, 2)), ("levels",)),
    )
    (node,) = (node for node in qonnx_model(graph).graph.node if node.op_type == "MultiThreshold")
    (stated,) = (a.s.decode() for a in node.attribute if a.name == "out_dtype")
    assert stated == name


@pytest.mark.parametrize("kernel", [(2, 2), (3, 3)])
@pytest.mark.parametrize("padding", [(0, 0), (1, 0, 0, 1)])
def test_sums_of_windows_are_exact(
    kernel: tuple[int, int], padding: tuple[int, ...], tmp_path: Path
) -> None:
    """A mean of nine times nine is not always a whole number in float32."""
    pool = SumPool2d(kernel, (1, 1), padding)
    height, width = pool.output_size((2, 5, 5))
    graph = with_layers(
        Node("sums", pool, ("in",)),
        Node("flat", Reshape((2 * height * width,)), ("sums",)),
        Node("last", Dense(weights(3, 2, 2 * height * width), weights(4, 2)), ("flat",)),
        shape=(2, 5, 5),
        low=-100,
        high=155,
    )
    assert_equal(graph, samples_for(graph, 3)[:, 0], tmp_path)


def test_a_binary_net_is_written_with_bipolar_weights(tmp_path: Path) -> None:
    signs = np.where(weights(5, 2, 6) > 0, 1, -1)
    graph = with_layers(Node("last", Dense(signs, np.zeros(2, np.int64)), ("in",)))
    assert [node.op_type for node in qonnx_model(graph).graph.node] == [
        "Quant",
        "BipolarQuant",
        "MatMul",
        "Mul",
    ]
    assert_equal(graph, samples_for(graph, 3)[:, 0], tmp_path)


def test_a_shipped_model(tmp_path: Path) -> None:
    graph = shipped_model("fashion_maqd")
    samples = samples_for(graph, 1)[:, 0]
    assert_equal(graph, samples, tmp_path)


def test_state_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedError) as caught:
        qonnx_model(membrane_graph())
    assert [violation.split(";")[0] for violation in caught.value.violations] == [
        "samples have 4 steps",
        "lif1 is a membrane, which keeps a state",
        "lif2 is a membrane, which keeps a state",
    ]


def test_sums_that_float32_does_not_hold_are_refused() -> None:
    wide = Dense(np.full((2, 6), 2**20), np.zeros(2, np.int64))
    graph = with_layers(Node("last", wide, ("in",)))
    with pytest.raises(
        UnsupportedError, match="last may reach 18874368; QONNX computes in float32"
    ):
        qonnx_model(graph)
    twice = with_layers(
        Node("half", Dense(np.full((2, 6), 2**19), np.zeros(2, np.int64)), ("in",)),
        Node("last", Add(), ("half", "half")),
    )
    with pytest.raises(UnsupportedError, match="last may reach 18874368"):
        qonnx_model(twice)


def test_levels_that_float32_would_round_are_refused() -> None:
    op = Threshold(np.full((6, 1), -5), np.zeros(6, bool), -(2**30), 2**30 + 1)  # always 1
    last = Dense(weights(1, 2, 6), weights(2, 2))
    graph = with_layers(Node("levels", op, ("in",)), Node("last", last, ("levels",)))
    assert violations(graph) == [
        "levels may reach 1073741825; QONNX computes in float32, which is exact below 16777216, so "
        "use fewer bits"
    ]


@pytest.mark.parametrize(
    ("scale", "holds"),
    [(1e-37, True), (1e-39, False), (1e-300, False), (1e36, True), (2e37, False), (1e300, False)],
)
def test_answers_that_float32_does_not_hold_are_refused(scale: float, holds: bool) -> None:
    graph = with_layers(Node("last", Dense(np.ones((2, 6), int), np.zeros(2, int)), ("in",)))
    readout = Node("out", Readout(np.array([1.0, scale])), ("last",))
    scaled = Graph("scaled", (*graph.nodes[:-1], readout))
    assert violations(scaled) == (
        []
        if holds
        else [
            f"out has answers of up to 18 in units of {scale:g}; QONNX computes them in float32, "
            "which has normal numbers from 1.17549e-38 to 3.40282e+38, so scale the model"
        ]
    )


def test_pools_of_levels(tmp_path: Path) -> None:
    graph = with_layers(
        Node("pool", MaxPool2d((3, 3), (2, 2), (1, 0, 0, 1)), ("in",)),
        Node("flat", Reshape((2 * 2 * 2,)), ("pool",)),
        Node("last", Dense(weights(6, 2, 8), weights(7, 2)), ("flat",)),
        shape=(2, 4, 4),
    )
    assert_equal(graph, samples_for(graph, 3)[:, 0], tmp_path)
