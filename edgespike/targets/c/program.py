"""A program as it is written: memory, constants, functions, and the calls of a step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.targets.c.kernels import Kernels
from edgespike.targets.c.values import BYTES, c_type, signed_type

_COLUMNS = 100


@dataclass(frozen=True)
class Array:
    """An array in a network's memory.

    Parameters
    ----------
    name
        Of the member.
    c_type, length
        Type and number of its elements.
    first, last
        The first and last function of a step that use it, by number; ``None`` for what is kept
        from step to step.
    """

    name: str
    c_type: str
    length: int
    first: int | None = None
    last: int | None = None

    @property
    def bytes(self) -> int:
        """Size in bytes."""
        return self.length * (4 if self.c_type == "uint32_t" else BYTES[self.c_type])

    @property
    def declaration(self) -> str:
        """The member's declaration."""
        return f"{self.c_type} {self.name}[{self.length}];"


@dataclass
class Program:
    """What is written so far; arrays of memory that are used at different times share it."""

    kernels: Kernels = field(default_factory=Kernels)
    arrays: list[Array] = field(default_factory=list)
    constants: list[str] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    initial: list[str] = field(default_factory=list)
    step: list[str] = field(default_factory=list)
    end_of_step: list[str] = field(default_factory=list)
    flash: dict[str, int] = field(default_factory=dict)
    reads_input: bool = False

    def constant(self, name: str, values: NDArray[Any], c_type_name: str | None = None) -> str:
        """Write an array of numbers; return its name."""
        flat = np.asarray(values).ravel()
        if c_type_name is None:
            c_type_name = c_type(int(flat.min()), int(flat.max()))
        self.constants.append(array_text(name, flat, c_type_name))
        self.flash[name] = len(flat) * (4 if c_type_name == "uint32_t" else BYTES[c_type_name])
        return name

    def parameter(self, name: str, values: NDArray[Any], index: str) -> str:
        """Return an element as C writes it: a number, if all are equal, or an array's element."""
        low, high = int(values.min()), int(values.max())
        if low == high:
            return literal(low)
        if name not in self.flash:
            self.constant(name, values, signed_type(low, high))
        return f"{name}[{index}]"

    def keep(self, name: str, c_type_name: str, length: int) -> str:
        """Lay out memory that is kept from step to step; return how it is reached."""
        self.arrays.append(Array(name, c_type_name, length))
        return f"net->{name}"

    def pass_on(self, name: str, c_type_name: str, length: int, first: int, last: int) -> str:
        """Lay out memory that is used within a step; return how it is reached."""
        self.arrays.append(Array(name, c_type_name, length, first, last))
        return f"net->{name}"

    def scratch(self, name: str, c_type_name: str, length: int, number: int) -> str:
        """Lay out memory that one function of a step uses; return how it is reached."""
        return self.pass_on(name, c_type_name, length, number, number)

    def add_step(self, name: str, what: str, body: Sequence[str], *, reads_input: bool) -> None:
        """Add a function of a step, and its call."""
        given = ", const INPUT *input" if reads_input else ""
        self.functions.append(
            f"/* {what} */\nstatic void run_{name}(NETWORK *net{given})\n{{\n{block(body)}}}\n"
        )
        self.step.append(f"run_{name}(net{', input' if reads_input else ''});")
        self.reads_input |= reads_input

    def slots(self) -> list[list[Array]]:
        """Return arrays that are used within a step, those together that share memory."""
        slots: list[list[Array]] = []
        passing = [array for array in self.arrays if array.first is not None]
        for array in sorted(passing, key=lambda each: -each.bytes):
            for slot in slots:
                if not any(_overlap(array, other) for other in slot):
                    slot.append(array)
                    break
            else:
                slots.append([array])
        return slots


def _overlap(one: Array, other: Array) -> bool:
    assert one.first is not None
    assert one.last is not None
    assert other.first is not None
    assert other.last is not None
    return one.first <= other.last and other.first <= one.last


def array_text(name: str, values: NDArray[Any], c_type_name: str) -> str:
    """Return the definition of a constant array."""
    flat = values.ravel()
    rows = _rows(_literals(flat, c_type_name))
    return f"static const {c_type_name} {name}[{len(flat)}] = {{\n{rows}}};\n"


def _literals(values: NDArray[Any], c_type_name: str) -> Iterable[str]:
    if c_type_name == "uint64_t":
        return (f"UINT64_C({value})" for value in values.tolist())
    if c_type_name == "uint32_t":
        return (f"{value:#x}" if value > 9 else str(value) for value in values.tolist())
    return (literal(value) for value in values.tolist())


def literal(value: int) -> str:
    """Write a number that any C compiler reads as it is."""
    if value >= 2**31:
        return f"INT64_C({value})"
    if value < -(2**63) + 1:
        return "INT64_MIN"
    if value < -(2**31) + 1:
        return "INT32_MIN" if value == -(2**31) else f"INT64_C({value})"
    return str(value)


def _rows(texts: Iterable[str]) -> str:
    lines, line = [], ""
    for text in texts:
        if len(line) + len(text) + 1 > _COLUMNS:
            lines.append(line)
            line = ""
        line += f"{text},"
    return "".join(f"{each}\n" for each in (*lines, line))


def block(lines: Sequence[str], depth: int = 1) -> str:
    """Indent lines."""
    return "".join(f"{'    ' * depth}{line}\n" if line else "\n" for line in lines)
