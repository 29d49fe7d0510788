"""Which models are written for a graph: what is exported is also what runs and is compared."""

from __future__ import annotations

from edgespike.graph import Graph
from edgespike.targets.tflite.lower import Lowered, lower, lower_unrolled
from edgespike.targets.tflite.planning.plan import unrolls


def exported(graph: Graph) -> dict[str, Lowered]:
    """Return the models by the names of their files, without the suffix ``.tflite``.

    ``model`` is always there, ``model_int4`` where 4 bits a weight make a smaller file, and
    ``model_unrolled`` for a recurrent graph of few steps. The graph must have no
    :func:`edgespike.targets.tflite.check.violations`.
    """
    models = {"model": lower(graph)}
    in_int4 = lower(graph, four_bits=True)
    if len(in_int4.content) < len(models["model"].content):
        models["model_int4"] = in_int4
    if unrolls(graph):
        models["model_unrolled"] = lower_unrolled(graph)
    return models
