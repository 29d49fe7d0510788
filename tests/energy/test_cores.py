"""The busiest core: arrivals at single neurons, compared with Loihi's own list of synapses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import edgespike
from edgespike.counting import Convention, Counts, Tally, count, tally_trace
from edgespike.counting.arrivals import Placement, arrivals_by_neuron, synapses_by_neuron
from edgespike.energy import busiest_core
from edgespike.errors import InputError
from edgespike.graph import Graph, MaxPool2d, Signal, SumPool2d
from edgespike.interpreter import interpret
from edgespike.models import shipped_images, shipped_model
from edgespike.targets import get_target, placement_of
from edgespike.targets.loihi.limits import CHIPS
from edgespike.targets.loihi.lower import lower
from edgespike.targets.loihi.placement import place as placement
from edgespike.targets.loihi.resources import synapses_per_core, uses
from edgespike.targets.loihi.rules import is_maximum
from tests.energy.examples import OR, OR_SAMPLES, THREE_STEPS, TWO_LAYERS, TWO_SAMPLES
from tests.example_graphs import membrane_graph, recurrent_graph, residual_graph, samples_for
from tests.strategies import MIXES, Case, cases


def ran(graph: Graph, samples: NDArray[Any]) -> tuple[Counts, Tally]:
    trace = interpret(graph, samples)
    return count(graph, samples, trace), tally_trace(graph, samples, trace)


def test_by_hand() -> None:
    """Two pixels of (1, 0) and (1, 1); weights [[1, 0], [2, 3]] and [[1, -1], [0, 2]]."""
    counts, tally = ran(TWO_LAYERS, TWO_SAMPLES)
    arrived = arrivals_by_neuron(TWO_LAYERS, tally.events, 2)
    assert arrived["spikes"].tolist() == [2, 2 + 1]
    assert arrived["answer"].tolist() == [2 + 1, 1]
    place = Placement("chip", {"spikes": (0, 1), "answer": (0,)}, "by hand")
    load = busiest_core(TWO_LAYERS, counts, tally.events, place)
    assert (load.busiest, load.synaptic_operations, load.cores) == ("answer", 4, 3)
    assert load.mean == 9 / 3
    assert (load.chip, load.rule) == ("chip", "by hand")


def test_a_max_pool_has_a_synapse_for_each_place_of_its_windows() -> None:
    _, tally = ran(OR, OR_SAMPLES)
    arrived = arrivals_by_neuron(OR, tally.events, 1)
    assert arrived["pool"].tolist() == [[[2]]]
    assert arrived["answer"].tolist() == [1]
    assert synapses_by_neuron(OR)["pool"].tolist() == [[[4]]]


def has_more_synapses(graph: Graph) -> bool:
    """Whether sums are pooled or neurons take events: a chip has synapses there, counts do not."""
    pooled = any(
        graph.tensors[node.inputs[0]].signal is Signal.ACCUMULATOR
        for node, _ in graph.of_type(SumPool2d)
    )
    return pooled or any(
        graph.tensors[node.inputs[0]].signal is not Signal.ACCUMULATOR
        for node in graph.nodes
        if node.op.has_neurons
    )


@given(case=st.sampled_from(MIXES).flatmap(cases))
@settings(max_examples=60)
def test_arrivals_add_up_to_the_counts(case: Case) -> None:
    counts, tally = ran(case.graph, case.samples)
    arrived = arrivals_by_neuron(case.graph, tally.events, len(case.samples))
    total = sum(int(values.sum()) for values in arrived.values())
    pooled = counts.total.totals()["pool_operations"]
    expected = counts.synaptic_operations() + counts.multiply_accumulates() + pooled
    if has_more_synapses(case.graph):
        assert total >= expected
    else:
        assert total == expected


def by_lists(graph: Graph, tally: Tally) -> dict[str, NDArray[np.int64]]:
    """Walk the synapses of the network that is given to Lava."""
    samples = tally.samples
    found: dict[str, NDArray[np.int64]] = {}
    for part in lower(graph).connections:
        size = len(part.indptr) - 1
        totals = found.setdefault(part.target, np.zeros(size, np.int64))
        if part.is_constant:
            continue
        events = tally.events[part.source]
        if part.initial is not None:
            graded = graph.tensors[part.source].signal is Signal.GRADED
            initial = int(part.initial != 0) if graded else part.initial
            start = np.full_like(events[:1], initial * samples)
            events = np.concatenate([start, events[:-1]])
        sent = events.sum(axis=0).ravel()[part.indices]
        np.add.at(totals, np.repeat(np.arange(size), np.diff(part.indptr)), sent)
    return found


@pytest.mark.parametrize(
    "graph",
    [TWO_LAYERS, OR, THREE_STEPS, membrane_graph(), recurrent_graph(), residual_graph()],
    ids=lambda graph: graph.name,
)
def test_arrivals_are_those_of_lavas_synapses(graph: Graph) -> None:
    if get_target("loihi").violations(graph):
        pytest.skip("Loihi cannot run it")
    _, tally = ran(graph, samples_for(graph, 7))
    arrived = arrivals_by_neuron(graph, tally.events, 7)
    for name, values in by_lists(graph, tally).items():
        assert arrived[name].ravel().tolist() == values.tolist(), name


@given(case=st.sampled_from(MIXES).flatmap(cases))
@settings(max_examples=40)
def test_random_graphs_arrive_as_on_lavas_synapses(case: Case) -> None:
    if get_target("loihi").violations(case.graph):
        return
    _, tally = ran(case.graph, case.samples)
    arrived = arrivals_by_neuron(case.graph, tally.events, len(case.samples))
    for name, values in by_lists(case.graph, tally).items():
        node = case.graph[name]
        if isinstance(node.op, MaxPool2d) and is_maximum(case.graph, node):
            continue  # Lava's maximum takes each element once, for all of its windows
        assert arrived[name].ravel().tolist() == values.tolist(), name


@pytest.mark.parametrize("name", ["fashion_s3nn", "fashion_maqd", "fashion_rnn"])
def test_cores_of_the_shipped_models_keep_to_the_chips_limits(name: str) -> None:
    graph = shipped_model(name)
    place = placement(graph)
    assert place is not None
    assert place.chip == CHIPS[0].name
    synapses = synapses_by_neuron(graph)
    for layer, first in place.first_neurons.items():
        neurons = np.diff([*first, synapses[layer].size])
        assert neurons.min() > 0
        assert neurons.max() <= CHIPS[0].neurons_per_core
        held = np.add.reduceat(synapses[layer].ravel(), list(first))
        assert held.max() <= synapses_per_core(CHIPS[0])


@pytest.mark.slow
def test_the_placement_has_the_synapses_and_cores_of_the_artefact() -> None:
    graph = shipped_model("fashion_maqd")
    place = placement(graph)
    assert place is not None
    for use in uses(lower(graph)):
        assert use.cores[CHIPS[0].name] == len(place.first_neurons[use.population])
        node = graph[use.population]
        if isinstance(node.op, MaxPool2d) and is_maximum(graph, node):
            continue  # Lava's maximum takes each element once, for all of its windows
        found = int(synapses_by_neuron(graph)[use.population].sum())
        assert found == use.synapses - use.constant_synapses


def test_a_neuron_with_more_synapses_than_a_core_cannot_be_placed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small = replace(CHIPS[0], synapse_bits_per_core=18)
    monkeypatch.setattr("edgespike.targets.loihi.placement.CHIPS", (small,))
    assert placement(TWO_LAYERS) is None
    assert placement_of(TWO_LAYERS, ["cpu", "loihi"]) is None


def test_a_placement_of_another_graph_is_refused() -> None:
    counts, tally = ran(TWO_LAYERS, TWO_SAMPLES)
    place = Placement("chip", {"spikes": (0,)}, "")
    with pytest.raises(InputError, match="is not one of graph 'two_layers': it has the layers spi"):
        busiest_core(TWO_LAYERS, counts, tally.events, place)


def test_sums_that_might_wrap_around_are_refused() -> None:
    counts, tally = ran(TWO_LAYERS, TWO_SAMPLES)
    large = {kind: values + 2**62 for kind, values in counts.layers[1].synaptic_operations.items()}
    row = replace(counts.layers[1], synaptic_operations=large, multiply_accumulates=large)
    counts = replace(counts, layers=(counts.layers[0], row, *counts.layers[2:]))
    assert counts.synaptic_operations(Convention.QUANTISED) > 2**62
    place = Placement("chip", {"spikes": (0,), "answer": (0,)}, "")
    with pytest.raises(InputError, match="may exceed 9223372036854775807; use fewer samples"):
        busiest_core(TWO_LAYERS, counts, tally.events, place)


def test_a_report_has_accuracy_target_and_the_busiest_core() -> None:
    graph = shipped_model("fashion_rnn")
    images, labels = shipped_images("fashion_rnn")
    report = edgespike.estimate_energy(graph, images, labels=labels)
    assert report.accuracy == 181 / 200
    assert report.target == "cpu"
    assert report.cores is not None
    assert report.to_json()["busiest_core"]["cores"] == report.cores.cores == 3
    counts, tally = ran(graph, images)
    arrived = arrivals_by_neuron(graph, tally.events, len(images))
    loads = {name: int(values.sum()) for name, values in arrived.items()}  # a core for each layer
    assert report.cores.synaptic_operations == max(loads.values()) == loads[report.cores.busiest]
    assert sum(loads.values()) == counts.synaptic_operations() + counts.multiply_accumulates()
    assert edgespike.estimate_energy(graph, images[:3], profiles=["45nm"]).cores is None


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(3, int), r"of shape \(3,\); give integers of shape \(2,\)"),
        (np.zeros(2), "labels are float64 of shape"),
        (
            np.array([0, 2]),
            r"1 are not classes of the model, 0\.\.1; the first, of sample 1, is 2",
        ),
        (np.array([-1, 0]), "of sample 0, is -1"),
    ],
)
def test_labels_are_checked_before_anything_runs(labels: NDArray[np.int64], message: str) -> None:
    ran_samples: list[int] = []
    with pytest.raises(InputError, match=message):
        edgespike.estimate_energy(
            TWO_LAYERS,
            TWO_SAMPLES,
            labels=labels,
            progress=lambda _, done, __: ran_samples.append(done),
        )
    assert ran_samples == []
