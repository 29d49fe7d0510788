"""An ensemble computes what its members compute, and its counts are the sums of theirs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from edgespike.counting import Convention, audit, count
from edgespike.errors import GraphError, UnsupportedError
from edgespike.graph import (
    Add,
    Concatenate,
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
    ReadoutMode,
    Reshape,
    Signal,
    Threshold,
    load_graph,
    save_graph,
)
from edgespike.graph.ops import Weighted
from edgespike.graph.size import graph_size
from edgespike.interpreter import interpret
from edgespike.passes.ensemble import ensemble
from edgespike.passes.unary import unary
from tests.ensembles import flat, sibling, siblings, side_by_side
from tests.example_graphs import (
    membrane_graph,
    recurrent_graph,
    residual_graph,
    samples_for,
    weights,
)
from tests.random_graphs import up_to
from tests.strategies import MIXES, cases
from tests.unary import assert_decodes

EXAMPLES = [residual_graph(), membrane_graph(), recurrent_graph()]


def changed(graph: Graph, name: str, **fields: Any) -> Graph:
    """Return a graph in which some fields of one node are different."""
    nodes = (
        replace(node, op=replace(node.op, **fields)) if node.name == name else node
        for node in graph.nodes
    )
    return Graph(graph.name, tuple(nodes), graph.steps)


def behind_input(shape: tuple[int, ...], *ops: Operation) -> Graph:
    """Connect operations in a row after an input of spikes."""
    nodes = [Node("input", Input(shape, 0, 1, 1.0))]
    for op in ops:
        nodes.append(Node(f"{op.kind}{len(nodes)}", op, (nodes[-1].name,)))
    return Graph("row", tuple(nodes))


def dense(outputs: int, inputs: int, seed: int = 0) -> Dense:
    return Dense(weights(seed, outputs, inputs), weights(seed + 1, outputs))


@pytest.mark.parametrize("mix", [mix for mix in MIXES if mix != "concatenation"])
def test_an_ensemble_gives_what_its_members_give_and_counts_their_sums(mix: str) -> None:
    @given(data=st.data())
    @settings(max_examples=up_to(40), suppress_health_check=list(HealthCheck))
    def compare(data: st.DataObject) -> None:
        case = data.draw(cases(mix))
        try:
            members = siblings(case.graph, data.draw(st.integers(2, 4)))
            merged = ensemble(members)
        except (GraphError, UnsupportedError):
            assume(False)
        trace = interpret(merged, case.samples)
        expected = side_by_side(members, case.samples)
        own = [counts(graph, case.samples) for graph in members]
        for name, values in expected.items():
            if trace.values[name].size == values.size:  # else it comes before all weights
                assert np.array_equal(flat(trace.values[name]), values), name
        readout = merged.readout.name
        assert np.array_equal(trace.values[readout], expected[readout])
        assert counts(merged, case.samples) == [sum(each) for each in zip(*own, strict=True)]

    compare()


def test_channels_that_are_joined_within_members_are_refused_by_name() -> None:
    nodes = (
        Node("input", Input((3,), 0, 1, 1.0)),
        Node("left", dense(2, 3), ("input",)),
        Node("right", dense(2, 3, seed=2), ("input",)),
        Node("joined", Concatenate(), ("left", "right")),
        Node("readout", Readout(np.ones(4)), ("joined",)),
    )
    graph = Graph("joined", nodes)
    with pytest.raises(UnsupportedError, match=r"joined \(concatenate\): it joins channels"):
        ensemble([graph, graph])


def counts(graph: Graph, samples: Any) -> list[int]:
    """Return synaptic operations and multiply-accumulates under each convention."""
    found = count(graph, samples, interpret(graph, samples))
    return [
        number
        for kind in Convention
        for number in (found.synaptic_operations(kind), found.multiply_accumulates(kind))
    ]


@pytest.mark.parametrize("graph", EXAMPLES, ids=lambda graph: graph.name)
def test_every_count_after_the_first_weights_is_the_sum(graph: Graph) -> None:
    members, samples = siblings(graph, 3), samples_for(graph, 4)
    merged = ensemble(members)
    found = count(merged, samples, interpret(merged, samples))
    own = [count(member, samples, interpret(member, samples)) for member in members]
    rows = {row.name: row for row in found.layers}
    first_weights = next(node.name for node in merged.nodes if isinstance(node.op, Weighted))
    for index, row in enumerate(own[0].layers[1:], start=1):
        total = (row + own[1].layers[index] + own[2].layers[index]).totals()
        if row.name == first_weights:  # the members share its input, whose events arrive once
            total["arrivals"] = row.totals()["arrivals"]
        assert rows[row.name].totals() == total


@pytest.mark.parametrize("graph", EXAMPLES, ids=lambda graph: graph.name)
def test_walking_every_event_finds_the_same_count(graph: Graph) -> None:
    merged, samples = ensemble(siblings(graph, 2)), samples_for(graph, 2)
    trace = interpret(merged, samples)
    walked, found = audit(merged, samples, trace), count(merged, samples, trace)
    for kind in Convention:
        assert walked.synaptic_operations[kind] == found.synaptic_operations(kind)
        assert walked.multiply_accumulates[kind] == found.multiply_accumulates(kind)


def test_members_stand_side_by_side_without_synapses_between() -> None:
    members = siblings(residual_graph(), 4)
    merged = ensemble(members, "four")
    assert merged.name == "four"
    assert merged["conv1"].op.groups == 1  # type: ignore[union-attr]
    assert merged["conv2"].op.groups == 4  # type: ignore[union-attr]
    assert merged["dense"].op.weight.shape == (12, 4, 3, 3)  # type: ignore[union-attr]
    assert "flat" not in merged.tensors
    assert merged.tensors["spike2"].shape == (16, 3, 3)
    assert (merged.readout_op.members, merged.readout_op.classes) == (4, 3)
    assert merged.readout_op.scale.shape == (12,)
    assert graph_size(merged).total.weights == 4 * graph_size(members[0]).total.weights


def test_an_ensemble_of_one_is_its_member() -> None:
    graph = residual_graph()
    assert ensemble([graph]) is graph


def test_an_ensemble_of_ensembles_is_one_of_all_members() -> None:
    a, b, c, d = siblings(membrane_graph(), 4)
    nested = ensemble([ensemble([a, b]), ensemble([c, d])])
    assert nested.readout_op.members == 4
    samples = samples_for(a, 3)
    found, expected = (interpret(x, samples) for x in (nested, ensemble([a, b, c, d])))
    assert np.array_equal(found.values["out"], expected.values["out"])


def test_an_ensemble_survives_its_file(tmp_path: Any) -> None:
    merged = ensemble(siblings(recurrent_graph(), 3))
    save_graph(merged, tmp_path / "e.safetensors")
    assert load_graph(tmp_path / "e.safetensors") == merged


def test_the_names_of_other_members_do_not_matter() -> None:
    graph = membrane_graph()
    renamed = Graph(
        "other",
        tuple(Node(f"x{n.name}", n.op, tuple(f"x{i}" for i in n.inputs)) for n in graph.nodes),
        graph.steps,
    )
    assert ensemble([graph, renamed]) == ensemble([graph, graph])


def test_added_nodes_take_no_name_that_is_in_use() -> None:
    nodes = (
        Node("x", Input((3,), 0, 1, 1.0)),
        Node("x.image", dense(2, 3), ("x",)),
        Node("out.flat", Threshold(np.zeros((2, 1), int), np.zeros(2, bool)), ("x.image",)),
        Node("last", dense(2, 2), ("out.flat",)),
        Node("out", Readout(np.ones(2)), ("last",)),
    )
    graph = Graph("names", nodes)
    merged = ensemble([graph, graph])
    assert {"x.image", "x.image_", "out.flat", "out.flat_"} <= set(merged.tensors)


def test_what_comes_before_all_weights_is_done_once() -> None:
    graph = behind_input(
        (2, 4, 4),
        MaxPool2d((2, 2), (2, 2)),
        Reshape((8,)),
        dense(3, 8),
        Readout(np.ones(3)),
    )
    merged, samples = ensemble(siblings(graph, 3)), samples_for(graph, 4)
    assert merged.tensors["max_pool2d1"].shape == (2, 2, 2)
    expected = side_by_side(siblings(graph, 3), samples)["readout4"]
    assert np.array_equal(interpret(merged, samples).values["readout4"], expected)


def test_a_delay_of_a_vector_input_is_shared() -> None:
    nodes = (
        Node("x", Input((3,), 0, 1, 1.0)),
        Node("before", Delay((3,), 0, 1, Signal.SPIKES), ("x",)),
        Node("both", Add(), ("x", "before")),
        Node("last", dense(2, 3), ("both",)),
        Node("out", Readout(np.ones(2), ReadoutMode.LAST), ("last",)),
    )
    members = siblings(Graph("delayed", nodes, 3), 3)
    samples = samples_for(members[0], 4)
    found = interpret(ensemble(members), samples).values["out"]
    assert np.array_equal(found, side_by_side(members, samples)["out"])


def test_an_ensemble_of_levels_has_a_unary_form() -> None:
    graph = recurrent_graph()
    members = [changed(m, "before", initial=0) for m in siblings(graph, 2)]
    merged, samples = ensemble(members), samples_for(graph, 3)
    coded = unary(merged)
    assert_decodes(merged, interpret(merged, samples), interpret(coded, samples))


IMAGE = residual_graph()
STEPPED = membrane_graph()


@pytest.mark.parametrize(
    ("graphs", "named"),
    [
        ([], ["no graph is given"]),
        ([IMAGE, STEPPED], ["graph 1 (membranes)", "steps is 4", "other operations"]),
        ([STEPPED, membrane_graph(5)], ["steps is 5, the first graph has 4"]),
        (
            [STEPPED, changed(STEPPED, "lif1", fraction_bits=7)],
            ["lif1", "has fraction_bits 7", "has 6"],
        ),
        (
            [STEPPED, STEPPED, changed(STEPPED, "lif2", reset="none", reset_time="next_step")],
            ["graph 2", "has reset none", "has subtract", "has reset_time next_step"],
        ),
        (
            [IMAGE, changed(IMAGE, "image", high=255, scale=0.5)],
            ["has high 255", "has 15", "has scale 0.5"],
        ),
        (
            [IMAGE, changed(IMAGE, "spike1", theta=np.array([[1, 2]] * 4))],
            ["has theta shape (4, 2), the first graph has shape (4, 1)"],
        ),
        (
            [recurrent_graph(), changed(recurrent_graph(), "out", mode="sum")],
            ["has mode sum", "has last"],
        ),
    ],
    ids=["none", "architecture", "steps", "format", "third", "input", "levels", "mode"],
)
def test_graphs_that_differ_are_refused_with_every_difference(
    graphs: list[Graph], named: list[str]
) -> None:
    with pytest.raises(UnsupportedError) as error:
        ensemble(graphs, "mixed")
    assert "ensemble 'mixed' cannot be created" in str(error.value)
    for words in named:
        assert words in str(error.value)


def fires(value: int) -> Threshold:
    return Threshold(np.full((2, 1), value), np.zeros(2, bool))


def test_only_members_can_split_the_input_into_groups() -> None:
    conv = Conv2d(weights(0, 2, 1, 2, 2), weights(1, 2), groups=2)
    graph = behind_input((2, 2, 2), conv, Reshape((2,)), Readout(np.ones(2)))
    with pytest.raises(UnsupportedError, match=r"conv2d1 .* into 2 groups; use one group"):
        ensemble([graph, graph])


def test_members_cannot_have_thresholds_of_their_own_for_the_input() -> None:
    graph = behind_input((2,), fires(1), dense(2, 2), Readout(np.ones(2)))
    other = changed(graph, "threshold1", theta=np.zeros((2, 1), int))
    assert ensemble([graph, graph]).tensors["threshold1"].shape == (2, 1, 1)
    with pytest.raises(UnsupportedError, match=r"threshold1 .* with different thresholds"):
        ensemble([graph, other])


def test_the_input_cannot_be_added_to_events_of_members() -> None:
    nodes = (
        Node("x", Input((2,), 0, 1, 1.0)),
        Node("w", dense(2, 2), ("x",)),
        Node("h", fires(1), ("w",)),
        Node("sum", Add(), ("h", "x")),
        Node("last", dense(2, 2), ("sum",)),
        Node("out", Readout(np.ones(2)), ("last",)),
    )
    graph = Graph("shortcut", nodes)
    with pytest.raises(UnsupportedError, match=r"sum \(add\): it adds x, which all members share"):
        ensemble([graph, graph])


def test_members_need_weights() -> None:
    graph = behind_input((2,), Readout(np.ones(2)))
    with pytest.raises(UnsupportedError, match="it reads what all members share"):
        ensemble([graph, graph])


@pytest.mark.parametrize("members", [0, -1, 2])
def test_a_readout_has_whole_members(members: int) -> None:
    with pytest.raises(GraphError, match=f"members is {members}; .* 3 entries"):
        behind_input((2,), dense(3, 2), Readout(np.ones(3), members=members))


def test_membranes_of_members_keep_their_own_thresholds() -> None:
    graph = membrane_graph()
    other = changed(graph, "lif1", theta=np.full(8, 5))
    op = ensemble([graph, other])["lif1"].op
    assert isinstance(op, Membrane)
    assert op.theta.tolist() == [3] * 8 + [5] * 8


def test_a_sibling_computes_something_else() -> None:
    """Equal members would make all tests above easy to pass."""
    graph = residual_graph()
    samples = samples_for(graph, 8)
    a, b = (interpret(each, samples).values["out"] for each in (graph, sibling(graph, 1)))
    assert not np.array_equal(a, b)
