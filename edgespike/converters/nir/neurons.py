"""NIR's neurons as the steps that a simulator takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgespike.converters.nir.dialect import Dialect
from edgespike.converters.nir.producers import Discretisation
from edgespike.converters.nir.schema import INTEGRATORS, NirNode
from edgespike.floats.net import FloatNeurons, Reals
from edgespike.graph import Comparison, Reset, ResetTime

_BITS = 24
"""Most bits that a number is looked for in; those of float32."""

_EPS = {True: 2.0**-21, False: 2.0**-49}
"""Relative rounding of what a file holds, by whether it is float32: a few operations' worth."""

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Steps:
    """What a neuron keeps in a step and what it makes of its input, an array each."""

    beta: Reals
    gain: Reals
    alpha: Reals | None = None


def neurons_of(
    node: NirNode, shape: Shape, dialect: Dialect, faults: list[str]
) -> FloatNeurons | None:
    """Return the neurons of a node of spiking or integrating type; note what is wrong.

    Parameters
    ----------
    shape
        Of the value.
    """
    values = _spread(node, shape, faults)
    if values is None:
        return None
    fire = node.kind not in INTEGRATORS
    found: list[str] = []
    steps = _steps(node, values, dialect, found)
    leak, at = values["v_leak"], values["v_reset"] if fire else np.zeros(shape)
    reset = dialect.reset if fire else Reset.NONE
    found += _wrong_reset(dialect, reset, leak, at)
    start = at if reset is Reset.ZERO else np.zeros(shape)
    threshold = values["v_threshold"] - start if fire else np.ones(shape)
    if (threshold <= 0).any():
        found.append(
            f"has v_threshold {_brief(values['v_threshold'])} for v_reset {_brief(start)}; a "
            "threshold must lie above the reset"
        )
    if found:
        faults += [f"{node.path} ({node.kind}) {fault}" for fault in found]
        return None
    bias = (leak - start) * (1 - steps.beta)
    producer = dialect.producer
    floored = fire and producer.floor is not None and node.kind in producer.floored
    floor = producer.floor * threshold if floored and producer.floor is not None else None
    return FloatNeurons(
        threshold=_channels(threshold),
        beta=_channels(steps.beta),
        alpha=None if steps.alpha is None else _channels(steps.alpha),
        gain=None if (steps.gain == 1).all() else _channels(steps.gain),
        bias=_channels(bias) if bias.any() else None,
        floor=None if floor is None else _channels(floor),
        reset=reset,
        reset_time=dialect.reset_time if fire else ResetTime.SAME_STEP,
        comparison=producer.comparison,
        max_spikes=producer.max_spikes if fire and reset is not Reset.NONE else 1,
        emits_potential=not fire,
    )


def threshold_of(node: NirNode, shape: Shape, faults: list[str]) -> FloatNeurons | None:
    """Return neurons that fire where the input of a step is above a threshold."""
    values = _spread(node, shape, faults)
    if values is None:
        return None
    threshold = values["threshold"]
    bias = np.where(threshold > 0, 0.0, 1.0 - threshold)  # a membrane's threshold is positive
    return FloatNeurons(
        threshold=_channels(threshold + bias),
        beta=np.zeros(shape[0]),
        bias=_channels(bias) if bias.any() else None,
        reset=Reset.NONE,
        comparison=Comparison.GREATER,
    )


def spread(values: Reals, shape: Shape) -> Reals | None:
    """Return one number or an array of a node for each element of a value; ``None`` if it fails."""
    if values.size == 1:
        return np.full(shape, values.flat[0])
    if values.size == int(np.prod(shape)):
        return values.reshape(shape)
    try:
        return np.array(np.broadcast_to(values, shape))
    except ValueError:
        return None


def _spread(node: NirNode, shape: Shape, faults: list[str]) -> dict[str, Reals] | None:
    zeros = np.zeros(())
    given = {"v_leak": zeros, "v_reset": zeros, "w_in": np.ones(()), **node.arrays}
    values: dict[str, Reals] = {}
    for name, array in given.items():
        found = spread(array, shape)
        if found is None:
            faults.append(
                f"{node.path}.{name} has shape {array.shape}, but {node.path} gets {shape}; it "
                "must be one number or one for each neuron"
            )
        else:
            values[name] = found
    return values if len(values) == len(given) else None


def _wrong_reset(dialect: Dialect, reset: Reset, leak: Reals, at: Reals) -> list[str]:
    found = []
    if reset is Reset.SUBTRACT and at.any():
        found.append(
            f"has v_reset {_brief(at)}, which a reset by subtraction does not use; give reset "
            "zero, or set v_reset to 0"
        )
    if dialect.producer.name == "norse" and (leak != at).any():
        found.append(
            f"has v_leak {_brief(leak)} and v_reset {_brief(at)}: norse starts at v_leak, which is "
            "not converted; make them equal, or read the file without producer norse, so that a "
            "sample starts at v_reset"
        )
    if dialect.producer.name == "sinabs" and leak.any():
        found.append(f"has v_leak {_brief(leak)}; sinabs has none, so name the right producer")
    return found


def _steps(node: NirNode, values: dict[str, Reals], dialect: Dialect, found: list[str]) -> Steps:
    """Return the factors of a step, as simply as the file's rounding allows."""
    one = np.ones_like(values["r"])
    producer, dt = dialect.producer, dialect.dt
    if producer.name == "snntorch" and node.kind not in ("LIF", "CubaLIF"):
        found.append("is no node that snnTorch writes; name the producer of the file")
    if "tau" not in values and "tau_mem" not in values:  # IF and I
        scale = dt if producer.per_second else 1.0
        return Steps(one, simple(values["r"] * scale, _rounding(node, "r")))
    name = "tau" if "tau" in values else "tau_mem"
    tau = values[name]
    if (tau <= 0).any() or ("tau_syn" in values and (values["tau_syn"] <= 0).any()):
        found.append("has a time constant of 0 or less; it must be positive")
        return Steps(one, one)
    if dialect.dt_in_tau:
        return _written_by_norse(node, values, tau, dt)
    kept, gain = _DISCRETE[producer.discretisation](tau, values["r"], dt)
    beta = simple(kept, _rounding(node, name) * (1 - kept))
    alpha = None
    if "tau_syn" in values:
        fed, weight = _DISCRETE[producer.discretisation](values["tau_syn"], values["w_in"], dt)
        alpha = simple(fed, _rounding(node, "tau_syn") * (1 - fed))
        # Rockpool's current decays with the present step's input in it.
        gain = alpha if producer.discretisation is Discretisation.UNIT else gain * weight
    if (beta < 0).any() or (alpha is not None and (alpha < 0).any()):
        found.append(f"has a time constant below the step of {dt:g} s; give a smaller dt")
    rounding = sum(_rounding(node, each) for each in node.arrays)
    return Steps(beta, simple(gain, rounding * gain), alpha)


def _written_by_norse(node: NirNode, values: dict[str, Reals], tau: Reals, dt: float) -> Steps:
    """Undo that norse 1.1.0 writes dt / tau_mem_inv, which is dt times the time constant."""
    lost = simple(dt * dt / tau, _rounding(node, "tau") * dt * dt / tau)
    if "tau_syn" not in values:
        return Steps(1 - lost, lost)
    alpha = 1 - simple(dt * dt / values["tau_syn"], _rounding(node, "tau") * np.ones_like(tau))
    return Steps(1 - lost, lost, alpha)  # its LIFCell adds the input to the current as it is


def _rounding(node: NirNode, name: str) -> float:
    return _EPS[name in node.single or (name == "tau" and "tau_mem" in node.single)]


def _euler(tau: Reals, r: Reals, dt: float) -> tuple[Reals, Reals]:
    with np.errstate(invalid="ignore"):
        gain = r * dt / tau
    return _kept(tau, dt), np.where(np.isnan(gain), 1.0, gain)  # tau = r = inf keeps everything


def _kept(tau: Reals, dt: float) -> Reals:
    """Return what a step keeps; all, if float32, in which simulators compute, rounds it to 1."""
    lost = dt / tau
    kept: Reals = np.where(lost < 2.0**-25, 1.0, 1 - lost)
    return kept


_DISCRETE: dict[Discretisation, Callable[[Reals, Reals, float], tuple[Reals, Reals]]] = {
    Discretisation.EULER: _euler,
    Discretisation.UNIT: lambda tau, r, dt: (np.exp(-dt / tau), np.ones_like(tau)),
    Discretisation.UNIT_EULER: lambda tau, r, dt: (_kept(tau, dt), np.ones_like(tau)),
    Discretisation.AVERAGE: lambda tau, r, dt: (np.exp(-dt / tau), r * (1 - np.exp(-dt / tau))),
}


def simple(values: Reals, tolerance: Reals | float) -> Reals:
    """Return the dyadic fractions of fewest bits within the rounding of what a file holds.

    A file holds a time constant that was computed from the factor, and rounded. Of the factors
    that give it, the one of fewest bits is meant, if any: 0.5 comes back as 0.5.
    """
    result = np.array(values, np.float64)
    open_ = np.ones(result.shape, bool)
    limits = np.broadcast_to(tolerance, result.shape)
    for bits in range(_BITS // 2 + 1):
        near = np.round(values * 2.0**bits) / 2.0**bits
        fits = open_ & (np.abs(near - values) <= limits)
        result[fits] = near[fits]
        open_ &= ~fits
    return result


def _channels(values: Reals) -> Reals:
    """Return one number for each channel, if all neurons of a channel share theirs."""
    flat = values.reshape(len(values), -1)
    same = bool((flat == flat[:, :1]).all())
    return np.ascontiguousarray(flat[:, 0]) if same else values


def _brief(values: Reals) -> str:
    """Return one number, or the range of several."""
    low, high = float(values.min()), float(values.max())
    return f"{low:g}" if low == high else f"{low:g}..{high:g}"
