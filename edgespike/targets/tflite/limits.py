"""What the numbers and kernels of TFLite can hold, and how large a file may get, each once.

Beside them, float32 holds whole numbers up to :data:`edgespike.graph.tensor.FLOAT32_LIMIT`.
"""

from __future__ import annotations

WEIGHT_LIMIT = 127
"""Largest magnitude of an int8 weight; TFLite leaves out -128."""

INT4_WEIGHT_LIMIT = 7
"""Largest magnitude of a weight of 4 bits."""

INT16_LIMIT = 2**15 - 1
"""Largest magnitude of a readout in 16 bits."""

SUM_LIMIT = 2**30
"""What sums in 32 bits must stay below: built-in kernels shift them left by one where a multiplier
exceeds one half."""

MULTIPLIER_LIMIT = 256.0
"""What multipliers must stay below: XNNPACK refuses them from here on."""

UNROLLED_STEPS = 256
"""Most steps that are unrolled: each adds operators of membranes and of the readout to the file."""
