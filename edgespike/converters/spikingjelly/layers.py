"""SpikingJelly's own stateless layers, and nets that take all steps at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from edgespike.converters.spiking.simulator import RefusedError

PACKAGE = "spikingjelly.activation_based.layer"

SAME = frozenset(
    {"Linear", "Conv2d", "BatchNorm1d", "BatchNorm2d", "Flatten", "Dropout", "Dropout2d"}
    | {"MaxPool2d", "AvgPool2d", "AdaptiveAvgPool2d"}
)
"""Layers that compute, step by step, what torch's layers of the same names do in evaluation."""


def is_layer(module: Any) -> bool:
    """Return whether a module is one of SpikingJelly's layers, supported or not."""
    return type(module).__module__.startswith(f"{PACKAGE}.")


def layer_type(module: Any) -> type:
    """Return the type of torch's layer that a module stands for; its own, if there is none."""
    from torch import nn

    kind = type(module)
    if is_layer(module) and kind.__qualname__ in SAME:
        found: type = getattr(nn, kind.__qualname__)
        return found
    return kind


@contextmanager
def single_steps(model: Any) -> Iterator[None]:
    """Let a Sequential that takes all steps at once take one, as `functional.set_step_mode` does.

    Raises
    ------
    RefusedError
        A module with a ``forward`` of its own holds layers that take all steps at once.
    """
    several = [
        (path, module)
        for path, module in model.named_modules()
        if vars(module).get("_step_mode") == "m"
    ]
    if several and (outer := _own_forward(model)) is not None:
        names = ", ".join(path or "the model" for path, _ in several[:5])
        raise RefusedError(
            f"has layers that take all steps at once ({names}) inside a "
            f"{type(outer).__qualname__}, whose forward may do more than call its parts; "
            "use functional.set_step_mode(net, 's'), or nn.Sequential"
        )
    for _, module in several:
        vars(module)["_step_mode"] = "s"
    try:
        yield
    finally:
        for _, module in several:
            vars(module)["_step_mode"] = "m"


def _own_forward(model: Any) -> Any | None:
    """Return a module that is neither a Sequential nor without parts of a step mode."""
    from torch import nn

    for module in model.modules():
        parts = [part for part in module.modules() if part is not module]
        if type(module) is nn.Sequential or is_layer(module):
            continue
        if any("_step_mode" in vars(part) for part in parts):
            return module
    return None
