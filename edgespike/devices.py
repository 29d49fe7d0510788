"""Where a graph runs: every target and core that is known, with memory, instructions and energy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from edgespike.counting import Counter, Tally
from edgespike.counting.instructions import Instructions
from edgespike.energy import Estimate, Interval, energy_report, load_profiles
from edgespike.errors import EdgespikeError, InputError, shown
from edgespike.graph import Graph
from edgespike.targets import get_target, instructions_of, refusals, runtime_names

CORES_TARGET = "c"
"""The target whose instructions and memory are known core by core."""

RUNTIME_BYTES = 73_000
"""Bytes of flash of TFLite Micro itself, with CMSIS-NN and the operators of a net of convolutions.

Measured for one build: those of the shipped spiking net on a Cortex-M4. More operators take more.
"""


@dataclass(frozen=True)
class Limits:
    """How much memory a board has, in bytes; ``None`` where it is not limited.

    Parameters
    ----------
    flash, ram
        Bytes.
    core
        Its core, if it is known.
    board
        Its name; empty if the limits are not those of a board.
    source
        Where the figures are from.
    """

    flash: int | None = None
    ram: int | None = None
    core: str | None = None
    board: str = ""
    source: str = ""


_MLPERF = "MLPerf Tiny v1.1, system descriptions, https://github.com/mlcommons/tiny_results_v1.1"

BOARDS = {
    board.board: board
    for board in (
        Limits(2 * 2**20, 640 * 2**10, "cortex-m4", "nucleo-l4r5zi", _MLPERF),
        Limits(2 * 2**20, 768 * 2**10, "cortex-m33", "nucleo-u575zi-q", _MLPERF),
        Limits(2 * 2**20, 1_190_000, "cortex-m7", "nucleo-h7a3zi-q", _MLPERF),
        Limits(2**20, 320 * 2**10, "cortex-m7", "disco-f746ng", _MLPERF),
        Limits(2**20, 512 * 2**10, "cortex-m33", "nrf5340-dk", _MLPERF),
        Limits(2**20, 512 * 2**10, "cortex-m4", "numaker-m467hj", _MLPERF),
        Limits(512 * 2**10, 144 * 2**10, "cortex-m0", "nucleo-g0b1re", _MLPERF),
        Limits(2 * 2**20, 2**20, "cortex-m4", "cy8cproto-062-4343w", _MLPERF),
    )
}
"""Boards whose memory is known, by name. A Cortex-M0+ runs the code of a Cortex-M0."""


@dataclass(frozen=True)
class Memory:
    """Memory of one kind that a graph needs.

    Parameters
    ----------
    bytes
        How much.
    parts
        What it is made of, in bytes; names of layers, and of what belongs to none.
    what
        What is known of the figure, in one line.
    """

    bytes: int
    parts: Mapping[str, int]
    what: str

    @property
    def largest(self) -> tuple[str, int]:
        """The largest part."""
        return max(self.parts.items(), key=lambda part: part[1])

    def over(self, limit: int | None, kind: str) -> Iterator[str]:
        """Yield by how much a limit is exceeded, and the largest part."""
        if limit is not None and self.bytes > limit:
            name, size = self.largest
            yield (
                f"{kind}: {self.bytes:,} bytes are {self.bytes - limit:,} more than {limit:,}; "
                f"{name} takes {size:,}"
            )


@dataclass(frozen=True)
class Device:
    """A target, or one of its cores, and what a graph needs there.

    Parameters
    ----------
    target, device
        The target, and what it runs on.
    exact
        Whether the target computes the graph bit for bit; ``None`` if it was not asked.
    refusals
        Why not, one line each.
    flash, ram
        ``None`` if they are not known, or no limit there.
    instructions
        Of a sample; ``None`` if they are not known.
    estimate
        Time and energy over all samples; ``None`` if they are not known.
    too_large
        Which limits are exceeded, one line each.
    unknown
        Why something is not known, by what it is.
    notes
        What else is worth knowing, one line each.
    """

    target: str
    device: str
    exact: bool | None
    refusals: tuple[str, ...] = ()
    flash: Memory | None = None
    ram: Memory | None = None
    instructions: Instructions | None = None
    estimate: Estimate | None = None
    too_large: tuple[str, ...] = ()
    unknown: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def fits(self) -> bool | None:
        """Whether it keeps the limits; ``None`` if its memory is not known."""
        if not self.exact or (self.flash is None and self.ram is None):
            return None
        return not self.too_large

    def energy(self, samples: int) -> Interval | None:
        """Return the energy of a sample."""
        return None if self.estimate is None else self.estimate.energy / samples

    def seconds(self, samples: int) -> Interval | None:
        """Return the time of a sample."""
        found = None if self.estimate is None else self.estimate.seconds
        return None if found is None else found / samples

    def to_json(self, samples: int) -> dict[str, Any]:
        """Return plain values; instructions, seconds and joules of a sample."""
        seconds = self.seconds(samples)
        board = None if self.estimate is None else self.estimate.profile.board
        return {
            "target": self.target,
            "device": self.device,
            "exact": self.exact,
            "refusals": list(self.refusals),
            "flash": _memory_json(self.flash),
            "ram": _memory_json(self.ram),
            "fits": self.fits,
            "too_large": list(self.too_large),
            "instructions": None if self.instructions is None else self.instructions.to_json(),
            "clock_mhz": None if board is None else board.clock_mhz,
            "seconds": None
            if seconds is None
            else {"low": seconds.low, "typical": seconds.typical, "high": seconds.high},
            "energy": None if self.estimate is None else self.estimate.to_json(samples),
            "unknown": dict(self.unknown),
            "notes": list(self.notes),
        }


def _memory_json(memory: Memory | None) -> dict[str, Any] | None:
    if memory is None:
        return None
    return {"bytes": memory.bytes, "parts": dict(memory.parts), "what": memory.what}


def devices(
    graph: Graph,
    tally: Tally,
    limits: Limits | None = None,
    measured: Mapping[str, float] | None = None,
) -> list[Device]:
    """Return every target and core with what a graph needs there.

    Parameters
    ----------
    graph
        The graph.
    tally
        Of a run of it, for events.
    limits
        Memory that it must fit into.
    measured
        Instructions of a sample that were counted, by core; they take the place of the model's.
    """
    limits = Limits() if limits is None else limits
    instructions = _instructions(graph, tally, measured or {})
    estimates = _estimates(graph, tally, instructions)
    found: list[Device] = []
    for name in dict.fromkeys(_target_names()):
        found += _of_target(name, graph, instructions, estimates)
    return [_limited(device, limits) for device in found]


def _target_names() -> Iterator[str]:
    """Yield the names of targets; of one that cannot be imported, that of its runtime."""
    for name in runtime_names():
        try:
            yield get_target(name).name
        except Exception:  # a third party's target may be broken in any way
            yield name


def _instructions(
    graph: Graph, tally: Tally, measured: Mapping[str, float]
) -> dict[str, Instructions]:
    found = dict(instructions_of(graph, tally, [CORES_TARGET])())
    unknown = sorted(set(measured) - set(found))
    if unknown:
        raise InputError(
            f"instructions of {shown(unknown[0])} are given, which is no core; there are: "
            f"{', '.join(found)}"
        )
    for core, count in measured.items():
        found[core] = replace(
            found[core],
            typical=count,
            low=count,
            high=count,
            measured=True,
            how="measured, as given",
            layers={},
        )
    return found


def _estimates(
    graph: Graph, tally: Tally, instructions: Mapping[str, Instructions]
) -> dict[str, Estimate]:
    """Return the energy on each core that has a profile, and on other targets, by their name."""
    profiles = [
        profile
        for profile in load_profiles(["all"])
        if profile.board is not None or profile.name == "loihi"
    ]
    counts = Counter(graph).counts(tally)
    report = energy_report(
        graph, counts, profiles, refusals(graph), instructions=lambda: instructions
    )
    found = {}
    for row in report.estimates:
        board = row.profile.board
        found[row.model.target if board is None else board.core] = row
    return found


def _of_target(
    name: str,
    graph: Graph,
    instructions: Mapping[str, Instructions],
    estimates: Mapping[str, Estimate],
) -> Iterator[Device]:
    try:
        violations = tuple(get_target(name).violations(graph))
    except Exception as error:  # not installed, or a third party's target is broken
        yield Device(name, name, None, unknown={"exact": str(error)})
        return
    exact = not violations
    base = Device(name, name, exact, violations)
    if name == CORES_TARGET and exact:
        yield from _cores(base, graph, instructions, estimates)
    elif name == "tflite":
        yield from _tflite(base, graph)
    elif name == "loihi":
        yield _loihi(base, graph, estimates.get(name))
    else:
        none = "a computer: its memory is no limit, and no energy is published"
        unknown = dict.fromkeys(("flash", "ram", "instructions", "energy"), none)
        yield replace(base, unknown=unknown if name in ("cpu", "onnx") else {})


def _cores(
    base: Device,
    graph: Graph,
    instructions: Mapping[str, Instructions],
    estimates: Mapping[str, Estimate],
) -> Iterator[Device]:
    from edgespike.targets.c.instructions import footprints

    for core, each in footprints(graph).items():
        flash = {**each.constants, "code": each.code, "other constants": each.other_constants}
        parts = {**each.arrays, "the sample": each.sample, "stack": each.stack}
        unknown = {}
        if core not in estimates:
            none = f"no energy of a cycle is known for {core}; add a profile with a [board]"
            unknown = {"energy": none, "seconds": none}
        yield replace(
            base,
            device=core,
            flash=Memory(each.flash, _above_zero(flash), "constants are exact, code is estimated"),
            ram=Memory(
                each.ram,
                _above_zero(parts),
                "the network's structure at most, one step of the sample, and the most stack that "
                "a measured net took; parts share memory",
            ),
            instructions=instructions[core],
            estimate=estimates.get(core),
            unknown=unknown,
        )


def _above_zero(parts: Mapping[str, int]) -> dict[str, int]:
    return {name: size for name, size in parts.items() if size}


def _tflite(base: Device, graph: Graph) -> Iterator[Device]:
    pi, micro = "Raspberry Pi", "TFLite Micro"
    none = "TFLite's work does not depend on events, and its instructions were not modelled"
    unknown = {"instructions": none, "energy": none, "seconds": none}
    if not base.exact:
        yield replace(base, device=pi)
        yield replace(base, device=micro)
        return
    try:
        from edgespike.targets.tflite.devices.arena import arena_estimate
        from edgespike.targets.tflite.planning.planner import make_plan
        from edgespike.targets.tflite.writing.exported import MICRO_MODEL, exported, for_micro

        plan = make_plan(graph)
        lowered = exported(plan, for_micro(plan))[MICRO_MODEL]
    except EdgespikeError as error:  # what writes the file is not installed
        for name in (pi, micro):
            yield replace(base, device=name, unknown={**unknown, "flash": str(error)})
        return
    size = len(lowered.content)
    file = {"model.tflite": size}
    arena = arena_estimate(lowered)
    yield replace(
        base,
        device=pi,
        flash=Memory(size, file, "the model's file"),
        unknown={**unknown, "ram": "a computer: its memory is no limit"},
    )
    yield replace(
        base,
        device=micro,
        flash=Memory(
            size + RUNTIME_BYTES,
            {**file, "TFLite Micro": RUNTIME_BYTES},
            "the model, and TFLite Micro with CMSIS-NN as it was measured for one net",
        ),
        ram=Memory(arena, {"arena": arena}, "the arena, a high estimate"),
        unknown=unknown,
    )


def _loihi(base: Device, graph: Graph, estimate: Estimate | None) -> Device:
    unknown = {"seconds": "no time of a step is published"}
    if not base.exact:
        return replace(base, unknown=unknown)
    from edgespike.targets.loihi.lower import lower
    from edgespike.targets.loihi.resources import summary

    chips = summary(lower(graph))["chips"]
    first = chips[0]
    names = "; ".join(
        f"{chip['name']}: {chip['cores_used']:,} of {chip['cores']} cores" for chip in chips
    )
    obstacles = [f"{first['name']}: {obstacle}" for obstacle in first["obstacles"]]
    if first["chips_used"] > 1:
        obstacles.insert(0, f"{first['name']}: {first['chips_used']} chips are needed")
    return replace(base, estimate=estimate, unknown=unknown, notes=(names, *obstacles))


def _limited(device: Device, limits: Limits) -> Device:
    """Compare a device's memory with limits; those of a board hold for its core only."""
    cores = device.target == CORES_TARGET
    computer = device.device == "Raspberry Pi"
    if computer or (cores and limits.core not in (None, device.device)):
        return device
    over: list[str] = []
    if device.flash is not None:
        over += device.flash.over(limits.flash, "flash")
    if device.ram is not None:
        over += device.ram.over(limits.ram, "RAM")
    return replace(device, too_large=tuple(over))


def kept_limits(found: Sequence[Device], limits: Limits) -> bool:
    """Return whether a device that the limits speak of keeps them."""
    asked = [
        device
        for device in found
        if device.fits is not None
        and device.device != "Raspberry Pi"
        and (device.target != CORES_TARGET or limits.core in (None, device.device))
    ]
    return any(device.fits for device in asked)
