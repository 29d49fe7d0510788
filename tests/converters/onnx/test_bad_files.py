"""Damaged and hostile files end with an error, in bounded time and memory."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edgespike
from edgespike.converters.onnx import loading, structure, wire
from edgespike.converters.onnx.floats.reading import read_net
from edgespike.converters.onnx.reading import read_onnx
from edgespike.errors import EdgespikeError, FileFormatError, UnsupportedError
from tests.converters.onnx.nets import SMALL, WITH_SIZES, WITH_STEPS, model, numbers, onnx, saved
from tests.fuzzing.mutations import damaged
from tests.fuzzing.protobufs import forged_onnx

CONTENTS = [model(*net).SerializeToString() for net in (SMALL, WITH_SIZES, WITH_STEPS)]


def read(content: bytes, folder: Path) -> None:
    path = folder / "net.onnx"
    path.write_bytes(content)
    read_net(read_onnx(path))


@pytest.mark.parametrize("content", CONTENTS)
def test_files_that_end_early(content: bytes, tmp_path: Path) -> None:
    """A message may end between any two fields: then what is left is read as far as it goes."""
    for end in range(0, len(content), 7):
        with pytest.raises(EdgespikeError):
            read(content[:end], tmp_path)


@given(number=st.integers(0, 2**32), content=st.sampled_from(CONTENTS))
@settings(max_examples=150, deadline=None)
def test_damaged_and_forged_files(
    number: int, content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Nothing but errors of edgespike comes out; ``make fuzz`` gives thousands to the commands."""
    draw = random.Random(number)
    changed = (damaged if draw.random() < 0.4 else forged_onnx)(content, draw)
    with contextlib.suppress(EdgespikeError):
        read(changed, tmp_path_factory.mktemp("net"))


def test_a_truncated_file_is_called_so(tmp_path: Path) -> None:
    path = tmp_path / "net"
    path.write_bytes(CONTENTS[0][:-40])
    with pytest.raises(FileFormatError) as caught:
        edgespike.load(path)
    assert str(caught.value).startswith(
        f"{path} is no ONNX model that can be read, or is truncated or damaged ("
    )
    assert "ends behind its message" in str(caught.value)


def test_a_file_without_a_graph(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="holds no graph"):
        read(b"\x08\x08\x12\x07pytorch", tmp_path)


def test_tensors_without_their_numbers(tmp_path: Path) -> None:
    made = model(*SMALL)
    made.graph.initializer[0].raw_data = b"\0" * 8
    with pytest.raises(FileFormatError):
        read(made.SerializeToString(), tmp_path)


def nested(depth: int) -> bytes:
    """Return a model whose nodes hold graphs in graphs."""
    graph = b""
    for _ in range(depth):
        attribute = field(6, graph)
        graph = field(1, field(5, attribute))
    return b"\x08\x08" + field(7, graph)


def field(number: int, content: bytes) -> bytes:
    """Return a field of a protobuf message that holds bytes."""
    size, length = len(content), b""
    while size >= 0x80:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


BOMBS = {
    "messages in messages": (nested(40), "nested deeper than 30"),
    "a million empty nodes": (b"\x08\x08" + field(7, b"\x0a\0" * 10**6), "more than 500000 fields"),
    "numbers of one byte": (
        b"\x08\x08" + field(7, field(5, field(7, b"\1" * (wire.NUMBER_LIMIT + 1)))),
        f"more than {wire.NUMBER_LIMIT} bytes of numbers",
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_protobuf_bombs(name: str, tmp_path: Path) -> None:
    content, message = BOMBS[name]
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=message):
        read_onnx(path)


def test_files_and_tensors_above_the_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(model((1, 6), "y = MatMul (x, w)", {"w": numbers(6, 5)}), tmp_path)
    monkeypatch.setattr(structure, "ELEMENT_LIMIT", 29)
    with pytest.raises(UnsupportedError, match="its tensors have 30 elements; the limit is 29"):
        read_onnx(path)
    monkeypatch.setattr(structure, "NODE_LIMIT", 0)
    with pytest.raises(UnsupportedError, match="the model has 1 nodes; the limit is 0"):
        read_onnx(path)
    monkeypatch.setattr(loading, "FILE_LIMIT", 100)
    with pytest.raises(FileFormatError, match=r"net.onnx has \d+ bytes; the limit is 100"):
        read_onnx(path)


@pytest.mark.parametrize(
    "nodes",
    [
        "p = Pad (x, pads) f = Flatten (p) y = ReduceSum <keepdims = 0> (f, one)",
        "h = Expand (x, to) y = Relu (h)",
        "h = Tile (x, times) y = Relu (h)",
    ],
)
def test_values_of_a_sample_above_the_limit(nodes: str, tmp_path: Path) -> None:
    constants: dict[str, Any] = {
        "pads": np.array([0, 0, 0, 2**45], np.int64),
        "one": np.array([1], np.int64),
        "to": np.array([2**20, 2**20, 6], np.int64),
        "times": np.array([1, 2**40], np.int64),
    }
    with pytest.raises(UnsupportedError, match="all values of a sample have"):
        read(model((1, 6), nodes, constants).SerializeToString(), tmp_path)


def test_a_net_of_a_thousand_nodes_is_read_in_seconds(tmp_path: Path) -> None:
    nodes = " ".join(f"v{n + 1} = Relu (v{n})" for n in range(1000))
    made = model((1, 6), f"v0 = Neg (x) {nodes} y = Neg (v1000)")
    path = saved(made, tmp_path)
    assert len(read_net(read_onnx(path)).net.nodes) == 1004
    assert onnx.load(path).graph.node[0].op_type == "Neg"
