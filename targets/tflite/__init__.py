"""The TFLite target: one exact ``.tflite`` file for PCs, Raspberry Pis and microcontrollers.

The model takes samples with channels last, ``(batch, height, width, channels)`` or
``(batch, features)``; for graphs of several steps ``(batch, steps, ...)``, all steps at once. It
is stored for a batch of one and may be resized. Values are int8 with the zero point that the file
names where the input's range fits, else float32. It gives the readout's accumulators after the
last step, ``(batch, classes)``: int16 or float32, always whole numbers.
"""

from __future__ import annotations

from edgespike.targets.tflite.runtimes import REFERENCE_TARGET, RUNTIME_TARGET, TARGET

__all__ = ["REFERENCE_TARGET", "RUNTIME_TARGET", "TARGET"]
