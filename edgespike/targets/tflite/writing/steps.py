"""Treat the steps of a value one by one, and join them again."""

from __future__ import annotations

import numpy as np

from edgespike.targets.tflite.writing.emitter import Emitter, Value


def split_steps(emitter: Emitter, x: Value) -> list[Value]:
    """Return each step of a value, ``(batch, 1, places, channels)``."""
    channels = x.shape[-1]
    places = int(np.prod(x.shape)) // channels
    whole = emitter.reshape(x, (emitter.steps, places, channels), steps=1)
    return emitter.split(whole, emitter.steps, steps=1)


def join_steps(emitter: Emitter, parts: list[Value], shape: tuple[int, ...], name: str) -> Value:
    """Undo :func:`split_steps`."""
    whole = emitter.concatenate("steps", parts, axis=0, steps=1)
    return emitter.reshape(whole, shape, name=name)
