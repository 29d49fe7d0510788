"""Networks in C that are at the ends of what the generator handles, each for one reason."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgespike.graph import (
    Add,
    Conv2d,
    Delay,
    Dense,
    Graph,
    Input,
    MaxPool2d,
    Membrane,
    Node,
    Operation,
    Readout,
    Reshape,
    Signal,
    Threshold,
)
from edgespike.targets.c.layers import Kernel
from edgespike.targets.c.layout import make_layout
from tests.strategies import Case
from tests.targets.c.programs import WATCHED, assert_exact, first_kernels
from tests.targets.cpu.graphs import chain, random_samples

RNG = np.random.default_rng(5)


def zeros(count: int) -> Any:
    return np.zeros(count, np.int64)


def weights(outputs: int, *inputs: int, low: int = -7, high: int = 7) -> Any:
    found = RNG.integers(low, high, (outputs, *inputs), endpoint=True)
    found.flat[0], found.flat[-1] = low, high
    return found


def fires(channels: int, *theta: int) -> Threshold:
    return Threshold(np.tile(theta or (1,), (channels, 1)), np.arange(channels) % 4 == 3)


def spiking(inputs: int, outputs: int, *ends: int) -> tuple[Operation, ...]:
    low, high = ends or (-7, 7)
    return Dense(weights(outputs, inputs, low=low, high=high), zeros(outputs)), fires(outputs)


def exact(folder: Path, *cases: Case) -> None:
    assert_exact(WATCHED, cases, folder)


def of_chain(source: Input, *ops: Operation, steps: int = 1) -> Case:
    return Case(chain(source, *ops, steps=steps), random_samples(source, 3))


@pytest.mark.parametrize(
    ("low", "high"), [(3, 9), (-9, -7), (1, 1), (-1, -1), (200, 255), (-5, -4)]
)
def test_weights_of_one_sign_leave_zeros_where_a_chunk_is_filled_up(
    low: int, high: int, tmp_path: Path
) -> None:
    source = Input((20,), 0, 2, 1.0)
    case = of_chain(source, *spiking(20, 17, low, high), *spiking(17, 9, low, high))
    assert all(kernel.lists for kernel in first_kernels(case.graph).values())
    exact(tmp_path, case)


def test_layers_whose_weights_of_2_bits_have_other_widths(tmp_path: Path) -> None:
    source = Input((20,), 0, 1, 1.0)
    ends = [(0, 1), (-1, 1), (-2, 1), (0, 3)]
    exact(tmp_path, of_chain(source, *(op for each in ends for op in spiking(20, 20, *each))))


def test_a_pool_over_the_only_position(tmp_path: Path) -> None:
    source = Input((2, 3, 3), 0, 1, 1.0)
    conv, pool = Conv2d(weights(8, 2, 3, 3), zeros(8)), MaxPool2d((1, 1), (1, 1))
    case = of_chain(source, conv, fires(8), pool, Reshape((8,)), *spiking(8, 6))
    assert make_layout(case.graph, first_kernels(case.graph)).pools
    exact(tmp_path, case)


@pytest.mark.parametrize("steps", [1, 4])
def test_membranes_before_a_pool_keep_a_potential_each(steps: int, tmp_path: Path) -> None:
    source = Input((2, 7, 5), 0, 3, 1.0)
    conv = Conv2d(weights(12, 2, 3, 3), zeros(12), padding=(1, 1))
    theta = RNG.integers(1, 40, (12, 7, 5))
    cells = Membrane(theta, decay=100, decay_syn=300)
    pool = MaxPool2d((2, 2), (2, 2))
    case = of_chain(source, conv, cells, pool, Reshape((72,)), *spiking(72, 6), steps=steps)
    assert make_layout(case.graph, first_kernels(case.graph)).pools
    exact(tmp_path, case)


def test_thresholds_of_other_units_share_no_function(tmp_path: Path) -> None:
    source = Input((9,), 0, 100, 1.0)
    theta = np.sort(RNG.integers(-300, 300, (9, 3)), axis=1)
    never = np.full((9, 3), 2**40)
    flags = np.zeros(9, np.bool_)
    dense = Dense(weights(9, 9), zeros(9))
    cells = [Threshold(theta, flags), Threshold(never, flags, 0, 2**33)]
    nodes = [Node("input", source), Node("dense", dense, ("input",))]
    nodes += [Node(f"cells{k}", op, ("dense",)) for k, op in enumerate(cells)]
    nodes += [Node("sum", Add(), ("cells0", "cells1")), Node("last", dense, ("sum",))]
    nodes += [Node("out", Readout(np.ones(9)), ("last",))]
    exact(tmp_path, Case(Graph("units", tuple(nodes), 1), random_samples(source, 3)))


def test_factors_of_channels_with_padding_are_convolutions(tmp_path: Path) -> None:
    source = Input((3, 4, 5), 0, 9, 1.0)
    factors = Conv2d(weights(3, 1, 1, 1), np.array([1, -2, 3]), padding=(0, 2, 0, 1), groups=3)
    other = Conv2d(weights(3, 3, 2, 2), zeros(3), padding=(1, 2, 1, 1))
    nodes = (
        Node("input", source),
        Node("factors", factors, ("input",)),
        Node("other", other, ("input",)),
        Node("sum", Add(), ("factors", "other")),
        Node("cells", fires(3, -3, 0, 5), ("sum",)),
        Node("flat", Reshape((108,)), ("cells",)),
        Node("last", Dense(weights(6, 108), zeros(6)), ("flat",)),
        Node("out", Readout(np.ones(6)), ("last",)),
    )
    exact(tmp_path, Case(Graph("factors", nodes, 1), random_samples(source, 3)))


def small_graphs() -> list[Case]:
    """Return graphs of few nodes, elements, or layers."""
    one = Input((1,), 0, 1, 1.0)
    plane = Input((1, 1, 1), -1, 1, 1.0)
    readout = Readout(np.ones(1))
    graphs = [
        Graph(
            "spikes",
            (Node("input", one), Node("t", fires(1), ("input",)), Node("out", readout, ("t",))),
            2,
        ),
        chain(one, Dense(np.ones((1, 1), np.int64), zeros(1))),
        chain(one, Dense(np.zeros((1, 1), np.int64), zeros(1)), fires(1), *spiking(1, 6)),
        chain(
            Input((8,), 0, 1, 1.0),
            Dense(np.zeros((8, 8), np.int64), zeros(8)),
            fires(8, 0),
            *spiking(8, 6),
            steps=3,
        ),
        chain(plane, Conv2d(np.ones((1, 1, 1, 1), np.int64), zeros(1)), fires(1)),
        chain(Input((3,), 0, 0, 1.0), *spiking(3, 6)),
        chain(Input((3,), 7, 7, 1.0), *spiking(3, 6)),
    ]
    return [Case(graph, random_samples(graph.input_op, 4)) for graph in graphs]


def test_graphs_of_few_nodes_and_elements(tmp_path: Path) -> None:
    exact(tmp_path, *small_graphs())


def test_values_that_never_fire_are_kept_in_bits_or_bytes(tmp_path: Path) -> None:
    source = Input((40,), 0, 1, 1.0)
    never, always = np.full((33, 2), 10**6), np.full((33, 2), -(10**6))
    flags = np.arange(33) % 2 == 0
    for_all = [Threshold(never, flags), Threshold(always, flags), Threshold(never, ~flags & False)]
    cases = [
        of_chain(source, Dense(weights(33, 40), zeros(33)), cells, *spiking(33, 7))
        for cells in for_all
    ]
    exact(tmp_path, *cases)


def recurrent(delays: Sequence[int]) -> Case:
    """Return spikes in bits that delays, with what they first give, carry to the same neurons."""
    source = Input((10,), 0, 1, 1.0)
    nodes = [Node("input", source), Node("forward", Dense(weights(40, 10), zeros(40)), ("input",))]
    added = ["forward"]
    for number, initial in enumerate(delays):
        back = Dense(weights(40, 40, low=-2, high=1), zeros(40))
        op = Delay((40,), 0, 1, Signal.SPIKES, initial)
        nodes.append(Node(f"delay{number}", op, ("cells",)))
        nodes.append(Node(f"back{number}", back, (f"delay{number}",)))
        added.append(f"back{number}")
    nodes.append(Node("sum", Add(), tuple(added)))
    nodes.append(Node("cells", fires(40, 3), ("sum",)))
    nodes.append(Node("last", Dense(weights(6, 40), zeros(6)), ("cells",)))
    nodes.append(Node("out", Readout(np.ones(6)), ("last",)))
    return Case(Graph("loops", tuple(nodes), 200), random_samples(source, 2, 200))


def test_delays_of_many_steps(tmp_path: Path) -> None:
    exact(tmp_path, recurrent([0]), recurrent([1, 0]))


def test_only_reshapes_between_dense_layers_are_left_out(tmp_path: Path) -> None:
    source = Input((6, 3, 4), 0, 1, 1.0)
    to_plane = Reshape((4, 6, 3))
    cases = [
        of_chain(source, to_plane, MaxPool2d((2, 2), (2, 2)), Reshape((12,)), *spiking(12, 6)),
        of_chain(
            source,
            to_plane,
            Reshape((72,)),
            *spiking(72, 9),
            Reshape((1, 3, 3)),
            Reshape((9,)),
            *spiking(9, 8),
            Reshape((2, 2, 2)),
            MaxPool2d((1, 2), (1, 1)),
            Reshape((4,)),
            *spiking(4, 6),
        ),
        of_chain(source, Reshape((72, 1, 1)), Conv2d(weights(9, 72, 1, 1), zeros(9)), fires(9)),
    ]
    exact(tmp_path, *cases)


def test_a_dense_layer_after_reshapes_of_a_plane_in_another_order(tmp_path: Path) -> None:
    source = Input((6, 3, 4), 0, 1, 1.0)
    conv = Conv2d(weights(10, 6, 2, 2), zeros(10), padding=(1, 0))
    case = of_chain(
        source, conv, fires(10), Reshape((4, 10, 3)), Reshape((120,)), *spiking(120, 17)
    )
    kernels = set(first_kernels(case.graph).values())
    assert kernels == {Kernel.EVENTS}
    exact(tmp_path, case)
