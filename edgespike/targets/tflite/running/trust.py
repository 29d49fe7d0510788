"""Whether the installed ai-edge-litert computes exactly: tested versions do, others are tried once.

LiteRT's kernels for CPUs change between versions, and its own tests let int8 results differ by
one. For a version that is not in :data:`TESTED`, small graphs are run whose accumulators are on and
just beside thresholds, for every kind of kernel.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib import metadata
from threading import Lock

import numpy as np

from edgespike.errors import TargetRunError
from edgespike.graph.inputs import as_samples
from edgespike.targets.tflite.lower import lower
from edgespike.targets.tflite.planning.planner import make_plan
from edgespike.targets.tflite.run import decode_outputs, encode_input
from edgespike.targets.tflite.running import execute
from edgespike.targets.tflite.running.ties import (
    Check,
    currents,
    membranes,
    one_sum,
    signed_levels,
    spikes_and_levels,
)
from edgespike.trace import observed_names

TESTED = ("2.3.0",)
"""Versions of ai-edge-litert with which the whole test suite passes."""

_NOISE = b"INFO: Created TensorFlow Lite XNNPACK delegate"
_LOCK = Lock()


def installed_version() -> str:
    """Return the version of ai-edge-litert, which must be installed."""
    return metadata.version("ai-edge-litert")


def litert_fault(kernels: str) -> str:
    """Return what is wrong with LiteRT's kernels, with the way out; empty if they are exact.

    The first call takes a few milliseconds, more with an untested version.

    Parameters
    ----------
    kernels
        :data:`edgespike.targets.tflite.running.execute.DEFAULT_KERNELS` or ``REFERENCE_KERNELS``.
    """
    with _LOCK:
        _load_quietly()
        return _fault(kernels)


@cache
def _load_quietly() -> None:
    """Allocate a process's first model, and suppress the INFO line that LiteRT then prints."""
    content = lower(make_plan(one_sum())).content
    with _without_noise(), suppress(RuntimeError, ValueError):  # the next load raises it again
        execute.resize(execute.make_interpreter(content, execute.DEFAULT_KERNELS), 1)


@cache
def _fault(kernels: str) -> str:
    version = installed_version()
    if version in TESTED:
        return ""
    for check in (spikes_and_levels(), signed_levels(), membranes(), currents()):
        try:
            wrong = _differing(check, kernels)
        except (TargetRunError, RuntimeError, ValueError) as error:
            wrong = str(error).splitlines()[0]
        if wrong:
            return (
                f"ai-edge-litert {version} with its {kernels} kernels fails a check of "
                f"{check.graph.name} ({wrong}), so it is not exact; tested versions: "
                f"{', '.join(TESTED)}; run pip install ai-edge-litert=={TESTED[-1]}"
            )
    return ""


def _differing(check: Check, kernels: str) -> str:
    """Return the first node that LiteRT and the interpreter compute differently; empty if none."""
    graph, samples = check.graph, check.samples
    probe = lower(make_plan(graph), observed_names(graph))
    model = execute.LoadedModel(probe.content, kernels)
    stepped = as_samples(graph, samples)
    outputs = model.run(encode_input(graph, probe, stepped))
    found = decode_outputs(graph, probe, outputs, len(samples))
    for name, expected in check.expected.items():
        if not np.array_equal(found[name], expected):
            return f"{name} differs"
    return ""


@contextmanager
def _without_noise() -> Iterator[None]:
    """Hold back what is written to descriptor 2, then write it without LiteRT's INFO line.

    The library writes that line itself and has no option against it. What other threads write
    meanwhile is only delayed.
    """
    try:
        kept = os.dup(2)
    except OSError:  # closed
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            held.seek(0)
            for line in held:
                if not line.startswith(_NOISE):
                    os.write(kept, line)
            os.close(kept)
