"""The three runtimes: one artefact, run by three sets of kernels."""

from __future__ import annotations

from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.errors import EnvironmentMissingError
from edgespike.extras import install_command
from edgespike.graph import Graph
from edgespike.targets.base import Runtime, TracingRunner
from edgespike.targets.tflite import environment
from edgespike.targets.tflite.devices.raspberry_pi import least_tflite_runtime
from edgespike.targets.tflite.lower import Lowered
from edgespike.targets.tflite.run import Run, prepare_with
from edgespike.targets.tflite.running import execute
from edgespike.targets.tflite.running.trust import installed_version, litert_fault
from edgespike.workers.worker import Worker

TIMEOUT_S = 600.0
"""Seconds that tflite-runtime may take for one model and one batch."""


def litert_version() -> str:
    """Name ai-edge-litert and its version.

    Raises
    ------
    EnvironmentMissingError
        It is not installed.
    """
    try:
        return f"ai-edge-litert {installed_version()}"
    except metadata.PackageNotFoundError as error:
        raise EnvironmentMissingError(
            f"ai-edge-litert is not installed; run {install_command('tflite')}"
        ) from error


def _prepare_litert(graph: Graph, kernels: str, version: str) -> TracingRunner:
    fault = litert_fault(kernels)
    if fault:
        raise EnvironmentMissingError(fault)

    def load(lowered: Lowered) -> Run:
        return execute.LoadedModel(lowered.content, kernels, lowered.carried).run

    return prepare_with(graph, load, version)


def _prepare_default(graph: Graph) -> TracingRunner:
    return _prepare_litert(graph, execute.DEFAULT_KERNELS, litert_version())


def _prepare_reference(graph: Graph) -> TracingRunner:
    return _prepare_litert(graph, execute.REFERENCE_KERNELS, _reference_version())


def _prepare_tflite_runtime(graph: Graph) -> TracingRunner:
    worker = _worker(str(environment.environment_python()))

    def load(lowered: Lowered) -> Run:
        model = np.frombuffer(lowered.content, np.uint8)
        parameters = {"kernels": execute.DEFAULT_KERNELS, "carried": lowered.carried}

        def run(batch: NDArray[Any]) -> list[NDArray[Any]]:
            arrays = {"model": model, "batch": batch}
            outputs, _ = worker.call(arrays, parameters, timeout_s=TIMEOUT_S)
            return [outputs[str(index)] for index in range(len(outputs))]

        return run

    return prepare_with(graph, load, _tflite_runtime_version(), litert=False)


@cache
def _worker(python: str) -> Worker:
    """Return the one worker of this process; it starts when it is first called."""
    return Worker(python, Path(execute.__file__), what="tflite-runtime")


def _reference_version() -> str:
    return f"{litert_version()} (reference kernels)"


def _tflite_runtime_version() -> str:
    environment.environment_python()
    return f"tflite-runtime {environment.VERSION}"


RUNTIMES = (
    Runtime(
        name="tflite",
        summary="TFLite on ai-edge-litert with XNNPACK; exports for Raspberry Pi and "
        "microcontroller",
        version=litert_version,
        prepare=_prepare_default,
    ),
    Runtime(
        name="tflite-reference",
        summary="the same file on ai-edge-litert's reference kernels",
        version=_reference_version,
        prepare=_prepare_reference,
    ),
    Runtime(
        name="tflite-runtime",
        summary=f"the same file on tflite-runtime {environment.VERSION}, in its own environment; "
        f"devices need {least_tflite_runtime()} or later",
        version=_tflite_runtime_version,
        prepare=_prepare_tflite_runtime,
        setup=environment.setup,
    ),
)
"""The runtimes of the artefact, the default first."""
