"""Telling in which numbers each layer is computed, and why."""

from __future__ import annotations

from edgespike.graph import Add, Graph, Input, Reshape
from edgespike.targets.base import LayerNumbers
from edgespike.targets.tflite.planning.plan import Choice, make_plan


def layer_numbers(graph: Graph) -> list[LayerNumbers]:
    """Return the number type of each operation that computes, in the order in which they run."""
    return [
        LayerNumbers(_layer(graph, name, choice), _numbers(choice), choice.why)
        for name, choice in make_plan(graph).choices.items()
        if not isinstance(graph[name].op, Input | Reshape)
    ]


def as_markdown(graph: Graph) -> str:
    """Write the number types as a table."""
    rows = [f"| {row.layer} | {row.numbers} | {row.why} |" for row in layer_numbers(graph)]
    return "\n".join(("| Layer | Numbers | Why |", "|---|---|---|", *rows))


def _layer(graph: Graph, name: str, choice: Choice) -> str:
    """Name a node and all that is computed with it, in the order in which they run."""
    if choice.source is None:
        return name
    names = [choice.source.name, name]
    if len(choice.source.inputs) > 1 and not isinstance(graph[name].op, Add):
        names[1:1] = graph[name].inputs  # the addition where the sums meet
    return " + ".join(names)


def _numbers(choice: Choice) -> str:
    form = choice.output.form.value
    several = choice.affine is not None and choice.affine.scale.size > 1
    return f"{form}, a scale for each channel" if several else form
