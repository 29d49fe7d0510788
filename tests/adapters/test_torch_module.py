"""A graph as a torch module gives the answers of the graph's definition."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import edgespike  # noqa: E402
from edgespike.adapters import torch_module  # noqa: E402
from edgespike.errors import InputError, UnsupportedError  # noqa: E402
from edgespike.interpreter import interpret  # noqa: E402
from edgespike.models import MODELS, shipped_images, shipped_model  # noqa: E402
from edgespike.trace import log_probabilities, logits, predictions  # noqa: E402
from tests.adapters.graphs import large_graph  # noqa: E402
from tests.example_graphs import membrane_graph, residual_graph, samples_for  # noqa: E402
from tests.random_graphs import examine, up_to  # noqa: E402
from tests.strategies import MIXES, Case  # noqa: E402
from tests.targets.labelled import GRAPHS as LABELLED  # noqa: E402
from tests.targets.labelled import classes, in_units, measured_for  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("mix", MIXES)
def test_any_graph_gives_the_logits_of_its_definition(mix: str) -> None:
    def look(case: Case) -> None:
        found = torch_module(case.graph)(torch.from_numpy(case.samples))
        expected = interpret(case.graph, case.samples).accumulators(case.graph)
        assert found.dtype is torch.float64
        assert np.array_equal(found.numpy(), logits(case.graph, expected))

    examine(mix, up_to(10), look)


@pytest.mark.parametrize("name", MODELS)
def test_a_shipped_model_gives_the_classes_of_a_run(name: str) -> None:
    graph, (images, _) = shipped_model(name), shipped_images(name)
    answers = torch_module(graph)(torch.from_numpy(images))
    assert np.array_equal(
        answers.argmax(dim=1).numpy(), edgespike.run(graph, images).classes(graph)
    )


def test_a_runtime_of_another_target_gives_the_same() -> None:
    pytest.importorskip("ai_edge_litert")
    graph, (images, _) = shipped_model(), shipped_images()
    x = torch.from_numpy(images[:20])
    assert torch.equal(torch_module(graph, "tflite")(x), torch_module(graph)(x))


@pytest.mark.parametrize(
    "kind", [torch.float32, torch.float64, torch.bfloat16, torch.uint8, torch.int32, torch.int64]
)
def test_reals_are_divided_by_the_scale_and_integers_are_taken_as_they_are(kind: Any) -> None:
    graph = residual_graph()
    whole = torch.from_numpy(samples_for(graph, 10)[:, 0])
    real = (whole * graph.input_op.scale).to(kind)
    module = torch_module(graph)
    given = real if kind.is_floating_point else whole.to(kind)
    assert torch.equal(module(given), module(whole))


def test_reals_are_rounded_half_up() -> None:
    graph, scale = residual_graph(), residual_graph().input_op.scale
    module = torch_module(graph)
    whole = torch.full((1, 1, 6, 6), 3)
    half = (whole + 0.5).double() * scale
    assert torch.equal(module(half), module(whole + 1))
    assert torch.equal(module(half - 1e-9), module(whole))


@pytest.mark.parametrize("name", LABELLED)
def test_reals_are_measured_numbers_where_the_graph_has_a_scaling(name: str) -> None:
    graph = LABELLED[name]()
    module, measured = torch_module(graph), measured_for(graph)
    whole = torch.from_numpy(in_units(graph, measured))
    found = module(torch.from_numpy(measured))
    assert torch.equal(found, module(whole))
    assert found.argmax(dim=1).tolist() == classes(graph, measured)
    with pytest.raises(InputError, match="not finite"):
        module(torch.full((1, *graph.input_op.shape), torch.nan))
    with pytest.raises(InputError, match="has shape"):
        module(torch.zeros((2, 9, 9)))


def test_booleans_are_spikes() -> None:
    graph = membrane_graph()
    spikes = torch.from_numpy(samples_for(graph, 10))
    module = torch_module(graph)
    assert torch.equal(module(spikes.bool()), module(spikes))


def test_an_ensemble_gives_logarithms_of_mean_probabilities() -> None:
    graph = edgespike.ensemble([residual_graph(), residual_graph()])
    samples = samples_for(graph, 10)
    accumulators = interpret(graph, samples).accumulators(graph)
    found = torch_module(graph)(torch.from_numpy(samples)).numpy()
    assert np.array_equal(found, log_probabilities(graph, accumulators))
    assert np.array_equal(found.argmax(axis=1), predictions(graph, accumulators))


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (np.zeros((1, 1, 6, 6), np.int64), "give a tensor"),
        (torch.zeros(1, 1, 6, 6, requires_grad=True), "have none; give x.detach()"),
        (torch.zeros(1, 1, 6, 6, dtype=torch.complex64), "torch.complex64"),
        (torch.zeros(1, 1, 6, 6).to_sparse(), "torch.sparse_coo"),
        (torch.full((1, 1, 6, 6), float("nan")), "not finite"),
        (torch.full((1, 1, 6, 6), 16), "has values 16..16; its range is 0..15"),
        (torch.full((1, 1, 6, 6), 1.1), "outside 0..1"),
        (torch.full((1, 1, 6, 6), 1.1), "scale them as in training"),
        (torch.zeros(1, 1, 6, 6, device="meta"), "has no values that can be read"),
        (torch.zeros(1, 6, 6), "shape (1, 6, 6)"),
        (torch.zeros(0, 1, 6, 6), "no samples"),
    ],
    ids=str,
)
def test_other_inputs_are_refused(x: Any, said: str) -> None:
    with pytest.raises(InputError) as refused:
        torch_module(residual_graph())(x)
    assert said in str(refused.value)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_trace_would_hold_constants_and_is_refused() -> None:
    module, x = torch_module(residual_graph()), torch.zeros(1, 1, 6, 6, dtype=torch.int64)
    with pytest.raises(InputError, match="can therefore not trace it"):
        torch.jit.trace(module, x)
    with pytest.raises(InputError, match="outside of torch's transformations"):
        torch.vmap(lambda one: module(one[None]))(x)


def test_a_gradient_is_not_asked_for_under_no_grad() -> None:
    x = torch.zeros(1, 1, 6, 6, requires_grad=True)
    with torch.no_grad():
        assert not torch_module(residual_graph())(x).requires_grad


def test_what_is_not_a_graph_or_cannot_run_is_refused() -> None:
    with pytest.raises(InputError, match="give a Graph"):
        torch_module("model.safetensors")  # type: ignore[arg-type]
    with pytest.raises(UnsupportedError, match="cannot run on tflite"):
        torch_module(large_graph(2**40), "tflite")


@pytest.mark.parametrize(
    "again", [copy.deepcopy, copy.copy, lambda module: pickle.loads(pickle.dumps(module))]
)
def test_copies_and_pickles_give_the_same(again: Any) -> None:
    graph = residual_graph()
    module, x = torch_module(graph), torch.from_numpy(samples_for(graph, 5)[:, 0])
    copied = again(module)
    assert torch.equal(copied(x), module(x))
    assert copied.graph.hash == graph.hash


def test_a_state_is_the_hash_and_another_graphs_is_refused() -> None:
    module, file = torch_module(residual_graph()), io.BytesIO()
    torch.save(module.state_dict(), file)
    file.seek(0)
    state = torch.load(file, weights_only=True)
    module.load_state_dict(state)
    with pytest.raises(InputError, match="a state holds no weights"):
        torch_module(membrane_graph()).load_state_dict(state)
    assert list(module.parameters()) == []


def test_it_is_a_part_of_other_modules() -> None:
    graph = residual_graph()
    whole = torch.from_numpy(samples_for(graph, 5)[:, 0])
    module = torch.nn.Sequential(
        torch.nn.Hardtanh(0.0, 1.0), torch_module(graph), torch.nn.Softmax(1)
    )
    found = module(whole * graph.input_op.scale)
    assert torch.equal(found, torch_module(graph)(whole).softmax(1))
    assert "GraphModule(<Graph 'residual': " in repr(module)


def test_compiling_leaves_it_as_it_is() -> None:
    graph = residual_graph()
    x = torch.from_numpy(samples_for(graph, 5)[:, 0])
    module = torch_module(graph)
    assert torch.equal(torch.compile(module, backend="eager")(x), module(x))
