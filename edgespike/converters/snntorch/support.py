"""Which neurons of snnTorch are supported, as the converter's page lists them."""

from __future__ import annotations

from collections.abc import Iterator

from edgespike.converters.snntorch.neurons import REFUSED, STATES, read
from edgespike.converters.spiking.simulator import RefusedError
from edgespike.floats.net import FloatNeurons


def neurons() -> Iterator[str]:
    """Yield a row for each class of snnTorch, reset and delay, as the converter reads it."""
    import snntorch

    makes = {"Lapicque": {"R": 2.0, "C": 1.0}, "Alpha": {"alpha": 0.5, "beta": 0.25}}
    yield "| class | `reset_mechanism` | `reset_delay` | reset | takes effect |"
    yield "|---|---|---|---|---|"
    for name in STATES:
        for reset in ("subtract", "zero", "none"):
            for delay in (True, False):
                if name in REFUSED or (name in makes and not delay):
                    continue  # these have no reset_delay
                given = dict(makes.get(name, {"beta": 0.5}))
                given |= {"alpha": 0.5} if "syn" in STATES[name] else {}
                given |= {"linear_features": 2} if "spk" in STATES[name] else {}
                given |= {} if name in makes else {"reset_delay": delay}
                layer = getattr(snntorch, name)(reset_mechanism=reset, **given)
                yield f"| {name} | {reset} | {delay} | {_reset(layer)} |"
    for name, reason in REFUSED.items():
        yield f"| {name} | | | refused: {reason} | |"


def _reset(layer: object) -> str:
    try:
        op = read(layer, (2,)).op
    except RefusedError as refused:
        return f"refused: {refused.reasons[0]} |"
    return f"{op.reset.value} | {_time(op)}"


def _time(op: FloatNeurons) -> str:
    return "" if op.reset.value == "none" else f"`{op.reset_time.name}`"
