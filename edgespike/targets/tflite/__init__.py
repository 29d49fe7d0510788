"""The TFLite target: exact ``.tflite`` files for PCs, Raspberry Pis and microcontrollers.

The model takes samples with channels last, ``(batch, height, width, channels)`` or
``(batch, features)``; for graphs of several steps ``(batch, steps, ...)``, all steps at once. It
is stored for a batch of one and may be resized. What the file declares is true: samples are in real
units, as int8 with the scale and zero point of the graph's input if its range fits, else in
float32, where they are rounded to the nearest unit. The first output, ``logits`` in the model's
signature, is the logits after the last step, ``(batch, classes)``. If all classes have one scale
and int16 holds the readout's accumulators, the stored integers are these; else logits are float32,
and a second output, ``accumulators``, holds the whole numbers that they are computed from.

The model of a recurrent graph, one with delays, computes one step. Besides the sample's step it
takes its states as further inputs, and returns their values after the step as further outputs: the
output of each delay, potentials, synaptic currents and late spikes of membranes, and what a readout
sums up, or its largest so far. The caller fills them with their initial values at the start of a
sample and carries them from step to step, as the runners in the bundles do. Up to 256 steps,
``model_unrolled.tflite`` is written as well, which takes all steps of a sample at once and returns
the readout after the last.

``model_int4.tflite`` computes the same results with 4 bits a weight where they fit: in int8 layers
of single-step spikes with weights of -7..7, and of levels where so small a factor is proven. All
runtimes compute it exactly. However, LiteRT does so without XNNPACK, several times slower, and
TFLite Micro unpacks the largest layer's weights into its arena: use this file only where its size
counts most. The readout keeps 8 bits: with int16 activations, tflite-runtime 2.14 computes int4
weights wrongly, and TFLite Micro refuses them.

``model_int2.tflite`` has 2 bits for weights of -1..1 in dense int8 layers of single spikes with a
multiple of 4 inputs, and 4 bits where these fit elsewhere. LiteRT 2.3 computes it exactly, and
``verify`` runs it there; tflite-runtime and TFLite Micro refuse it: they run the other files.

The model for microcontrollers has 16-bit activations in place of float32 where that is proven, see
:mod:`edgespike.targets.tflite.planning.sixteen`. It widens int8 to int16 by QUANTIZE with equal
scales, which NPUs run; the others, before the readout, by CAST, since tflite-runtime refuses that
QUANTIZE.
"""

from __future__ import annotations

from edgespike.graph import Graph
from edgespike.targets.base import LayerNumbers, Target
from edgespike.targets.tflite.check import violations
from edgespike.targets.tflite.planning.numbers import layer_numbers
from edgespike.targets.tflite.planning.planner import make_plan
from edgespike.targets.tflite.running.runtimes import RUNTIMES
from edgespike.targets.tflite.write import write

__all__ = ["TARGET"]


def _numbers(graph: Graph) -> list[LayerNumbers]:
    return layer_numbers(make_plan(graph))


def _remarks(_: Graph) -> list[str]:
    return [
        "these are the numbers on the Raspberry Pi; microcontroller/README.md lists those of the "
        "microcontroller's model, and each folder's README says how to run it"
    ]


TARGET = Target(
    name="tflite",
    violations=violations,
    write=write,
    write_with_samples=write,
    runtimes=RUNTIMES,
    numbers=_numbers,
    remarks=_remarks,
)
