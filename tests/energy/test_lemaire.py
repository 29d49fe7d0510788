"""Lemaire et al.'s model: every term worked out by hand, and the memory hierarchy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgespike.counting import Convention
from edgespike.energy import ENERGY_MODELS, Estimate, energy_report
from edgespike.energy.quantities import Quantity, Work, interpolated
from edgespike.energy.work import measure
from edgespike.graph import (
    Conv2d,
    Dense,
    Graph,
    Input,
    MaxPool2d,
    Membrane,
    Multiply,
    Node,
    Readout,
    Reset,
    Reshape,
)
from tests.energy.examples import TWO_LAYERS, TWO_SAMPLES, counts_of
from tests.example_graphs import recurrent_graph, samples_for

ADD, MAC = 0.1, 3.2


def access(size: float) -> float:
    """Energy of an access in picojoules: 10 at 8 KiB, 20 at 32 KiB, 100 at 1 MiB."""
    return float(np.interp(size, [0, 8192, 32768, 2**20], [0, 10, 20, 100]))


def lemaire(graph: Graph, samples: NDArray[np.int64]) -> Estimate:
    counts = counts_of(graph, samples)
    rows = energy_report(graph, counts, ["45nm"]).estimates
    return next(row for row in rows if row.model.name == "lemaire")


@pytest.mark.parametrize(
    "size", [0, 1, 4000, 8191, 8192, 8193, 20000, 32768, 40000, 2**20, 2**20 + 1, 2**30]
)
def test_accesses_are_interpolated_between_the_published_sizes(size: int) -> None:
    published = {"8k": 10, "32k": 20, "1m": 100}
    found = sum(published[name] * part for name, part in interpolated(size).items())
    assert found == pytest.approx(access(size), rel=1e-12)


def test_two_dense_layers_by_hand() -> None:
    """Counts as in ``tests/energy/examples.py``: 6 MACs, 6 operations, 3 pixels, 3 spikes."""
    weights, potentials, queue = access(4 * 4), access(2 * 4), access(4000)
    operations = 6 * ADD + 6 * MAC + 8 * ADD  # thresholds keep nothing: no leak and no reset
    addresses = 12 * ADD  # one for each synapse that is reached
    memory = 12 * weights + 2 * (12 + 8) * potentials
    memory += (3 + 3) * queue + 3 * queue  # pixels and spikes are read, spikes are written
    found = lemaire(TWO_LAYERS, TWO_SAMPLES)
    assert found.energy.typical == pytest.approx((operations + addresses + memory) * 1e-12)
    assert found.memory is not None
    assert found.memory.typical == pytest.approx(memory * 1e-12)


def test_the_dense_net_by_hand() -> None:
    """Two layers of 2 x 2, without biases, 2 samples."""
    one = 2 * 4 * MAC + 4 * ADD  # products, one addition for each neuron
    one += 2 * (2 + 2) * ADD  # addresses: inputs and outputs
    one += 2 * 4 * access(16) + 2 * 2 * access(8) + 2 * 2 * access(8)
    (baseline,) = lemaire(TWO_LAYERS, TWO_SAMPLES).baselines
    assert baseline.energy.typical == pytest.approx(2 * one * 1e-12)


LEAKY = Graph(
    "leaky",
    (
        Node("pixels", Input((1, 3, 3), 0, 1, 1.0)),
        Node("conv", Conv2d(np.ones((2, 1, 2, 2), int), np.array([1, 0])), ("pixels",)),
        Node("spikes", Membrane(np.array([2, 2]), decay=2048, reset=Reset.SUBTRACT), ("conv",)),
        Node("pool", MaxPool2d((2, 2), (2, 2)), ("spikes",)),
        Node("flat", Reshape((2,)), ("pool",)),
        Node("dense", Dense(np.ones((3, 2), int), np.zeros(3, int)), ("flat",)),
        Node("answer", Readout(np.ones(3)), ("dense",)),
    ),
    steps=2,
)


def work_of(convention: Convention = Convention.EVERY) -> tuple[Work, dict[str, dict[str, Any]]]:
    samples = np.zeros((1, 1, 3, 3), int)
    samples[0, 0, 1, 1] = samples[0, 0, 0, 0] = 1  # the centre is in 4 windows, the corner in 1
    counts = counts_of(LEAKY, samples)
    return measure(LEAKY, counts, convention), {row.name: row.totals() for row in counts.layers}


def test_quantities_of_a_leaky_convolution_with_a_pool() -> None:
    work, rows = work_of()
    synapses = 2 * 2 * (4 + 1)  # steps, channels, windows
    spikes, pooled = rows["spikes"]["spikes"], rows["pool"]["events"]
    assert rows["conv"]["synaptic_operations"]["every"] == synapses
    assert spikes > 0
    assert 0 < pooled < spikes
    amounts = work.amounts
    assert amounts[Quantity.LEAKS] == 2 * 8
    assert amounts[Quantity.RESETS] == spikes
    assert amounts[Quantity.EVENT_READS] == 2 * 2 + spikes + pooled
    assert amounts[Quantity.EVENT_WRITES] == spikes + pooled
    assert amounts[Quantity.ADDRESS_ADDITIONS] == synapses + spikes + 3 * pooled
    assert amounts[Quantity.ADDRESS_MULTIPLICATIONS] == 2 * (2 * 2 + spikes)
    assert amounts[Quantity.BIAS_READS] == 2 * 8  # the dense layer has no biases to read
    reads = {each.memory_bytes: each.number for each in work.accesses[Quantity.WEIGHT_READS]}
    assert reads == {(8 + 2) * 4: synapses, 6 * 4: 3 * pooled}
    potentials = work.accesses[Quantity.POTENTIAL_READS]
    by_size: dict[int, int] = {}
    for each in potentials:
        by_size[each.memory_bytes] = by_size.get(each.memory_bytes, 0) + each.number
    assert by_size[8 * 4] == synapses + 2 * 8
    assert by_size[3 * 4] == 3 * pooled + 2 * 3
    assert potentials == work.accesses[Quantity.POTENTIAL_WRITES]


def test_a_dense_convolution_reads_an_input_for_each_product() -> None:
    work, _ = work_of()
    assert [each.number for each in work.accesses[Quantity.DENSE_INPUT_READS]] == [2 * 4 * 4, 2]
    assert [each.number for each in work.accesses[Quantity.DENSE_OUTPUT_WRITES]] == [8, 3]
    assert [each.number for each in work.accesses[Quantity.DENSE_BIAS_READS]] == [8, 0]
    assert work.amounts[Quantity.DENSE_ADDRESS_ADDITIONS] == (9 + 8 + 2 * 4) + (2 + 3)


def test_large_memories_cost_as_much_as_the_largest_published() -> None:
    wide = Graph(
        "wide",
        (
            Node("pixels", Input((300,), 0, 1, 1.0)),
            Node("dense", Dense(np.ones((1000, 300), int), np.zeros(1000, int)), ("pixels",)),
            Node("answer", Readout(np.ones(1000)), ("dense",)),
        ),
    )
    one = np.zeros((1, 300), int)
    one[0, 0] = 1
    synapses, potentials, queue = 1000, access(4000), access(4000)
    energy = synapses * ADD + 1000 * ADD + synapses * ADD
    energy += synapses * 100 + 2 * (synapses + 1000) * potentials + 1 * queue
    assert lemaire(wide, one).energy.typical == pytest.approx(energy * 1e-12)


def test_what_is_taken_and_what_could_not_be_read_is_said() -> None:
    import edgespike.energy.lemaire as module

    text = " ".join((module.__doc__ or "").split())
    assert "could not be read" in text
    assert "What differs from the paper" in text
    model = ENERGY_MODELS["lemaire"]
    assert "could not be read" in model.caveat
    assert model.link == "https://arxiv.org/abs/2210.13107"


def test_a_synaptic_current_is_a_second_word_and_a_second_leak() -> None:
    graph = Graph(
        "currents",
        (
            Node("pixels", Input((3,), 0, 1, 1.0)),
            Node("dense", Dense(np.ones((2, 3), int), np.zeros(2, int)), ("pixels",)),
            Node("spikes", Membrane(np.array([9, 9]), decay=1, decay_syn=2048), ("dense",)),
            Node("last", Dense(np.ones((5, 2), int), np.zeros(5, int)), ("spikes",)),
            Node("answer", Readout(np.ones(5)), ("last",)),
        ),
        steps=3,
    )
    work = measure(graph, counts_of(graph, np.zeros((1, 3), int)), Convention.EVERY)
    assert work.amounts[Quantity.LEAKS] == 2 * 3 * 2
    found = [each for each in work.accesses[Quantity.POTENTIAL_READS] if each.number]
    assert [(each.number, each.memory_bytes) for each in found] == [(12, 2 * 2 * 4), (15, 5 * 4)]


def test_a_product_is_a_multiply_accumulate_with_8_bits() -> None:
    graph = Graph(
        "product",
        (
            Node("pixels", Input((4,), 0, 3, 1.0)),
            Node("squares", Multiply(), ("pixels", "pixels")),
            Node("dense", Dense(np.ones((5, 4), int), np.zeros(5, int)), ("squares",)),
            Node("answer", Readout(np.ones(5)), ("dense",)),
        ),
    )
    work = measure(graph, counts_of(graph, np.ones((3, 4), int)), Convention.EVERY)
    assert work.amounts[Quantity.DENSE_MACS] == 3 * (20 + 4)
    assert work.amounts[Quantity.DENSE_MULTIPLIED_BITS] == 3 * (20 * 4 + 4 * 8)  # 0..9: 4 bits
    assert work.amounts[Quantity.DENSE_ACTIVATION_BYTES] == 3 * (10 + 4)


def test_a_dense_run_takes_every_step_of_a_recurrent_graph_and_one_pass_else() -> None:
    graph = recurrent_graph(steps=4)
    work = measure(graph, counts_of(graph, samples_for(graph, 3)), Convention.EVERY)
    assert work.amounts[Quantity.DENSE_RUN] == 4 * work.amounts[Quantity.DENSE_MACS]
    work, _ = work_of()
    assert work.amounts[Quantity.DENSE_RUN] == work.amounts[Quantity.DENSE_MACS] == 32 + 6
