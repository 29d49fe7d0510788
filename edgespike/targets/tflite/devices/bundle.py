"""What the bundles have in common: templates, and a graph's description."""

from __future__ import annotations

from importlib import resources
from string import Template

from edgespike.targets.tflite.planning.numbers import as_markdown
from edgespike.targets.tflite.planning.plan import Plan


def fill_template(template: str, /, **values: object) -> str:
    """Fill in a template of this package; every placeholder must have a value."""
    text = resources.files(__package__).joinpath("templates", f"{template}.txt").read_text("utf-8")
    return Template(text).substitute(values)


def described(plan: Plan) -> dict[str, object]:
    """Return what every README says about a graph."""
    graph, source = plan.graph, plan.graph.input_op
    return {
        "name": graph.name,
        "hash": graph.hash,
        "low": source.low,
        "high": source.high,
        "scale": f"{source.scale:g}",
        "real_low": f"{source.low * source.scale:g}",
        "real_high": f"{source.high * source.scale:g}",
        "layers": as_markdown(plan),
    }
