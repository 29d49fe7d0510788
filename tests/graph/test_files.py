"""Graph files: what is written is read back; changed and hostile files are refused."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import resource
import stat
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.numpy import save

from edgespike.errors import EdgespikeError, FileFormatError
from edgespike.graph import (
    Conv2d,
    Dense,
    Graph,
    Input,
    MaxPool2d,
    Node,
    Readout,
    Reshape,
    Threshold,
    files,
    load_graph,
    save_graph,
)
from edgespike.graph.files import graph_bytes, read_safetensors
from edgespike.storage.files import WriteError, new_folder, write_atomically
from tests.graph_files import NODE, bits, described, every, hostile, node
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
    """Return a file of a dense graph with two outputs whose weights are stored as given."""
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


def padded_graph(*padding: int) -> Graph:
    convolution = Conv2d(np.ones((1, 1, 2, 2), int), np.zeros(1, int), padding=padding)
    threshold = Threshold(np.ones((1, 1), int), np.zeros(1, bool))
    features = (sum(convolution.sides[0]) + 1) ** 2
    return Graph(
        "padded",
        (
            Node("input", Input((1, 3, 3), 0, 1, 1.0)),
            Node("conv", convolution, ("input",)),
            Node("spikes", threshold, ("conv",)),
            Node("pool", MaxPool2d((2, 2), (2, 2), padding), ("spikes",)),
            Node("flat", Reshape((features,)), ("pool",)),
            Node("dense", Dense(np.ones((1, features), int), np.zeros(1, int)), ("flat",)),
            Node("readout", Readout(np.ones(1)), ("dense",)),
        ),
    )


def description_of(content: bytes) -> dict[str, Any]:
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    whole = json.loads(header["__metadata__"][files.GRAPH_KEY])
    found: dict[str, Any] = json.loads(whole["description"])
    return found


def test_only_a_graph_with_padding_of_one_side_needs_version_4(tmp_path: Path) -> None:
    path = tmp_path / "padded.safetensors"
    for padding, version, stored in (
        ((1, 1), 3, [1, 1]),
        ((1, 1, 1, 1), 3, [1, 1]),
        ((0, 1, 0, 1), 4, [0, 1, 0, 1]),
    ):
        graph = padded_graph(*padding)
        save_graph(graph, path)
        description = description_of(path.read_bytes())
        assert description["version"] == version
        assert [n["padding"] for n in description["nodes"] if "padding" in n] == [stored, stored]
        assert load_graph(path) == graph
        assert load_graph(path).hash == graph.hash
    assert graph_bytes(padded_graph(1, 1)) == graph_bytes(padded_graph(1, 1, 1, 1))


@pytest.mark.parametrize("version", [1, 2, 3])
def test_an_older_version_has_no_padding_of_one_side(version: int, tmp_path: Path) -> None:
    path = tmp_path / "old.safetensors"
    path.write_bytes(graph_bytes(padded_graph(0, 1, 0, 1)))
    tensors = read_safetensors(path)[1]
    description = description_of(path.read_bytes()) | {"version": version}
    path.write_bytes(hostile(description, tensors))
    message = rf"old\.safetensors .*node conv needs format version 4, the file says {version}"
    with pytest.raises(FileFormatError, match=message):
        load_graph(path)


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "new.safetensors"
    path.write_bytes(hostile(described(NODE, version=8)))
    with pytest.raises(
        FileFormatError, match=r"version 8; this edgespike reads \(1, 2, 3, 4, 5, 6, 7\)"
    ):
        load_graph(path)


@contextlib.contextmanager
def memory_left(megabytes: int) -> Iterator[None]:
    """Limit how much more memory this process may take."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    limit = pages * resource.getpagesize() + megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


NOTHING, ONE = np.zeros(0, np.uint8), np.ones((1, 1), np.int8)
SCALAR = {**NODE, "shape": [1]}
MILLIONS = {**NODE, "name": "r0", "shape": [2**22]}
IMAGE = {**NODE, "shape": [1, 2**13, 2**14]}
DENSE = {"d.weight": ONE, "d.bias": ONE[0], "d.float_nonzero": NOTHING, "out.scale": np.ones(1)}
OUT = node("out", "readout", "d")
ROWS = [node(f"r{i}", "reshape", f"r{i - 1}", shape=[2**22]) for i in range(1, 100)]

SMALL_FILES_THAT_DECLARE_MUCH: dict[str, tuple[list[Any], dict[str, NDArray[Any]], str]] = {
    "mask": (
        [SCALAR, node("d", "dense", "input", float_nonzero=every(1, 2**31)), OUT],
        DENSE,
        "arrays would take 2147483672 bytes in memory; the limit is 2147483648",
    ),
    "mask below the limit": (
        [SCALAR, node("d", "dense", "input", float_nonzero=every(1, 2**30)), OUT],
        DENSE,
        r"float_nonzero has shape \(1, 1073741824\), it must be \(1, 1\)",
    ),
    "weights": (
        [SCALAR, node("d", "dense", "input", weight=every(1, 2**30)), OUT],
        {**DENSE, "d.weight": NOTHING},
        "node d: dense cannot be created:\n  - weight is .*: dtype bool is not numeric",
    ),
    "thresholds": (
        [SCALAR, node("d", "threshold", "input", theta=every(1, 2**30)), OUT],
        {"d.theta": NOTHING, "d.flipped": np.zeros(1, np.bool_)},
        "theta is .*: dtype bool is not numeric",
    ),
    "flips": (
        [SCALAR, node("d", "threshold", "input", flipped=every(2**30)), OUT],
        {"d.theta": ONE, "d.flipped": NOTHING, "out.scale": np.ones(1)},
        r"flipped has shape \(1073741824,\), it must be \(1,\)",
    ),
    "scale": (
        [SCALAR, node("out", "readout", "input", scale=every(2**30))],
        {"out.scale": NOTHING},
        "scale is .*: dtype bool is not numeric",
    ),
    "many masks, each below the limit": (
        [node(f"t{i}", "threshold", flipped=every(2**28)) for i in range(9)],
        {f"t{i}.flipped": NOTHING for i in range(9)},
        "arrays would take 2415919104 bytes",
    ),
    "an array that many nodes share": (
        [SCALAR, *1000 * [node("d", "dense", "input", weight=bits(1, 2**20))]],
        {"d.weight": np.zeros(2**17, np.uint8), "d.bias": ONE[0]},
        "node name d is used twice",
    ),
    "more digits than the bytes hold": (
        [SCALAR, node("d", "dense", "input", weight=bits(1, 2**27))],
        {"d.weight": np.zeros(2**7, np.uint8), "d.bias": ONE[0]},
        r"node d, field weight: uint8 of shape \(128,\) does not hold 134217728 digits",
    ),
    "a long row of features": (
        [IMAGE, node("d", "reshape", "input", shape=[2**27]), OUT],
        {"out.scale": np.ones(1)},
        "more than 4194304 channels or features",
    ),
    "an image in another order": (
        [IMAGE, node("d", "reshape", "input", shape=[2**13, 2**14, 1]), OUT],
        {"out.scale": np.ones(1)},
        r"input has shape \(8192, 16384, 1\); flatten",
    ),
    "many long rows": (
        [MILLIONS, *ROWS, node("out", "readout", "r99")],
        {"out.scale": np.ones(1)},
        "the limit for all nodes together is 16777216",
    ),
    "a sum of many": (
        [MILLIONS, node("d", "add", *1000 * ["r0"]), OUT],
        {"out.scale": np.ones(1)},
        "4198498304 channels enter and leave the nodes up to d",
    ),
}


@pytest.mark.parametrize(
    ("nodes", "tensors", "message"),
    SMALL_FILES_THAT_DECLARE_MUCH.values(),
    ids=SMALL_FILES_THAT_DECLARE_MUCH,
)
def test_a_small_file_that_declares_much_is_refused_with_little_memory(
    nodes: list[Any], tensors: dict[str, NDArray[Any]], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "hostile.safetensors"
    path.write_bytes(hostile(described(*nodes), tensors))
    assert path.stat().st_size < 2**19
    refused = pytest.raises(EdgespikeError, match=rf"hostile\.safetensors(?s:.)*{message}")
    with memory_left(megabytes=600), refused:
        load_graph(path)


def test_weights_are_read_and_checked_in_twice_their_memory(tmp_path: Path) -> None:
    """The file has 2 MB, its weights take 128 MB in memory."""
    weight = np.random.default_rng(0).integers(2, size=(2**10, 2**14))
    path = tmp_path / "bits.safetensors"
    save_graph(dense_graph(weight), path)
    with memory_left(megabytes=400):
        assert load_graph(path).tensors["dense"].high.tolist() == (
            (weight.sum(axis=1) + np.arange(len(weight))).tolist()
        )


def test_a_mask_of_all_weights_takes_no_memory(tmp_path: Path) -> None:
    weight = np.ones((3, 4), np.int64)
    path = tmp_path / "masked.safetensors"
    save_graph(dense_graph(weight, np.ones(weight.shape, np.bool_)), path)
    ((_, dense),) = load_graph(path).of_type(Dense)
    assert dense.float_nonzero is not None
    assert dense.float_nonzero.shape == weight.shape
    assert not any(dense.float_nonzero.strides)


INPUT = {**NODE, "shape": [4]}
MEMBRANE = node("m", "membrane", "input")
LONG = 10**400

WRONG_CONTENT: dict[str, tuple[object, str]] = {
    "no table": ([], r"found \[\], a list; expected a table"),
    "no version": ({"name": "g"}, "version is missing"),
    "version": (described(version="3"), "version: found '3', a text; expected a whole number"),
    "long version": (described(version=LONG), r"format version 10+\.\.\. \(401 characters\);"),
    "nodes": (described() | {"nodes": {}}, "nodes: found {}, a table; expected a list"),
    "name": (described(INPUT, name=None), "name: found None, nothing; expected a text"),
    "steps": (described(INPUT, steps=1.5), "steps: found 1.5, a number; expected a whole number"),
    "true steps": (described(INPUT, steps=True), "steps: found True, a truth value; expected a"),
    "long steps": (described(INPUT, steps=LONG), r"steps is 10+\.\.\. \(401 characters\); it must"),
    "node": (described("input"), "node number 0: found 'input', a text; expected a table"),
    "nameless": (described({"op": "input"}), "node number 0: name is missing"),
    "node name": (described(INPUT, node("a\0", "add")), r"node number 1: name 'a\\x00' may hold"),
    "no op": (described({"name": "m"}), "node m: op is missing"),
    "op": (
        described(node("m", "add") | {"op": ["add"]}),
        r"node m: op: found \['add'\], a list; ex",
    ),
    "unknown op": (
        described(node("m", "x" * 99)),
        r"m is of unknown kind 'x+\.\.\. \(101 characters",
    ),
    "no inputs": (
        described({"name": "m", "op": "add"}),
        "node m, field inputs: found None, nothing",
    ),
    "inputs": (
        described(node("m", "add") | {"inputs": "input"}),
        "node m, field inputs: found 'input', a text; expected a list",
    ),
    "input": (
        described(node("m", "add") | {"inputs": ["a", 5]}),
        "node m, field inputs: found 5, a whole number; expected a text",
    ),
    "shape": (
        described({**INPUT, "shape": {"0": 4}}),
        "node input, field shape: found {'0': 4}, a table; expected a list",
    ),
    "size": (
        described({**INPUT, "shape": [4, "4"]}),
        "node input, field shape: found '4', a text; expected a whole number",
    ),
    "long size": (
        described({**INPUT, "shape": [LONG]}),
        r"node input: input cannot be created:\n  - shape is \(10+\.\.\. \(404 characters\): whole",
    ),
    "scale": (
        described({**INPUT, "scale": [1]}),
        r"node input, field scale: found \[1\], a list; expected a number",
    ),
    "long scale": (
        described({**INPUT, "scale": LONG}),
        r"scale is 10+\.\.\. \(401 characters\): int",
    ),
    "low": (described({**INPUT, "low": None}), "node input, field low: found None, nothing; ex"),
    "reset": (
        described(INPUT, {**MEMBRANE, "reset": "hard"}),
        "node m, field reset: found 'hard'; give one of 'zero', 'subtract', 'none'",
    ),
    "list of resets": (
        described(INPUT, {**MEMBRANE, "reset": ["zero"]}),
        r"node m, field reset: found \['zero'\]; give one of 'zero', 'subtract', 'none'",
    ),
    "no arrays": (
        described(INPUT, node("m", "threshold", "input")),
        "node m lacks its field theta, its field flipped",
    ),
    "unknown field": (
        described({**INPUT, "x" * 99: 1}),
        r"input has unknown fields \['x+\.\.\. \(103",
    ),
}


@pytest.mark.parametrize(
    ("description", "message"), WRONG_CONTENT.values(), ids=WRONG_CONTENT.keys()
)
def test_a_wrong_value_is_named_with_its_place_and_what_is_expected(
    description: object, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "wrong.safetensors"
    path.write_bytes(hostile(description))
    with pytest.raises(EdgespikeError, match=rf"wrong\.safetensors(?s:.)*{message}") as caught:
        load_graph(path)
    assert len(str(caught.value).replace(str(path), "")) < 300


@pytest.mark.parametrize(
    ("packing", "message"),
    [
        ({**PACKING, "low": "-1"}, "found '-1', a text; expected a whole number"),
        (
            {**PACKING, "states": LONG},
            r"10+\.\.\. \(401 characters\) states in steps of 1; 2\.\.16",
        ),
        ({**PACKING, "shape": [LONG]}, r"shape \[10+\.\.\. \(403 characters\) does not have 0 to"),
        ({**PACKING, "shape": "24"}, "found '24', a text; expected a list"),
        (
            {"x" * 99: 1, "shape": [8]},
            r"a packing says \['shape', 'x+\.\.\. \(112 characters\); it has",
        ),
        ({"every": 1}, "found None, nothing; expected a list"),
        ({"shape": [2, 4], "every": "x" * 99}, r"2 bytes, and every boolean 'x+\.\.\. \(101"),
        (5, "found 5, a whole number; expected a list"),
    ],
)
def test_a_wrong_packing_is_named_with_its_place(
    packing: object, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "wrong.safetensors"
    path.write_bytes(packed_file(packing, PACKED))
    with pytest.raises(FileFormatError, match=f"node dense, field weight: {message}") as caught:
        load_graph(path)
    assert len(str(caught.value).replace(str(path), "")) < 300


def with_metadata(text: str) -> bytes:
    return bytes(save({}, {files.GRAPH_KEY: text}))


BOM = "\ufeff"
MARKED = json.dumps({"description": BOM + "{}", "sha256": files._digest(BOM + "{}", {})})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (BOM.encode() + with_metadata("{}"), "is not a safetensors file, or is truncated"),
        (
            struct.pack("<Q", 5) + BOM.encode() + b"{}",
            "is not a safetensors file, or is truncated",
        ),
        (with_metadata(BOM + "{}"), "is not a graph: Unexpected UTF-8 BOM"),
        (with_metadata(MARKED), "is not a graph: Unexpected UTF-8 BOM"),
        (with_metadata("[]"), r"is not a graph: found \[\], a list; expected a table"),
        (with_metadata("{}"), "is not a graph: description is missing"),
        (with_metadata('{"description": 5}'), "is not a graph: description: found 5, a whole num"),
        (with_metadata('{"description": "{}"}'), "was changed after it was written"),
        (with_metadata('{"description": "\\ud800"}'), "is not a graph: .*surrogates not allowed"),
        (with_metadata("[" * 100_000), "is not a graph: .*recursion"),
        (with_metadata("9" * 5000), "is not a graph: Exceeds the limit"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_text_that_is_not_a_description_gets_a_clear_error(
    content: bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "text.safetensors"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=rf"text\.safetensors .*{message}") as caught:
        load_graph(path)
    assert len(str(caught.value).replace(str(path), "")) < 300


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
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(WriteError, match="File too large"):
            write_atomically(tmp_path / "large", bytes(10_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_permissions_are_the_umask_s_or_those_of_the_file_before(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "new", b"new")
        with new_folder(tmp_path / "folder"):
            pass
        (tmp_path / "secret").touch(0o600)
        write_atomically(tmp_path / "secret", b"new")
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"new": 0o640, "folder": 0o750, "secret": 0o600}


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), new_folder(tmp_path / "half") as folder:
        (folder / "part").write_text(str(1 / 0))
    assert list(tmp_path.iterdir()) == []
    with new_folder(tmp_path / "whole") as folder:
        (folder / "part").write_bytes(b"x")
    assert (tmp_path / "whole" / "part").read_bytes() == b"x"
    with (
        pytest.raises(WriteError, match="exists and is not an empty folder"),
        new_folder(tmp_path / "whole"),
    ):
        pass


def test_an_error_about_another_file_is_not_blamed_on_the_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="elsewhere"), new_folder(tmp_path / "out"):
        (tmp_path / "elsewhere").read_bytes()
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_or_device_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(FileFormatError, match="not a regular file"):
            load_graph(path)


def test_errors_name_the_folder_and_not_its_temporary_name(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    link = tmp_path / "link"
    with (
        pytest.raises(WriteError, match="link exists and is not an empty folder"),
        new_folder(link),
    ):
        pass
    raced = pytest.raises(WriteError, match=r"cannot write .*/out: Directory not empty")
    with raced, new_folder(tmp_path / "out"):
        (tmp_path / "out" / "of another").mkdir(parents=True)
    missing = r"cannot write .*/full/nowhere/part: folder .*/full/nowhere does not exist; make it"
    with pytest.raises(WriteError, match=missing), new_folder(tmp_path / "full") as folder:
        write_atomically(folder / "nowhere" / "part", b"")
