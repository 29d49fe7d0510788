"""What the bundles have in common: templates, and a graph's description."""

from __future__ import annotations

from functools import partial

from edgespike.targets.shared import templates
from edgespike.targets.tflite.planning.numbers import as_markdown
from edgespike.targets.tflite.planning.plan import Plan

_PACKAGE = "edgespike.targets.tflite.devices"

template = partial(templates.template, _PACKAGE)
fill = partial(templates.fill, _PACKAGE)


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
