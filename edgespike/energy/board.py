"""A board: the energy of a cycle and the cycles of an instruction, which give an instruction's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edgespike.energy.constant import (
    LARGEST,
    Constant,
    Grade,
    check_constant,
    check_keys,
    check_texts,
    read_constant,
)
from edgespike.errors import shown

_TABLES = ("cycle", "cycles_per_instruction")
_TEXTS = ("core", "chip", "conditions")


@dataclass(frozen=True)
class Cycles:
    """Cycles of an instruction, in the mean over a program.

    Parameters
    ----------
    value, low, high
        Typical value and range.
    source, year, grade, note, link
        As for :class:`edgespike.energy.Constant`.
    """

    value: float
    low: float
    high: float
    source: str
    year: int
    grade: Grade
    note: str
    link: str = ""


@dataclass(frozen=True)
class Board:
    """A microcontroller as it was measured.

    Parameters
    ----------
    core
        Name of its core, for which instructions are counted.
    chip, conditions
        Name of the chip; supply and whatever else the energy depends on.
    clock_mhz
        The clock at which the energy of a cycle was measured, which gives the time too.
    cycle
        Energy of a cycle.
    cycles_per_instruction
        How many cycles an instruction takes.
    """

    core: str
    chip: str
    conditions: str
    clock_mhz: float
    cycle: Constant
    cycles_per_instruction: Cycles

    @property
    def instruction(self) -> Constant:
        """The energy of an instruction: both factors at their low, typical and high ends.

        Its grade is the worse of both, its year that of the later source.
        """
        one, many = self.cycle, self.cycles_per_instruction
        figures = [one.value * many.value, one.low * many.low, one.high * many.high]
        value, low, high = (float(f"{figure:.3g}") for figure in figures)
        unit = one.unit.removesuffix("/cycle")
        note = (
            f"{one.value:g} {unit} a cycle ({one.low:g} to {one.high:g}) times {many.value:g} "
            f"cycles an instruction ({many.low:g} to {many.high:g}). A cycle: {one.note} Cycles "
            f"of an instruction: {many.note} ({many.source}, {many.year}"
        )
        return Constant(
            "instruction",
            value,
            low,
            high,
            unit,
            one.source,
            max(one.year, many.year),
            max(one.grade, many.grade, key=lambda grade: grade.rank),
            f"{note}{', ' if many.link else ''}{many.link})",
            one.link,
        )

    def to_json(self) -> dict[str, Any]:
        """Return what the board is, and the clock that times are for."""
        cycles = self.cycles_per_instruction
        return {
            "core": self.core,
            "chip": self.chip,
            "conditions": self.conditions,
            "clock_mhz": self.clock_mhz,
            "cycle_j": self.cycle.energy.to_json(),
            "cycles_per_instruction": [cycles.low, cycles.value, cycles.high],
        }


def read_board(table: Mapping[str, Any]) -> Board:
    """Return the board of a table without faults."""
    cycles = table["cycles_per_instruction"]
    return Board(
        table["core"],
        table["chip"],
        table["conditions"],
        table["clock_mhz"],
        read_constant("cycle", table["cycle"]),
        Cycles(**{**cycles, "grade": Grade(cycles["grade"])}),
    )


def check_board(table: Any) -> Iterator[str]:
    """Yield one sentence for each fault of a board's table."""
    if not isinstance(table, dict):
        yield "board must be a table"
        return
    yield from check_keys("board", table, (*_TEXTS, "clock_mhz", *_TABLES), ())
    yield from check_texts("board", table, _TEXTS)
    clock = table.get("clock_mhz", 1)
    if not (type(clock) in (int, float) and 0 < clock <= LARGEST):
        yield f"board: clock_mhz is {shown(clock)}; give a number above 0, at most {LARGEST:g}"
    if "cycle" in table:
        yield from check_constant("board: cycle", table["cycle"])
    if "cycles_per_instruction" in table:
        row = table["cycles_per_instruction"]
        where = "board: cycles_per_instruction"
        if isinstance(row, dict) and "unit" in row:
            yield f"{where}: entry 'unit' is unknown; it is a number"
            return
        yield from check_constant(where, {**row, "unit": "pJ"} if isinstance(row, dict) else row)
