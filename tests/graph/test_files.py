"""Graph files: what is written is read back; what was changed or is hostile is refused."""

from __future__ import annotations

import contextlib
import json
import pickle
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.numpy import save

from edgespike.errors import EdgespikeError, FileFormatError
from edgespike.files import WriteError, new_folder, write_atomically
from edgespike.graph import Dense, Graph, Input, Node, Readout, files, load_graph, save_graph
from edgespike.graph.files import graph_bytes, read_safetensors
from tests.strategies import MIXES, Case, cases


@given(case=st.sampled_from(MIXES).flatmap(cases))
@settings(max_examples=60)
def test_a_graph_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, case: Case) -> None:
    path = tmp_path_factory.mktemp("graph") / "graph.safetensors"
    save_graph(case.graph, path)
    loaded = load_graph(path)
    assert loaded == case.graph
    assert loaded.hash == case.graph.hash


@pytest.fixture
def graph() -> Graph:
    return Graph(
        "small",
        (
            Node("input", Input((3,), 0, 1, 1.0)),
            Node("dense", Dense(np.array([[1, -2, 300]]), np.array([4])), ("input",)),
            Node("readout", Readout(np.array([0.5])), ("dense",)),
        ),
    )


def test_equal_graphs_make_equal_files(graph: Graph) -> None:
    assert len({graph_bytes(graph) for _ in range(20)}) == 1


def test_weights_take_the_narrowest_type(graph: Graph) -> None:
    header = json.loads(graph_bytes(graph)[8:].split(b"}}", 1)[0] + b"}}")
    assert header["dense.weight"]["dtype"] == "I16"
    assert header["dense.bias"]["dtype"] == "I8"


def test_every_flipped_byte_is_noticed(graph: Graph, tmp_path: Path) -> None:
    content = graph_bytes(graph)
    path = tmp_path / "flipped.safetensors"
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 1
        path.write_bytes(changed)
        try:
            loaded = load_graph(path)
        except EdgespikeError:
            continue
        # A byte that carries nothing (a space that pads the header) may change.
        assert loaded == graph
        assert content[position : position + 1].isspace()


def test_every_truncation_is_noticed(graph: Graph, tmp_path: Path) -> None:
    content = graph_bytes(graph)
    path = tmp_path / "short.safetensors"
    for size in range(len(content)):
        path.write_bytes(content[:size])
        with pytest.raises(FileFormatError, match=str(path)):
            load_graph(path)


def hostile(description: object, tensors: dict[str, NDArray[Any]] | None = None) -> bytes:
    """Make a file with a right checksum around any description and tensors."""
    tensors = tensors or {}
    text = json.dumps(description)
    content = {"description": text, "sha256": files._digest(text, tensors)}
    return bytes(save(tensors, {files.GRAPH_KEY: json.dumps(content)}))


NODE = {"name": "input", "op": "input", "inputs": [], "shape": [3], "low": 0, "high": 1, "scale": 1}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a graph at all",
        pickle.dumps({"edgespike": 1}),
        struct.pack("<Q", 2**62) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 90)
        + b'{"x":{"dtype":"I64","shape":[4611686018427387904],"data_offsets":[0,8]}}'.ljust(90),
        bytes(save({"x": np.zeros(3)})),
        hostile([]),
        hostile("text"),
        hostile({"version": 4}),
        hostile({"version": 3}),
        hostile({"version": 2, "name": "x", "steps": 1, "nodes": 5}),
        hostile({"version": 2, "name": "x", "steps": True, "nodes": [NODE]}),
        hostile({"version": 2, "name": "x", "steps": 1, "nodes": [{**NODE, "op": "exec"}]}),
        hostile({"version": 2, "name": "x", "steps": 1, "nodes": [{**NODE, "evil": 1}]}),
        hostile({"version": 2, "name": "x", "steps": 1, "nodes": [{**NODE, "shape": "abc"}]}),
        hostile({"version": 2, "name": "x", "steps": 1, "nodes": [{**NODE, "shape": [10**30]}]}),
        hostile({"version": 2, "name": "x", "steps": 10**30, "nodes": [NODE]}),
        hostile({"version": 2, "name": "x", "steps": 1, "nodes": [{**NODE, "low": -(10**30)}]}),
        hostile({"version": 2, "name": "x", "steps": 1, "nodes": [{**NODE, "scale": 10**400}]}),
        hostile({"version": 2, "name": "../x", "steps": 1, "nodes": [NODE]}),
        hostile(
            {
                "version": 2,
                "name": "x",
                "steps": 1,
                "nodes": [{"name": "d", "op": "dense", "inputs": []}],
            }
        ),
    ],
)
def test_foreign_and_hostile_files_get_a_clear_error(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "hostile.safetensors"
    path.write_bytes(content)
    with pytest.raises(EdgespikeError):
        load_graph(path)


def dense_graph(weight: NDArray[Any], mask: NDArray[np.bool_] | None = None) -> Graph:
    outputs, inputs = weight.shape
    dense = Dense(weight, np.arange(outputs), mask)
    return Graph(
        "dense",
        (
            Node("input", Input((inputs,), 0, 1, 1.0)),
            Node("dense", dense, ("input",)),
            Node("readout", Readout(np.full(outputs, 0.5)), ("dense",)),
        ),
    )


@pytest.mark.parametrize(
    ("values", "size"),
    [((-1, 0, 1), 2000), ((-3, -1, 1, 3), 2500), ((0, 1), 1250), (range(5), 3334)],
)
def test_10_000_weights_of_few_states_take_that_many_bytes(
    values: Sequence[int], size: int, tmp_path: Path
) -> None:
    graph = dense_graph(np.random.default_rng(0).choice(values, (50, 200)))
    path = tmp_path / "few.safetensors"
    save_graph(graph, path)
    assert read_safetensors(path)[1]["dense.weight"].nbytes == size
    assert load_graph(path) == graph


TERNARY = np.array([[0, 1, -1, 1], [1, 0, 0, -1]])
PACKING = {"shape": [2, 4], "low": -1, "step": 1, "states": 3}


def packed_file(packing: object, weight: NDArray[Any]) -> bytes:
    """Describe a dense graph of two outputs whose weights are stored as given."""
    nodes = [
        {**NODE, "shape": [4]},
        {"name": "dense", "op": "dense", "inputs": ["input"], "weight": packing},
        {"name": "readout", "op": "readout", "inputs": ["dense"]},
    ]
    tensors = {
        "dense.weight": weight,
        "dense.bias": np.array([0, 1], np.int8),
        "readout.scale": np.array([0.5, 0.5]),
    }
    whole = {"version": 2, "name": "dense", "steps": 1, "nodes": nodes}
    return hostile(whole, tensors)


# Most significant digit first, five to a byte: 1 2 0 2 2, and 1 1 0 behind it with zeros.
PACKED = np.array([1 * 81 + 2 * 27 + 0 * 9 + 2 * 3 + 2, 1 * 81 + 1 * 27], np.uint8)


def test_digits_of_a_file_are_read_as_documented(tmp_path: Path) -> None:
    path = tmp_path / "packed.safetensors"
    path.write_bytes(packed_file(PACKING, PACKED))
    assert load_graph(path) == dense_graph(TERNARY)


@pytest.mark.parametrize(
    "content",
    [
        *(
            packed_file({**PACKING, name: value}, PACKED)
            for name, value in [
                ("shape", [2, 5]),
                ("shape", [2, 5**20]),
                ("shape", [10**30]),
                ("shape", [0, 10**30]),
                ("shape", [-2, -4]),
                ("shape", [2, True, 4]),
                ("shape", [2.0, 4]),
                ("shape", [1] * 100 + [8]),
                ("shape", 8),
                ("shape", {"2": 4}),
                ("shape", None),
                ("low", 2**63 - 2),
                ("low", -(2**63) - 1),
                ("low", 10**400),
                ("low", -1.0),
                ("low", None),
                ("step", 0),
                ("step", -1),
                ("step", 2**62),
                ("step", "1"),
                ("states", 0),
                ("states", 1),
                ("states", True),
                ("states", 17),
                ("states", 1000),
                ("states", 10**400),
                ("states", -3),
                ("more", 1),
            ]
        ),
        packed_file({"shape": [2, 4], "low": -1, "step": 1}, PACKED),
        packed_file({}, PACKED),
        packed_file("24", PACKED),
        packed_file(PACKING, PACKED[:1]),
        packed_file(PACKING, np.append(PACKED, np.uint8(0))),
        packed_file(PACKING, PACKED[:, None]),
        packed_file(PACKING, PACKED.astype(np.int8)),
        packed_file(PACKING, np.array([243, 108], np.uint8)),
        packed_file(PACKING, PACKED + np.array([0, 1], np.uint8)),
        packed_file([2, 4], np.array([0b10101010], np.uint8)),
        packed_file(None, PACKED),
    ],
)
def test_a_packing_that_does_not_fit_gets_a_clear_error(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "hostile.safetensors"
    path.write_bytes(content)
    with pytest.raises(EdgespikeError, match=r"hostile\.safetensors|graph 'dense' is not valid"):
        load_graph(path)


@pytest.mark.parametrize(
    ("changes", "tensors", "fault"),
    [
        ({}, {}, "node dense lacks its field weight"),
        ({"weight": PACKING}, {}, "node dense lacks its field weight"),
        ({"stride": 1}, {"dense.weight": TERNARY}, "unknown fields \\['stride'\\]"),
        (
            {"weight": None},
            {"dense.weight": TERNARY, "dense.bias": TERNARY[:, 0], "other.weight": TERNARY},
            "tensors \\['other.weight'\\] belong to no node",
        ),
    ],
)
def test_arrays_that_are_missing_or_foreign_are_named(
    changes: dict[str, Any], tensors: dict[str, Any], fault: str, tmp_path: Path
) -> None:
    dense = {"name": "dense", "op": "dense", "inputs": ["input"], **changes}
    path = tmp_path / "hostile.safetensors"
    description = {"version": 2, "name": "g", "steps": 1, "nodes": [NODE, dense]}
    path.write_bytes(hostile(description, tensors))
    with pytest.raises(FileFormatError, match=fault):
        load_graph(path)


def test_a_file_of_version_1_is_read(tmp_path: Path) -> None:
    mask = np.array([[1, 1, 1, 1], [1, 0, 0, 1]], bool)
    nodes = [
        {**NODE, "shape": [4]},
        {"name": "dense", "op": "dense", "inputs": ["input"], "float_nonzero": [2, 4]},
        {"name": "readout", "op": "readout", "inputs": ["dense"]},
    ]
    tensors = {
        "dense.weight": TERNARY.astype(np.int8),
        "dense.bias": np.array([0, 1], np.int8),
        "dense.float_nonzero": np.packbits(mask),
        "readout.scale": np.array([0.5, 0.5]),
    }
    path = tmp_path / "old.safetensors"
    path.write_bytes(hostile({"version": 1, "name": "dense", "steps": 1, "nodes": nodes}, tensors))
    assert load_graph(path) == dense_graph(TERNARY, mask)


@given(mix=st.sampled_from(MIXES), data=st.data())
@settings(max_examples=60)
def test_a_graph_with_changed_bytes_never_loads_as_another_graph(
    tmp_path_factory: pytest.TempPathFactory, mix: str, data: st.DataObject
) -> None:
    graph = data.draw(cases(mix)).graph
    content = bytearray(graph_bytes(graph))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("graph") / "graph.safetensors"
    path.write_bytes(content)
    with contextlib.suppress(EdgespikeError):
        assert load_graph(path) == graph


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"nowhere\.safetensors: No such file"):
        load_graph(tmp_path / "nowhere.safetensors")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_bytes(b"old")
    with pytest.raises(TypeError):
        write_atomically(path, "text is not bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["kept"]


def test_a_file_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WriteError, match=r"cannot write .*: Not a directory"):
        write_atomically(tmp_path / "file" / "below", b"")


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(WriteError, match="File too large"):
            write_atomically(tmp_path / "large", bytes(10_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), new_folder(tmp_path / "half") as folder:
        (folder / "part").write_text(str(1 / 0))
    assert list(tmp_path.iterdir()) == []
    with new_folder(tmp_path / "whole") as folder:
        (folder / "part").write_bytes(b"x")
    assert (tmp_path / "whole" / "part").read_bytes() == b"x"
    with (
        pytest.raises(WriteError, match="exists and is not empty"),
        new_folder(tmp_path / "whole"),
    ):
        pass


def test_an_error_about_another_file_is_not_blamed_on_the_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="elsewhere"), new_folder(tmp_path / "out"):
        (tmp_path / "elsewhere").read_bytes()
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_or_device_is_not_read(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(FileFormatError, match="it is no regular file"):
            load_graph(path)


def test_errors_name_the_folder_and_not_its_temporary_name(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    link = tmp_path / "link"
    with pytest.raises(WriteError, match="link exists and is not empty"), new_folder(link):
        pass
    raced = pytest.raises(WriteError, match=r"cannot write .*/out: Directory not empty")
    with raced, new_folder(tmp_path / "out"):
        (tmp_path / "out" / "of another").mkdir(parents=True)
    inner = pytest.raises(WriteError, match=r"cannot write .*/full/nowhere/part: No such file")
    with inner, new_folder(tmp_path / "full") as folder:
        write_atomically(folder / "nowhere" / "part", b"")
