"""The simulators that files are written for, and what they read.

A simulator reads a file with its own step, reset and comparison, see
:data:`edgespike.converters.nir.producers.PRODUCERS`.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgespike.converters.nir.producers import PLAIN, PRODUCERS, Producer

NEWEST, OLDER = "1.0.8", "1.0.4"


@dataclass(frozen=True)
class Receiver:
    """What a simulator does with a file.

    Parameters
    ----------
    producer
        Its steps.
    nodes
        Types of nodes that it reads, of those that are written.
    one_threshold
        Whether all neurons of a layer must share a threshold.
    uniform
        Whether they must share every parameter.
    takes_leak_bias
        Whether it takes a v_leak.
    loops
        Whether it reads loops.
    version
        Of nir, whose layout is written. Until 1.0.5 a node had no v_reset, and a reset was by
        subtraction.
    bits
        Of a potential that it tells apart for certain: less than the 24 of float32.
    """

    producer: Producer
    nodes: frozenset[str]
    one_threshold: bool = False
    uniform: bool = False
    takes_leak_bias: bool = False
    loops: bool = False
    version: str = NEWEST
    bits: int = 20


_ALL = frozenset(
    ("Affine", "Conv2d", "Flatten", "SumPool2d", "Delay", "Threshold",
     "LIF", "IF", "CubaLIF", "LI", "I", "CubaLI")
)  # fmt: skip
_LAYERS = frozenset(("Affine", "Conv2d", "Flatten"))

RECEIVERS: dict[str, Receiver] = {
    "nir": Receiver(PLAIN, _ALL, takes_leak_bias=True, loops=True, bits=48),
    "snntorch": Receiver(
        PRODUCERS["snntorch"], _LAYERS | {"LIF", "CubaLIF"}, one_threshold=True
    ),
    # Its Flatten counts the batch, and its CubaLIF is two cells.
    "norse": Receiver(PRODUCERS["norse"], frozenset(("Affine", "Conv2d", "LIF", "IF", "CubaLIF"))),
    "sinabs": Receiver(PRODUCERS["sinabs"], _LAYERS | {"IF", "SumPool2d"}, version=OLDER),
    "spikingjelly": Receiver(
        PRODUCERS["spikingjelly"], _LAYERS | {"LIF", "IF", "CubaLIF"}, one_threshold=True,
        uniform=True,
    ),
}  # fmt: skip
"""By the name that the user gives."""
