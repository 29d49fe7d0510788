"""Recurrent graphs: what is joined, how it is stored, what is carried, and the unrolled form."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from edgespike.errors import TargetRunError
from edgespike.graph import Dense, Graph, Input, Node, Readout, ReadoutMode
from edgespike.interpreter import evaluate, interpret
from edgespike.targets.tflite.devices.arena import run_on_tflite_micro
from edgespike.targets.tflite.lower import lower, lower_unrolled
from edgespike.targets.tflite.planning.joining import find_joins, joined_tensor
from edgespike.targets.tflite.planning.numbers import layer_numbers
from edgespike.targets.tflite.planning.planner import make_plan
from edgespike.targets.tflite.planning.storage import Form
from edgespike.targets.tflite.run import encode_input
from edgespike.targets.tflite.running import execute
from edgespike.targets.tflite.writing import exported
from tests.available import needs_tflm, run_on
from tests.targets.tflite.networks import NETWORKS, samples_of
from tests.targets.tflite.recurrent import RECURRENT, STEPS, layers


@pytest.mark.parametrize(
    ("name", "layer", "numbers"),
    [
        ("recurrent layer of 7 levels", "forward1 + back1 + sum1 + neurons1", "int8, a scale"),
        ("recurrent layer of spikes, summed", "forward1 + back1 + sum1 + neurons1", "int8"),
        ("recurrent layers of equal levels", "forward3 + back3 + sum3 + neurons3", "int8, a scale"),
        ("recurrent convolutions", "forward + back + sum + neurons", "int8, a scale"),
        (
            "recurrent layers of different levels",
            "forward2 + back2 + sum2 + neurons2",
            "int8, a scale",
        ),
        ("recurrent layer of uneven levels", "forward1 + back1 + sum1", "float32"),
        ("recurrent membranes, decay 410", "forward + back + sum", "float32"),
        ("recurrent convolutions of two geometries", "sum", "float32"),
    ],
)
def test_sums_that_meet_are_one_product(name: str, layer: str, numbers: str) -> None:
    found = {row.layer: row.numbers for row in layer_numbers(make_plan(NETWORKS[name]()))}
    assert found[layer].startswith(numbers)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("recurrent layer, negative input", "no zero point in common"),
        ("recurrent layer of uneven levels", "no multiplier is proven for 6 of 6 channels"),
        ("recurrent layer of large weights", "a weight of 300 is beyond 127"),
    ],
)
def test_reasons_for_float32(name: str, why: str) -> None:
    assert any(
        row.numbers == "float32" and why in row.why
        for row in layer_numbers(make_plan(NETWORKS[name]()))
    )


def test_input_and_state_of_one_product_are_stored_alike() -> None:
    """An input of 0..255 allows only one zero point, which levels adopt."""
    graph = NETWORKS["recurrent layers of equal levels"]()
    choices = make_plan(graph).nodes
    found = {choices[name].output for name in ("input", "delay1", "neurons1", "delay2", "neurons2")}
    (storage,) = found
    assert (storage.form, storage.zero_point) == (Form.INT8, -128)
    assert lower(make_plan(graph)).carried == [[1, -127], [2, -127], [3, -127]]


@pytest.mark.parametrize("name", RECURRENT)
def test_the_past_counts_in_these_networks(name: str) -> None:
    """Otherwise their states could be anything."""
    graph = RECURRENT[name]()
    samples = samples_of(graph, 20)
    changed = samples.copy()
    changed[:, :-1] = graph.input_op.low
    first, second = (
        interpret(graph, x, keep=["classes"]).values["classes"][:, -1] for x in (samples, changed)
    )
    assert np.array_equal(first, second) == (graph.steps == 1)


@pytest.mark.parametrize("name", RECURRENT)
def test_a_join_gives_what_its_parts_add_up_to(name: str) -> None:
    graph = RECURRENT[name]()
    trace = interpret(graph, samples_of(graph), keep=[node.name for node in graph.nodes])
    joins = find_joins(graph)
    assert bool(joins) == (name != "recurrent convolutions of two geometries")
    for total, joined in joins.items():
        x = np.concatenate([trace.values[source] for source in joined.inputs], axis=2)
        found, _ = evaluate(joined.op, [x.reshape(-1, *x.shape[2:])])
        assert np.array_equal(found.reshape(trace.values[total].shape), trace.values[total])
        tensor = joined_tensor(graph.input_tensors(joined))
        assert joined.op.infer([tensor], graph.steps).bounds == graph.tensors[total].bounds


@pytest.mark.parametrize(
    ("name", "states"),
    [
        ("recurrent layer of 7 levels", ["delay1"]),
        ("recurrent layer of spikes, summed", ["delay1", "readout"]),
        ("recurrent membranes, decay 410", ["delay", "cells:potential", "readout"]),
        ("recurrent membranes, late reset", ["delay", "cells:potential", "cells:spikes"]),
        ("recurrent membranes that forget", ["delay", "readout"]),
        ("two layers in a loop", ["delay1", "delay2"]),
    ],
)
def test_what_is_carried(name: str, states: list[str]) -> None:
    lowered = lower(make_plan(NETWORKS[name]()))
    assert [state.tensor.name for state in lowered.states] == states


def test_a_tensor_that_is_several_things_is_one_output() -> None:
    """The spikes of these membranes are observed, delayed, and needed by their reset."""
    graph = NETWORKS["recurrent membranes, late reset"]()
    lowered = lower(make_plan(graph), observed=["cells"])
    delay, _, spikes = lowered.states
    assert delay.output == spikes.output == lowered.observed["cells"]
    assert len({value.index for value in lowered.outputs}) == len(lowered.outputs) == 3


@pytest.mark.parametrize("name", RECURRENT)
@pytest.mark.parametrize(
    "kernels",
    [
        execute.DEFAULT_KERNELS,
        execute.REFERENCE_KERNELS,
        pytest.param("TFLite Micro", marks=needs_tflm),
    ],
)
def test_the_unrolled_form_gives_the_last_steps_readout(name: str, kernels: str) -> None:
    graph = RECURRENT[name]()
    samples = samples_of(graph)
    unrolled = lower_unrolled(make_plan(graph))
    batch = encode_input(graph, lower(make_plan(graph)), samples)
    if kernels != "TFLite Micro":
        (found,) = execute.LoadedModel(unrolled.content, kernels).run(batch)
    else:
        found, _ = run_on_tflite_micro(sys.executable, unrolled, batch)
    assert np.array_equal(found, interpret(graph, samples).accumulators(graph))


def test_only_the_last_step_is_read_out_where_only_that_counts() -> None:
    graph = layers(7)
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    model = schema.ModelT.InitFromObj(
        schema.Model.GetRootAs(lower_unrolled(make_plan(graph)).content, 0)
    )
    (subgraph,) = model.subgraphs
    names = [tensor.name.decode() for tensor in subgraph.tensors]
    assert sum(name.startswith("forward1 + back1.inputs") for name in names) == graph.steps
    assert names.count("readout") == 1
    assert "readout.2" not in names


def test_a_differing_unrolled_form_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, other = layers(7, high=1, initial=0), layers(7, high=1, initial=6)
    samples = samples_of(graph, 30)
    run_on("tflite", graph, samples)
    monkeypatch.setattr(exported, "lower_unrolled", lambda _: lower_unrolled(make_plan(other)))
    what = r"model_unrolled\.tflite and .* differ in sample \d+ of a batch of 30; please report"
    with pytest.raises(TargetRunError, match=what):
        run_on("tflite", graph, samples)


def test_the_last_readout_of_a_graph_without_loops() -> None:
    """All steps at once, and nothing is summed."""
    one = np.eye(3, dtype=int)
    nodes = (
        Node("input", Input((3,), 0, 9, 1.0)),
        Node("dense", Dense(one, np.zeros(3, int)), ("input",)),
        Node("readout", Readout(np.ones(3), ReadoutMode.LAST), ("dense",)),
    )
    graph = Graph("last", nodes, STEPS)
    samples = samples_of(graph)
    trace = run_on("tflite", graph, samples)
    assert np.array_equal(trace.values["readout"], samples)
    assert np.array_equal(trace.accumulators(graph), samples[:, -1])
