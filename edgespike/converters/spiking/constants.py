"""Whether a layer computes with the same numbers at every step."""

from __future__ import annotations

from typing import Any


def numbers_of(module: Any, states: tuple[str, ...]) -> dict[str, Any]:
    """Return what a layer computes with, in little room: the same while nothing changes it.

    Parameters
    ----------
    states
        Names of states, which may change.
    """
    held: dict[str, Any] = {}
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if name in states or not (tensor.is_floating_point() or tensor.is_complex()):
            continue
        values = tensor.detach()
        held[name] = (tuple(values.shape), values.sum().item(), values.norm().item())
    plain = {key: value for key, value in vars(module).items() if key not in states}
    held |= {key: value for key, value in plain.items() if type(value) in (float, str)}
    return held


def differing(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return the names under which a layer's numbers differ; what is not a number equals itself."""
    return sorted(name for name in {*before, *now} if repr(before.get(name)) != repr(now.get(name)))
