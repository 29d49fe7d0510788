"""Verify on given samples that targets compute what the interpreter defines.

Every observed layer is compared at every step, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike import __version__
from edgespike.batches import ReportProgress, batches, no_report, samples_within, sha256_of
from edgespike.counting import Tally, tally_checked
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
from edgespike.prepared import Prepared, prepared
from edgespike.trace import Trace, observed_names

COMPARED_AT_ONCE = 2**22
"""Most values of the interpreter that are in memory at once: 32 MiB."""


class VerificationError(ViolationsError):
    """Some of the targets cannot run the graph, so nothing can be compared."""


@dataclass(frozen=True)
class Difference:
    """One value that a target computed differently.

    Parameters
    ----------
    layer
        Name of the node.
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
    """How one target compared with the interpreter.

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
        The first difference, in order of step, layer (as they run), sample and neuron. ``None`` if
        everything is equal.
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
        """Whether every value equals the interpreter's."""
        return self.first_difference is None


@dataclass(frozen=True, repr=False)
class Certificate:
    """What was compared with the interpreter, and the results.

    Parameters
    ----------
    graph
        SHA-256 of the graph.
    inputs
        SHA-256 of the samples, see :func:`inputs_hash`.
    targets
        Each target's result, by its name.
    """

    graph: str
    inputs: str
    targets: dict[str, TargetResult]

    @property
    def equal(self) -> bool:
        """Whether all targets are equal to the interpreter."""
        return all(result.equal for result in self.targets.values())

    def __repr__(self) -> str:
        """Return each target's result on one line; :meth:`to_json` has everything."""
        results = ", ".join(
            f"{name} {'equal' if result.equal else 'different'} on {result.samples} samples"
            for name, result in self.targets.items()
        )
        return f"<Certificate of graph {self.graph[:12]}: {results}>"

    def _repr_html_(self) -> str | None:
        """Return what a notebook shows; ``None``, and it shows the text, without extra report."""
        from edgespike.report.notebook import certificate_html

        return certificate_html(self.to_json())

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
        The graph.
    samples
        As :func:`edgespike.graph.inputs.as_samples` takes them. They run in batches, so memory
        stays bounded.
    targets
        Names of the targets.
    progress
        Called before and after each batch of each target.

    Raises
    ------
    InputError
        The samples do not fit the graph's input.
    VerificationError
        A target is unknown, cannot compute the graph, or is not installed; all are listed.
    TargetRunError
        A target's runtime failed, or its trace does not have the graph's layers.
    """
    samples = as_samples(graph, samples)
    ready = _prepare_all(graph, targets)
    tallies: dict[str, Tally] = {}
    first: dict[str, tuple[int, int, Difference]] = {}
    for start, batch in batches(graph, samples):
        traces: dict[str, Trace] = {}
        for name, each in ready.items():
            progress(name, start, len(samples))
            trace = traces[name] = each.runner.trace(batch)
            _check_trace(graph, name, len(batch), trace)
            tally = tally_checked(graph, batch, trace)
            tallies[name] = tallies[name] + tally if name in tallies else tally
            progress(name, start + len(batch), len(samples))
        _compare_all(graph, batch, traces, start, first)
    results = {
        name: _result(each, tallies[name], first[name][2] if name in first else None)
        for name, each in ready.items()
    }
    return Certificate(graph.hash, inputs_hash(graph, samples), results)


def _compare_all(
    graph: Graph,
    batch: NDArray[Any],
    traces: Mapping[str, Trace],
    start: int,
    first: dict[str, tuple[int, int, Difference]],
) -> None:
    """Compare the targets' traces of a batch with the interpreter, part by part."""
    at_once = samples_within(graph, COMPARED_AT_ONCE)
    for at in range(0, len(batch), at_once):
        part = slice(at, at + at_once)
        expected = interpret(graph, batch[part])
        for name, trace in traces.items():
            found = Trace({layer: trace.values[layer][part] for layer in expected.values})
            _keep_first(first, name, _first_difference(expected, found, start + at))


def _result(ready: Prepared, tally: Tally, first: Difference | None) -> TargetResult:
    counts = ready.counter.counts(tally)
    return TargetResult(
        ready.runner.runtime,
        tally.samples,
        ready.graph.steps,
        len(observed_names(ready.graph)),
        counts.synaptic_operations(),
        counts.multiply_accumulates(),
        first,
    )


def inputs_hash(graph: Graph, samples: NDArray[Any]) -> str:
    """Return the SHA-256 of samples as little-endian int64 ``(samples, steps, *shape)``, row-major.

    It depends on the values alone, not on their dtype.
    """
    return sha256_of(batch for _, batch in batches(graph, samples))


def _check_names(names: object) -> Iterator[str]:
    """Yield why a value is not a list of names."""
    if isinstance(names, str) or not isinstance(names, Sequence):
        yield f"targets is {shown(names)}; give a list of names, such as ['cpu']"
    elif wrong := [name for name in names if not isinstance(name, str)]:
        yield f"targets contains {shown(wrong[0])}; give names, such as 'cpu'"
    elif not names:
        yield "no target is named; name at least one, such as cpu"


def _prepare_all(graph: Graph, names: Sequence[str]) -> dict[str, Prepared]:
    """Prepare the graph on each runtime; raise all that prevents it at once."""
    ready: dict[str, Prepared] = {}
    problems = list(_check_names(names))
    for name in () if problems else dict.fromkeys(names):
        try:
            ready[name] = prepared(graph, name)
        except UnsupportedError as error:
            problems += [f"{name}: {line}" for line in error.violations]
        except EdgespikeError as error:
            problems.append(f"{name}: {error}")
    if problems:
        raise VerificationError(f"graph {graph.name!r} cannot be verified", problems)
    return ready


def _check_trace(graph: Graph, target: str, samples: int, trace: Trace) -> None:
    for layer in observed_names(graph):
        if layer not in trace.values:
            raise TargetRunError(f"target {target} returned no values of layer {layer}")
        found = trace.values[layer]
        shape = (samples, graph.steps, *graph.tensors[layer].shape)
        if found.shape != shape or not np.issubdtype(found.dtype, np.integer):
            raise TargetRunError(
                f"target {target} returned {found.dtype} of shape {found.shape} for layer {layer}; "
                f"expected integers of shape {shape}"
            )


def _first_difference(
    expected: Trace, trace: Trace, start: int
) -> tuple[int, int, Difference] | None:
    """Return a batch's first difference, with its step and its layer's place in the order."""
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
    # Later batches hold later samples: an earlier batch's difference at the same place stays.
    if new is not None and (name not in first or new[:2] < first[name][:2]):
        first[name] = new
