"""Turn work into energy by one model with the constants of one profile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from edgespike.counting.instructions import Instructions
from edgespike.energy.interval import Interval
from edgespike.energy.model import EnergyModel, Term
from edgespike.energy.profile import Constant, Grade, Profile
from edgespike.energy.quantities import SRAM_SIZES, Hierarchy, Quantity, Work, interpolated
from edgespike.errors import UnsupportedError, shown

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
    bits
        Bits of its activations; ``None`` if they are those of the model's constants.
    """

    name: str
    operations: int
    energy: Interval
    passes: int
    bits: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain values, over all samples."""
        return {
            "name": self.name,
            "passes": self.passes,
            "bits": self.bits,
            "multiply_accumulates": self.operations,
            **self.energy.to_json(),
        }


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
        Mean number of events of a neuron in a sample at which the graph would cost as much as
        :attr:`rival`, everything else equal; ``None`` if there is no such number.
    fair
        The dense net whose activations have as many bits as the graph's neurons can send; ``None``
        if the model has none.
    rate
        Measured events of a neuron in a sample; ``None`` if it was not asked for.
    why_no_break_even
        Why ``break_even`` is ``None``; empty if it is not.
    charged
        How many times each constant is charged, by its name: ``energy`` is the sum of the products,
        whose range is wider where the number has a range itself.
    instructions
        The instructions that were charged, over all samples; ``None`` if none were.
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
    fair: Baseline | None = None
    rate: float | None = None
    why_no_break_even: str = ""
    charged: Mapping[str, int | float] = field(default_factory=dict)
    instructions: Instructions | None = None

    @property
    def seconds(self) -> Interval | None:
        """How long the instructions take on the profile's board, over all samples."""
        board, count = self.profile.board, self.instructions
        if board is None or count is None:
            return None
        cycles, hertz = board.cycles_per_instruction, board.clock_mhz * 1e6
        return Interval(
            count.low * cycles.low / hertz,
            count.typical * cycles.value / hertz,
            count.high * cycles.high / hertz,
        )

    @property
    def rival(self) -> Baseline | None:
        """The baseline that ``break_even`` speaks of: the fair one, else that of fewest passes."""
        return self.fair if self.fair is not None else next(iter(self.baselines), None)

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
            "equations": list(self.model.equations),
            "caveat": self.model.caveat,
            "omits": self.model.omits,
            "source": self.model.source,
            "link": self.model.link,
            "memory_share": self.memory_share,
            "baseline_j": self.baselines[0].energy.typical if self.baselines else None,
            "baselines": [row.to_json() for row in self.baselines],
            "fair_baseline": None if self.fair is None else self.fair.to_json(),
            "break_even_against": None if self.rival is None else self.rival.name,
            "break_even_events_per_neuron": self.break_even,
            "events_per_neuron": self.rate,
            "why_no_break_even": self.why_no_break_even,
            "charged": {
                name: {"times": times, **self.profile.constants[name].energy.to_json()}
                for name, times in self.charged.items()
            },
            "left_out": {quantity.value: count for quantity, count in self.left_out.items()},
            **self._board_json(samples),
            "target": self.model.target or None,
            "target_runs_graph": None if self.refusals is None else not self.refusals,
            "target_refusals": list(self.refusals or ()),
        }

    def _board_json(self, samples: int) -> dict[str, Any]:
        """Return what a board does for a sample; nothing for models without instructions."""
        board, count, seconds = self.profile.board, self.instructions, self.seconds
        if board is None or count is None or seconds is None:
            return {}
        each = seconds / samples
        return {
            "instructions_per_sample": {
                name: value / samples
                for name, value in (
                    ("low", count.low),
                    ("typical", count.typical),
                    ("high", count.high),
                )
            },
            "instructions_measured": count.measured,
            "instructions_from": count.how,
            "seconds_per_sample": {"low": each.low, "typical": each.typical, "high": each.high},
            "board": board.to_json(),
        }


@dataclass(frozen=True)
class Dense:
    """The dense nets that a graph is compared with.

    Parameters
    ----------
    passes
        Passes per sample of each, by a name that says so; fewest passes first.
    fair_passes, fair_bits
        Passes of a net with the graph's bits, and the most bits of its activations.
    """

    passes: Mapping[str, int]
    fair_passes: int
    fair_bits: int


def estimate(
    model: EnergyModel,
    profile: Profile,
    work: Work,
    dense: Dense,
    refusals: Sequence[str] | None = None,
    *,
    at_rest: Work | None = None,
    rate: float | None = None,
    why_not: str = "",
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
    dense
        The baselines.
    refusals
        As for :class:`Estimate`.
    at_rest, rate, why_not
        The work of the same run with silent neurons, the measured events of a neuron in a sample,
        and why the work is ``None``; see :mod:`edgespike.energy.break_even`.
    """
    memory_terms = [term for term in model.terms if term.memory is not None]
    used = [constant for term in model.terms for constant in _constants(term, profile, work)]
    found = Estimate(
        model,
        profile,
        _charge(model.terms, profile, work),
        _charge(memory_terms, profile, work) if memory_terms else None,
        tuple(_baselines(model, profile, work, dense)) if model.dense else (),
        _left_out(model, work),
        max((constant.grade for constant in used), key=lambda grade: grade.rank),
        None if refusals is None else tuple(refusals),
        fair=_fair(model, profile, work, dense),
        rate=rate,
        charged=_times(model.terms, profile, work),
        instructions=_instructions(model, profile, work),
    )
    if found.rival is None:
        return replace(found, why_no_break_even="the model has no dense baseline")
    if at_rest is None or rate is None:
        return replace(found, why_no_break_even=why_not or "it was not asked for")
    silent = _charge(model.terms, profile, at_rest).typical
    break_even, why = _break_even(found.rival.energy.typical, silent, found.energy.typical, rate)
    return replace(found, break_even=break_even, why_no_break_even=why)


def _instructions(model: EnergyModel, profile: Profile, work: Work) -> Instructions | None:
    if any(term.quantity is Quantity.INSTRUCTIONS for term in model.terms):
        return instructions_of(profile, work)
    return None


def _break_even(
    rival: float, silent: float, measured: float, rate: float
) -> tuple[float | None, str]:
    """Find the rate at which a straight line through rates 0 and ``rate`` reaches ``rival``."""
    if rival < silent:
        return None, "with silent neurons it would still cost more than the baseline"
    if rate == 0 or measured <= silent:
        return None, "the model charges nothing for the events of this run's neurons"
    return rate * (rival - silent) / (measured - silent), ""


def _constants(term: Term, profile: Profile, work: Work) -> Iterator[Constant]:
    """Yield the constants that a term really uses."""
    if term.memory is None:
        yield profile.constants[term.constant]
    elif term.hierarchy is Hierarchy.INTERPOLATED:
        rows = work.accesses[term.quantity]
        sizes = {size for row in rows for size in interpolated(row.memory_bytes)}
        yield from (
            profile.constants[f"{term.constant}_{size}"] for size in SRAM_SIZES if size in sizes
        )
    else:
        yield profile.constants[f"{term.constant}_{work.sram_size(term.memory)}"]


def _charge(terms: Iterable[Term], profile: Profile, work: Work) -> Interval:
    return sum((_charge_term(term, profile, work) for term in terms), start=Interval())


def _charge_term(term: Term, profile: Profile, work: Work) -> Interval:
    if term.memory is not None and term.hierarchy is Hierarchy.INTERPOLATED:
        parts = (
            profile.constants[f"{term.constant}_{size}"].energy * (part * row.number)
            for row in work.accesses[term.quantity]
            for size, part in interpolated(row.memory_bytes).items()
        )
        return sum(parts, start=Interval())
    (constant,) = _constants(term, profile, work)
    if term.quantity is Quantity.INSTRUCTIONS:
        count, energy = instructions_of(profile, work), constant.energy
        return Interval(
            energy.low * count.low, energy.typical * count.typical, energy.high * count.high
        )
    return constant.energy * work.amounts[term.quantity]


def instructions_of(profile: Profile, work: Work) -> Instructions:
    """Return the instructions of a profile's board, over all samples.

    Raises
    ------
    UnsupportedError
        They are not known, or the profile has no board: no energy is better than one of 0 J.
    """
    if profile.board is None:
        raise UnsupportedError(
            f"the energy of profile {profile.name} cannot be reported",
            ["its model counts instructions, and it names no board; add a table [board]"],
        )
    core = profile.board.core
    if core not in work.instructions:
        known = ", ".join(work.instructions) or "none"
        raise UnsupportedError(
            f"the energy of profile {profile.name} cannot be reported",
            [f"the instructions of core {shown(core)} are not known; known are: {known}"],
        )
    return work.instructions[core]


def _times(terms: Iterable[Term], profile: Profile, work: Work) -> dict[str, int | float]:
    """Return how many times each constant is charged."""
    times: dict[str, int | float] = {}
    for term in terms:
        if term.memory is not None and term.hierarchy is Hierarchy.INTERPOLATED:
            parts: list[tuple[str, int | float]] = [
                (f"{term.constant}_{size}", part * row.number)
                for row in work.accesses[term.quantity]
                for size, part in interpolated(row.memory_bytes).items()
            ]
        else:
            (constant,) = _constants(term, profile, work)
            counts = term.quantity is Quantity.INSTRUCTIONS
            number = (
                instructions_of(profile, work).typical if counts else work.amounts[term.quantity]
            )
            parts = [(constant.name, number)]
        for name, number in parts:
            times[name] = times.get(name, 0) + number
    return times


def _baselines(
    model: EnergyModel, profile: Profile, work: Work, dense: Dense
) -> Iterator[Baseline]:
    energy = _charge(model.dense_terms, profile, work)
    operations = work.amounts[model.dense_terms[0].quantity]
    for name, times in dense.passes.items():
        yield Baseline(f"{model.dense}, {name}", operations * times, energy * times, times)


def _fair(model: EnergyModel, profile: Profile, work: Work, dense: Dense) -> Baseline | None:
    if not model.fair_terms:
        return None
    bits = dense.fair_bits
    return Baseline(
        f"dense, activations of {bits} bit{'' if bits == 1 else 's'}",
        work.amounts[Quantity.DENSE_MACS] * dense.fair_passes,
        _charge(model.fair_terms, profile, work) * dense.fair_passes,
        dense.fair_passes,
        bits,
    )


def _left_out(model: EnergyModel, work: Work) -> dict[Quantity, int]:
    charged = {term.quantity for term in model.terms}.union(model.inside)
    missing: list[Quantity] = []
    for quantity, parts in _CHARGEABLE.items():
        if quantity not in charged:
            left = [part for part in parts if part not in charged]
            missing += left if len(left) < len(parts) else [quantity]
    return {quantity: work.amounts[quantity] for quantity in missing if work.amounts[quantity]}
