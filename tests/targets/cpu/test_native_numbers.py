"""Numbers that stand in the native engine's C and in its Python are the same."""

from __future__ import annotations

import re
from enum import IntEnum

import numpy as np
import pytest

from edgespike.targets.cpu.native import cells, engine, program
from edgespike.targets.cpu.native.build import CSRC
from edgespike.targets.cpu.native.products import Product
from edgespike.targets.cpu.native.words import Stored


@pytest.mark.parametrize(
    ("name", "python"),
    [
        ("product", Product),
        ("cell_kind", cells.CellKind),
        ("method", cells._Method),
        ("op_kind", program.Kind),
    ],
)
def test_an_enum_has_the_same_names_and_numbers(name: str, python: type[IntEnum]) -> None:
    assert enum(name) == {each.name: each.value for each in python}


def test_types_of_stored_values_have_the_numbers_of_net_h() -> None:
    types = enum("type")
    assert {each.name: types[each.name] for each in Stored} == {each.name: each for each in Stored}


def test_samples_of_every_type_have_the_numbers_of_net_h() -> None:
    types = enum("type")
    assert types.pop("TYPES") == len(types)
    assert {number_type(name): number for name, number in types.items()} == engine.TYPES


@pytest.mark.parametrize(
    ("file", "name", "python"),
    [
        ("engine.c", "MAGIC", program.MAGIC),
        ("engine.h", "ES_ERROR", engine.ERROR_BYTES),
        ("net.h", "ALIGNED", engine.ALIGNED),
    ],
)
def test_a_constant_is_the_same(file: str, name: str, python: int) -> None:
    (found,) = re.findall(rf"^#define {name} (\w+)", (CSRC / file).read_text(), re.MULTILINE)
    assert int(found, 0) == python


def enum(name: str) -> dict[str, int]:
    """Return names and numbers of an enum of net.h."""
    text = re.sub(r"/\*.*?\*/", "", (CSRC / "net.h").read_text(), flags=re.DOTALL)
    (body,) = re.findall(rf"\benum {name} \{{(.*?)\}};", text, re.DOTALL)
    numbers: dict[str, int] = {}
    following = 0
    for each in filter(None, map(str.strip, body.split(","))):
        constant, _, given = map(str.strip, each.partition("="))
        following = int(given) if given else following
        numbers[constant] = following
        following += 1
    return numbers


def number_type(name: str) -> np.dtype[np.generic]:
    """Return numpy's type of a name such as I16."""
    return np.dtype(f"{name[0].lower()}{int(name[1:]) // 8}")
