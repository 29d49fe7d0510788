"""NeuroBench's harness runs on a graph, and its counts follow from the graph's values.

The oracle walks: it counts, at each weighted layer, the non-zero weights of each non-zero value.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")
pytest.importorskip("neurobench", reason="needs neurobench: pip install neurobench")

from neurobench.benchmarks import Benchmark  # noqa: E402
from neurobench.metrics.static import (  # noqa: E402
    ConnectionSparsity,
    Footprint,
    ParameterCount,
)
from neurobench.metrics.workload import (  # noqa: E402
    ActivationSparsity,
    ClassificationAccuracy,
    MembraneUpdates,
    SynapticOperations,
)
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

import edgespike  # noqa: E402
from edgespike.adapters import neurobench_model, torch_module  # noqa: E402
from edgespike.counting import Convention, dense_connections, fan_out  # noqa: E402
from edgespike.errors import InputError, UnsupportedError  # noqa: E402
from edgespike.graph import (  # noqa: E402
    Conv2d,
    Dense,
    Graph,
    Membrane,
    Node,
    Threshold,
)
from edgespike.graph.size import graph_size  # noqa: E402
from edgespike.interpreter import evaluate, interpret, run_steps  # noqa: E402
from edgespike.models import MODELS, shipped_images, shipped_model  # noqa: E402
from tests.adapters.graphs import large_graph  # noqa: E402
from tests.example_graphs import membrane_graph, residual_graph, samples_for  # noqa: E402
from tests.random_graphs import examine, up_to  # noqa: E402
from tests.strategies import MIXES, PRODUCT_MIXES, Case  # noqa: E402

pytestmark = pytest.mark.torch

COUNTED_MIXES = [mix for mix in MIXES if mix not in PRODUCT_MIXES]
"""Operation mixes whose operations NeuroBench counts all."""

PAGE = Path(__file__).parents[2] / "docs" / "neurobench.md"


def benchmark(
    graph: Graph, samples: NDArray[Any], labels: NDArray[np.int64], batch: int = 50
) -> dict[str, Any]:
    """Return what the harness measures, in batches."""
    data = TensorDataset(torch.from_numpy(samples), torch.from_numpy(labels))
    static = [Footprint, ParameterCount, ConnectionSparsity]
    workload = [ClassificationAccuracy, ActivationSparsity, SynapticOperations, MembraneUpdates]
    made = Benchmark(
        neurobench_model(graph),
        DataLoader(data, batch_size=batch),
        [],
        [lambda answers: answers.argmax(dim=1)],
        [static, workload],
    )
    measured: dict[str, Any] = made.run(quiet=True)
    return measured


def weighted(graph: Graph) -> list[tuple[str, Dense | Conv2d]]:
    """Return each weighted layer, after the name of its input."""
    return [(n.inputs[0], n.op) for n in graph.nodes if isinstance(n.op, Dense | Conv2d)]


def walked(graph: Graph, samples: NDArray[Any]) -> dict[str, float]:
    """Count as NeuroBench does, from the definition's values; per sample."""
    found = {"Effective_MACs": 0, "Effective_ACs": 0, "Dense": 0}
    values = interpret(graph, samples, [name for name, _ in weighted(graph)]).values
    for name, op in weighted(graph):
        leaving = fan_out(op, graph.tensors[name].shape, Convention.QUANTISED)
        for t in range(graph.steps):
            step = values[name][:, t]
            kind = "Effective_ACs" if np.isin(step, (-1, 0, 1)).all() else "Effective_MACs"
            found[kind] += int(((step != 0) * leaving).sum())
        found["Dense"] += (
            graph.steps * len(samples) * dense_connections(op, graph.tensors[name].shape)
        )
    return {kind: number / len(samples) for kind, number in found.items()}


def membrane_updates(graph: Graph, samples: NDArray[Any]) -> int:
    """Count the potentials that a step changes, and all of the first step."""
    total = 0
    for node, op in graph.of_type(Membrane):
        state, before = None, None
        for values in run_steps(graph, samples):
            _, state = evaluate(op, [values[node.inputs[0]]], state)
            after = state.v
            total += after.size if before is None else int((after != before).sum())
            before = after
    return total


def activity(graph: Graph, samples: NDArray[Any]) -> float:
    """Return the share of zeros among what neurons give."""
    names = [n.name for n in graph.nodes if isinstance(n.op, Threshold | Membrane)]
    if not names:
        return 0.0
    values = np.concatenate([v.ravel() for v in interpret(graph, samples, names).values.values()])
    return float((values == 0).sum() / values.size)


@pytest.mark.parametrize("mix", COUNTED_MIXES)
def test_any_graph_is_computed_and_counted_exactly(mix: str) -> None:
    def look(case: Case) -> None:
        graph, samples = case.graph, case.samples
        labels = np.zeros(len(samples), np.int64)
        measured = benchmark(graph, samples, labels, len(samples))
        spread = samples if samples.ndim > len(graph.input_op.shape) + 1 else samples[:, None]
        spread = np.broadcast_to(spread, (len(samples), graph.steps, *graph.input_op.shape))
        assert measured["SynapticOperations"] == walked(graph, samples)
        assert measured["MembraneUpdates"] == membrane_updates(graph, spread) / len(samples)
        # The harness multiplies this share by the batch's size and divides it again.
        assert measured["ActivationSparsity"] == pytest.approx(activity(graph, samples), rel=1e-12)
        answers = neurobench_model(graph)(torch.from_numpy(samples))
        assert torch.equal(answers, torch_module(graph)(torch.from_numpy(samples)))

    examine(mix, up_to(15), look)


@pytest.mark.parametrize("mix", COUNTED_MIXES)
def test_every_layer_is_that_of_the_definition(mix: str) -> None:
    def look(case: Case) -> None:
        graph = case.graph
        net = neurobench_model(graph).net
        seen: dict[str, list[NDArray[Any]]] = {}

        def kept(name: str) -> Any:
            return lambda _, __, output: seen.setdefault(name, []).append(output.numpy())

        for name, layer in net.layers.items():
            layer.register_forward_hook(kept(name))
        net(torch.from_numpy(case.samples))
        expected = interpret(graph, case.samples, list(seen)).values
        for name, values in seen.items():
            assert np.array_equal(np.stack(values, axis=1), expected[name])

    examine(mix, up_to(15), look)


@pytest.mark.parametrize("name", MODELS)
def test_shipped_models_are_counted_as_edgespike_counts_them(name: str) -> None:
    graph, (images, labels) = shipped_model(name), shipped_images(name)
    measured, ours = benchmark(graph, images, labels), edgespike.count(graph, images)
    operations = measured["SynapticOperations"]
    assert operations["Effective_MACs"] * len(images) == ours.multiply_accumulates()
    assert operations["Effective_ACs"] * len(images) == ours.synaptic_operations()
    every = sum(dense_connections(op, graph.tensors[it].shape) for it, op in weighted(graph))
    assert operations["Dense"] == every * graph.steps
    classes = edgespike.run(graph, images).classes(graph)
    assert measured["ClassificationAccuracy"] == pytest.approx((classes == labels).mean())
    # Nothing else is stored: whole numbers in the bytes that they need.
    weights = sum(op.weight.size + op.bias.size for _, op in weighted(graph))
    assert measured["ParameterCount"] == weights


def page_rows(graph: Graph, samples: NDArray[Any]) -> dict[str, str]:
    """Return the page's rows for a graph."""
    measured = benchmark(graph, samples, np.zeros(len(samples), np.int64))
    ours, size = edgespike.count(graph, samples), graph_size(graph).total
    operations = measured["SynapticOperations"]
    every = sum(dense_connections(op, graph.tensors[it].shape) for it, op in weighted(graph))
    each = {
        "NeuroBench: Effective_MACs": operations["Effective_MACs"],
        "edgespike: multiply-accumulates": ours.multiply_accumulates() / len(samples),
        "NeuroBench: Effective_ACs": operations["Effective_ACs"],
        "edgespike: synaptic operations": ours.synaptic_operations() / len(samples),
        "NeuroBench: Dense": operations["Dense"],
        "edgespike: synapses times steps": every * graph.steps,
        "NeuroBench: MembraneUpdates": measured["MembraneUpdates"],
        "edgespike: neuron updates": ours.total.totals()["neuron_updates"] / len(samples),
    }
    return {
        **{name: f"{value:,.3f}" for name, value in each.items()},
        "NeuroBench: Footprint, bytes": f"{measured['Footprint']:,}",
        "edgespike: weights in the file, bytes": f"{size.file_bytes:,}",
        "NeuroBench: ConnectionSparsity": f"{measured['ConnectionSparsity']:.4f}",
        "edgespike: zeros among the weights": f"{size.zero_share:.4f}",
    }


def test_the_page_shows_what_is_measured() -> None:
    cases: list[tuple[Graph, NDArray[Any]]]
    cases = [(shipped_model(name), shipped_images(name)[0]) for name in MODELS]
    cases += [(graph, samples_for(graph, 40)) for graph in (residual_graph(), membrane_graph())]
    columns = [page_rows(graph, samples) for graph, samples in cases]
    rows = [[name, *(column[name] for column in columns)] for name in columns[0]]
    head = ["", *(graph.name for graph, _ in cases)]
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    assert [[cell.strip() for cell in line[1:-1].split("|")] for line in lines] == [head, *rows]


@pytest.mark.parametrize("name", ["resnet8_cifar10_int8", "kws_int8"])
def test_public_8_bit_nets_are_counted_as_edgespike_counts_them(name: str) -> None:
    files = pytest.importorskip("tests.converters.tflite.files")
    graph = edgespike.convert(files.public(f"{name}.tflite"))
    low, high = graph.input_op.low, graph.input_op.high
    samples = np.random.default_rng(0).integers(low, high + 1, (2, *graph.input_op.shape))
    measured = benchmark(graph, samples, np.zeros(2, np.int64))
    operations = measured["SynapticOperations"]
    assert (
        operations["Effective_MACs"] * 2 == edgespike.count(graph, samples).multiply_accumulates()
    )
    assert operations["Effective_ACs"] == 0


def test_two_spikes_that_meet_are_two_operations_and_one_of_neurobenchs() -> None:
    graph = residual_graph()
    samples = samples_for(graph, 40)
    ours = edgespike.count(graph, samples)
    operations = benchmark(graph, samples, np.zeros(40, np.int64))["SynapticOperations"]
    theirs = operations["Effective_MACs"] + operations["Effective_ACs"]
    assert theirs * 40 < ours.multiply_accumulates() + ours.synaptic_operations()
    # A layer whose inputs reach 2 is one of multiply-accumulates there.
    assert operations["Effective_MACs"] * 40 > ours.multiply_accumulates()


def test_a_module_on_other_steps_and_batches_gives_the_same() -> None:
    graph = membrane_graph()
    samples = samples_for(graph, 30)
    labels = np.arange(30) % 2
    one, other = (benchmark(graph, samples, labels, size) for size in (30, 7))
    assert one["SynapticOperations"] == other["SynapticOperations"]
    assert one["MembraneUpdates"] == other["MembraneUpdates"]


def test_any_names_of_nodes_are_names_of_layers() -> None:
    graph = membrane_graph()
    names = {"dense1": "forward", "lif1": "layers", "dense2": "a.b", "lif2": "net"}
    renamed = Graph(
        "renamed",
        tuple(
            Node(names.get(n.name, n.name), n.op, tuple(names.get(i, i) for i in n.inputs))
            for n in graph.nodes
        ),
        graph.steps,
    )
    net, x = neurobench_model(renamed).net, torch.from_numpy(samples_for(graph, 5))
    children = [name for name, _ in net.named_children()]
    assert children == ["forward (node)", "layers (node)", "a/b", "net", "dense3"]
    assert torch.equal(net(x), neurobench_model(graph)(x))


def test_what_is_not_a_graph_is_refused() -> None:
    with pytest.raises(InputError, match="give a Graph"):
        neurobench_model("model.safetensors")  # type: ignore[arg-type]


@pytest.mark.parametrize("mix", PRODUCT_MIXES)
def test_products_which_it_would_not_count_are_refused_by_name(mix: str) -> None:
    def look(case: Case) -> None:
        with pytest.raises(UnsupportedError, match=r"\(multiply\): NeuroBench counts the"):
            neurobench_model(case.graph)

    examine(mix, 5, look)


def test_sums_that_float64_may_round_are_refused_by_name() -> None:
    with pytest.raises(UnsupportedError, match=r"dense \(dense\): sums of up to 1.8e\+16"):
        neurobench_model(large_graph(2**53))
    graph = large_graph(2**51)
    x = torch.tensor([[1, 0], [0, 1], [1, 1]])
    assert neurobench_model(graph)(x).tolist() == [[2**51, 1], [-(2**51), 1], [0, 2]]
