"""Running samples through a graph's TFLite model and showing every observed node."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.errors import TargetRunError
from edgespike.graph import Graph
from edgespike.graph.inputs import as_samples
from edgespike.targets.base import TracingRunner
from edgespike.targets.tflite.lower import Lowered, lower
from edgespike.targets.tflite.planning.plan import runs_by_step
from edgespike.targets.tflite.planning.storage import Form
from edgespike.targets.tflite.writing.emitter import Value
from edgespike.targets.tflite.writing.exported import exported
from edgespike.targets.tflite.writing.walk import channels_last
from edgespike.trace import Trace, observed_names

Carried = Sequence[Sequence[int]]
"""Place among the outputs and stored first value of each state, see ``Lowered.carried``."""

Outputs = Mapping[str, NDArray[Any]]
"""Output ``i`` of a model under ``"name i"``."""

Execute = Callable[[Mapping[str, bytes], NDArray[Any], Carried], Outputs]
"""Runs models, by their names, on a batch; on one step after the other if states are carried."""

CHUNK_LIMIT = 256
"""Most samples that run at once."""


def prepare_with(graph: Graph, execute: Execute, runtime: str) -> TracingRunner:
    """Lower a graph once, for all of its runs.

    Each run executes the model that shows every observed node. All models that are exported,
    which give only the readout, run beside it and must agree.

    Parameters
    ----------
    graph
        A graph without violations.
    execute
        Runs models.
    runtime
        Name and version of what runs them.
    """
    probe, others = lower(graph, observed_names(graph)), exported(graph)
    deployed = others.pop("model")

    def run(samples: NDArray[Any]) -> Trace:
        samples = as_samples(graph, samples)
        parts = [
            _run_chunk(graph, probe, deployed, others, samples, start, execute)
            for start in range(0, len(samples), CHUNK_LIMIT)
        ]
        names = observed_names(graph)
        return Trace({name: np.concatenate([part[name] for part in parts]) for name in names})

    return TracingRunner(graph, runtime, run)


def _run_chunk(
    graph: Graph,
    probe: Lowered,
    deployed: Lowered,
    others: Mapping[str, Lowered],
    samples: NDArray[Any],
    start: int,
    execute: Execute,
) -> dict[str, NDArray[Any]]:
    """Run a chunk of samples through all models and return the observed values.

    Raises
    ------
    TargetRunError
        The runtime failed, gave numbers that are not whole, or the models disagree.
    """
    models = {"model": deployed.content, "probe": probe.content}
    chunk = samples[start : start + CHUNK_LIMIT]
    batch = encode_input(graph, deployed, chunk)
    outputs = execute(models, batch, deployed.carried)
    answers = {"model": outputs["model 0"]}
    for name, lowered in others.items():
        encoded = encode_input(graph, lowered, chunk)
        found = execute({name: lowered.content}, encoded, lowered.carried)
        answers[name] = found[f"{name} 0"]
    for name, answer in answers.items():
        shown = outputs["probe 0"]
        if not np.array_equal(answer, shown if answer.ndim == shown.ndim else shown[:, -1]):
            raise TargetRunError(
                f"graph {graph.name!r}: {name}.tflite and the model that shows every layer "
                f"differ in samples {start}..{start + len(batch) - 1}; please report this"
            )
    return _decode_outputs(graph, probe, outputs, len(batch))


def encode_input(graph: Graph, lowered: Lowered, samples: NDArray[Any]) -> NDArray[Any]:
    """Return samples ``(n, steps, *shape)`` the model's axes and data type."""
    value = lowered.input
    if samples.ndim == 5:
        samples = samples.transpose(0, 1, 3, 4, 2)
    if graph.steps == 1 and not runs_by_step(graph):
        samples = samples[:, 0]
    if value.form is Form.FLOAT:
        return samples.astype(np.float32)
    return (samples.astype(np.int64) + value.zero_point).astype(value.form.dtype)


def _decode_outputs(
    graph: Graph, probe: Lowered, outputs: Outputs, count: int
) -> dict[str, NDArray[Any]]:
    values = {}
    for name, place in probe.shown.items():
        steps = (count, graph.steps, *channels_last(graph.tensors[name].shape))
        whole = decode(name, probe.outputs[place], outputs[f"probe {place}"]).reshape(steps)
        values[name] = np.moveaxis(whole, -1, 2)
    return values


def decode(name: str, value: Value, array: NDArray[Any]) -> NDArray[Any]:
    """Return an output's whole numbers in an integer type that holds them."""
    if value.form is not Form.FLOAT:
        return array.astype(np.int32) - value.zero_point if value.zero_point else array
    whole = array.astype(np.int32)
    if not np.array_equal(whole, array):
        raise TargetRunError(
            f"{name} came out with numbers that are not whole, so this runtime's float32 kernels "
            "do not compute exactly; use another runtime or the cpu target"
        )
    return whole
