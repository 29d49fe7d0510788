"""The file, as the package onnx reads and checks it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgespike.graph import Graph, Input, MaxPool2d, Node, Readout, Reshape
from edgespike.models import shipped_model
from edgespike.targets import get_target
from edgespike.targets.onnx.limits import IR_VERSION, OPSET
from edgespike.targets.onnx.lower import lower
from edgespike.targets.onnx.numbers import layer_numbers
from edgespike.targets.onnx.walk import merged
from tests.example_graphs import membrane_graph, recurrent_graph, residual_graph
from tests.targets.onnx.graphs import NETS, chain, conv, dense, thresholds

onnx: Any = pytest.importorskip("onnx")

SOME: dict[str, Callable[[], Graph]] = {
    "residual": residual_graph,
    "membranes": membrane_graph,
    "recurrent": recurrent_graph,
    "maqd": lambda: shipped_model("fashion_maqd"),
    "rnn": lambda: shipped_model("fashion_rnn"),
}


def graphs_in(graph: Any) -> Iterator[Any]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from graphs_in(attribute.g)


@cache
def model_of(name: str) -> Any:
    return lower(NETS[name]()).model


@pytest.mark.parametrize("name", NETS)
def test_onnx_accepts_every_model(name: str) -> None:
    model = model_of(name)
    onnx.checker.check_model(model, full_check=True)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", OPSET)]
    assert model.ir_version == IR_VERSION


@pytest.mark.parametrize("name", SOME)
def test_every_node_of_the_graph_is_named(name: str) -> None:
    graph = SOME[name]()
    found = [node.name for part in graphs_in(lower(graph).model.graph) for node in part.node]
    assert len(set(found)) == len(found)
    assert set(found) >= {node.name for node in graph.nodes[1:]}


@pytest.mark.parametrize("name", SOME)
def test_all_shapes_are_known_but_for_the_batch(name: str) -> None:
    model = lower(SOME[name]()).model
    known = {value.name: value for part in graphs_in(model.graph) for value in part.value_info}
    for part in graphs_in(model.graph):
        for value in (*part.input, *part.output):
            known[value.name] = value
    for node in model.graph.node:
        for tensor in node.output:
            shape = known[tensor].type.tensor_type.shape.dim
            assert all(dim.dim_value > 0 for dim in list(shape)[1:]), tensor


@pytest.mark.parametrize("name", NETS)
def test_only_scales_and_logits_are_real(name: str) -> None:
    """All other tensors are integers or booleans, constants included."""
    model = model_of(name)
    real = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE)
    for part in graphs_in(model.graph):
        floats = {each.name for each in part.initializer if each.data_type in real}
        floats |= {
            value.name
            for value in (*part.value_info, *part.output, *part.input)
            if value.type.tensor_type.elem_type in real
        }
        for node in part.node:
            used = [place for place, tensor in enumerate(node.input) if tensor in floats]
            if node.op_type == "QLinearConv":
                assert used == [1, 4, 6]
            else:
                assert not used or node.name == "logits/scaled", node.name


def test_the_page_names_the_operators() -> None:
    text = (Path(__file__).parents[3] / "docs" / "targets" / "onnx.md").read_text()
    table = text.partition("| operation | operators |")[2].partition("\n\n")[0]
    built = (model_of(name).graph for name in NETS)
    used = {node.op_type for graph in built for part in graphs_in(graph) for node in part.node}
    wide = (MaxPool2d((2, 2), (1, 1)), dense(np.full((2, 4), 999)))
    flat = Reshape((4,))
    graph = lower(chain(Input((1, 3, 3), 0, 999, 1.0), wide[0], flat, wide[1])).model.graph
    used |= {node.op_type for node in graph.node}
    assert used == set(re.findall(r"`(\w+)`", table))


def test_spikes_are_rescaled_by_exactly_1() -> None:
    graph = shipped_model("fashion_s3nn")
    assert len(merged(graph)) == 3
    model = lower(graph).model
    constants = {each.name: onnx.numpy_helper.to_array(each) for each in model.graph.initializer}
    convs = [node for node in model.graph.node if node.op_type == "QLinearConv"]
    assert len(convs) == 3
    for node in convs:
        assert all((constants[node.input[place]] == 1).all() for place in (1, 4, 6))


@pytest.mark.parametrize(
    ("low", "high", "kind"),
    [
        (0, 1, "UINT8"),
        (0, 255, "UINT8"),
        (-1, 127, "INT8"),
        (-1, 128, "INT32"),
        (0, 256, "INT32"),
        (0, 2**31, "INT64"),
    ],
)
def test_the_input_has_the_smallest_type(low: int, high: int, kind: str) -> None:
    model = lower(chain(Input((2,), low, high, 1.0), dense(np.eye(2)))).model
    (source,) = model.graph.input
    assert source.name == "input"
    assert source.type.tensor_type.elem_type == getattr(onnx.TensorProto, kind)


@pytest.mark.parametrize(("steps", "shape"), [(1, ["batch", 5]), (4, ["batch", 4, 5])])
def test_inputs_and_outputs(steps: int, shape: list[object]) -> None:
    graph = membrane_graph(steps)
    model = lower(graph).model
    dims = model.graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_param or dim.dim_value for dim in dims] == shape
    names = [output.name for output in model.graph.output]
    kinds = [output.type.tensor_type.elem_type for output in model.graph.output]
    assert names == ["logits", "accumulators"]
    assert kinds == [onnx.TensorProto.DOUBLE, onnx.TensorProto.INT32]


def test_metadata_says_which_graph_it_is() -> None:
    graph = replace(recurrent_graph(), origin="net.tflite, with rounding tflm")
    model = lower(graph).model
    found = {entry.key: entry.value for entry in model.metadata_props}
    assert found["edgespike.sha256"] == graph.hash
    assert found["edgespike.origin"] == graph.origin
    assert found["edgespike.graph"] == model.graph.name == "recurrent"
    assert (found["edgespike.input_low"], found["edgespike.input_high"]) == ("0", "15")
    assert float(found["edgespike.input_scale"]) == 1 / 15
    assert (found["edgespike.steps"], found["edgespike.classes"]) == ("4", "2")
    assert graph.hash in model.doc_string


def test_nodes_may_have_the_names_of_inputs_and_outputs() -> None:
    names = {"conv2d1": "logits", "threshold2": "accumulators", "flat": "input.1", "input": "input"}
    graph = chain(Input((1, 3, 3), 0, 9, 1.0), conv(np.ones((1, 1, 2, 2))), thresholds([[5]]))
    nodes = [
        Node(names.get(node.name, node.name), node.op, tuple(names.get(x, x) for x in node.inputs))
        for node in graph.nodes
    ]
    model = lower(Graph("names", tuple(nodes))).model
    onnx.checker.check_model(model, full_check=True)


def test_the_same_graph_gives_the_same_file() -> None:
    first, second = (lower(recurrent_graph()).model.SerializeToString() for _ in range(2))
    assert first == second


def test_numbers_of_layers_say_why() -> None:
    rows = {row.layer: row for row in layer_numbers(shipped_model("fashion_maqd"))}
    assert rows["conv1 + levels1"].numbers == "uint8 x uint8, a multiplier for each channel"
    assert rows["conv1 + levels1"].why.endswith("beyond 32767")
    assert rows["dense2"].numbers == "uint8 x int8, int32"
    assert rows["dense2"].why == "2 x 3 x 1 = 6, within 32767"


def violations(graph: Graph) -> list[str]:
    return get_target("onnx").violations(graph)


@pytest.mark.parametrize(("inputs", "sign"), [(66_309, 1), (66_310, 1), (66_310, -1)])
def test_sums_of_products_beyond_int32_are_refused(inputs: int, sign: int) -> None:
    graph = chain(Input((inputs,), 0, 255, 1.0), dense(np.full((1, inputs), 127 * sign)))
    lines = violations(graph)
    assert bool(lines) == (inputs * 255 * 127 > 2**31 - 1)
    for line in lines:
        assert line.startswith(f"dense1 (dense) adds up products to {inputs * 255 * 127} in int32")
        assert "cpu target" in line


def test_files_beyond_2_gib_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from edgespike.targets.onnx import check

    graph = residual_graph()
    assert violations(graph) == []
    monkeypatch.setattr(check, "FILE_BYTES", 100)
    (line,) = violations(graph)
    assert "limit of an ONNX file is 100" in line


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_units_of_any_size_are_kept(scale: float) -> None:
    graph = residual_graph()
    *nodes, last = graph.nodes
    assert isinstance(last.op, Readout)
    readout = replace(last.op, scale=np.full(3, scale))
    assert violations(Graph("units", (*nodes, Node("out", readout, last.inputs)))) == []
