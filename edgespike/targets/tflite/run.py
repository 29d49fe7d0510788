"""Run samples through a graph's TFLite models and return every observed node's values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.errors import TargetRunError
from edgespike.graph import Graph
from edgespike.graph.inputs import as_samples
from edgespike.targets.base import TracingRunner
from edgespike.targets.tflite.lower import Lowered, lower
from edgespike.targets.tflite.planning.plan import channels_last, runs_by_step
from edgespike.targets.tflite.planning.planner import make_plan
from edgespike.targets.tflite.planning.storage import Form
from edgespike.targets.tflite.writing.emitter import Value
from edgespike.targets.tflite.writing.exported import (
    LITERT_ONLY,
    MICRO_MODEL,
    PI_MODEL,
    exported,
    for_micro,
)
from edgespike.trace import Trace, observed_names

Run = Callable[[NDArray[Any]], Sequence[NDArray[Any]]]
"""Runs a batch, as :meth:`edgespike.targets.tflite.running.execute.LoadedModel.run` does."""

Load = Callable[[Lowered], Run]
"""Loads a model into a runtime."""

MODEL_BYTES = 2**28
"""Approximate maximum of the bytes that a model's tensors take at once, if none share memory.

:mod:`edgespike.batches` bounds the values of the graph's nodes in a batch, but a model may need far
more memory than these: a threshold in float32 that is not on a line compares its input with all
levels at once, four bytes each.
"""


def prepare_with(graph: Graph, load: Load, runtime: str, *, litert: bool = True) -> TracingRunner:
    """Plan, lower and load a graph once, for all of its runs.

    Each run executes the probe, a model that returns every observed node. All models that are
    exported, which return only the readout, run as well and must agree.

    Parameters
    ----------
    graph
        A graph without violations.
    load
        Loads a model.
    runtime
        Name and version of what runs the models.
    litert
        Whether it is LiteRT, which also runs the models that tflite-runtime refuses.
    """
    plan = make_plan(graph)
    probe, deployed = lower(plan, observed_names(graph)), exported(plan, for_micro(plan))
    if deployed[MICRO_MODEL] is deployed[PI_MODEL]:
        del deployed[MICRO_MODEL]
    if not litert:
        deployed = {place: deployed[place] for place in deployed if place not in LITERT_ONLY}
    run_probe = _in_parts(probe, load(probe))
    runs = {name: _in_parts(lowered, load(lowered)) for name, lowered in deployed.items()}

    def run(samples: NDArray[Any]) -> Trace:
        samples = as_samples(graph, samples)
        outputs = run_probe(encode_input(graph, probe, samples))
        for name, lowered in deployed.items():
            answer = runs[name](encode_input(graph, lowered, samples))[lowered.answer]
            _check_agreement(graph, name, answer, outputs[probe.answer])
        return Trace(decode_outputs(graph, probe, outputs, len(samples)))

    return TracingRunner(graph, runtime, run)


def _in_parts(lowered: Lowered, run: Run) -> Run:
    """Run a batch in as few parts as :data:`MODEL_BYTES` allows."""
    at_once = max(1, MODEL_BYTES // lowered.activation_bytes)

    def run_parts(batch: NDArray[Any]) -> Sequence[NDArray[Any]]:
        parts = [run(batch[start : start + at_once]) for start in range(0, len(batch), at_once)]
        return [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]

    return run_parts


def _check_agreement(graph: Graph, name: str, answer: NDArray[Any], probed: NDArray[Any]) -> None:
    """Compare readouts; the unrolled model returns only that of the last step."""
    expected = probed if answer.ndim == probed.ndim else probed[:, -1]
    if not np.array_equal(answer, expected):
        differ = np.flatnonzero((answer != expected).reshape(len(answer), -1).any(axis=1))
        raise TargetRunError(
            f"graph {graph.name!r}: {name} and the model that shows every layer differ in "
            f"sample {differ[0]} of a batch of {len(answer)}; please report this"
        )


def encode_input(graph: Graph, lowered: Lowered, samples: NDArray[Any]) -> NDArray[Any]:
    """Return samples ``(n, steps, *shape)`` in the model's axes and data type."""
    value = lowered.input
    if samples.ndim == 5:
        samples = samples.transpose(0, 1, 3, 4, 2)
    if graph.steps == 1 and not runs_by_step(graph):
        samples = samples[:, 0]
    if value.form is Form.FLOAT:
        return (samples * graph.input_op.scale).astype(np.float32)
    return (samples.astype(np.int64) + value.zero_point).astype(value.form.dtype)


def decode_outputs(
    graph: Graph, probe: Lowered, outputs: Sequence[NDArray[Any]], count: int
) -> dict[str, NDArray[Any]]:
    """Return the values of every observed node, ``(samples, steps, *shape)``, channels first."""
    values = {}
    for name, index in probe.observed.items():
        steps = (count, graph.steps, *channels_last(graph.tensors[name].shape))
        whole = decode(name, probe.outputs[index], outputs[index]).reshape(steps)
        values[name] = np.moveaxis(whole, -1, 2)
    return values


def decode(name: str, value: Value, array: NDArray[Any]) -> NDArray[Any]:
    """Return an output's whole numbers in an integer type that holds them."""
    if value.form is not Form.FLOAT:
        return array.astype(np.int32) - value.zero_point if value.zero_point else array
    whole = array.astype(np.int32)
    if not np.array_equal(whole, array):
        raise TargetRunError(
            f"{name} has numbers that are not whole, so this runtime's float32 kernels "
            "do not compute exactly; use another runtime or the cpu target"
        )
    return whole
