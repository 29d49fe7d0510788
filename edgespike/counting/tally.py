"""What a run gives when its values are not kept: the answers, and the numbers of events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.counting.events import sum_events
from edgespike.errors import InputError
from edgespike.graph import Graph
from edgespike.graph.inputs import as_samples
from edgespike.graph.tensor import Integers
from edgespike.trace import Trace


class EventSums(Mapping[str, Integers]):
    """Event sums as a target stores them, which become int64 when they are asked for.

    Parameters
    ----------
    stored
        Integers ``(steps, *shape)``, channels first, in any type and memory order.
    """

    def __init__(self, stored: Mapping[str, NDArray[Any]]) -> None:
        self.stored = stored
        self._widened: dict[str, Integers] = {}

    def __getitem__(self, name: str) -> Integers:
        if name not in self._widened:
            self._widened[name] = self.stored[name].astype(np.int64, order="C", copy=False)
        return self._widened[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.stored)

    def __len__(self) -> int:
        return len(self.stored)


def stored_events(events: Mapping[str, Integers]) -> Mapping[str, NDArray[Any]]:
    """Return event sums as they are stored: the same numbers, perhaps in narrower types."""
    return events.stored if isinstance(events, EventSums) else events


@dataclass(frozen=True)
class Tally:
    """Answers and event counts of one run.

    Parameters
    ----------
    accumulators
        The readout after the last step, int64 ``(samples, classes)``.
    events
        For each of :func:`event_sources`, its events summed over samples, int64
        ``(steps, *shape)``, channels first.
    """

    accumulators: Integers
    events: Mapping[str, Integers]

    @property
    def samples(self) -> int:
        """How many samples ran."""
        return len(self.accumulators)

    @property
    def silent(self) -> tuple[str, ...]:
        """Names of the nodes at which no event arose, in any step of any sample."""
        return tuple(name for name, total in self.events.items() if not total.any())

    def __add__(self, other: Tally) -> Tally:
        """Return the tally of both runs, with this one's samples first."""
        events = {name: total + other.events[name] for name, total in self.events.items()}
        return Tally(np.concatenate([self.accumulators, other.accumulators]), events)


def event_sources(graph: Graph) -> list[str]:
    """Name the nodes at which events arise: input, neurons, max pools and products."""
    return [node.name for node in graph.nodes if node.op.emits_events]


def tally_trace(graph: Graph, samples: NDArray[Any], trace: Trace) -> Tally:
    """Sum the events of a run whose values were kept.

    Parameters
    ----------
    graph
        The graph that ran.
    samples
        Its input, as :func:`edgespike.graph.inputs.as_samples` takes it.
    trace
        What the target's runtime gave for these samples.

    Raises
    ------
    InputError
        The samples do not fit the graph's input, or the trace has other layers, another number of
        samples, or other steps.
    """
    samples = as_samples(graph, samples)
    observed = {graph.input.name: samples, **trace.values}
    for name in (*event_sources(graph), graph.readout.name):
        expected = (len(samples), graph.steps, *graph.tensors[name].shape)
        if name not in observed or observed[name].shape != expected:
            found = f"has shape {observed[name].shape}" if name in observed else "is missing"
            raise InputError(
                f"the trace does not belong to these samples: layer {name} {found}, expected "
                f"{expected}"
            )
    return tally_checked(graph, samples, trace)


def tally_checked(graph: Graph, samples: NDArray[Any], trace: Trace) -> Tally:
    """Sum the events of a run whose samples and trace are known to fit the graph.

    Parameters
    ----------
    graph, trace
        As for :func:`tally_trace`.
    samples
        What :func:`edgespike.graph.inputs.as_samples` returned, or part of it.
    """
    observed = {graph.input.name: samples, **trace.values}
    events = {
        name: sum_events(observed[name], graph.tensors[name]) for name in event_sources(graph)
    }
    return Tally(trace.accumulators(graph), events)
