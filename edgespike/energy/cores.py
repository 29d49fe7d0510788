"""How busy the busiest core of a placement is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CoreLoad:
    """The busiest core of a placement: the time of a step follows it, not the total.

    Parameters
    ----------
    chip
        Name of the chip that the placement is for.
    cores
        Number of cores in use.
    busiest
        Name of the layer whose core is the busiest.
    synaptic_operations
        Events that arrive at synapses of the busiest core, over all samples and steps.
    mean
        The same as a mean over the cores in use.
    """

    chip: str
    cores: int
    busiest: str
    synaptic_operations: int
    mean: float
