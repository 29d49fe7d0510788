"""Damaged and hostile files end with an error that is meant, in bounded memory and time."""

from __future__ import annotations

import contextlib
import random
import struct
from pathlib import Path

import numpy as np
import pytest

from edgespike.converters.tflite.flatbuffer import Table
from edgespike.converters.tflite.reading import read_file, read_model
from edgespike.converters.tflite.schema import FILE_LIMIT, OPERATORS_LIMIT, RANK_LIMIT
from edgespike.errors import EdgespikeError, FileFormatError, UnsupportedError
from tests.converters.tflite.files import ROUNDINGS, File, convert
from tests.fuzzing.mutations import damaged, damaged_head, forged_words


def intact() -> bytes:
    """Return a file with most operators."""
    draw = np.random.default_rng(0)
    file = File()
    x = file.tensor((1, 6, 5, 3), 0.05, -3, signature=(-1, 6, 5, 3))
    a, b = file.tensor((1, 3, 3, 4), 0.1, 4), file.tensor((1, 3, 3, 4), 0.2, -5)
    for result, size in ((a, 3), (b, 1)):
        weight, scales = draw.integers(-127, 128, (4, size, size, 3)), draw.uniform(1e-3, 1e-2, 4)
        bias = draw.integers(-99, 99, 4)
        file.conv(x, weight, scales, bias, result, strideH=2, strideW=2)
    total = file.tensor((1, 3, 3, 4), 0.17, -128)
    file.add("ADD", [a, b], total, version=2, fusedActivationFunction=1)
    both = file.tensor((1, 3, 3, 8), 0.17, -128)
    file.add("CONCATENATION", [total, total], both, version=2, axis=3)
    pooled = file.tensor((1, 2, 2, 8), 0.17, -128)
    names = ("strideW", "strideH", "filterWidth", "filterHeight")
    file.add("MAX_POOL_2D", [both], pooled, version=2, padding=0, **dict.fromkeys(names, 2))
    mean = file.tensor((1, 1, 1, 8), 0.2, 1)
    axes = file.tensor((2,), None, kind="INT32", values=[1, 2])
    file.add("MEAN", [pooled, axes], mean, version=2, keepDims=True)
    row, out = file.reshape(mean, (1, 8)), file.tensor((1, 3), 0.3, 5)
    weight = draw.integers(-127, 128, (3, 8))
    file.conv(row, weight, 0.004, draw.integers(-99, 99, 3), out, "FULLY_CONNECTED")
    answer = file.tensor((1, 3), 1 / 256, -128)
    file.add("SOFTMAX", [out], answer, version=2, beta=1.0)
    return file.content([x], [answer])


INTACT = intact()


def test_the_intact_file_is_converted(tmp_path: Path) -> None:
    assert convert(INTACT, tmp_path).graph.readout_op.classes == 3


@pytest.mark.parametrize("seed", range(8))
def test_damaged_files(seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)
    outcomes = set()
    for _ in range(60):
        change = draw.choice((damaged, damaged_head, forged_words, forged_words))
        content = change(INTACT, draw)
        try:
            convert(content, tmp_path, draw.choice(ROUNDINGS))
            outcomes.add("converted")
        except EdgespikeError as error:
            outcomes.add(type(error).__name__)
    assert {"FileFormatError", "UnsupportedError"} <= outcomes


def test_truncated_files(tmp_path: Path) -> None:
    """Flatbuffers are written from the end: the root is lost last, and any end is missed."""
    for size in range(0, len(INTACT), 7):
        with pytest.raises((FileFormatError, UnsupportedError)):
            convert(INTACT[:size], tmp_path)


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "large.tflite"
    with path.open("wb") as file:
        file.write(INTACT)
        file.truncate(FILE_LIMIT + 1)
    with pytest.raises(FileFormatError, match=rf"has {FILE_LIMIT + 1} bytes; the limit is"):
        read_file(path)
    with pytest.raises(FileFormatError, match="cannot read"):
        read_file(tmp_path / "missing.tflite")


@pytest.mark.parametrize("place", [-5, -1, 10**6])
def test_places_outside_the_file(place: int) -> None:
    with pytest.raises(
        FileFormatError, match=f"it is damaged or truncated: it refers to byte {place}"
    ):
        Table(INTACT, place, "it").number(0, "<i")


def many(kind: str) -> bytes:
    file = File()
    x = file.tensor((1, 4), 0.1)
    if kind == "operators":
        operator = None
        for _ in range(OPERATORS_LIMIT + 1):
            file.add("RELU", [x], x)
            operator = operator or file.model.operatorCodes[0]
            file.model.operatorCodes = [operator]
            file.graph.operators[-1].opcodeIndex = 0
    elif kind == "inputs of an operator":
        file.add("CONCATENATION", [x] * (OPERATORS_LIMIT + 1), x)
    else:
        file.graph.tensors[x].shape = [1] * (RANK_LIMIT + 1)
    return file.content([x], [x])


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("operators", "operator; the limit is"),
        ("inputs of an operator", "tensors; the limit is"),
        ("axes", "has 9 axes; the limit is 8"),
    ],
)
def test_numbers_are_limited(kind: str, message: str) -> None:
    with pytest.raises(FileFormatError, match=message):
        read_model(many(kind), "it")


def bomb(kind: str) -> bytes:
    """Return a small file that declares far more than it holds."""
    file = File()
    match kind:
        case "an image":
            x = file.tensor((1, 30_000, 30_000, 3), 0.1)
            y = file.tensor((1, 30_000, 30_000, 3), 0.2)
            file.add("RELU", [x], y)
        case "a row":
            x, y = file.tensor((1, 10**6), 0.1), file.tensor((1, 10**6), 0.2)
            file.add("RELU", [x], y)
        case "padding":
            x, y = file.tensor((1, 2, 2, 1), 0.1), file.tensor((1, 2 + 10**6, 2 + 10**6, 1), 0.1)
            amounts = [[0, 0], [0, 10**6], [0, 10**6], [0, 0]]
            file.add("PAD", [x, file.tensor((4, 2), None, kind="INT32", values=amounts)], y)
        case _:
            # Layers that share the bytes of their weights.
            x = y = file.tensor((1, 1500), 0.1)
            weight = file.tensor((1500, 1500), 0.01, values=np.ones((1500, 1500), int))
            for _ in range(60):
                x, y = y, file.tensor((1, 1500), 0.1)
                file.add("FULLY_CONNECTED", [x, weight, -1], y)
            x = 0
    return file.content([x], [y])


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("an image", "has 2700000000 numbers; the limit is"),
        ("a row", "up to it have 1000000 channels; the limit is"),
        ("padding", "has 1000004000004 numbers; the limit is"),
        ("shared weights", r"up to it have \d+ weights; the limit is"),
    ],
)
def test_declarations_are_limited(kind: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=message):
        convert(bomb(kind), tmp_path)


def test_constants_are_not_copied() -> None:
    """Tensors that share a buffer do not multiply it."""
    model = read_model(bomb("shared weights"), "it")
    contents = [tensor.content for tensor in model.tensors if tensor.content is not None]
    assert all(content.obj is contents[0].obj for content in contents)


def test_other_formats_are_not_taken(tmp_path: Path) -> None:
    for content in (b"", b"TFL3", b"\x1c\0\0\0TFL2", INTACT[:4] + b"XXXX" + INTACT[8:]):
        with pytest.raises(FileFormatError, match="is not a TFLite file"):
            read_model(content, "it")
    other = bytearray(INTACT)
    table = Table(INTACT, struct.unpack_from("<I", INTACT)[0], "it")
    place = table.place_of(0)
    assert place is not None
    other[place] = 4
    with pytest.raises(FileFormatError, match="it has version 4 of the format; 3 is read"):
        read_model(bytes(other), "it")
    with contextlib.suppress(EdgespikeError):
        convert(bytes(other), tmp_path)
