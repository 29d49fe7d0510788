"""Run a module in evaluation mode, and restore what it was afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


@contextmanager
def keeping_modes(model: nn.Module) -> Iterator[None]:
    """Restore the mode of each part of a module at the end of the block."""
    modes = {part: part.training for part in model.modules()}
    try:
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a module into evaluation mode, and restore the mode of each part at the end."""
    with keeping_modes(model):
        model.eval()
        yield


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Put a module into evaluation mode; at the end, restore what its parts hold, as states."""
    saved = [
        (part, dict(vars(part)), [(held, dict(held)) for held in _dictionaries(part)])
        for part in model.modules()
    ]
    try:
        model.eval()
        yield
    finally:
        for part, attributes, held in saved:
            vars(part).clear()
            vars(part).update(attributes)
            for dictionary, content in held:
                dictionary.clear()
                dictionary.update(content)


def _dictionaries(part: nn.Module) -> list[dict[Any, Any]]:
    """Return the dictionaries that a part holds: parameters, buffers, states."""
    return [value for value in vars(part).values() if isinstance(value, dict)]
