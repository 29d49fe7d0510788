"""What a file does not say, decided from the options and the file's numbers, and said."""

from __future__ import annotations

from dataclasses import dataclass

from edgespike.converters.base import ConvertOptions
from edgespike.converters.nir.net import NirNet
from edgespike.converters.nir.producers import PLAIN, PRODUCERS, Producer
from edgespike.converters.nir.recognise import Recognised, recognise
from edgespike.converters.nir.schema import SPIKING
from edgespike.graph import Reset, ResetTime

_TIMES = {"same-step": ResetTime.SAME_STEP, "next-step": ResetTime.NEXT_STEP}


@dataclass(frozen=True)
class Dialect:
    """How a file is read.

    Parameters
    ----------
    producer
        Whose steps its neurons take.
    dt
        Seconds of a step.
    reset, reset_time
        What firing does, and when.
    assumed
        What of it the file does not say, one sentence each.
    dt_in_tau
        Whether time constants are multiplied by dt, as norse 1.1.0 writes them.
    """

    producer: Producer
    dt: float
    reset: Reset
    reset_time: ResetTime
    assumed: tuple[str, ...]
    dt_in_tau: bool = False


def dialect_of(net: NirNet, options: ConvertOptions, faults: list[str]) -> Dialect:
    """Decide how a file is read; what is missing is noted, and a guess returned all the same."""
    kinds = {node.kind for node in net.nodes.values()}
    spiking = bool(kinds & set(SPIKING))
    recognised = recognise(net)
    assumed: list[str] = []
    producer = _producer(recognised, options, faults, assumed, spiking)
    dt = _dt(producer, recognised, options, faults, assumed, kinds)
    reset, time = _reset(producer, options)
    if spiking:
        assumed.append(_reset_sentence(producer, reset, time, options, kinds))
    in_tau = producer.name == "norse" and _dt_in_tau(net, dt)
    if in_tau:
        assumed.append(
            f"Time constants are below the step of {dt:g} s, so they are taken for dt times the "
            "time constant, which is what norse 1.1.0 writes."
        )
    return Dialect(producer, dt, reset, time, tuple(assumed), in_tau)


def _dt_in_tau(net: NirNet, dt: float) -> bool:
    """Return whether all time constants are too short to be in seconds; norse once wrote these."""
    taus = [array for node in net.nodes.values() for name, array in node.arrays.items()
            if name in ("tau", "tau_mem", "tau_syn")]  # fmt: skip
    return not net.version.startswith("0.") and bool(taus) and all((t < dt).all() for t in taus)


def _producer(
    recognised: Recognised | None,
    options: ConvertOptions,
    faults: list[str],
    assumed: list[str],
    spiking: bool,
) -> Producer:
    if options.producer is not None:
        return PRODUCERS[options.producer]
    if recognised is not None:
        assumed.append(
            f"A file does not name its simulator; {recognised.producer.name} is assumed, since "
            f"{recognised.why} (option producer)."
        )
        return recognised.producer
    if spiking and (options.dt is None or options.reset is None):
        faults.append(
            "no known simulator writes such a file, and a NIR file holds neither its step nor its "
            f"reset; give producer (one of {', '.join(PRODUCERS)}), or dt in seconds and reset "
            "(zero or subtract) for NIR's own equations in Euler steps"
        )
    elif spiking:
        assumed.append(
            "No simulator is recognised: NIR's equations in Euler steps are computed, a neuron "
            "fires above its threshold (option producer)."
        )
    return PLAIN


def _dt(
    producer: Producer,
    recognised: Recognised | None,
    options: ConvertOptions,
    faults: list[str],
    assumed: list[str],
    kinds: set[str],
) -> float:
    if options.dt is not None:
        return options.dt
    needed = "Delay" in kinds or bool(kinds & {"LIF", "LI", "I", "CubaLIF", "CubaLI"})
    if not needed and not (producer.per_second and "IF" in kinds):
        return producer.dt
    same = recognised is not None and recognised.producer is producer
    if recognised is not None and same and recognised.dt is not None:
        assumed.append(
            f"A step takes {recognised.dt:g} s, as the neurons' numbers say (option dt)."
        )
        return recognised.dt
    if options.producer is not None:
        assumed.append(
            f"A step takes {producer.dt:g} s, the default of {producer.name} (option dt)."
        )
        return producer.dt
    if recognised is not None or "Delay" in kinds:
        faults.append(
            f"dt is missing, and a file of {producer.name} does not hold it; give dt in seconds "
            f"({producer.name}'s default is {producer.dt:g}; NIR's paper used 1e-4), or producer "
            f"{producer.name} to take its default"
        )
    return producer.dt


def _reset(producer: Producer, options: ConvertOptions) -> tuple[Reset, ResetTime]:
    word, _, time = (options.reset or producer.reset.value).partition("-")
    reset = Reset(word)
    if time:
        return reset, _TIMES[time]
    return reset, producer.zero_time if reset is Reset.ZERO else producer.subtract_time


def _reset_sentence(
    producer: Producer, reset: Reset, time: ResetTime, options: ConvertOptions, kinds: set[str]
) -> str:
    when = "in the same step" if time is ResetTime.SAME_STEP else "in the next step"
    what = {
        Reset.ZERO: f"A neuron that fires is set to its v_reset {when}",
        Reset.SUBTRACT: f"A neuron that fires loses its threshold {when}",
        Reset.NONE: "A neuron that fires keeps its potential",
    }[reset]
    if options.reset is not None:
        return f"{what}, as given; the file does not say so."
    more = ""
    if producer.name == "snntorch":
        more = (
            "; for a net trained with snnTorch's default, reset_mechanism='subtract', give reset "
            "subtract"
        )
        if "CubaLIF" in kinds:
            more += ", and for Synaptic or RSynaptic with 'zero', zero-next-step"
    return f"{what}, as {producer.name} does with files (option reset){more}."
