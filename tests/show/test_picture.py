"""Graphs as pictures: every node and edge is drawn, and nothing overlaps."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgespike.graph import Graph
from edgespike.models import shipped_model
from edgespike.show.picture import assign_lanes, graph_svg
from tests.example_graphs import membrane_graph, recurrent_graph, residual_graph

EXAMPLES = [residual_graph(), membrane_graph(), recurrent_graph()]

SVG = "{http://www.w3.org/2000/svg}"

edges = st.tuples(st.integers(0, 12), st.integers(0, 12)).filter(lambda edge: edge[0] != edge[1])


def drawn(graph: Graph) -> ElementTree.Element:
    return ElementTree.fromstring(graph_svg(graph))


@pytest.mark.parametrize(
    "graph", [residual_graph(), membrane_graph(), recurrent_graph()], ids=lambda g: g.name
)
def test_every_node_has_a_box_with_its_name(graph: Graph) -> None:
    names = [text.text for text in drawn(graph).iter(f"{SVG}text") if text.get("class") == "name"]
    assert names == [node.name for node in graph.nodes]


@pytest.mark.parametrize(
    "graph", [residual_graph(), membrane_graph(), recurrent_graph()], ids=lambda g: g.name
)
def test_every_edge_has_the_arrow_of_its_signal(graph: Graph) -> None:
    found = sorted(
        str(path.get("marker-end"))
        for path in drawn(graph).iter(f"{SVG}path")
        if path.get("marker-end")
    )
    assert found == sorted(
        f"url(#{tensor.signal.value})"
        for node in graph.nodes
        for tensor in graph.input_tensors(node)
    )


def test_a_residual_connection_goes_round_the_boxes() -> None:
    svg = drawn(residual_graph())
    box = next(rect for rect in svg.iter(f"{SVG}rect") if rect.get("class") == "box")
    right = int(str(box.get("x"))) + int(str(box.get("width")))
    (bent,) = [str(path.get("d")) for path in svg.iter(f"{SVG}path") if "Q" in str(path.get("d"))]
    numbers = [int(number) for number in re.findall(r"\d+", bent)]
    assert numbers[0] == right
    assert right < max(numbers[2:4]) < int(str(svg.get("width")))


def test_a_loop_goes_round_the_boxes_upwards() -> None:
    svg = drawn(recurrent_graph())
    bent = [str(path.get("d")) for path in svg.iter(f"{SVG}path") if "Q" in str(path.get("d"))]
    heights = [[int(y) for y in re.findall(r"M \d+ (\d+)|V (\d+)", d)[0] if y] for d in bent]
    ends = [int(re.findall(r"Q \d+ (\d+) \d+ \d+ H", d)[0]) for d in bent]
    assert sum(end < start for (start, *_), end in zip(heights, ends, strict=True)) == 1


def test_every_box_lies_inside_the_picture() -> None:
    svg = drawn(residual_graph())
    height = int(str(svg.get("height")))
    for rect in svg.iter(f"{SVG}rect"):
        if rect.get("class"):
            assert int(str(rect.get("y"))) + int(str(rect.get("height"))) < height


@given(st.sets(edges))
def test_edges_in_one_lane_never_overlap(some: set[tuple[int, int]]) -> None:
    lanes = assign_lanes(sorted(some))
    assert lanes.keys() == some
    for left in some:
        for right in some - {left}:
            if lanes[left] == lanes[right]:
                assert max(left) <= min(right) or max(right) <= min(left)


@given(st.sets(edges, min_size=1))
def test_no_lane_stays_empty(some: set[tuple[int, int]]) -> None:
    used = set(assign_lanes(sorted(some)).values())
    assert used == set(range(len(used)))


def test_the_picture_in_the_documents_is_of_the_shipped_model() -> None:
    """If this fails, draw it again with edgespike show --svg."""
    picture = Path(__file__).parents[2] / "docs" / "shipped-model.svg"
    assert picture.read_text(encoding="utf-8") == graph_svg(shipped_model())
