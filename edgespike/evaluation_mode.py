"""Modes of a module: running it as it runs once it is trained, and putting it back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def keeping_modes(model: nn.Module) -> Iterator[None]:
    """Put each part of a module back into its own mode afterwards, whatever mode it is put into."""
    modes = {part: part.training for part in model.modules()}
    try:
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a module into evaluation mode, and each of its parts back into its own afterwards."""
    with keeping_modes(model):
        model.eval()
        yield
