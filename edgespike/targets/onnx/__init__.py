"""The ONNX target: one exact model of whole numbers, ``model.onnx``, which ONNX Runtime runs.

It uses standard operators of opset 17 only. The model takes samples with channels first,
``(batch, *shape)``, or ``(batch, steps, *shape)`` of a graph with several steps, all steps at once:
its ``Scan`` computes one step after the other and carries delays, potentials and the answer. So the
file has no states that a caller must carry, however many steps there are. The batch has any size.

``input`` holds the whole numbers of the graph's input, not zero points or real units, in the
smallest of uint8, int8, int32 and int64. ``accumulators``, in int32 or int64, are the answer in
whole numbers, ``(batch, classes)``; ``logits`` are these times the scale of each class, in float64,
as edgespike computes them. Integers are all that is computed until then, but ``QLinearConv``, which
computes a convolution and its thresholds at once, takes its scales as float32:

- Where each channel has one threshold, all scales are 1, and sums are below 2**24: whole numbers
  stay whole.
- Where channels have several, one multiplier for each channel turns sums into levels, if for every
  threshold both of its sides are proven to be rounded right, whichever way float32 rounds.
- Else sums are whole, by ``MatMulInteger`` or ``ConvInteger``, and thresholds are compared, looked
  up in a table, or searched.

Activations are uint8, since ONNX Runtime's kernels for int8 are 15 times slower. Weights are int8,
or uint8 with a zero point of 128 where products of pairs could saturate on x86 processors without
VNNI, see :data:`edgespike.targets.onnx.limits.PAIR_LIMIT`. Inputs and weights of more than 8 bits
are multiplied digit by digit.

``model_qonnx.onnx`` is the same graph in float32 with quantisers, see
:mod:`edgespike.targets.onnx.qonnx_form`, where that is exact.
"""

from __future__ import annotations

from edgespike.targets.base import Runtime, Target
from edgespike.targets.onnx.check import violations
from edgespike.targets.onnx.numbers import layer_numbers
from edgespike.targets.onnx.run import prepare, version
from edgespike.targets.onnx.write import remarks, write

__all__ = ["TARGET"]

TARGET = Target(
    name="onnx",
    violations=violations,
    write=write,
    write_with_samples=write,
    runtimes=(
        Runtime(
            name="onnx",
            summary="an integer ONNX model on ONNX Runtime's kernels for processors",
            version=version,
            prepare=prepare,
        ),
    ),
    numbers=layer_numbers,
    remarks=remarks,
)
