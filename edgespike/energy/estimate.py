"""Turn work into energy by one model with the constants of one profile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgespike.energy.interval import Interval
from edgespike.energy.models import EnergyModel, Term
from edgespike.energy.profile import Constant, Grade, Profile
from edgespike.energy.work import Quantity, Work

_CHARGEABLE = {
    Quantity.SYNAPTIC_OPERATIONS: (),
    Quantity.MULTIPLY_ACCUMULATES: (),
    Quantity.NEURON_UPDATES: (Quantity.ACTIVE_UPDATES, Quantity.QUIET_UPDATES),
    Quantity.POOL_OPERATIONS: (),
    Quantity.EVENTS: (),
    Quantity.WEIGHT_READS: (),
    Quantity.POTENTIAL_READS: (),
    Quantity.POTENTIAL_WRITES: (),
}
"""What a run does and a model may charge for, with the parts that may be charged instead."""


@dataclass(frozen=True)
class Baseline:
    """What a dense network of the same shape costs with the same constants.

    Parameters
    ----------
    name
        Kind of network, and how many passes it makes.
    operations
        Its multiply-accumulates over all samples.
    energy
        In joules, over all samples.
    passes
        How many passes it makes per sample.
    """

    name: str
    operations: int
    energy: Interval
    passes: int


@dataclass(frozen=True)
class Estimate:
    """The energy of a run by one model with the constants of one profile.

    Parameters
    ----------
    model, profile
        What is charged, and the constants.
    energy
        In joules, over all samples.
    memory
        The part of ``energy`` due to memory accesses; ``None`` if the model does not charge them.
    baselines
        Dense baselines, fewest passes first. Empty if the model has none.
    left_out
        What the run did and the model does not charge for, with its count.
    grade
        The worst grade among the constants used.
    refusals
        What the model's target cannot do in the graph, empty if it can run it; ``None`` if the
        model has no target, or it was not asked.
    break_even
        Mean number of events of a neuron in a sample at which the graph would cost as much as its
        cheapest dense baseline, everything else equal; ``None`` if there is no baseline.
    """

    model: EnergyModel
    profile: Profile
    energy: Interval
    memory: Interval | None
    baselines: tuple[Baseline, ...]
    left_out: dict[Quantity, int]
    grade: Grade
    refusals: tuple[str, ...] | None = None
    break_even: float | None = None

    @property
    def memory_share(self) -> float | None:
        """Share of memory accesses in the typical energy, 0 to 1."""
        if self.memory is None or self.energy.typical == 0:
            return None
        return self.memory.typical / self.energy.typical

    def to_json(self, samples: int) -> dict[str, Any]:
        """Return plain values: joules over all samples, and per sample under that name."""
        return {
            "model": self.model.name,
            "profile": self.profile.name,
            **self.energy.to_json(),
            "per_sample": (self.energy / samples).to_json(),
            "grade": self.grade.value,
            "convention": self.model.convention.value,
            "formula": self.model.formula,
            "caveat": self.model.caveat,
            "memory_share": self.memory_share,
            "baseline_j": self.baselines[0].energy.typical if self.baselines else None,
            "baselines": [
                {
                    "name": row.name,
                    "passes": row.passes,
                    "multiply_accumulates": row.operations,
                    **row.energy.to_json(),
                }
                for row in self.baselines
            ],
            "break_even_events_per_neuron": self.break_even,
            "left_out": {quantity.value: count for quantity, count in self.left_out.items()},
            "target": self.model.target or None,
            "target_runs_graph": None if self.refusals is None else not self.refusals,
            "target_refusals": list(self.refusals or ()),
        }


def estimate(
    model: EnergyModel,
    profile: Profile,
    work: Work,
    passes: Mapping[str, int],
    refusals: Sequence[str] | None = None,
) -> Estimate:
    """Multiply what a model charges for by a profile's constants, and add up.

    Parameters
    ----------
    model
        One of the profile's models.
    profile
        Has every constant that the model needs; loading the profile checks this.
    work
        Measured by the model's convention.
    passes
        Passes per sample of each dense baseline, by its name.
    refusals
        As for :class:`Estimate`.
    """
    memory_terms = [term for term in model.terms if term.memory is not None]
    used = [_constant(term, profile, work) for term in model.terms]
    return Estimate(
        model,
        profile,
        _charge(model.terms, profile, work),
        _charge(memory_terms, profile, work) if memory_terms else None,
        tuple(_baselines(model, profile, work, passes)) if model.dense else (),
        _left_out(model, work),
        max((constant.grade for constant in used), key=lambda grade: grade.rank),
        None if refusals is None else tuple(refusals),
    )


def _constant(term: Term, profile: Profile, work: Work) -> Constant:
    if term.memory is None:
        return profile.constants[term.constant]
    return profile.constants[f"{term.constant}_{work.sram_size(term.memory)}"]


def _charge(terms: Iterable[Term], profile: Profile, work: Work) -> Interval:
    parts = (_constant(term, profile, work).energy * work.amounts[term.quantity] for term in terms)
    return sum(parts, start=Interval())


def _baselines(
    model: EnergyModel, profile: Profile, work: Work, passes: Mapping[str, int]
) -> Iterable[Baseline]:
    energy = _charge(model.dense_terms, profile, work)
    operations = work.amounts[model.dense_terms[0].quantity]
    for name, times in passes.items():
        yield Baseline(f"{model.dense}, {name}", operations * times, energy * times, times)


def _left_out(model: EnergyModel, work: Work) -> dict[Quantity, int]:
    charged = {term.quantity for term in model.terms}.union(model.inside)
    return {
        quantity: work.amounts[quantity]
        for quantity, parts in _CHARGEABLE.items()
        if work.amounts[quantity] and not charged.intersection((quantity, *parts))
    }
