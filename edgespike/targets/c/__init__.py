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

from collections.abc import Mapping
from functools import partial

from edgespike.targets.base import Runtime, Target
from edgespike.targets.c.check import violations
from edgespike.targets.c.instructions import instructions
from edgespike.targets.c.layers import Kernel
from edgespike.targets.c.numbers import layer_numbers
from edgespike.targets.c.run import prepare, version
from edgespike.targets.c.write import remarks, write

__all__ = ["TARGET"]


def _target(kernels: Mapping[str, str]) -> Target:
    """Return the target with kernels of some layers, by their names in upper or lower case."""
    named = {layer: name.upper() for layer, name in kernels.items()}
    forced = {layer: Kernel[name] for layer, name in named.items() if name in Kernel.__members__}
    return Target(
        name="c",
        violations=partial(violations, named=named),
        write=partial(write, forced=forced),
        write_with_samples=partial(write, forced=forced),
        runtimes=(
            Runtime(
                name="c",
                summary="C99 for microcontrollers, compiled for this computer",
                version=version,
                prepare=partial(prepare, forced=forced),
            ),
        ),
        numbers=partial(layer_numbers, forced=forced),
        instructions=partial(instructions, forced=forced),
        remarks=remarks,
        with_kernels=_target,
    )


TARGET = _target({})
