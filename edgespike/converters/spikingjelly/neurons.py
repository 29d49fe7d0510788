"""SpikingJelly's neurons as neurons in real numbers; read in the source of spikingjelly 2.0.0.

All charge, fire where ``v >= v_threshold``, and are reset at once: to ``v_reset``, or by
subtraction of the threshold where that is ``None``. ``v`` begins at ``v_reset``, which leaky
neurons leak to; so ``v - v_reset`` begins at zero, leaks to zero and is reset to zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from edgespike.converters.spiking.layers import reals
from edgespike.converters.spiking.simulator import Neurons, RefusedError
from edgespike.floats.net import FloatNeurons
from edgespike.graph import Comparison, Reset, ResetTime
from edgespike.simulator_neurons import SPIKINGJELLY

STATES: Mapping[str, tuple[str, ...]] = {
    "IFNode": ("v",),
    "LIFNode": ("v",),
    "ParametricLIFNode": ("v",),
    "CUBALIFNode": ("c", "v"),
}
"""The classes that are supported, and their states."""


def state_names(neuron: Any) -> tuple[str, ...]:
    """Return the names of a neuron layer's states; none if it is not supported."""
    return STATES.get(type(neuron).__qualname__, ()) if _is_own(neuron) else ()


def clear(neuron: Any) -> None:
    """Set a neuron layer's states to where a sample starts."""
    if _is_own(neuron):
        neuron.reset()


def check(neuron: Any) -> None:
    """Raise :class:`RefusedError`, which lists what of a neuron layer has no exact form."""
    if not _is_own(neuron) or type(neuron).__qualname__ not in STATES:
        raise RefusedError(f"is a {type(neuron).__qualname__}; use one of {', '.join(STATES)}")
    if faults := [*_faults(neuron)]:
        raise RefusedError(*faults)


def read(neuron: Any, shape: tuple[int, ...]) -> Neurons:
    """Read a neuron layer of SpikingJelly, for an input of a shape without samples.

    Raises
    ------
    RefusedError
        Lists what has no exact form.
    """
    check(neuron)
    rest = neuron.v_reset or 0.0
    kept, gain, alpha = _leak(neuron)

    def each(value: float | None) -> Any:
        return None if value is None else np.full(shape[0], float(value))

    op = FloatNeurons(
        threshold=np.full(shape[0], neuron.v_threshold - rest),
        beta=np.full(shape[0], kept),
        alpha=each(alpha),
        gain=each(gain),
        reset=Reset.SUBTRACT if neuron.v_reset is None else Reset.ZERO,
        reset_time=ResetTime.SAME_STEP,
        comparison=Comparison.GREATER_EQUAL,
    )
    return Neurons(op, keeps_compared=False)


def _is_own(neuron: Any) -> bool:
    return f"{type(neuron).__module__}.".startswith(f"{SPIKINGJELLY}.")


def _leak(neuron: Any) -> tuple[float, float | None, float | None]:
    """Return what is kept of the potential, the gain, and what is kept of the current."""
    match type(neuron).__qualname__:
        case "LIFNode":
            rate = 1 / neuron.tau
        case "ParametricLIFNode":
            rate = float(reals(neuron.w.sigmoid()))
        case "CUBALIFNode":
            return neuron.v_decay, None, neuron.c_decay
        case _:
            return 1.0, None, None
    return 1 - rate, rate if neuron.decay_input else None, None


def _faults(neuron: Any) -> Iterator[str]:
    rest = neuron.v_reset or 0.0
    if not neuron.v_threshold > rest:
        yield (
            f"has v_threshold {neuron.v_threshold:g} and v_reset {rest:g}; the threshold must be "
            "larger"
        )
    if rest and type(neuron).__qualname__ == "CUBALIFNode":
        yield f"has v_reset {rest:g}, but leaks to zero; use v_reset=0.0"
    for name in ("v_decay", "c_decay"):
        if not 0 <= getattr(neuron, name, 0) <= 1:
            yield f"has {name} {getattr(neuron, name):g}; it must be 0..1"
    if not _is_step(neuron):
        yield (
            "has a surrogate_function that does not give 1 from zero and 0 below; use one of "
            "surrogate with spiking=True"
        )


def _is_step(neuron: Any) -> bool:
    """Return whether a surrogate fires exactly from zero on, seen on numbers around it."""
    import torch

    tiny = torch.finfo(torch.float32).tiny
    probe = torch.tensor([-1e30, -1.0, -1e-6, -tiny, 0.0, tiny, 1e-6, 0.5, 1.0, 1e30])
    with torch.no_grad():
        fired = neuron.surrogate_function(probe)
    return bool((fired == (probe >= 0)).all())
