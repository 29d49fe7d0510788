"""The energy report: counts of a run, its energy by several models, and the graph's size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgespike.counting import Counts, silent_layers
from edgespike.counting.instructions import Instructions
from edgespike.energy.break_even import activity
from edgespike.energy.cores import CoreLoad
from edgespike.energy.coverage import Coverage, coverage
from edgespike.energy.estimate import Dense, Estimate, estimate
from edgespike.energy.profile import Profile, load_profiles
from edgespike.energy.quantities import Quantity
from edgespike.energy.shapes import activation_bits, from_input_alone
from edgespike.energy.work import measure
from edgespike.errors import InputError
from edgespike.graph import Graph
from edgespike.graph.ops import OPERATIONS
from edgespike.graph.size import GraphSize, graph_size


@dataclass(frozen=True, repr=False)
class EnergyReport:
    """Counts of a run, and its energy by every model of every requested profile.

    Parameters
    ----------
    graph, graph_hash, steps
        Name, hash and steps of the graph that ran.
    counts
        What it did, over all samples.
    profiles
        All requested profiles, including those without models.
    estimates
        One for each model of each profile, in the order of the profiles.
    size
        The size of the graph's weights in a file, and their entropy.
    silent
        Names of the nodes at which events can arise and none did.
    free
        Kinds of operations in the graph that cost nothing, each with the reason.
    origin
        What the graph is made from, see :class:`edgespike.graph.Graph`.
    coverage
        Which of the graph's operations are counted, and which are free.
    target
        Name of the target whose run was counted, and whose cost is asked for.
    accuracy
        Share of the samples whose class is their label, 0 to 1; ``None`` without labels.
    cores
        How busy the busiest core of a placement is; ``None`` if the graph has no placement.
    """

    graph: str
    graph_hash: str
    steps: int
    counts: Counts
    profiles: tuple[Profile, ...]
    estimates: tuple[Estimate, ...]
    size: GraphSize
    silent: tuple[str, ...]
    free: tuple[tuple[str, str], ...]
    coverage: Coverage
    origin: str = ""
    target: str = "cpu"
    accuracy: float | None = None
    cores: CoreLoad | None = None

    @property
    def headline(self) -> Estimate | None:
        """The estimate that answers what a sample costs; ``None`` if there is no estimate.

        The first of the target's own hardware, if the target can run the graph; else the first
        that charges memory accesses, of a model that speaks of no target; else the first.
        """
        own = [
            row for row in self.estimates if row.model.target == self.target and not row.refusals
        ]
        general = [row for row in self.estimates if not row.model.target]
        memory = [row for row in general if row.memory is not None]
        return next(iter([*own, *memory, *general, *self.estimates]), None)

    def __repr__(self) -> str:
        """Return samples, operations and energies on one line; :meth:`to_json` has everything."""
        samples = self.counts.samples
        energies = ", ".join(
            f"{row.model.name} {row.energy.typical / samples:.3g} J" for row in self.estimates
        )
        return (
            f"<EnergyReport of graph {self.graph!r}: {samples} samples, "
            f"{self.counts.synaptic_operations()} synaptic operations, "
            f"{self.counts.multiply_accumulates()} multiply-accumulates; "
            f"per sample {energies or 'no energy'}>"
        )

    def _repr_html_(self) -> str | None:
        """Return what a notebook shows; ``None``, and it shows the text, without extra report."""
        from edgespike.report.notebook import report_html

        return report_html(self)

    def to_json(self) -> dict[str, Any]:
        """Return plain values.

        ``name``, ``graph`` (the hash) and ``origin`` say which graph ran, ``counts`` and ``energy``
        are totals over samples, ``silent_layers`` those without an event, and ``size`` is that of
        the weights.
        """
        return {
            "name": self.graph,
            "graph": self.graph_hash,
            "origin": self.origin,
            "silent_layers": list(self.silent),
            "counts": self.counts.to_json(),
            "coverage": {"sentence": self.coverage.sentence, **self.coverage.to_json()},
            "target": self.target,
            "accuracy": self.accuracy,
            "busiest_core": None if self.cores is None else asdict(self.cores),
            "headline": None if (row := self.headline) is None else row.model.name,
            "energy": [row.to_json(self.counts.samples) for row in self.estimates],
            "size": self.size.to_json(),
        }


def energy_report(
    graph: Graph,
    counts: Counts,
    profiles: Sequence[str | Path | Profile] | None = None,
    refusals: Callable[[str], Sequence[str]] | None = None,
    *,
    target: str = "cpu",
    accuracy: float | None = None,
    cores: CoreLoad | None = None,
    instructions: Callable[[], Mapping[str, Instructions]] | None = None,
) -> EnergyReport:
    """Estimate what a run cost.

    Parameters
    ----------
    graph
        The graph that ran.
    counts
        What it did; see :func:`edgespike.counting.count`.
    profiles
        As for :func:`edgespike.energy.load_profiles`.
    refusals
        Returns what the target of a name cannot do in the graph, one line each, such as
        :attr:`edgespike.targets.base.Target.violations` of that target; called for each model of a
        target. Without it, the report says that the targets were not asked.
    target, accuracy, cores
        As for :class:`EnergyReport`.
    instructions
        Returns the instructions of a sample on each core for which they are known; called if a
        model charges them.

    Raises
    ------
    InputError
        There are no samples.
    UnsupportedError
        An operation of the graph is neither counted nor declared free, all are listed; or a model
        charges instructions of a core for which they are not known.
    InputError, FileFormatError, ProfileError
        A profile cannot be read or is not valid.
    """
    loaded = load_profiles(profiles)
    if counts.samples < 1:
        raise InputError(
            f"the cost of graph {graph.name!r} cannot be reported for {counts.samples} samples; "
            "give at least 1"
        )
    covered = coverage(graph, counts)
    targets = {model.target for profile in loaded for model in profile.models} - {""}
    asked = {name: refusals(name) for name in sorted(targets)} if refusals else {}
    neurons = activity(graph, counts)
    needed = {model.convention for profile in loaded for model in profile.models}
    charged = {
        term.quantity for profile in loaded for model in profile.models for term in model.terms
    }
    asks = instructions is not None and Quantity.INSTRUCTIONS in charged
    known = instructions() if asks and instructions is not None else {}
    works = {convention: measure(graph, counts, convention, known) for convention in needed}
    rest = neurons.at_rest
    at_rest = {} if rest is None else {each: measure(graph, rest, each) for each in needed}
    dense = _dense(graph)
    estimates = tuple(
        estimate(
            model,
            profile,
            works[model.convention],
            dense,
            asked.get(model.target),
            at_rest=at_rest.get(model.convention),
            rate=neurons.rate,
            why_not=neurons.why_not,
        )
        for profile in loaded
        for model in profile.models
    )
    kinds = {type(node.op) for node in graph.nodes}
    free = tuple((op.kind, op.free) for op in OPERATIONS.values() if op in kinds and op.free)
    return EnergyReport(
        graph.name,
        graph.hash,
        graph.steps,
        counts,
        loaded,
        estimates,
        graph_size(graph),
        silent_layers(graph, counts),
        free,
        covered,
        graph.origin,
        target,
        accuracy,
        cores,
    )


def _dense(graph: Graph) -> Dense:
    """Return the dense nets that a graph is compared with.

    A constant input needs one pass, however many steps the graph takes; an input that changes from
    step to step needs one pass per step, and so does the dense counterpart of a recurrent graph.
    """
    alone = from_input_alone(graph)
    every = activation_bits(graph)
    hidden = [bits for name, bits in every.items() if graph[name].inputs[0] not in alone]
    fair_bits = max(hidden or every.values())
    each_step = {"one pass a step": graph.steps}
    if graph.is_recurrent:
        return Dense(each_step, graph.steps, fair_bits)
    more = each_step if graph.steps > 1 else {}
    return Dense({"one pass a sample": 1, **more}, 1, fair_bits)
