"""Graphs at the ends of what is valid: the native engine takes them, and is exact."""

from __future__ import annotations

import numpy as np
import pytest

from edgespike.graph import Conv2d, Dense, Graph, Input, Membrane, Node, Readout, Reshape, SumPool2d
from edgespike.graph.tensor import ELEMENT_LIMIT
from edgespike.targets.cpu.native import limits
from edgespike.targets.cpu.native.engine import NativeEngine
from edgespike.targets.cpu.native.library import missing
from edgespike.targets.cpu.native.products import MOST_FOLDED_WEIGHTS, window_of
from edgespike.targets.cpu.native.program import program_of
from tests.targets.cpu.graphs import assert_exact, chain, random_samples

pytestmark = pytest.mark.skipif(bool(missing()), reason="the native engine is not built")


def engine_of(graph: Graph) -> NativeEngine:
    program = program_of(graph)
    assert program is not None
    return NativeEngine(graph, program)


@pytest.mark.parametrize("fraction_bits", [30, 31, 40])
def test_whole_potentials_may_have_more_fraction_bits_than_their_32_bits(
    fraction_bits: int,
) -> None:
    source = Input((3,), 0, 2, 1.0)
    neurons = Membrane(
        np.array([1, 2, 5]), fraction_bits=fraction_bits, saturation=16 << fraction_bits
    )
    graph = chain(source, neurons, steps=4)
    assert_exact(graph, random_samples(source, 5, 4), engine_of(graph))


def test_a_sum_pool_stays_by_itself_where_the_padding_after_it_would_grow_too_large() -> None:
    source = Input((1, 200, 200), 0, 1, 1.0)
    convolution = Conv2d(
        np.ones((2, 1, 1, 1), np.int64),
        np.zeros(2, np.int64),
        stride=(60, 60),
        padding=(60, 60),
    )
    graph = chain(source, SumPool2d((100, 100), (100, 100)), convolution)
    assert_exact(graph, random_samples(source, 2), engine_of(graph))


@pytest.mark.parametrize(("stride", "folds"), [(26843, True), (32767, False)])
def test_a_sum_pool_stays_by_itself_where_the_stride_after_it_would_grow_too_large(
    stride: int, folds: bool
) -> None:
    """A stride that leads out of the plane is valid, whatever its size: there is one output."""
    source = Input((1, 5000, 1), 0, 1, 1.0)
    layer = Conv2d(np.ones((3, 1, 1, 1), np.int64), np.arange(3), stride=(stride, 1))
    graph = chain(source, SumPool2d((5000, 1), (5000, 1)), layer)
    ((node, _),) = graph.of_type(Conv2d)
    window = window_of(graph, node, layer)
    assert (window.root is graph.input) == folds
    assert_exact(graph, random_samples(source, 3), engine_of(graph))


@pytest.mark.parametrize("most", [3, 4])
def test_a_graph_of_more_nodes_or_steps_than_a_program_has_none(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Input((2,), 0, 1, 1.0)
    graphs = [chain(source, Reshape((2, 1, 1)), Reshape((2,))), chain(source, steps=4)]
    monkeypatch.setattr(limits, "MOST_NODES", most)
    for graph in graphs:
        assert max(len(graph.nodes), graph.steps) == 4
        assert (program_of(graph) is not None) == (most == 4)


@pytest.mark.parametrize(
    ("outputs", "folds"), [(MOST_FOLDED_WEIGHTS // 2**14, True), (1025, False)]
)
def test_a_sum_pool_stays_by_itself_where_it_would_repeat_too_many_weights(
    outputs: int, folds: bool
) -> None:
    source = Input((1, 1, 2**14), 0, 1, 1.0)
    layer = Dense(np.ones((outputs, 1), np.int64), np.zeros(outputs, np.int64))
    graph = chain(source, SumPool2d((1, 2**14), (1, 2**14)), Reshape((1,)), layer)
    window = window_of(graph, graph["dense2"], layer)
    assert (window.root is graph.input) == folds


def test_the_largest_plane_has_a_program() -> None:
    nodes = (
        Node("input", Input((1, ELEMENT_LIMIT, 1), 0, 1, 1.0)),
        Node(
            "layer",
            Conv2d(np.ones((1, 1, 1, 1), np.int64), np.zeros(1, np.int64), stride=(32767, 1)),
            ("input",),
        ),
        Node("flat", Reshape((4097,)), ("layer",)),
        Node("out", Readout(np.ones(4097)), ("flat",)),
    )
    engine_of(Graph("plane", nodes, 1))
