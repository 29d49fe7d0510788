"""Numbers that stand in the native engine's C and in its Python are the same."""

from __future__ import annotations

import re
from enum import IntEnum
from pathlib import Path

import pytest

from edgespike.graph import ReadoutMode, Reset, ResetTime
from edgespike.graph.graph import STEP_LIMIT
from edgespike.graph.ops.membrane import MOST_DECAY_BITS
from edgespike.graph.tensor import ELEMENT_LIMIT
from edgespike.targets.cpu.native import codes
from edgespike.targets.cpu.native.build import CSRC

HEADER = re.sub(r"/\*.*?\*/", "", (CSRC / "codes.h").read_text(), flags=re.DOTALL)

PREFIXES = {"reset_code": "RESET_", "mode_code": "MODE_"}
"""Of the names in C, where those of different enums would be equal without one."""


def test_every_enum_has_the_same_names_and_numbers() -> None:
    python = {
        re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(): {each.name: int(each) for each in found}
        for name, found in vars(codes).items()
        if isinstance(found, type) and issubclass(found, IntEnum) and found is not IntEnum
    }
    found = {name: enum(name) for name in re.findall(r"\benum (\w+) \{", HEADER)}
    assert found["type"].pop("TYPES") == len(python["type"])
    assert found == python
    assert len(found) == 9


def enum(name: str) -> dict[str, int]:
    """Return names and numbers of an enum."""
    (body,) = re.findall(rf"\benum {name} \{{(.*?)\}};", HEADER, re.DOTALL)
    numbers: dict[str, int] = {}
    following = 0
    for each in filter(None, map(str.strip, body.split(","))):
        constant, _, given = map(str.strip, each.partition("="))
        following = int(given) if given else following
        numbers[constant.removeprefix(PREFIXES.get(name, ""))] = following
        following += 1
    return numbers


def test_every_constant_has_the_same_name_and_number() -> None:
    python = {name: found for name, found in vars(codes).items() if type(found) is int}
    defined = re.findall(r"^#define (\w+) (.+)$", HEADER, re.MULTILINE)
    found = {name: eval(value.replace("(int64_t)", "").strip()) for name, value in defined}
    assert found == python
    assert len(found) == 11


@pytest.mark.parametrize(
    ("python", "code"),
    [
        (Reset, codes.ResetCode),
        (ResetTime, codes.ResetTimeCode),
        (ReadoutMode, codes.ModeCode),
    ],
)
def test_every_way_of_an_operation_has_a_code(
    python: type[Reset | ResetTime | ReadoutMode], code: type[IntEnum]
) -> None:
    assert set(python.__members__) == set(code.__members__)


@pytest.mark.parametrize("each", codes.Type)
def test_a_type_has_as_many_bytes_as_its_name_says(each: codes.Type) -> None:
    assert each.dtype.kind == each.name[0].lower()
    assert each.dtype.itemsize * 8 == int(each.name[1:])


@pytest.mark.parametrize("path", sorted(CSRC.iterdir()), ids=lambda path: path.name)
def test_no_limit_is_written_out_beside_its_name(path: Path) -> None:
    assert path.name == "codes.h" or not re.findall(r"\b1 << 2\d\b", path.read_text())


def test_graphs_keep_within_what_a_program_may_say() -> None:
    assert ELEMENT_LIMIT <= codes.MOST_ELEMENTS
    assert STEP_LIMIT <= codes.MOST_NODES
    assert codes.MOST_DECAY_BITS >= MOST_DECAY_BITS
