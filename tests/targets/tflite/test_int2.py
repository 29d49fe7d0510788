"""Weights of 2 bits: the same numbers as the interpreter's on LiteRT, refused elsewhere."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgespike.errors import TargetRunError
from edgespike.graph import Dense, Graph
from edgespike.interpreter import interpret
from edgespike.targets import get_target
from edgespike.targets.tflite.devices.arena import run_on_tflite_micro
from edgespike.targets.tflite.lower import Lowered, lower
from edgespike.targets.tflite.planning.plan import Plan
from edgespike.targets.tflite.planning.planner import make_plan
from edgespike.targets.tflite.run import encode_input
from edgespike.targets.tflite.writing import exported
from edgespike.targets.tflite.writing.exported import INT2_MODEL, INT4_MODEL
from tests.available import needs_tflm, run_on
from tests.targets.tflite.networks import Chain, samples_of
from tests.targets.tflite.test_int4 import Run, default, reference, tflite_runtime

schema = pytest.importorskip("ai_edge_litert.schema_py_generated")


def ternary(inputs: int = 64, outputs: int = 32, high: int = 1) -> Graph:
    """Return dense layers of single spikes with weights of -1..1; the input is 0..high."""
    chain = Chain((inputs,), high, ternary=True)
    chain = chain.dense(outputs, inputs).even_threshold(1).dense(outputs, outputs).even_threshold(1)
    return chain.finish(outputs)


def in_int2(graph: Graph) -> Lowered:
    plan = make_plan(graph)
    return exported.exported(plan, exported.for_micro(plan))[INT2_MODEL]


@pytest.mark.parametrize("run", [default, reference])
@pytest.mark.parametrize("sizes", [(64, 32), (4, 4), (1728, 192), (68, 5), (64, 1), (16, 31, 255)])
def test_litert_equals_the_interpreter(run: Run, sizes: tuple[int, ...]) -> None:
    graph = ternary(*sizes)
    samples, lowered = samples_of(graph), in_int2(graph)
    found = run(lowered, encode_input(graph, lowered, samples))
    np.testing.assert_array_equal(found, interpret(graph, samples).accumulators(graph))


def test_what_is_stored_is_what_8_bits_hold() -> None:
    graph = ternary()
    stored = []
    for content in (lower(make_plan(graph)).content, in_int2(graph).content):
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
        weights = {
            tensor.name: (tensor, np.asarray(model.buffers[tensor.buffer].data, np.uint8))
            for tensor in model.subgraphs[0].tensors
            if tensor.name.endswith(b".weight")
        }
        stored.append(weights)
    whole, packed = stored
    kinds = [tensor.type for tensor, _ in packed.values()]
    assert kinds == [schema.TensorType.INT2] * 2 + [schema.TensorType.INT8]  # the readout is int16
    for name, (tensor, data) in packed.items():
        if tensor.type == schema.TensorType.INT2:
            parts = (data[:, None] >> np.array([0, 2, 4, 6]) & 3).ravel().astype(np.int8)
            assert np.array_equal((parts ^ 2) - 2, whole[name][1].view(np.int8))


@pytest.mark.parametrize(
    ("change", "there"), [(0, True), (1, False)], ids=["a multiple of 4", "one input more"]
)
def test_it_is_written_where_litert_takes_it(tmp_path: Path, change: int, there: bool) -> None:
    graph = ternary(64 + change, 30)  # the second layer has no multiple of 4 inputs
    get_target("tflite").write(graph, tmp_path)
    assert (tmp_path / INT2_MODEL).exists() == there
    assert ("| model_int2.tflite |" in (tmp_path / "raspberry-pi/README.md").read_text()) == there
    if there:
        assert (tmp_path / INT2_MODEL).stat().st_size < (tmp_path / INT4_MODEL).stat().st_size


def test_other_weights_are_not_stored_in_2_bits() -> None:
    graph = ternary()
    first = graph.nodes[1]
    assert isinstance(first.op, Dense)
    wide = replace(first, op=Dense(first.op.weight * 2, first.op.bias))
    changed = replace(graph, nodes=(graph.nodes[0], wide, *graph.nodes[2:]))
    content = in_int2(changed).content
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    kinds = {tensor.type for tensor in model.subgraphs[0].tensors}
    assert {schema.TensorType.INT4, schema.TensorType.INT2} <= kinds


@pytest.mark.tflite_runtime
def test_tflite_runtime_refuses_it_and_verifies_the_others() -> None:
    graph = ternary()
    samples, lowered = samples_of(graph), in_int2(graph)
    with pytest.raises(TargetRunError):
        tflite_runtime(lowered, encode_input(graph, lowered, samples))
    found = run_on("tflite-runtime", graph, samples)
    expected = interpret(graph, samples).accumulators(graph)
    assert np.array_equal(found.accumulators(graph), expected)


@needs_tflm
def test_tflite_micro_refuses_it() -> None:
    graph = ternary()
    lowered = in_int2(graph)
    batch = encode_input(graph, lowered, samples_of(graph))
    with pytest.raises(TargetRunError):
        run_on_tflite_micro(sys.executable, lowered, batch)


def test_a_differing_file_of_2_bits_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = ternary()
    samples = samples_of(graph)
    run_on("tflite", graph, samples)
    *nodes, last, readout = graph.nodes
    assert isinstance(last.op, Dense)
    other = Graph(
        graph.name,
        (*nodes, replace(last, op=Dense(-last.op.weight, last.op.bias)), readout),
        graph.steps,
    )

    def one_of_another(plan: Plan) -> Lowered:
        return lower(make_plan(other, 2) if plan.weight_bits == 2 else plan)

    monkeypatch.setattr(exported, "lower", one_of_another)
    with pytest.raises(TargetRunError, match=r"model_int2\.tflite and the model that shows every"):
        run_on("tflite", graph, samples)
