"""The C target: one network as portable C99 that does only the work that its events ask for.

A graph becomes ``NAME.h`` and ``NAME.c``: no runtime, no allocation, nothing of the C library but
``memset``, all memory in one structure that the caller owns, and all names with the network's as
prefix, so that several networks can be linked into one program. Samples have channels last.

Each weighted layer is computed by the fastest of :class:`edgespike.targets.c.layers.Kernel` that
is exact. Values of few levels are kept as bits. Where a layer reads them, the events of each row
are listed, highest level first, and for each output position the rows of weights that its window's
events lead to are added, 16 outputs at a time. Weights have 8, 4 or 2 bits. A word holds two sums,
a lower one plus 65536 times an upper one, modulo ``2**32``: if the graph proves that both fit 16
bits, they can be told apart, whatever overflowed on the way.
"""

from __future__ import annotations

from edgespike.targets.base import Runtime, Target
from edgespike.targets.c.check import violations
from edgespike.targets.c.instructions import instructions
from edgespike.targets.c.numbers import layer_numbers
from edgespike.targets.c.run import prepare, version
from edgespike.targets.c.write import remarks, write

__all__ = ["TARGET"]

TARGET = Target(
    name="c",
    violations=violations,
    write=write,
    write_with_samples=write,
    runtimes=(
        Runtime(
            name="c",
            summary="C99 for microcontrollers, compiled for this computer",
            version=version,
            prepare=prepare,
        ),
    ),
    numbers=layer_numbers,
    instructions=instructions,
    remarks=remarks,
)
