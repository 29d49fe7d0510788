"""Showing, on given data, that targets compute what the interpreter defines.

Every observed layer is compared at every step, bit for bit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike import __version__
from edgespike.batches import ReportProgress, batches, no_report
from edgespike.counting import Counter, Counts, tally_trace
from edgespike.errors import (
    EdgespikeError,
    TargetRunError,
    UnsupportedError,
    ViolationsError,
    shown,
)
from edgespike.graph import Graph
from edgespike.graph.inputs import as_samples
from edgespike.interpreter import interpret
from edgespike.targets import prepare
from edgespike.targets.base import Runner
from edgespike.trace import Trace, observed_names


class VerificationError(ViolationsError):
    """Some of the targets cannot run the graph, so that there is nothing to compare."""


@dataclass(frozen=True)
class Difference:
    """One value that a target computed otherwise.

    Parameters
    ----------
    layer
        Name of the graph's node.
    sample, step
        Indices, from 0.
    neuron
        Index into the layer's values of one step, flattened in row-major order, from 0.
    expected, found
        The interpreter's value and the target's.
    """

    layer: str
    sample: int
    step: int
    neuron: int
    expected: int
    found: int


@dataclass(frozen=True)
class TargetResult:
    """How one target compared.

    Parameters
    ----------
    runtime
        Name and version of what ran.
    samples, steps, layers
        How many of each were compared.
    synaptic_operations, multiply_accumulates
        Counted from what the target ran, over all samples, on non-zero quantised weights: spikes,
        and events that carry a number, at existing synapses.
    first_difference
        The one at the smallest step; of these, in the first layer to run; of these, of the first
        sample; of these, the first neuron. ``None`` if everything is equal.
    """

    runtime: str
    samples: int
    steps: int
    layers: int
    synaptic_operations: int
    multiply_accumulates: int
    first_difference: Difference | None

    @property
    def equal(self) -> bool:
        """Whether every value is the interpreter's."""
        return self.first_difference is None


@dataclass(frozen=True)
class Certificate:
    """What was compared with the interpreter, and with which result.

    Parameters
    ----------
    graph
        SHA-256 of the graph.
    inputs
        SHA-256 of the samples, see :func:`inputs_hash`.
    targets
        The result of each target by its name.
    """

    graph: str
    inputs: str
    targets: dict[str, TargetResult]

    @property
    def equal(self) -> bool:
        """Whether all targets are equal to the interpreter."""
        return all(result.equal for result in self.targets.values())

    def to_json(self) -> dict[str, Any]:
        """Return the certificate as plain values."""
        targets = {
            name: {"equal": result.equal, **asdict(result)} for name, result in self.targets.items()
        }
        return {
            "graph": self.graph,
            "inputs": self.inputs,
            "edgespike": __version__,
            "targets": targets,
        }


def verify(
    graph: Graph,
    samples: NDArray[Any],
    targets: Sequence[str] = ("cpu",),
    *,
    progress: ReportProgress = no_report,
) -> Certificate:
    """Run samples on targets and compare every observed layer and step with the interpreter.

    Parameters
    ----------
    graph
        What to run.
    samples
        As :func:`edgespike.graph.inputs.as_samples` takes them. They run in batches, so that
        memory stays bounded.
    targets
        Names of targets.
    progress
        Called whenever a target begins or has run a batch.

    Raises
    ------
    InputError
        The samples do not fit the graph's input.
    VerificationError
        A target is unknown, cannot do the graph, or its runtime is missing; all are listed.
    TargetRunError
        A target's runtime failed, or gave something else than the graph's layers.
    """
    samples = as_samples(graph, samples)
    runners = _prepare_all(graph, targets)
    counter = Counter(graph)
    counts: dict[str, Counts] = {}
    first: dict[str, tuple[int, int, Difference]] = {}
    for start, batch in batches(graph, samples):
        expected = interpret(graph, batch)
        for name, runner in runners.items():
            progress(name, start, len(samples))
            trace = runner.trace(batch)
            _check_trace(name, expected, trace)
            new = counter.counts(tally_trace(graph, batch, trace))
            counts[name] = counts[name] + new if name in counts else new
            _keep_first(first, name, _first_difference(expected, trace, start))
            progress(name, start + len(batch), len(samples))
    results = {
        name: TargetResult(
            runner.runtime,
            len(samples),
            graph.steps,
            len(observed_names(graph)),
            counts[name].synaptic_operations(),
            counts[name].multiply_accumulates(),
            first[name][2] if name in first else None,
        )
        for name, runner in runners.items()
    }
    return Certificate(graph.hash, inputs_hash(graph, samples), results)


def inputs_hash(graph: Graph, samples: NDArray[Any]) -> str:
    """Return the SHA-256 of samples as little-endian int64 ``(samples, steps, *shape)``, row-major.

    It depends on the values alone, not on the dtype that they are stored in.
    """
    sha = hashlib.sha256()
    for _, batch in batches(graph, samples):
        sha.update(batch.astype("<i8").tobytes())
    return sha.hexdigest()


def _no_names(names: object) -> Iterator[str]:
    """Yield what keeps a value from being a list of names."""
    if isinstance(names, str) or not isinstance(names, Sequence):
        yield f"targets is {shown(names)}; give a list of names, such as ['cpu']"
    elif wrong := [name for name in names if not isinstance(name, str)]:
        yield f"targets has {shown(wrong[0])} in it; give names, such as 'cpu'"
    elif not names:
        yield "no target is named; name at least one, such as cpu"


def _prepare_all(graph: Graph, names: Sequence[str]) -> dict[str, Runner]:
    """Prepare the graph on each runtime; list all that cannot be."""
    ready: dict[str, Runner] = {}
    problems = list(_no_names(names))
    for name in () if problems else dict.fromkeys(names):
        try:
            ready[name] = prepare(graph, name)
        except UnsupportedError as error:
            problems += [f"{name}: {line}" for line in error.violations]
        except EdgespikeError as error:
            problems.append(f"{name}: {error}")
    if problems:
        raise VerificationError(f"graph {graph.name!r} cannot be verified", problems)
    return ready


def _check_trace(target: str, expected: Trace, trace: Trace) -> None:
    for layer, values in expected.values.items():
        if layer not in trace.values:
            raise TargetRunError(f"target {target} gave no values of layer {layer}")
        found = trace.values[layer]
        if found.shape != values.shape or not np.issubdtype(found.dtype, np.integer):
            raise TargetRunError(
                f"target {target} gave {found.dtype} of shape {found.shape} for layer {layer}; "
                f"the graph has integers of shape {values.shape}"
            )


def _first_difference(
    expected: Trace, trace: Trace, start: int
) -> tuple[int, int, Difference] | None:
    """Return the first difference of a batch behind its step and its layer's place in the order."""
    found = [
        (difference.step, place, difference)
        for place, (layer, values) in enumerate(expected.values.items())
        if (difference := _compare(layer, values, trace.values[layer], start)) is not None
    ]
    return min(found, key=lambda entry: entry[:2], default=None)


def _compare(
    layer: str, expected: NDArray[Any], found: NDArray[Any], start: int
) -> Difference | None:
    samples, steps = expected.shape[:2]
    differs = (found != expected).reshape(samples, steps, -1)
    steps_that_differ = np.flatnonzero(differs.any(axis=(0, 2)))
    if steps_that_differ.size == 0:
        return None
    step = int(steps_that_differ[0])
    sample, neuron = (int(index) for index in np.argwhere(differs[:, step])[0])
    values = (int(array[sample, step].flat[neuron]) for array in (expected, found))
    return Difference(layer, start + sample, step, neuron, *values)


def _keep_first(
    first: dict[str, tuple[int, int, Difference]],
    name: str,
    new: tuple[int, int, Difference] | None,
) -> None:
    # Later batches hold later samples: an equal place in an earlier batch stays.
    if new is not None and (name not in first or new[:2] < first[name][:2]):
        first[name] = new
