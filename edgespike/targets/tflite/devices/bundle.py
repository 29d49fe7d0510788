"""What the bundles share: templates, and a graph's description."""

from __future__ import annotations

from importlib import resources
from string import Template

from edgespike.graph import Graph
from edgespike.targets.tflite.planning.recipes import as_markdown


def fill_template(template: str, /, **values: object) -> str:
    """Fill in a template of this package; every placeholder needs its value."""
    text = resources.files(__package__).joinpath("templates", f"{template}.txt").read_text("utf-8")
    return Template(text).substitute(values)


def described(graph: Graph) -> dict[str, object]:
    """Return what every README says of a graph."""
    source = graph.input_op
    return {
        "name": graph.name,
        "hash": graph.hash,
        "low": source.low,
        "high": source.high,
        "scale": f"{source.scale:g}",
        "layers": as_markdown(graph),
    }
