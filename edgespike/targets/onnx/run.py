"""Run samples through a graph's ONNX model and return every observed node's values."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgespike.errors import EnvironmentMissingError, TargetRunError
from edgespike.extras import install_command, needs_extra
from edgespike.graph import Graph
from edgespike.graph.inputs import as_samples
from edgespike.targets.base import TracingRunner
from edgespike.targets.onnx.lower import ACCUMULATORS, INPUT, Lowered, lower
from edgespike.targets.onnx.walk import input_type
from edgespike.threads import most_threads
from edgespike.trace import Trace, observed_names

if TYPE_CHECKING:
    import onnx
    import onnxruntime

VALUES_AT_ONCE = 2**23
"""Most values of all nodes that are computed in one call, over all steps. Patches of convolutions,
and what leads from sums to levels, take up to some 50 bytes for each."""

SILENT = 4
"""ONNX Runtime's logging level at which it prints fatal errors only; errors are raised as well."""


def version() -> str:
    """Name ONNX Runtime and its version.

    Raises
    ------
    EnvironmentMissingError
        It is not installed, or the package onnx, which writes its models.
    """
    for package in ("onnx", "onnxruntime"):
        try:
            found = metadata.version(package)
        except metadata.PackageNotFoundError as error:
            raise EnvironmentMissingError(
                f"{package} is not installed; run {install_command('onnx')}"
            ) from error
    return f"onnxruntime {found}"


class Session:
    """A model in ONNX Runtime, on the processor.

    Parameters
    ----------
    model
        The model.

    Raises
    ------
    EnvironmentMissingError
        ONNX Runtime is not installed.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self._content = model.SerializeToString()
        self._threads = most_threads()
        self._session = self._start()

    def run(self, samples: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """Return all outputs by name.

        Raises
        ------
        TargetRunError
            ONNX Runtime fails.
        """
        if self._threads != most_threads():
            self._threads = most_threads()
            self._session = self._start()
        names = [output.name for output in self._session.get_outputs()]
        try:
            return dict(zip(names, self._session.run(names, {INPUT: samples}), strict=True))
        except Exception as error:  # its errors have no base class of their own
            raise _failed(error) from error

    def _start(self) -> onnxruntime.InferenceSession:
        with needs_extra("onnx", "the onnx target"):
            import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self._threads, 1
        options.log_severity_level = SILENT
        providers = ["CPUExecutionProvider"]
        try:
            return onnxruntime.InferenceSession(self._content, options, providers=providers)
        except Exception as error:  # as above
            raise _failed(error) from error


def _failed(error: Exception) -> TargetRunError:
    return TargetRunError(f"{version()} failed: {str(error).splitlines()[0]}")


def prepare(graph: Graph) -> TracingRunner:
    """Lower and load a graph once, for all of its runs.

    Each run executes a model that returns every observed node, and the model that is exported,
    which must agree.

    Parameters
    ----------
    graph
        A graph without violations.
    """
    probe = lower(graph, observed_names(graph))
    observing, deployed = Session(probe.model), Session(lower(graph).model)
    at_once = max(1, VALUES_AT_ONCE // (graph.steps * graph.values_per_step))

    def run_part(samples: NDArray[Any]) -> dict[str, NDArray[Any]]:
        batch = encode_input(graph, samples)
        outputs, answer = observing.run(batch), deployed.run(batch)[ACCUMULATORS]
        _check_agreement(graph, answer, outputs[ACCUMULATORS])
        return decode_outputs(graph, probe, outputs)

    def run(samples: NDArray[Any]) -> Trace:
        samples = as_samples(graph, samples)
        starts = range(0, len(samples), at_once)
        parts = [run_part(samples[start : start + at_once]) for start in starts]
        if len(parts) == 1:  # nothing to copy
            return Trace(parts[0])
        return Trace({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})

    return TracingRunner(graph, version(), run)


def encode_input(graph: Graph, samples: NDArray[Any]) -> NDArray[Any]:
    """Return samples ``(n, steps, *shape)`` as the model takes them."""
    samples = samples if graph.steps > 1 else samples[:, 0]
    return np.ascontiguousarray(samples, input_type(graph))


def decode_outputs(
    graph: Graph, probe: Lowered, outputs: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """Return the values of every observed node, ``(samples, steps, *shape)``."""
    values = {}
    for name, value in probe.observed.items():
        stored, zero_point = outputs[value.name], value.storage.zero_point
        whole = stored.astype(np.int32) - zero_point if zero_point else stored
        values[name] = whole if graph.steps > 1 else whole[:, None]
    return values


def _check_agreement(graph: Graph, answer: NDArray[Any], probed: NDArray[Any]) -> None:
    if not np.array_equal(answer, probed):
        differ = np.flatnonzero((answer != probed).any(axis=1))
        raise TargetRunError(
            f"graph {graph.name!r}: model.onnx and the model that shows every layer differ in "
            f"sample {differ[0]} of a batch of {len(answer)}; please report this"
        )
