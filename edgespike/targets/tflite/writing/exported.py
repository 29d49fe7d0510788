"""Which models are written for a graph: what is exported is also what runs and is compared."""

from __future__ import annotations

from edgespike.targets.tflite.lower import Lowered, lower, lower_unrolled
from edgespike.targets.tflite.planning.plan import Plan, unrolls
from edgespike.targets.tflite.planning.planner import make_plan


def exported(plan: Plan) -> dict[str, Lowered]:
    """Return the models by the names of their files, without the suffix ``.tflite``.

    ``model`` is always there, ``model_int4`` if 4 bits a weight make a smaller file, and
    ``model_unrolled`` for a recurrent graph of few steps.

    Parameters
    ----------
    plan
        With 8 bits a weight, of a graph without
        :func:`edgespike.targets.tflite.check.violations`.
    """
    models = {"model": lower(plan)}
    in_int4 = lower(make_plan(plan.graph, four_bits=True))
    if len(in_int4.content) < len(models["model"].content):
        models["model_int4"] = in_int4
    if unrolls(plan.graph):
        models["model_unrolled"] = lower_unrolled(plan)
    return models
