"""The neurons of a ``.net`` file's layers, as netx sets up Lava's LIF (``netx/hdf5.py``).

lava-nc 0.10.0 (``proc/lif/models.py``) computes with ``du = iDecay - 1``, ``dv = vDecay`` and
``vth = vThMant``, in 1/64 of the accumulator's unit::

    u = D(u, du + 1) + (input << 6)            wraps around beyond 2**23
    v = D(v, dv) + u + (bias << 6)             saturates at 2**23 - 1
    a spike where v > vth << 6, and v = 0

A refractory delay is read nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgespike.converters.lava_dl.fields import Fields
from edgespike.converters.lava_dl.stored import StoredLayer
from edgespike.errors import shown

DECAY_ONE = 4096
"""The decay that forgets everything in one step."""

NEVER_FIRES = 2**17
"""The least ``vThMant`` that no potential exceeds: these saturate at 2**23 - 1, in 1/64."""


@dataclass(frozen=True)
class LayerNeurons:
    """What one layer's neurons share; the names are the file's.

    Parameters
    ----------
    iDecay, vDecay
        What the current and the potential forget at each step, in 1/4096.
    vThMant
        The threshold, which a potential must exceed.
    """

    iDecay: int  # noqa: N815
    vDecay: int  # noqa: N815
    vThMant: int  # noqa: N815

    @property
    def has_current(self) -> bool:
        """Whether a current outlasts a step."""
        return self.iDecay < DECAY_ONE

    @property
    def is_answer(self) -> bool:
        """Whether the threshold is the largest, so that the potential is meant to be read."""
        return self.vThMant >= NEVER_FIRES - 1


DEFAULT_NEURONS = LayerNeurons(iDecay=0, vDecay=DECAY_ONE, vThMant=NEVER_FIRES)
"""What netx gives a dense layer without neurons: the current, which forgets nothing, is the
potential."""

NEURONS = ("CUBA", "LOIHI")
"""Types of neurons that are Lava's LIF."""

REFUSED_NEURONS = {
    "SDNN": "are sigma-delta neurons, whose messages are differences; use CUBA neurons",
    "RF": "are resonate-and-fire neurons; use CUBA neurons",
    "RF_PHASE": "are resonate-and-fire neurons; use CUBA neurons",
}


def neurons_of(stored: StoredLayer, violations: list[str]) -> LayerNeurons | None:
    """Return a layer's neurons; ``None`` if they are missing or refused."""
    path = f"{stored.path}/neuron"
    if stored.neuron is None:
        violations.append(f"{path} is missing; write the file with lava-dl's export_hdf5")
        return None
    fields = Fields(path, stored.neuron, violations)
    kind = stored.neuron.get("type", "")
    if kind not in NEURONS:
        reason = REFUSED_NEURONS.get(
            str(kind), f"have type {shown(kind)}, which netx does not know"
        )
        violations.append(f"{path} {reason}; there are {', '.join(NEURONS)}")
        return None
    current = fields.integer("iDecay", 0, DECAY_ONE)
    potential = fields.integer("vDecay", 0, DECAY_ONE)
    threshold = fields.integer("vThMant", 0, NEVER_FIRES)
    _check_left_out(fields)
    if current is None or potential is None or threshold is None:
        return None
    return LayerNeurons(current, potential, threshold)


def _check_left_out(fields: Fields) -> None:
    """Refuse what netx does not read, unless it says what netx does anyway."""
    for name, only, why in (
        ("refDelay", 1, "a refractory time, which Lava's LIF does not have"),
        ("wgtExp", 0, "an exponent of the weights, which netx does not read"),
    ):
        value = fields.integer(name, -(2**31), 2**31, only)
        if value is not None and value != only:
            fields.refuse(f"/{name} is {value}, {why}; it must be {only}")
