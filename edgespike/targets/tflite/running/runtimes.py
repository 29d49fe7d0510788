"""The three registered targets: one file, run by three sets of kernels."""

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
from edgespike.targets.base import Target
from edgespike.targets.shared.worker import Worker
from edgespike.targets.tflite import environment
from edgespike.targets.tflite.check import violations
from edgespike.targets.tflite.planning.recipes import recipes
from edgespike.targets.tflite.run import Carried, Outputs, run_graph
from edgespike.targets.tflite.running import execute
from edgespike.targets.tflite.write import write
from edgespike.trace import Trace

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


def _run_litert(graph: Graph, samples: NDArray[Any], kernels: str) -> Trace:
    litert_version()

    def here(models: Mapping[str, bytes], batch: NDArray[Any], carried: Carried) -> Outputs:
        outputs, _ = execute.handle(*_job(models, batch, carried, kernels))
        return outputs

    return run_graph(graph, samples, here)


def _run_default(graph: Graph, samples: NDArray[Any]) -> Trace:
    return _run_litert(graph, samples, execute.DEFAULT)


def _run_reference(graph: Graph, samples: NDArray[Any]) -> Trace:
    return _run_litert(graph, samples, execute.REFERENCE)


def _run_tflite_runtime(graph: Graph, samples: NDArray[Any]) -> Trace:
    worker = _worker(str(environment.environment_python()))

    def there(models: Mapping[str, bytes], batch: NDArray[Any], carried: Carried) -> Outputs:
        job = _job(models, batch, carried, execute.DEFAULT)
        outputs, _ = worker.call(*job, timeout_s=TIMEOUT_S)
        return outputs

    return run_graph(graph, samples, there)


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


def _tflite_runtime_version() -> str:
    environment.environment_python()
    return f"tflite-runtime {environment.VERSION}"


TARGET = Target(
    name="tflite",
    summary="TFLite on ai-edge-litert with XNNPACK; exports for Raspberry Pi and microcontroller",
    violations=violations,
    write=write,
    recipes=recipes,
    run=_run_default,
    runtime=litert_version,
)

REFERENCE_TARGET = Target(
    name="tflite-reference",
    summary="the same file on ai-edge-litert's reference kernels",
    violations=violations,
    write=write,
    recipes=recipes,
    run=_run_reference,
    runtime=lambda: f"{litert_version()} (reference kernels)",
)

RUNTIME_TARGET = Target(
    name="tflite-runtime",
    summary=f"the same file on tflite-runtime {environment.VERSION}, in its own environment",
    violations=violations,
    write=write,
    recipes=recipes,
    run=_run_tflite_runtime,
    runtime=_tflite_runtime_version,
    setup=environment.setup,
)
