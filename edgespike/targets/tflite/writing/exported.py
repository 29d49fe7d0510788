"""Which models are written for a graph: what is exported is also what runs and is compared."""

from __future__ import annotations

from dataclasses import replace

from edgespike.targets.tflite.lower import Lowered, lower, lower_unrolled
from edgespike.targets.tflite.planning.plan import NodePlan, Plan, unrolls
from edgespike.targets.tflite.planning.planner import make_plan
from edgespike.targets.tflite.planning.storage import Form
from edgespike.targets.tflite.writing.weighted import fits_2_bits

PI_MODEL = "raspberry-pi/model.tflite"
MICRO_MODEL = "microcontroller/model.tflite"
INT4_MODEL = "raspberry-pi/model_int4.tflite"
INT2_MODEL = "raspberry-pi/model_int2.tflite"
UNROLLED_MODEL = "raspberry-pi/model_unrolled.tflite"

LITERT_ONLY = (MICRO_MODEL, INT2_MODEL)
"""What tflite-runtime refuses: that QUANTIZE, and weights of 2 bits."""


def for_micro(plan: Plan) -> Plan:
    """Return the plan of :data:`MICRO_MODEL`."""
    return make_plan(plan.graph, sixteen=True)


def exported(plan: Plan, micro: Plan) -> dict[str, Lowered]:
    """Return the models by the places of their files.

    :data:`PI_MODEL` and :data:`MICRO_MODEL` are always there, and the same unless that has 16 bits
    instead of float32, or widens int8 to them: NPUs have no CAST, and tflite-runtime has no such
    QUANTIZE. :data:`INT4_MODEL` is there if 4 bits a weight make a smaller file,
    :data:`INT2_MODEL` if 2 bits hold the weights of a dense layer, and :data:`UNROLLED_MODEL` for a
    recurrent graph of few steps.

    Parameters
    ----------
    plan
        With 8 bits a weight, of a graph without
        :func:`edgespike.targets.tflite.check.violations`.
    micro
        That of :data:`MICRO_MODEL`, as :func:`for_micro` returns it.
    """
    model = lower(plan)
    other = lower(micro)
    models = {PI_MODEL: model, MICRO_MODEL: model if other.content == model.content else other}
    in_4_bits = make_plan(plan.graph, 4)
    packed = lower(in_4_bits)
    if len(packed.content) < len(model.content):
        models[INT4_MODEL] = packed
    if any(_fits_2_bits(node) for node in in_4_bits.nodes.values()):
        models[INT2_MODEL] = lower(replace(in_4_bits, weight_bits=2))
    if unrolls(plan.graph):
        models[UNROLLED_MODEL] = lower_unrolled(plan)
    return models


def _fits_2_bits(node: NodePlan) -> bool:
    """Return whether a node is a dense operator in int8 whose weights 2 bits hold."""
    affine = node.affine
    if affine is None or node.entering.form is not Form.INT8:
        return False
    return affine.scale.size == 1 and fits_2_bits(affine.weight)
