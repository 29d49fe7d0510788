"""How much working memory a model needs on TensorFlow Lite Micro: tried, or else estimated."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.errors import TargetRunError
from edgespike.targets.tflite.lower import Lowered
from edgespike.targets.tflite.running import tflm
from edgespike.workers.worker import Worker

_PER_TENSOR = 256
_PER_SCALE = 8
_PER_INTERPRETER = 4096
# Bytes that TFLite Micro keeps besides the activations: more than measured for any tested graph.

_LARGE = 2**20
"""Bytes that hold the records of any number of tensors, however small these are."""

_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Arena:
    """Bytes of working memory, and where that number comes from, in Markdown."""

    size: int
    origin: str


def find_arena(lowered: Lowered, batch: NDArray[Any], expected: NDArray[Any]) -> Arena:
    """Return how large a model's arena must be; a run in which it is tried must be exact.

    Parameters
    ----------
    lowered
        The model.
    batch, expected
        Samples as the model takes them, and the answers that must come.

    Raises
    ------
    TargetRunError
        TFLite Micro is installed, and its output is not the expected one.
    """
    estimate = arena_estimate(lowered)
    if find_spec("tflite_micro") is None:
        return Arena(
            estimate,
            f"{estimate} bytes, a high estimate, not measured; run `pip install --pre "
            "tflite-micro` and export again to measure it",
        )
    try:
        outputs, least = run_on_tflite_micro(sys.executable, lowered, batch)
    except TargetRunError as error:
        reason = str(error).splitlines()[0]
        return Arena(estimate, f"{estimate} bytes, not measured: {reason}")
    if not np.array_equal(outputs, expected):
        raise TargetRunError(
            "TFLite Micro computes another output than the interpreter, so this model must not run "
            "on a microcontroller; please report this, with the version of tflite-micro"
        )
    size = -(-least // 1024) * 1024
    return Arena(
        size,
        f"{size} bytes ({least} found by trial with TFLite Micro on a PC; outputs were exact)",
    )


def run_on_tflite_micro(
    python: str, lowered: Lowered, batch: NDArray[Any]
) -> tuple[NDArray[Any], int]:
    """Run samples on TFLite Micro, compiled for this computer.

    Returns
    -------
    outputs
        The readout after the last step, as stored.
    arena
        The fewest bytes of working memory with which it runs; a little more than on a
        microcontroller with the same kernels, since pointers here have 64 bits.

    Raises
    ------
    TargetRunError
        TFLite Micro cannot run the model.
    """
    arrays = {"model": np.frombuffer(lowered.content, np.uint8), "batch": batch}
    parameters = {
        "arena": max(2 * arena_estimate(lowered), _LARGE),
        "carried": lowered.carried,
        "answer": lowered.answer,
    }
    with Worker(python, Path(tflm.__file__), what="TFLite Micro") as worker:
        results, answer = worker.call(arrays, parameters, timeout_s=_TIMEOUT_S)
    return results["output"], int(answer["arena"])


def arena_estimate(lowered: Lowered) -> int:
    """Return the bytes of an arena that is large enough even if no tensors share memory.

    How much TFLite Micro keeps for itself is not documented. It is estimated, on the high side,
    from the numbers of tensors and of scales.
    """
    bookkeeping = (
        _PER_INTERPRETER + _PER_TENSOR * lowered.tensors + _PER_SCALE * lowered.constant_scales
    )
    return -(-(lowered.activation_bytes + bookkeeping) // 1024) * 1024
