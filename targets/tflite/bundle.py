"""What the bundles share: templates, a graph's description, its ends."""

from __future__ import annotations

from importlib import resources
from string import Template

from edgespike.graph import Graph, Input, Readout


def fill_template(template: str, /, **values: object) -> str:
    """Fill in a template of this package; every placeholder needs its value."""
    text = resources.files(__package__).joinpath("templates", f"{template}.txt").read_text("utf-8")
    return Template(text).substitute(values)


def described(graph: Graph) -> dict[str, object]:
    """Give what every README says of a graph."""
    source, _ = network_ends(graph)
    return {
        "name": graph.name,
        "hash": graph.hash,
        "low": source.low,
        "high": source.high,
        "scale": f"{source.scale:g}",
    }


def network_ends(graph: Graph) -> tuple[Input, Readout]:
    """Give a graph's input and readout."""
    source, readout = graph.input.op, graph.readout.op
    if not isinstance(source, Input) or not isinstance(readout, Readout):  # the graph's own check
        raise TypeError(graph.name)
    return source, readout
