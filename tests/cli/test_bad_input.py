"""Bad input exits with code 2 and one clear error: no stack trace, no answer, no file."""

from __future__ import annotations

import json
import os
import pickle
import struct
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save, save_file

from edgespike.graph import (
    Add,
    Dense,
    Graph,
    Input,
    Node,
    Readout,
    Threshold,
    save_graph,
)
from edgespike.graph.files import CHECKPOINT_KEY, GRAPH_KEY
from tests.cli.conftest import Cli, Result
from tests.graph_files import NODE, described, every, hostile, node

GOOD = np.zeros((2, 1, 6, 6), np.uint8)


def refused(result: Result, *named: object) -> None:
    assert result.code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert "Traceback" not in result.stderr
    for what in named:
        assert str(what) in result.stderr


def flip(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :]


@pytest.mark.parametrize(
    ("array", "named"),
    [
        (GOOD[:, :, :5], ["(2, 1, 5, 6)", "(samples, 1, 6, 6)"]),
        (GOOD[0, 0], ["(6, 6)", "(samples, 1, 6, 6)"]),
        (GOOD[:0], ["no sample"]),
        (GOOD / 2, ["float64", "numpy.floor"]),
        (np.full(GOOD.shape, np.nan, np.float32), ["72 values that are not finite"]),
        (GOOD + 16, ["16..16", "0..15"]),
        (GOOD.astype(int) - 1, ["-1..-1", "0..15"]),
        (np.full(GOOD.shape, 2**64 - 1, np.uint64), ["18446744073709551615", "0..15"]),
        (GOOD.astype(str), ["<U3"]),
        (GOOD.astype(object), ["pickle"]),
        (np.array(5), ["()"]),
    ],
    ids=[
        "shape",
        "too few axes",
        "no samples",
        "floats",
        "not a number",
        "too large",
        "too small",
        "beyond int64",
        "text",
        "objects",
        "one number",
    ],
)
@pytest.mark.parametrize("command", ["verify", "run", "energy"])
def test_samples_that_do_not_fit(
    cli: Cli, graph_file: Path, tmp_path: Path, command: str, array: NDArray[Any], named: list[str]
) -> None:
    np.save(tmp_path / "bad.npy", array, allow_pickle=True)
    refused(cli(command, graph_file, "--input", tmp_path / "bad.npy", "--json"), *named)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content[:20],
        lambda content: b"",
        lambda content: flip(content, 1),
        lambda content: content.replace(b"(4, 1, 1, 6, 6)", b"(4**99, 6,6,6)"),
        lambda content: content.replace(b"(4, 1, 1, 6, 6)", b"(999999999999,)"),
        lambda content: content.replace(b"(4, 1, 1, 6, 6)", b"(True,1,1,6,6) "),
        lambda content: content.replace(b"(4, 1, 1, 6, 6)", b"(0, 10000000000000000000000)"),
        lambda content: pickle.dumps(GOOD),
        lambda content: b"\x89PNG\r\n\x1a\n" + bytes(100),
    ],
    ids=[
        "cut",
        "cut header",
        "empty",
        "flipped",
        "formula",
        "absurd size",
        "truth in the shape",
        "nothing of an absurd size",
        "pickle",
        "image",
    ],
)
def test_damaged_and_foreign_sample_files(
    cli: Cli, graph_file: Path, input_file: Path, damage: Callable[[bytes], bytes]
) -> None:
    input_file.write_bytes(damage(input_file.read_bytes()))
    refused(cli("verify", graph_file, "--input", input_file, "--json"), input_file, "numpy.save")


@pytest.mark.parametrize("name", ["missing.npy", "."])
def test_sample_files_that_cannot_be_read(
    cli: Cli, graph_file: Path, tmp_path: Path, name: str
) -> None:
    refused(cli("run", graph_file, "--input", tmp_path / name), "cannot read", tmp_path / name)


def test_a_pipe_is_neither_read_nor_replaced(
    cli: Cli, graph_file: Path, input_file: Path, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    refused(cli("run", graph_file, "--input", pipe), "cannot read", pipe)
    refused(cli("show", graph_file, "--svg", pipe), "cannot write", pipe)
    assert pipe.is_fifo()


def test_what_a_link_names_is_written(cli: Cli, graph_file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.svg"
    link.symlink_to(tmp_path / "drawn.svg")
    assert cli("show", graph_file, "--svg", link).code == 0
    assert link.is_symlink()
    assert (tmp_path / "drawn.svg").read_text().startswith("<svg")


GRAPH_DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda content: content[:-1],
    "cut header": lambda content: content[:40],
    "empty": lambda content: b"",
    "flipped weight": lambda content: flip(content, len(content) - 3),
    "flipped description": lambda content: content.replace(b"padding", b"qadding", 1),
    "absurd header": lambda content: struct.pack("<Q", 2**63) + content[8:],
    "absurd tensor": lambda content: content.replace(b'"shape":[', b'"shape":[4000000000000,'),
    "pickle": pickle.dumps,
    "image": lambda content: b"\x89PNG\r\n\x1a\n" + bytes(100),
    "appended": lambda content: content + b"x",
}


@pytest.mark.parametrize("damage", GRAPH_DAMAGE.values(), ids=GRAPH_DAMAGE)
@pytest.mark.parametrize("command", ["verify", "export", "show"])
def test_damaged_and_foreign_graph_files(
    cli: Cli,
    graph_file: Path,
    input_file: Path,
    tmp_path: Path,
    command: str,
    damage: Callable[[bytes], bytes],
) -> None:
    whole = graph_file.read_bytes()
    graph_file.write_bytes(damage(whole))
    assert graph_file.read_bytes() != whole
    arguments = {
        "verify": ("--input", input_file),
        "export": ("--target", "cpu", "-o", tmp_path / "out"),
        "show": (),
    }
    refused(cli(command, graph_file, *arguments[command]), graph_file)
    assert not (tmp_path / "out").exists()


SCALAR = {**NODE, "shape": [1]}
ONE, NOTHING = np.ones((1, 1), np.int8), np.zeros(0, np.uint8)
OUT = {"d.weight": ONE, "d.bias": ONE[0], "out.scale": np.ones(1)}

GRAPH_FAULTS: dict[str, tuple[bytes, str]] = {
    "memory": (
        hostile(
            described(
                SCALAR,
                node("d", "dense", "input", float_nonzero=every(2**31)),
                node("out", "readout", "d"),
            ),
            {**OUT, "d.float_nonzero": NOTHING},
        ),
        "arrays would take 2147483672 bytes in memory; the limit is 2147483648",
    ),
    "shape": (
        hostile(
            described(
                SCALAR,
                node("d", "dense", "input", float_nonzero=every(2**30)),
                node("out", "readout", "d"),
            ),
            {**OUT, "d.float_nonzero": NOTHING},
        ),
        "d (dense): float_nonzero has shape (1073741824,), it must be (1, 1)",
    ),
    "inputs": (
        hostile(described(node("d", "add") | {"inputs": "input"})),
        "node d, field inputs: found 'input', a text; expected a list",
    ),
    "table": (
        hostile(described("input")),
        "node number 0: found 'input', a text; expected a table",
    ),
    "long number": (
        hostile(described({**NODE, "low": -(10**400)})),
        "low is -100000000000000000000000000000000000000... (402 characters)",
    ),
    "theta": (
        hostile(
            described(SCALAR, node("d", "membrane", "input"), node("out", "readout", "d")),
            {"d.theta": np.array([np.nan]), "out.scale": np.ones(1)},
        ),
        "d (membrane): theta has dtype float64; give integers",
    ),
    "graph name": (
        hostile(described(SCALAR, name="n" * 300)),
        f"name '{'n' * 39}... (302 characters) has 300 characters; the limit is 200",
    ),
    "slash": (hostile(described(SCALAR, name="../g")), "name '../g' may hold letters, digits"),
    "control": (
        hostile(described({**SCALAR, "name": "a\0\x1b[31m"})),
        "name 'a\\x00\\x1b[31m' may hold letters, digits",
    ),
    "byte order mark": (
        bytes(save({}, {GRAPH_KEY: "\ufeff{}"})),
        "has a description that is not a graph: Unexpected UTF-8 BOM",
    ),
}


@pytest.mark.parametrize(("content", "message"), GRAPH_FAULTS.values(), ids=GRAPH_FAULTS)
@pytest.mark.parametrize("command", ["show", "export", "convert"])
def test_graph_files_that_hold_no_graph(
    cli: Cli, tmp_path: Path, command: str, content: bytes, message: str
) -> None:
    path, out = tmp_path / "g.safetensors", tmp_path / "out"
    path.write_bytes(content)
    options = {"show": (), "export": ("-t", "loihi", "-o", out), "convert": ("-o", out)}
    result = cli(command, path, *options[command])
    refused(result, path, message)
    lines = result.stderr.replace(str(path), "").splitlines()
    assert len(lines) <= 4
    assert max(map(len, lines)) < 200
    assert not out.exists()


def test_a_hostile_file_does_not_speak_to_the_terminal(cli: Cli, tmp_path: Path) -> None:
    """The names of its arrays are printed, as many as there are, and with what is in them."""
    path = tmp_path / "mixture.npz"
    arrays: dict[str, Any] = {f"\x1b[31m{i}{'x' * 40}": np.zeros(1) for i in range(900)}
    np.savez(path, **arrays)
    result = cli("entropy", path)
    refused(result, "\\x1b[31m0", "characters)")
    assert "\x1b" not in result.stderr
    assert len(result.stderr) < 40_000


def test_a_safetensors_file_of_another_kind(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"weight": np.zeros(3)}, path)
    refused(cli("show", path), path, "edgespike train", "tensors alone (weight)")
    converted = cli("convert", path, "-o", tmp_path / "graph.safetensors")
    refused(converted, path, "edgespike train", "load_state_dict")
    assert "edgespike convert" not in converted.stderr  # which has just been run


def test_models_of_other_formats_and_samples_are_named(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "net.nir"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    refused(cli("show", path), path, "is an HDF5 file", "NIR (.nir)", "truncated or damaged")
    np.save(tmp_path / "x.npy", np.zeros(3))
    refused(cli("show", tmp_path / "x.npy"), "is a numpy array", "name the file of a model")


def test_counts_beyond_64_bits_are_refused_or_exact(cli: Cli, tmp_path: Path) -> None:
    names = ["input", *(f"a{i}" for i in range(51))]
    one = Dense(np.ones((2**12, 1), int), np.zeros(2**12, int))
    doubled = (Node(name, Add(), (source, source)) for source, name in pairwise(names))
    graph = Graph(
        "large",
        (
            Node("input", Input((1,), 0, 1, 1.0)),
            *doubled,
            Node("dense", one, ("a50",)),
            Node("readout", Readout(np.ones(2**12)), ("dense",)),
        ),
    )
    save_graph(graph, tmp_path / "large.safetensors")
    np.save(tmp_path / "x.npy", np.ones((1, 1), np.uint8))
    arguments = ("energy", tmp_path / "large.safetensors", "-i", tmp_path / "x.npy")
    result = cli(*arguments, "--json")
    assert result.code == 0
    assert json.loads(result.stdout)["counts"]["synaptic_operations"]["every"] == 2**63
    audited = cli(*arguments, "--audit", 1)
    assert (audited.code, audited.stdout) == (2, "")
    assert "error: an audit of 1 samples of graph 'large' would make up to" in audited.stderr
    assert "the limit is 100000000" in audited.stderr


@pytest.mark.parametrize("name", ["missing.safetensors", "."])
def test_graph_files_that_cannot_be_read(cli: Cli, tmp_path: Path, name: str) -> None:
    refused(cli("show", tmp_path / name), "cannot read", tmp_path / name)


@pytest.mark.parametrize("labels", [np.zeros(3, int), np.zeros(4), np.zeros((4, 1), int)])
def test_labels_that_do_not_fit(
    cli: Cli, graph_file: Path, input_file: Path, tmp_path: Path, labels: NDArray[Any]
) -> None:
    np.save(tmp_path / "y.npy", labels)
    result = cli("run", graph_file, "-i", input_file, "--labels", tmp_path / "y.npy")
    refused(result, "labels", "(4,)")


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "-t", "nonesuch"],
        ["energy", "-t", "nonesuch"],
        ["verify", "--targets", "cpu,nonesuch"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_unknown_targets(
    cli: Cli, graph_file: Path, input_file: Path, arguments: list[str]
) -> None:
    command, *options = arguments
    refused(cli(command, graph_file, "-i", input_file, *options), "nonesuch", "cpu, loihi, tflite")


@pytest.mark.parametrize("coding", ["graded", "unary"])
@pytest.mark.parametrize("target", ["cpu", "tflite", "exact"])
def test_a_coding_for_a_target_that_takes_none(
    cli: Cli, graph_file: Path, tmp_path: Path, target: str, coding: str
) -> None:
    result = cli("export", "-t", target, "--coding", coding, graph_file, "-o", tmp_path / "out")
    refused(result, f"target {target!r} does not take --coding {coding}", "convert --coding unary")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["convert", "export"])
def test_an_unknown_coding(cli: Cli, graph_file: Path, tmp_path: Path, command: str) -> None:
    target = ("-t", "loihi") if command == "export" else ()
    result = cli(command, graph_file, *target, "--coding", "binary", "-o", tmp_path / "out")
    assert (result.code, result.stdout) == (2, "")
    assert "'binary' is not one of 'graded', 'unary'" in result.stderr
    assert not (tmp_path / "out").exists()


OPTIONS = {
    "--name": ("new", "name is 'new'"),
    "--input-shape": ("1,28", "input_shape is (1, 28)"),
    "--input-range": ("-8,7", "input_range is (-8, 7)"),
    "--input-scale": ("0.5", "input_scale is 0.5"),
    "--bits": ("4", "bits is 4"),
    "--calibrate": ("x.npy", "calibrate is given, but"),
}


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_that_a_graph_file_does_not_use(
    cli: Cli, graph_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", GOOD)
    value, named = OPTIONS[option]
    result = cli("convert", graph_file, option, value, "-o", "out")
    refused(result, named, "converter 'graph' does not use it; it takes no options")
    assert not Path("out").exists()


@pytest.mark.parametrize("option", sorted(OPTIONS.keys() - {"--name"}))
def test_an_option_that_a_checkpoint_does_not_use(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", GOOD)
    save_file({}, "model", {CHECKPOINT_KEY: "{}"})
    value, named = OPTIONS[option]
    result = cli("convert", "model", option, value, "-o", "out")
    refused(result, named, "converter 'checkpoint' does not use it; it takes name, so leave")


@pytest.mark.parametrize(
    ("option", "value", "named"),
    [
        ("--input-shape", "1x28", "--input-shape is '1x28'; give integers separated by commas"),
        ("--input-shape", "", "--input-shape is ''; give integers separated by commas"),
        ("--input-range", "0", "input_range is (0,); give two whole numbers (low, high)"),
        ("--input-range", "7,0", "input_range is (7, 0); give two whole numbers (low, high)"),
        ("--input-range", "0,0.5", "--input-range is '0,0.5'; give integers separated by commas"),
        ("--input-scale", "-1", "input_scale is -1.0; give a positive finite number"),
        ("--bits", "0", "bits is 0; give a whole number of at least 1"),
        ("--calibrate", "missing.npy", "cannot read missing.npy"),
    ],
)
def test_an_option_of_convert_with_a_wrong_value(
    cli: Cli, graph_file: Path, tmp_path: Path, option: str, value: str, named: str
) -> None:
    refused(cli("convert", graph_file, option, value, "-o", tmp_path / "out"), named)
    assert not (tmp_path / "out").exists()


def test_a_graph_without_a_unary_form(cli: Cli, tmp_path: Path) -> None:
    """One threshold gets no weighted sum, and the other's levels go straight to the readout."""
    levels = Threshold(np.array([[0, 1], [2, 3]]), np.zeros(2, bool))
    graph = Graph(
        "straight",
        (
            Node("x", Input((2,), 0, 9, 1.0)),
            Node("bare", levels, ("x",)),
            Node("dense", Dense(np.ones((2, 2), int), np.zeros(2, int)), ("bare",)),
            Node("fire", levels, ("dense",)),
            Node("out", Readout(np.ones(2)), ("fire",)),
        ),
    )
    save_graph(graph, tmp_path / "graph.safetensors")
    arguments = ("convert", tmp_path / "graph.safetensors", "--coding", "unary")
    result = cli(*arguments, "-o", tmp_path / "out")
    found = "\n  - bare (threshold)", "\n  - out (readout)"
    refused(result, "graph 'straight' has no unary form", *found)
    assert not (tmp_path / "out").exists()


def test_verify_without_any_target(cli: Cli, graph_file: Path, input_file: Path) -> None:
    refused(cli("verify", graph_file, "-i", input_file, "--targets", ","), "no target is named")


@pytest.fixture
def large_file(tmp_path: Path) -> Path:
    """A graph whose weights, biases and thresholds are over every integer target's limits."""
    graph = Graph(
        "large",
        (
            Node("x", Input((1,), 0, 1, 1.0)),
            Node("first", Dense(np.array([[2**40]]), np.array([2**41])), ("x",)),
            Node("fire", Threshold(np.array([[2**40]]), np.array([False])), ("first",)),
            Node("second", Dense(np.array([[2**42]]), np.array([0])), ("fire",)),
            Node("out", Readout(np.ones(1)), ("second",)),
        ),
    )
    save_graph(graph, tmp_path / "large.safetensors")
    return tmp_path / "large.safetensors"


@pytest.mark.parametrize(
    ("target", "nodes"), [("loihi", ("first", "second")), ("tflite", ("fire", "out"))]
)
def test_all_values_over_a_target_s_limits_are_named_at_once(
    cli: Cli, large_file: Path, tmp_path: Path, target: str, nodes: tuple[str, str]
) -> None:
    result = cli("export", "--target", target, large_file, "-o", tmp_path / "out")
    refused(result, f"graph 'large' cannot run on {target}", *(f"\n  - {node}" for node in nodes))
    assert not (tmp_path / "out").exists()


def test_verify_names_the_problems_of_all_targets_at_once(
    cli: Cli, large_file: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "one.npy", np.ones((1, 1), int))
    result = cli("verify", large_file, "-i", tmp_path / "one.npy", "--targets", "loihi,tflite,no")
    refused(result, "\n  - loihi: first", "\n  - tflite: fire", "\n  - no: no target is named")


def test_an_output_folder_that_holds_something(cli: Cli, graph_file: Path, tmp_path: Path) -> None:
    result = cli("export", "-t", "cpu", graph_file, "-o", tmp_path)
    refused(result, tmp_path, "exists and is not an empty folder")
    assert [path.name for path in tmp_path.iterdir()] == [graph_file.name]


@pytest.mark.parametrize("place", ["/proc/edgespike/out", "graph.safetensors/out"])
def test_an_output_folder_that_cannot_be_made(
    cli: Cli, graph_file: Path, tmp_path: Path, place: str
) -> None:
    result = cli("export", "-t", "cpu", graph_file, "-o", tmp_path / place)
    refused(result, "cannot write", place)
    assert [path.name for path in tmp_path.iterdir()] == [graph_file.name]


@pytest.mark.parametrize(
    "arguments",
    [
        ["convert", "-o"],
        ["show", "--svg"],
        ["verify", "-i", "x.npy", "-o"],
        ["run", "-i", "x.npy", "-o"],
        ["energy", "-i", "x.npy", "--html"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_an_output_file_that_cannot_be_written(
    cli: Cli,
    graph_file: Path,
    input_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
) -> None:
    monkeypatch.chdir(input_file.parent)
    command, *options = arguments
    refused(cli(command, graph_file, *options, "missing/out"), "cannot write missing/out")
    assert not Path("missing").exists()


@pytest.mark.torch
@pytest.mark.parametrize(
    ("recipe", "named"),
    [("nonesuch", ["nonesuch", "fashion_s3nn"]), ("x.toml", ["x.toml", "net"])],
)
def test_recipes_that_cannot_be_used(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: str, named: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.toml").write_text("epochs = 'many'\nwrong = 1\n")
    refused(cli("train", recipe, "-o", "out"), *named)
    assert not Path("out").exists()
