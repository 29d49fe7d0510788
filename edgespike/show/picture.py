"""Draw a graph as SVG: nodes from top to bottom, in the order in which they run.

An edge to the next node is a straight arrow; every other edge runs in a lane to the right of the
nodes, which shows residual connections at a glance, and loops as arrows that point upwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from edgespike.graph.graph import Graph
from edgespike.graph.tensor import Signal
from edgespike.show.text import NodeRow, node_rows

BOX_HEIGHT = 44
GAP = 34
MARGIN = 24
LANE_WIDTH = 26
_CHARACTER = 7.3
_SMALL_CHARACTER = 6.3

COLOURS = {
    Signal.SPIKES: "#2563b0",
    Signal.GRADED: "#b3591a",
    Signal.ACCUMULATOR: "#6b7280",
}
"""Colour of an edge, by the signal that it carries."""

_STYLE = """
svg { font-family: ui-sans-serif, system-ui, "Segoe UI", Helvetica, Arial, sans-serif; }
.name { font-size: 13px; font-weight: 600; fill: #111827; }
.detail, .edge-label, .legend { font-size: 11px; fill: #4b5563; }
.box { fill: #f9fafb; stroke: #9ca3af; }
.neurons { fill: #e8f0fb; stroke: #2563b0; }
path { fill: none; stroke-width: 1.8; }
"""

Edge = tuple[int, int]


def graph_svg(graph: Graph) -> str:
    """Draw a graph.

    Returns
    -------
    text
        One SVG document. Names from the graph are escaped.
    """
    rows = node_rows(graph)
    edges = _edges(rows)
    lanes = assign_lanes([edge for edge in edges if edge[1] != edge[0] + 1])
    box_width = max(
        max(len(row.name) * _CHARACTER, len(_detail(row)) * _SMALL_CHARACTER) for row in rows
    )
    box_width = round(box_width + 28)
    width = 2 * MARGIN + box_width + LANE_WIDTH * (max(lanes.values(), default=-1) + 2)
    width = max(width, 300)
    height = 2 * MARGIN + len(rows) * (BOX_HEIGHT + GAP) + 8
    svg = _document(graph, width, height)
    for source, target in edges:
        lane = lanes.get((source, target))
        _draw_edge(svg, source, target, lane, box_width, Signal(rows[source].signal))
        if lane is None:
            _draw_label(svg, rows[source], source, box_width)
    for place, row in enumerate(rows):
        _draw_box(svg, row, place, box_width)
    _draw_legend(svg, height)
    ElementTree.indent(svg)
    return ElementTree.tostring(svg, encoding="unicode") + "\n"


def assign_lanes(edges: list[Edge]) -> dict[Edge, int]:
    """Assign each edge the innermost lane in which it overlaps no other edge.

    Parameters
    ----------
    edges
        ``(source, target)`` as positions in the order of nodes; ``source > target`` in a loop.

    Returns
    -------
    lanes
        Lane of each edge, 0 nearest to the nodes.
    """
    lanes: list[list[Edge]] = []
    chosen: dict[Edge, int] = {}
    for edge in sorted(edges, key=lambda edge: (abs(edge[1] - edge[0]), edge)):
        free = (lane for lane in lanes if all(not _overlap(edge, other) for other in lane))
        lane = next(free, None)
        if lane is None:
            lane = []
            lanes.append(lane)
        lane.append(edge)
        chosen[edge] = lanes.index(lane)
    return chosen


def _overlap(left: Edge, right: Edge) -> bool:
    return min(left) < max(right) and min(right) < max(left)


def _edges(rows: list[NodeRow]) -> list[Edge]:
    places = {row.name: place for place, row in enumerate(rows)}
    return sorted({(places[name], place) for place, row in enumerate(rows) for name in row.inputs})


def _top(place: int) -> int:
    return MARGIN + place * (BOX_HEIGHT + GAP)


def _detail(row: NodeRow) -> str:
    parts = [row.kind, "\u00d7".join(map(str, row.shape))]
    if row.weights:
        parts.append(f"{row.nonzero_weights:,} weights")
    if row.neurons:
        parts.append(f"{row.neurons:,} neurons")
    return "  \u00b7  ".join(parts)


def _document(graph: Graph, width: int, height: int) -> Element:
    size = {"width": str(width), "height": str(height), "viewBox": f"0 0 {width} {height}"}
    svg = Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "role": "img", **size})
    SubElement(svg, "title").text = f"Graph {graph.name}"
    SubElement(svg, "style").text = _STYLE
    definitions = SubElement(svg, "defs")
    for signal, colour in COLOURS.items():
        marker = {"id": signal.value, "viewBox": "0 0 8 8", "refX": "7", "refY": "4"}
        tip = SubElement(
            definitions,
            "marker",
            {**marker, "markerWidth": "6", "markerHeight": "6", "orient": "auto"},
        )
        SubElement(tip, "polygon", {"points": "0,0 8,4 0,8", "fill": colour})
    SubElement(svg, "rect", {"width": "100%", "height": "100%", "fill": "white"})
    return svg


def _draw_edge(
    svg: Element, source: int, target: int, lane: int | None, box_width: int, signal: Signal
) -> None:
    right = MARGIN + box_width
    if lane is None:
        x = MARGIN + box_width // 2
        line = f"M {x} {_top(source) + BOX_HEIGHT} V {_top(target) - 1}"
    else:
        out = right + LANE_WIDTH * (lane + 1)
        upper, lower = BOX_HEIGHT // 4, BOX_HEIGHT * 3 // 4
        leaves, enters, bend = (lower, upper, 8) if target > source else (upper, lower, -8)
        start, end = _top(source) + leaves, _top(target) + enters
        line = (
            f"M {right} {start} H {out - 8} Q {out} {start} {out} {start + bend} "
            f"V {end - bend} Q {out} {end} {out - 8} {end} H {right + 1}"
        )
    SubElement(
        svg,
        "path",
        {"d": line, "stroke": COLOURS[signal], "marker-end": f"url(#{signal.value})"},
    )


def _draw_label(svg: Element, row: NodeRow, place: int, box_width: int) -> None:
    x, y = MARGIN + box_width // 2 + 8, _top(place) + BOX_HEIGHT + GAP // 2 + 4
    label = SubElement(svg, "text", {"x": str(x), "y": str(y), "class": "edge-label"})
    label.text = f"{row.low}..{row.high}"


def _draw_box(svg: Element, row: NodeRow, place: int, box_width: int) -> None:
    top, middle = _top(place), MARGIN + box_width // 2
    box = {"x": MARGIN, "y": top, "width": box_width, "height": BOX_HEIGHT, "rx": 6}
    kind = "neurons" if row.neurons else "box"
    group = SubElement(svg, "g")
    SubElement(group, "title").text = ", ".join(_parameters(row))
    SubElement(group, "rect", {**{name: str(value) for name, value in box.items()}, "class": kind})
    for text, offset, style in ((row.name, 18, "name"), (_detail(row), 35, "detail")):
        at = {"x": str(middle), "y": str(top + offset), "text-anchor": "middle", "class": style}
        SubElement(group, "text", at).text = text


def _parameters(row: NodeRow) -> Iterator[str]:
    yield f"{row.name} ({row.kind})"
    for name, text in row.parameters.items():
        yield f"{name} {text}"


def _draw_legend(svg: Element, height: int) -> None:
    x, y = MARGIN, height - MARGIN + 4
    for signal, colour in COLOURS.items():
        SubElement(svg, "path", {"d": f"M {x} {y - 4} h 18", "stroke": colour})
        text = SubElement(svg, "text", {"x": str(x + 23), "y": str(y), "class": "legend"})
        text.text = signal.value
        x += 28 + round(len(signal.value) * _SMALL_CHARACTER) + 14
