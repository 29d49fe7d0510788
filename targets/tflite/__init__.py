"""The TFLite target: one exact ``.tflite`` file for PCs, Raspberry Pis and microcontrollers."""

from __future__ import annotations

from edgespike.targets.tflite.runtimes import REFERENCE_TARGET, RUNTIME_TARGET, TARGET

__all__ = ["REFERENCE_TARGET", "RUNTIME_TARGET", "TARGET"]
