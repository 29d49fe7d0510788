"""Which models are written for a graph: what is exported is also what runs and is compared."""

from __future__ import annotations

from dataclasses import replace

from edgespike.targets.tflite.lower import Lowered, lower, lower_unrolled
from edgespike.targets.tflite.planning.plan import Plan, unrolls
from edgespike.targets.tflite.planning.planner import make_plan

PI_MODEL = "raspberry-pi/model.tflite"
MICRO_MODEL = "microcontroller/model.tflite"
INT4_MODEL = "raspberry-pi/model_int4.tflite"
UNROLLED_MODEL = "raspberry-pi/model_unrolled.tflite"


def exported(plan: Plan) -> dict[str, Lowered]:
    """Return the models by the places of their files.

    :data:`PI_MODEL` and :data:`MICRO_MODEL` are always there, and the same unless int8 is widened
    to int16: NPUs have no CAST, and tflite-runtime has no such QUANTIZE. :data:`INT4_MODEL` is
    there if 4 bits a weight make a smaller file, and :data:`UNROLLED_MODEL` for a recurrent graph
    of few steps.

    Parameters
    ----------
    plan
        With 8 bits a weight, of a graph without
        :func:`edgespike.targets.tflite.check.violations`.
    """
    model = micro = lower(plan)
    if "CAST" in model.operators:
        micro = lower(replace(plan, requantises=True))
    models = {PI_MODEL: model, MICRO_MODEL: micro}
    in_int4 = lower(make_plan(plan.graph, four_bits=True))
    if len(in_int4.content) < len(model.content):
        models[INT4_MODEL] = in_int4
    if unrolls(plan.graph):
        models[UNROLLED_MODEL] = lower_unrolled(plan)
    return models
