"""Telling in which numbers each layer is computed, and why."""

from __future__ import annotations

from edgespike.graph import Graph, Input, Reshape
from edgespike.targets.base import Recipe
from edgespike.targets.tflite.plan import Choice, make_plan


def recipes(graph: Graph) -> list[Recipe]:
    """Give the recipe of each operation that computes, in the order in which they run."""
    return [
        Recipe(_layer(name, choice), _numbers(choice), choice.why)
        for name, choice in make_plan(graph).choices.items()
        if not isinstance(graph[name].op, Input | Reshape)
    ]


def as_markdown(graph: Graph) -> str:
    """Write the recipes as a table."""
    rows = [f"| {row.layer} | {row.numbers} | {row.why} |" for row in recipes(graph)]
    return "\n".join(("| Layer | Numbers | Why |", "|---|---|---|", *rows))


def _layer(name: str, choice: Choice) -> str:
    return name if choice.source is None else f"{choice.source.name} + {name}"


def _numbers(choice: Choice) -> str:
    form = choice.output.form.value
    several = choice.affine is not None and choice.affine.scale.size > 1
    return f"{form}, a scale for each channel" if several else form
