"""The three runtimes: one file, run by three sets of kernels."""

from __future__ import annotations

from collections.abc import Mapping
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
from edgespike.targets.shared.worker import Worker
from edgespike.targets.tflite import environment
from edgespike.targets.tflite.run import Carried, Outputs, prepare_with
from edgespike.targets.tflite.running import execute

TIMEOUT_S = 600.0
"""What tflite-runtime may take for one chunk of samples."""


def litert_version() -> str:
    """Name ai-edge-litert and its version.

    Raises
    ------
    EnvironmentMissingError
        It is not installed.
    """
    try:
        return f"ai-edge-litert {metadata.version('ai-edge-litert')}"
    except metadata.PackageNotFoundError as error:
        raise EnvironmentMissingError(
            f"ai-edge-litert is not installed; run {install_command('tflite')}"
        ) from error


def _prepare_litert(graph: Graph, kernels: str, version: str) -> TracingRunner:
    def here(models: Mapping[str, bytes], batch: NDArray[Any], carried: Carried) -> Outputs:
        outputs, _ = execute.handle(*_job(models, batch, carried, kernels))
        return outputs

    return prepare_with(graph, here, version)


def _prepare_default(graph: Graph) -> TracingRunner:
    return _prepare_litert(graph, execute.DEFAULT, litert_version())


def _prepare_reference(graph: Graph) -> TracingRunner:
    return _prepare_litert(graph, execute.REFERENCE, _reference_version())


def _prepare_tflite_runtime(graph: Graph) -> TracingRunner:
    worker = _worker(str(environment.environment_python()))

    def there(models: Mapping[str, bytes], batch: NDArray[Any], carried: Carried) -> Outputs:
        job = _job(models, batch, carried, execute.DEFAULT)
        outputs, _ = worker.call(*job, timeout_s=TIMEOUT_S)
        return outputs

    return prepare_with(graph, there, _tflite_runtime_version())


@cache
def _worker(python: str) -> Worker:
    """Return the one worker of this process; it starts when it is first called."""
    return Worker(python, Path(execute.__file__), what="tflite-runtime")


def _job(
    models: Mapping[str, bytes], batch: NDArray[Any], carried: Carried, kernels: str
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    arrays = {name: np.frombuffer(content, np.uint8) for name, content in models.items()}
    parameters = {"models": list(models), "kernels": kernels, "carried": carried}
    return {**arrays, "batch": batch}, parameters


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
        summary=f"the same file on tflite-runtime {environment.VERSION}, in its own environment",
        version=_tflite_runtime_version,
        prepare=_prepare_tflite_runtime,
        setup=environment.setup,
    ),
)
"""One artefact, run by three sets of kernels."""
