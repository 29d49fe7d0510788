"""Report which number type each layer is computed in, and why."""

from __future__ import annotations

from edgespike.graph import Add, Input, Reshape
from edgespike.targets.base import LayerNumbers, without_repeats
from edgespike.targets.tflite.planning.plan import NodePlan, Plan


def layer_numbers(plan: Plan) -> list[LayerNumbers]:
    """Return the number type of each operation that computes, in the order in which they run."""
    return [
        LayerNumbers(_layer(plan, name, node), _numbers(node), node.why)
        for name, node in plan.nodes.items()
        if not isinstance(plan.graph[name].op, Input | Reshape)
    ]


def as_markdown(plan: Plan) -> str:
    """Write the number types as a table."""
    rows = [
        f"| {row.layer} | {row.numbers} | {row.why} |"
        for row in without_repeats(layer_numbers(plan))
    ]
    return "\n".join(("| Layer | Numbers | Why |", "|---|---|---|", *rows))


def _layer(plan: Plan, name: str, node: NodePlan) -> str:
    """Name a node and all that is computed with it, in the order in which they run."""
    if node.source is None or node.source.name in node.source.inputs:
        return name
    names = [node.source.name, name]
    if len(node.source.inputs) > 1 and not isinstance(plan.graph[name].op, Add):
        names[1:1] = plan.graph[name].inputs  # the addition where the sums meet
    return " + ".join(names)


def _numbers(node: NodePlan) -> str:
    form = node.output.form.value
    several = node.affine is not None and node.affine.scale.size > 1
    return f"{form}, a scale for each channel" if several else form
