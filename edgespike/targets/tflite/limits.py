"""What the number types and kernels of TFLite can hold, and how large a file may get.

Besides these, float32 holds whole numbers up to :data:`edgespike.graph.tensor.FLOAT32_LIMIT`.
"""

from __future__ import annotations

WEIGHT_LIMIT = 127
"""Largest magnitude of an int8 weight; TFLite does not allow -128."""

INT4_WEIGHT_LIMIT = 7
"""Largest magnitude of a 4-bit weight."""

INT2_WEIGHT_LIMIT = 1
"""Largest magnitude of a 2-bit weight."""

INT2_INPUTS = 4
"""A dense layer with 2-bit weights has a multiple of so many inputs, or LiteRT refuses it."""

INT16_LIMIT = 2**15 - 1
"""Largest magnitude of a 16-bit number, but for -32768."""

SUM_LIMIT = 2**30
"""Sums in 32 bits must stay below this: built-in kernels shift them left by one if a multiplier
exceeds one half."""

MULTIPLIER_LIMIT = 256.0
"""Multipliers must stay below this: XNNPACK refuses this one and larger ones."""

MOST_WINDOWS = 4
"""How often a layer is computed to have all of its sums in 16 bits, at most."""

MOST_LINES = (1, 2, 4)
"""On how many lines the levels of a channel may be, of those sums that are computed at once."""

CONCATENATED = 10
"""Most values that one operator puts side by side: TFLite Micro takes no more."""

FEWEST_NEAR_LEVELS = 12
"""Fewest levels for which, in float32, a line and a comparison are smaller than comparisons with
each."""

UNROLLED_STEPS = 256
"""Maximum number of steps that are unrolled: each adds operators of membranes and of the readout to
the file."""

UNROLLED_MEMBRANES = 2**13
"""Maximum of steps times membranes that are unrolled, where a synaptic current counts as another
one: each takes about 17 operators, and writing so many, and reading them again, takes a quarter of
a minute. Thresholds that are raised, and decays of more than 12 bits, take up to 18 more."""

SCALES = (2.0**-100, 2.0**100)
"""Least and largest real value of a unit: products of such scales are still within float32."""

REAL_INPUT_LIMIT = 2**20
"""Largest magnitude of a float32 input whose unit is not 1. Up to four roundings of 2**-24 in real
units then add up to less than half a unit."""
