"""What a graph becomes: which neurons, which synapses, how many."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgespike import batches
from edgespike.batches import trace_all
from edgespike.graph import (
    Add,
    Comparison,
    Concatenate,
    Conv2d,
    Delay,
    Dense,
    Graph,
    Input,
    MaxPool2d,
    Membrane,
    Node,
    Reset,
    ResetTime,
    Reshape,
    Signal,
    SumPool2d,
    Threshold,
)
from edgespike.interpreter import conv2d, max_pool2d, sum_pool2d
from edgespike.targets.loihi import TARGET
from edgespike.targets.loihi import run as running
from edgespike.targets.loihi.edges import Edges, edges_of
from edgespike.targets.loihi.lower import lower
from edgespike.targets.loihi.network import CONSTANT, ONES, Connection, Network, Population
from tests.targets.loihi.graphs import chain, conv, delayed, dense, ended, levels, loop, threshold

EVENTS = Input((12,), 0, 1, 1.0)


def matrix(edges: Edges, outputs: int, inputs: int) -> NDArray[np.int64]:
    """Add up the weights of all edges from an input to an output."""
    full = np.zeros((outputs, inputs), np.int64)
    np.add.at(full, (edges.outputs, edges.inputs), edges.weights)
    return full


def population(network: Network, name: str) -> Population:
    (found,) = (one for one in network.populations if one.name == name)
    return found


def into(network: Network, name: str) -> list[Connection]:
    return [connection for connection in network.connections if connection.target == name]


@pytest.mark.parametrize(
    "op",
    [
        conv(4, 2),
        conv(4, 2, padding=(1, 2), stride=(2, 1)),
        conv(4, 2, padding=(0, 1, 2, 0), stride=(2, 2)),
        conv(4, 1, kernel=2, dilation=(2, 1), groups=2),
        conv(4, 1, kernel=4, padding=(5, 3), stride=(3, 2), groups=2),
    ],
    ids=["plain", "padded", "padded on one side", "grouped", "mostly padding"],
)
def test_edges_of_a_convolution(op: Conv2d) -> None:
    """Edges applied to single events give what the interpreter gives, without the bias."""
    shape = (2, 5, 6)
    events = np.eye(60, dtype=np.int64).reshape(60, *shape)
    expected = conv2d(Conv2d(op.weight, 0 * op.bias, None, *_geometry(op)), events)
    edges = edges_of(op, shape)
    np.testing.assert_array_equal(matrix(edges, expected[0].size, 60), expected.reshape(60, -1).T)
    assert (edges.weights != 0).all()


def _geometry(op: Conv2d) -> tuple[tuple[int, int], tuple[int, ...], tuple[int, int], int]:
    return op.stride, op.padding, op.dilation, op.groups


@pytest.mark.parametrize(
    "geometry", [((2, 2), (2, 2)), ((3, 2), (1, 2), (1, 1)), ((3, 2), (2, 1), (0, 2, 1, 0))]
)
def test_edges_of_pools(geometry: tuple[tuple[int, int], ...]) -> None:
    shape = (2, 5, 6)
    events = np.eye(60, dtype=np.int64).reshape(60, *shape)
    sums, largest = SumPool2d(*geometry), MaxPool2d(*geometry)
    for op, expected in ((sums, sum_pool2d(sums, events)), (largest, max_pool2d(largest, events))):
        found = matrix(edges_of(op, shape), expected[0].size, 60)
        np.testing.assert_array_equal(found, expected.reshape(60, -1).T)


def test_joined_edges_are_the_product_of_their_matrices() -> None:
    random = np.random.default_rng(0)
    first, second = random.integers(-2, 3, (5, 7)), random.integers(-2, 3, (6, 5))
    edges = [edges_of(Dense(weight, np.zeros(len(weight), int)), ()) for weight in (first, second)]
    np.testing.assert_array_equal(matrix(edges[0].then(edges[1]), 6, 7), second @ first)


def test_each_way_of_a_spike_is_one_synapse() -> None:
    """Of 3x3 spikes, a corner is in 1 window of an overlapping 2x2 pool, the middle in 4."""
    pool, ones = SumPool2d((2, 2), (1, 1)), Conv2d(np.full((1, 1, 2, 2), 3), np.zeros(1, int))
    network = lower(chain(Input((1, 3, 3), 0, 1, 1.0), pool, ones, threshold([1])))
    ways = np.zeros(9, int)
    for connection in into(network, "threshold2"):
        assert (connection.weights == 3).all()
        assert len(set(connection.indices)) == len(connection.indices)
        np.add.at(ways, connection.indices, 1)
    np.testing.assert_array_equal(ways, [1, 2, 1, 2, 4, 2, 1, 2, 1])


def test_zero_weights_make_no_synapse() -> None:
    weight = np.array([[0, 1, 0], [2, 0, -3]])
    network = lower(
        chain(Input((3,), 0, 1, 1.0), Dense(weight, np.zeros(2, int)), threshold([1, 1]))
    )
    (connection,) = into(network, "threshold1")
    assert connection.weights.tolist() == [1, 2, -3]
    assert connection.indices.tolist() == [1, 0, 2]
    assert connection.indptr.tolist() == [0, 1, 3]


def test_biases_of_currents_come_from_always_on_sources() -> None:
    """5000 is 1 * 4096 + 14 * 64 + 8, and -40 is -1 * 64 + 24."""
    op = Membrane(np.full(3, 9), reset=Reset.ZERO, comparison=Comparison.GREATER, decay_syn=9)
    layer = Dense(np.ones((3, 12), int), np.array([5000, 0, -40]))
    network = lower(chain(EVENTS, layer, op, steps=3))
    found = [
        (one.source, one.exponent, one.weights.tolist(), one.indptr.tolist())
        for one in into(network, "membrane1")
        if one.is_constant
    ]
    assert found == [
        (CONSTANT, 0, [1], [0, 1, 1, 1]),
        (ONES, 6, [14, -1], [0, 1, 1, 2]),
        (ONES, 0, [8, 24], [0, 1, 1, 2]),
    ]
    neurons = population(network, "membrane1").neurons
    assert neurons is not None
    assert neurons.bias.tolist() == [0, 0, 0]
    assert population(network, ONES).message_bits == 0


def test_concatenated_paths_end_where_their_channels_are() -> None:
    nodes = [
        Node("input", Input((2,), 0, 1, 1.0)),
        Node("spike", threshold([1, 1]), ("input",)),
        Node("joined", Concatenate(), ("spike", "input", "spike")),
        Node("dense", Dense(np.arange(1, 7)[None], np.zeros(1, int)), ("joined",)),
        Node("end", threshold([1]), ("dense",)),
    ]
    found = [
        (one.source, one.delay, one.indices.tolist(), one.weights.tolist())
        for one in into(lower(ended(nodes)), "end")
    ]
    assert found == [
        ("spike", 0, [0, 1], [1, 2]),
        ("spike", 0, [0, 1], [5, 6]),
        ("input", 1, [0, 1], [3, 4]),
    ]


def test_delays_balance_paths_of_different_depth() -> None:
    nodes = [
        Node("input", EVENTS),
        Node("dense1", dense(4, 12), ("input",)),
        Node("spike1", threshold([1] * 4), ("dense1",)),
        Node("dense2", dense(4, 4), ("spike1",)),
        Node("spike2", threshold([1] * 4), ("dense2",)),
        Node("sum", Add(), ("spike1", "spike2")),
    ]
    network = lower(ended(nodes))
    assert [one.depth for one in network.populations] == [0, 1, 2, 3]
    delays = {one.source: one.delay for one in into(network, "readout")}
    assert delays == {"spike1": 1, "spike2": 0}


def test_a_loop_of_one_population_takes_the_step_that_its_delay_is() -> None:
    graph = ended([Node("input", EVENTS), *loop("state", "input", 12, levels(4, 3), 2)], steps=3)
    network = lower(graph)
    assert [one.depth for one in network.populations] == [0, 1, 2]
    found = [(one.source, one.delay, one.initial) for one in into(network, "state")]
    assert found == [("input", 0, None), ("state", 0, 2)]


def test_a_delay_lets_its_takers_be_as_early_as_its_source() -> None:
    op = threshold([1] * 4)
    nodes = [
        Node("input", EVENTS),
        Node("dense1", dense(4, 12), ("input",)),
        Node("spike1", op, ("dense1",)),
        Node("before", delayed(op), ("spike1",)),
        Node("dense2", dense(4, 4), ("before",)),
        Node("spike2", op, ("dense2",)),
        Node("sum", Add(), ("spike1", "spike2", "before")),
    ]
    network = lower(ended(nodes, steps=2))
    assert [one.depth for one in network.populations] == [0, 1, 1, 2]
    found = {(one.source, one.delay, one.initial) for one in into(network, "readout")}
    assert found == {("spike1", 0, None), ("spike2", 0, None), ("spike1", 1, 0)}


def test_the_payload_of_a_delay_holds_what_it_begins_with() -> None:
    op = Delay((12,), 0, 9, Signal.SPIKES, initial=9)
    nodes = [
        Node("input", EVENTS),
        Node("before", op, ("input",)),
        Node("d", dense(4, 12), ("before",)),
    ]
    (connection,) = into(lower(ended([*nodes, Node("spike", threshold([1] * 4), ("d",))])), "spike")
    assert connection.message_bits == 4


def test_a_flipped_channel_gets_negated_weights() -> None:
    """``x < 5`` is ``-x >= -4``."""
    weight = np.array([[7, -7], [7, -7]])
    op = Dense(weight, np.zeros(2, int))
    network = lower(chain(Input((2,), 0, 1, 1.0), op, threshold([5, 5], flipped=[1])))
    (connection,) = into(network, "threshold1")
    assert connection.weights.tolist() == [7, -7, -7, 7]
    neurons = population(network, "threshold1").neurons
    assert neurons is not None
    np.testing.assert_array_equal(neurons.vth + 1 - neurons.bias, [5, -4])


def test_biases_beyond_13_bits_come_from_an_always_on_source() -> None:
    theta = [10, 9000, -9000]
    op = Dense(np.array([[20] * 6 + [-20] * 6] * 3), np.zeros(3, int))
    network = lower(chain(Input((12,), 0, 255, 1.0), op, threshold(theta)))
    neurons = population(network, "threshold1").neurons
    assert neurons is not None
    bias = neurons.bias + 4096 * neurons.constant
    np.testing.assert_array_equal(neurons.vth + 1 - bias, theta)
    assert neurons.constant.tolist() == [0, -2, 2]
    (fed,) = (one for one in into(network, "threshold1") if one.is_constant)
    assert fed.weights.tolist() == [-2, 2]
    assert fed.indptr.tolist() == [0, 0, 1, 2]
    assert population(network, CONSTANT).size == 1


STOCK = Membrane(np.full(3, 9), reset=Reset.ZERO)


@pytest.mark.parametrize(
    ("op", "steps", "kind"),
    [
        (STOCK, 4, "lif"),
        (Membrane(STOCK.theta, 9, Reset.ZERO, comparison=Comparison.GREATER), 4, "lif"),
        (Membrane(STOCK.theta), 1, "lif"),
        (Membrane(STOCK.theta, 4096), 4, "lif"),
        (Membrane(STOCK.theta, 9, Reset.ZERO), 4, "membrane"),
        (Membrane(np.array([1, 2, 3]), reset=Reset.ZERO), 4, "membrane"),
        (Membrane(STOCK.theta), 4, "membrane"),
        (Membrane(STOCK.theta, reset=Reset.ZERO, max_spikes=2), 4, "membrane"),
        (Membrane(STOCK.theta, max_spikes=2), 1, "membrane"),
        (Membrane(STOCK.theta, 0, Reset.ZERO, ResetTime.NEXT_STEP), 4, "membrane"),
        # Inputs of -60..60 at most: at 4 steps -15360 is reached, at 50,000 steps -2**23.
        (replace(STOCK, saturation=2**15), 4, "lif"),
        (replace(STOCK, saturation=1000), 4, "membrane"),
        (replace(STOCK, saturation=1000), 1, "lif"),
        (replace(STOCK, comparison=Comparison.GREATER), 50_000, "lif"),
        (replace(STOCK, comparison=Comparison.GREATER, saturation=1000), 4, "membrane"),
        (STOCK, 50_000, "membrane"),  # where it saturates, a potential is no multiple of 64
    ],
)
def test_stock_neurons_are_used_where_they_are_exact(op: Membrane, steps: int, kind: str) -> None:
    graph = chain(EVENTS, dense(3, 12), op, steps=steps)
    neurons = population(lower(graph), "membrane1").neurons
    assert neurons is not None
    assert neurons.kind.value == kind


def test_payloads_are_declared() -> None:
    def bits(low: int, high: int) -> int:
        graph: Graph = chain(Input((3,), low, high, 1.0), dense(3, 3), threshold([1, 1, 1]))
        return lower(graph).populations[0].message_bits

    assert [bits(0, 1), bits(0, 255), bits(0, 256), bits(-128, 127), bits(-129, 0)] == [
        0,
        8,
        9,
        8,
        9,
    ]


@pytest.mark.parametrize(("number", "bits"), [(2, 2), (3, 2), (4, 3), (15, 4)])
def test_the_payload_of_levels_is_declared(number: int, bits: int) -> None:
    network = lower(chain(EVENTS, dense(3, 12), levels(3, number)))
    assert population(network, "threshold1").message_bits == bits
    (out,) = into(network, "readout")
    assert out.message_bits == bits


def test_biases_and_flips_move_the_thresholds_of_levels() -> None:
    """The sum is in -14..14. ``s + 3 < 5`` is ``-s >= -1``."""
    op = Dense(np.array([[7, -7], [7, -7]]), np.array([3, 3]))
    theta = np.array([[5, 8, 99], [5, 8, 99]])
    graph = chain(Input((2,), 0, 2, 1.0), op, Threshold(theta, np.array([False, True])))
    network = lower(graph)
    (connection,) = into(network, "threshold1")
    assert connection.weights.tolist() == [7, -7, -7, 7]
    neurons = population(network, "threshold1").neurons
    assert neurons is not None
    assert neurons.theta is not None
    assert neurons.theta.tolist() == [[2, 5, 15], [-14, -4, -1]]
    assert not neurons.bias.any()


def test_a_pool_of_levels_receives_each_element_by_itself() -> None:
    """3x3 elements, windows of 2x2 side by side: the last row and column is in none."""
    ops = (conv(1, 1, padding=(1, 1)), levels(1, 3), MaxPool2d((2, 2), (2, 2)))
    network = lower(chain(Input((1, 3, 3), 0, 1, 1.0), *ops))
    pool = population(network, "max_pool2d2")
    assert (pool.size, pool.inputs) == (1, 9)
    (connection,) = into(network, "max_pool2d2")
    assert connection.indices.tolist() == list(range(9))
    assert (connection.weights == 1).all()
    arrays = pool.arrays()
    assert arrays["max_pool2d2.elements"].tolist() == [0, 1, 3, 4]
    assert arrays["max_pool2d2.starts"].tolist() == [0]


def test_a_long_row_of_operations_without_neurons() -> None:
    """More of them than Python's calls can nest."""
    reshapes = [Reshape((12,)) if index % 2 else Reshape((1, 3, 4)) for index in range(1200)]
    graph = chain(EVENTS, *reshapes, dense(3, 12), threshold([1, 1, 1]))
    assert TARGET.violations(graph) == []
    direct = lower(chain(EVENTS, dense(3, 12), threshold([1, 1, 1])))
    (found,), (expected,) = into(lower(graph), "threshold1201"), into(direct, "threshold1")
    np.testing.assert_array_equal(found.weights, expected.weights)
    np.testing.assert_array_equal(found.indices, expected.indices)


def test_sums_of_sums_are_looked_at_once() -> None:
    """There are 2^39 paths from the first to the last: following each would not end."""
    nodes = [Node("input", EVENTS), Node("sum0", dense(4, 12), ("input",))]
    nodes += [Node(f"sum{i}", Add(), (f"sum{i - 1}",) * 2) for i in range(1, 40)]
    nodes.append(Node("spike", threshold([1] * 4, flipped=[0]), ("sum39",)))
    assert TARGET.violations(ended(nodes)) == [
        "sum21 (add) has up to 100,663,296 synapses; the limit is 67,108,864, use a smaller layer "
        "or smaller windows",
        "it has up to 26,388,279,066,636 synapses; the limit is 134,217,728, use smaller layers",
    ]


@pytest.mark.parametrize("flipped", [[], [0, 1]])
def test_thresholds_at_the_ends_of_their_type_are_always_or_never_reached(
    flipped: list[int],
) -> None:
    """The accumulator is in -10..10."""
    op = Dense(np.array([[5, -5]] * 2), np.zeros(2, int))
    theta = [-(2**63), 2**63 - 1]
    graph = chain(Input((2,), 0, 2, 1.0), op, threshold(theta, flipped))
    assert TARGET.violations(graph) == []
    neurons = population(lower(graph), "threshold1").neurons
    assert neurons is not None
    least = neurons.vth + 1 - neurons.bias
    np.testing.assert_array_equal(least, [11, -10] if flipped else [-10, 11])


class Recording:
    """Stands for the simulator: makes the files that it would, and keeps how large they were."""

    def __init__(self) -> None:
        self.bytes: list[int] = []

    def call(self, arrays: Any, parameters: Any, *, timeout_s: float) -> tuple[dict[str, Any], Any]:
        samples, network = arrays["samples"], parameters["network"]
        recorded = {each["name"]: each for each in network["populations"] if each["record"]}
        rows = samples.shape[0] * samples.shape[1]
        rows += max(each["depth"] for each in network["populations"])
        files = [np.zeros((rows, each["size"]), each["record"]) for each in recorded.values()]
        self.bytes.append(sum(file.nbytes for file in files))
        sizes = {name: (*samples.shape[:2], each["size"]) for name, each in recorded.items()}
        return {name: np.zeros(size) for name, size in sizes.items()}, None


@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("op", [threshold([3] * 5), levels(5, 300)], ids=["spikes", "levels"])
def test_a_batch_bounds_what_is_recorded(
    op: Threshold, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A spike takes a byte; a payload above 255 and the readout's potential take four."""
    simulator, graph = Recording(), chain(EVENTS, dense(5, 12), op, steps=steps)
    width = 5 * (1 if op.levels == 1 else 4) + 3 * 4
    monkeypatch.setattr(running, "_worker", lambda: simulator)
    monkeypatch.setattr(running, "lava_path", list)
    monkeypatch.setattr(running, "version", lambda: "Lava")
    monkeypatch.setattr(batches, "VALUES_AT_ONCE", 2000)
    at_once, depth = batches.batch_size(graph), 2
    trace_all(running.prepare(graph), np.zeros((100, 12), int))
    assert simulator.bytes[0] == (at_once * steps + depth) * width
    assert len(simulator.bytes) == -(-100 // at_once)
    assert max(simulator.bytes) <= 4 * 2000 + depth * width
