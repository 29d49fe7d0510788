"""Weights of 4 bits: the same numbers as the interpreter's, on every runtime, in a smaller file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgespike.errors import TargetRunError
from edgespike.graph import Dense, Graph
from edgespike.interpreter import interpret
from edgespike.targets.tflite.devices.arena import run_on_tflite_micro
from edgespike.targets.tflite.environment import environment_python
from edgespike.targets.tflite.lower import Lowered, lower
from edgespike.targets.tflite.planning.plan import Plan
from edgespike.targets.tflite.planning.planner import make_plan
from edgespike.targets.tflite.run import encode_input
from edgespike.targets.tflite.running import execute
from edgespike.targets.tflite.writing import exported
from edgespike.workers.worker import Worker
from tests.available import available, needs_tflm, run_on
from tests.targets.tflite.networks import NETWORKS, STATES, samples_of

schema = pytest.importorskip("ai_edge_litert.schema_py_generated")

Job = tuple[dict[str, NDArray[Any]], dict[str, Any]]
Run = Callable[[Lowered, NDArray[Any]], NDArray[Any]]


def smaller(name: str) -> bool:
    graph = NETWORKS[name]()
    in_int4 = lower(make_plan(graph, 4))
    return len(in_int4.content) < len(lower(make_plan(graph)).content)


SMALLER = [name for name in NETWORKS if smaller(name)]


def job(lowered: Lowered, batch: NDArray[Any], kernels: str = execute.DEFAULT_KERNELS) -> Job:
    arrays = {"model": np.frombuffer(lowered.content, np.uint8), "batch": batch}
    return arrays, {"kernels": kernels, "carried": lowered.carried}


def readout(lowered: Lowered, outputs: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    found = outputs["0"]
    return found[:, -1] if lowered.states else found


def default(lowered: Lowered, batch: NDArray[Any]) -> NDArray[Any]:
    return readout(lowered, execute.handle(*job(lowered, batch))[0])


def reference(lowered: Lowered, batch: NDArray[Any]) -> NDArray[Any]:
    return readout(lowered, execute.handle(*job(lowered, batch, execute.REFERENCE_KERNELS))[0])


@cache
def worker() -> Worker:
    available("tflite-runtime")
    return Worker(str(environment_python()), Path(execute.__file__), what="tflite-runtime")


def tflite_runtime(lowered: Lowered, batch: NDArray[Any]) -> NDArray[Any]:
    outputs, _ = worker().call(*job(lowered, batch), timeout_s=60)
    return readout(lowered, outputs)


def tflite_micro(lowered: Lowered, batch: NDArray[Any]) -> NDArray[Any]:
    return run_on_tflite_micro(sys.executable, lowered, batch)[0]


RUNTIMES = [
    default,
    reference,
    pytest.param(tflite_runtime, marks=pytest.mark.tflite_runtime),
    pytest.param(tflite_micro, marks=needs_tflm),
]


@pytest.mark.parametrize("run", RUNTIMES)
@pytest.mark.parametrize("name", SMALLER)
def test_every_runtime_equals_the_interpreter(name: str, run: Run) -> None:
    graph = NETWORKS[name]()
    samples = samples_of(graph)
    lowered = lower(make_plan(graph, 4))
    found = run(lowered, encode_input(graph, lowered, samples))
    np.testing.assert_array_equal(found, interpret(graph, samples).accumulators(graph))


def test_networks_of_every_sort_are_smaller() -> None:
    """Four states need a factor of 5 or more: 7 is enough for ternary weights."""
    assert {f"{count} states, input to 255" for count in STATES if count <= 4} <= set(SMALLER)
    assert len(SMALLER) > 40


def test_what_is_stored_is_what_8_bits_hold() -> None:
    graph = NETWORKS["residual of spikes"]()
    stored = []
    for bits in (8, 4):
        content = lower(make_plan(graph, bits)).content
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
        weights = {
            tensor.name: (tensor, np.asarray(model.buffers[tensor.buffer].data, np.uint8))
            for tensor in model.subgraphs[0].tensors
            if tensor.name.endswith(b".weight")
        }
        stored.append(weights)
    eight, four = stored
    types = {name.decode(): tensor.type for name, (tensor, _) in four.items()}
    last = types.pop("readout.weight")
    assert last == schema.TensorType.INT8  # its input is int16
    assert set(types.values()) == {schema.TensorType.INT4}
    for name in types:
        (tensor, packed), (_, whole) = four[name.encode()], eight[name.encode()]
        halves = np.stack([packed & 15, packed >> 4], axis=1).ravel()[: np.prod(tensor.shape)]
        assert np.array_equal((halves ^ 8).astype(np.int8) - 8, whole.view(np.int8))


def test_a_differing_file_of_4_bits_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = NETWORKS["residual of spikes"]()
    samples = samples_of(graph)
    run_on("tflite", graph, samples)
    *nodes, last, readout = graph.nodes
    assert isinstance(last.op, Dense)
    changed = replace(last, op=Dense(-last.op.weight, last.op.bias))
    other = Graph(graph.name, (*nodes, changed, readout), graph.steps)

    def one_of_another(plan: Plan) -> Lowered:
        return lower(make_plan(other, 4) if plan.weight_bits == 4 else plan)

    monkeypatch.setattr(exported, "lower", one_of_another)
    with pytest.raises(TargetRunError, match=r"model_int4\.tflite and the model that shows every"):
        run_on("tflite", graph, samples)
