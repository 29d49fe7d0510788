"""What a ``.net`` file holds, before anything in it has been checked but its size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

LAYER_FIELDS = (
    "type",
    "shape",
    "weight",
    "weight_rec",
    "bias",
    "delay",
    "stride",
    "padding",
    "dilation",
    "groups",
)
NEURON_FIELDS = ("type", "iDecay", "vDecay", "vThMant", "refDelay", "wgtExp")
SIMULATION_FIELDS = ("Ts", "tSample")

Field = NDArray[Any] | str
"""Numbers, or a text."""


@dataclass(frozen=True)
class StoredLayer:
    """What a file says of one layer.

    Parameters
    ----------
    path
        Of its group: ``layer/0``.
    fields
        Its data sets.
    neuron
        Those of its neurons; ``None`` if it has none.
    """

    path: str
    fields: Mapping[str, Field]
    neuron: Mapping[str, Field] | None


@dataclass
class StoredNet:
    """What a file says, and what in it cannot be read.

    Parameters
    ----------
    layers
        In their order.
    simulation
        The data sets ``Ts`` and ``tSample``, where they are present.
    violations
        Data sets that were left out, and why.
    """

    layers: list[StoredLayer] = field(default_factory=list)
    simulation: Mapping[str, Field] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
