"""How each simulator turns NIR's continuous neurons into steps, and which one wrote a file.

A file holds neither the step, nor when and how a neuron resets, nor the comparison; its simulator
does. Each entry states what that simulator computes when it reads a file, or what the modules that
it writes compute. Read in the installed packages: snntorch 1.0.0 (``import_nir.py``,
``export_nir.py``), norse 1.1.0 (``torch/utils/import_nir.py``), sinabs 3.1.3 (``nir.py``,
``layers``), spikingjelly 2.0.0 (``nir_exchange``), rockpool 3.1.0 (``nn/modules/torch/nir.py``),
lava-dl 4427934 (``nir_lava.py``), and NIR's ``paper/02_cnn/nir_to_nengo.py``.
``tests/converters/nir/test_simulators.py`` compares spikes with the first five.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from edgespike.graph import Comparison, Reset, ResetTime

HINT = "edgespike_written_for"
"""Metadata of files that edgespike writes: the simulator that they are for, and dt in seconds."""

UNBOUNDED = 2**16
"""Most spikes of a neuron that emits any number in a step; Rockpool has this limit itself."""


class Discretisation(str, Enum):
    """What a leak of time constant tau keeps in a step, and what it makes of its input."""

    EULER = "kept `1 - dt/tau`, gain `r dt/tau`"
    UNIT = "kept `exp(-dt/tau)`, gain 1"
    UNIT_EULER = "kept `1 - dt/tau`, gain 1"
    AVERAGE = "kept `exp(-dt/tau)`, gain `1 - exp(-dt/tau)`"


@dataclass(frozen=True)
class Producer:
    """A simulator, as far as a file does not say what it computes.

    Parameters
    ----------
    name
        As in the option ``producer``.
    dt
        Its default step, in seconds.
    discretisation
        Of leaks.
    per_second
        Whether neurons without a leak multiply their input by dt, too.
    reset
        Its default.
    zero_time, subtract_time
        When a reset of this kind takes effect.
    comparison, max_spikes
        As in :class:`edgespike.graph.Membrane`.
    floor
        Lower bound of a potential, in thresholds; ``None`` if there is none.
    floored
        Types of nodes that have the floor.
    recognised
        By what a file of it is recognised, as the documentation says it.
    """

    name: str
    dt: float
    discretisation: Discretisation
    per_second: bool
    reset: Reset
    zero_time: ResetTime
    subtract_time: ResetTime
    comparison: Comparison
    recognised: str
    max_spikes: int = 1
    floor: float | None = None
    floored: tuple[str, ...] = ()


_SAME, _NEXT = ResetTime.SAME_STEP, ResetTime.NEXT_STEP
_ABOVE, _AT = Comparison.GREATER, Comparison.GREATER_EQUAL
_EULER, _UNIT = Discretisation.EULER, Discretisation.UNIT

PRODUCERS: dict[str, Producer] = {
    producer.name: producer
    for producer in (
        Producer(
            "rockpool", 1e-3, _UNIT, False, Reset.SUBTRACT, _SAME, _SAME, _AT,
            "nodes named `0_LinearTorch`, or `r = tau exp(-dt/tau)/dt` for one dt of two digits",
            max_spikes=UNBOUNDED,
        ),
        Producer(
            "spikingjelly", 1e-4, _EULER, True, Reset.ZERO, _SAME, _SAME, _AT,
            "nodes named `input_1`, `_0`, `_1`",
        ),
        Producer(
            "snntorch", 1e-4, _EULER, True, Reset.ZERO, _SAME, _NEXT, _ABOVE,
            "`r dt/tau = 1` (and `w_in dt/tau_syn = 1`) at dt = 1e-4 for all neurons",
        ),
        Producer(
            "lava-dl", 1 / 4096, Discretisation.UNIT_EULER, False, Reset.ZERO, _SAME, _SAME, _ABOVE,
            "CubaLIF with `r = 1`, `w_in = tau_syn`, tau of one over a whole number",
        ),
        Producer(
            "sinabs", 1.0, _UNIT, False, Reset.SUBTRACT, _SAME, _SAME, _AT,
            "`r = 1`, no Linear, an array for each IF, and no tau below 1",
            max_spikes=UNBOUNDED, floor=-1.0, floored=("IF",),
        ),
        Producer(
            "norse", 1e-3, _EULER, False, Reset.ZERO, _SAME, _SAME, _ABOVE,
            "`r = 1`, no Linear, and tau below 1 or IF with single numbers",
        ),
        Producer(
            "nengo", 1e-3, Discretisation.AVERAGE, False, Reset.ZERO, _SAME, _SAME, _ABOVE,
            "never; it writes no files", floor=0.0, floored=("LIF",),
        ),
    )
}  # fmt: skip
"""In the order in which they are tried."""

PLAIN = Producer(
    "nir", 1e-4, _EULER, True, Reset.ZERO, _SAME, _SAME, _ABOVE, "never; used if dt and reset are "
    "given and no simulator is recognised",
)  # fmt: skip
"""NIR's own equations, with Euler's method."""
