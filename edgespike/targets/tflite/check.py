"""What TFLite cannot compute exactly in a graph, or only in too large a file."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgespike.graph import Emits, Graph, Membrane
from edgespike.graph.tensor import FLOAT32_LIMIT
from edgespike.targets.tflite.limits import (
    REAL_INPUT_LIMIT,
    SCALES,
    UNROLLED_MEMBRANES,
    UNROLLED_STEPS,
)
from edgespike.targets.tflite.planning.plan import Plan, membrane_steps, runs_by_step
from edgespike.targets.tflite.planning.planner import make_plan
from edgespike.targets.tflite.planning.storage import Form


def violations(graph: Graph) -> list[str]:
    """List what float32 cannot hold exactly, and what is too large to unroll."""
    return violations_of(make_plan(graph))


def violations_of(plan: Plan) -> list[str]:
    """List the violations of a graph that is already planned."""
    graph = plan.graph
    return [
        *_too_many_steps(graph),
        *_too_many_membranes(graph),
        *_units(plan),
        *_beyond_float32(plan),
    ]


def _too_many_steps(graph: Graph) -> Iterator[str]:
    if graph.steps > UNROLLED_STEPS and not runs_by_step(graph):
        yield (
            f"steps is {graph.steps}; the limit is {UNROLLED_STEPS}, since every step is written "
            "into the file: use fewer steps or the cpu target"
        )


def _too_many_membranes(graph: Graph) -> Iterator[str]:
    written = membrane_steps(graph)
    ops = [op for _, op in graph.of_type(Membrane)]
    membranes = f"{len(ops)} membranes"
    if currents := sum(op.decay_syn is not None for op in ops):
        membranes += f" and {currents} synaptic currents"
    if written > UNROLLED_MEMBRANES and graph.steps <= UNROLLED_STEPS and not runs_by_step(graph):
        yield (
            f"{membranes} in {graph.steps} steps are {written:,} updates; "
            f"the limit is {UNROLLED_MEMBRANES:,}, since each is written into the file: use fewer "
            "steps, fewer layers or the cpu target"
        )


def _units(plan: Plan) -> Iterator[str]:
    """Yield which real units cannot be declared in the file, whose numbers are float32."""
    graph = plan.graph
    source, readout = graph.input, graph.readout
    scale, low, high = graph.input_op.scale, graph.input_op.low, graph.input_op.high
    least, most = SCALES
    for name, one in ((source.name, scale), *((readout.name, x) for x in graph.readout_op.scale)):
        if not least <= one <= most:
            yield (
                f"{name} has a scale of {one:g}; the file holds {least:g} to {most:g}: use another "
                "unit or the cpu target"
            )
            break
    in_float = plan.nodes[source.name].output.form is Form.FLOAT
    if in_float and np.float32(scale) != 1 and max(-low, high) > REAL_INPUT_LIMIT:
        yield (
            f"{source.name} is {low}..{high} in units of {scale:g}; in real units, float32 "
            f"tells only whole numbers up to {REAL_INPUT_LIMIT} apart: use a scale of 1, a smaller "
            "range or the cpu target"
        )


def _beyond_float32(plan: Plan) -> Iterator[str]:
    graph = plan.graph
    potentials = any(op.emits is Emits.POTENTIAL for _, op in graph.of_type(Membrane))
    for node in graph.nodes:
        if node.name in plan.nodes and plan.nodes[node.name].largest > FLOAT32_LIMIT:
            fewer = "smaller weights, fewer inputs or fewer steps"
            if isinstance(node.op, Membrane):
                fewer = (
                    "smaller weights, fewer inputs, fewer steps, fewer fraction bits or a lower "
                    "saturation"
                )
            elif potentials:
                fewer = "smaller weights, fewer inputs, fewer steps, or fewer bits of potentials"
            yield (
                f"{node.name} ({node.op.kind}) needs whole numbers up to "
                f"{plan.nodes[node.name].largest} in float32, where only those up to "
                f"{FLOAT32_LIMIT} are exact; use {fewer}, or the cpu target"
            )
