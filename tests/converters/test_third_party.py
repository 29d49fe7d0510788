"""Converters in another package are reached through entry points, in Python and by commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgespike
from edgespike.converters import choosing
from edgespike.errors import FileFormatError, UnsupportedError
from edgespike.graph import Dense, Graph, load_graph
from tests.converters.installing import TOY, install_toy

WEIGHT = [[1.0, -0.5, 0.25], [0.0, 0.75, -1.0]]


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder into which the toy package is installed."""
    site = tmp_path / "site"
    site.mkdir()
    install_toy(site)
    monkeypatch.syspath_prepend(str(site))
    yield site
    for name in [name for name in sys.modules if name.partition(".")[0] == "edgespike_toy"]:
        del sys.modules[name]


def toy_file(path: Path, **changes: Any) -> Path:
    net = {"features": 3, "weight": WEIGHT, **changes}
    kept = {key: value for key, value in net.items() if value is not None}
    path.write_bytes(b"TOYNET1\n" + json.dumps(kept).encode())
    return path


def command(site: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own, where the package is installed."""
    paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.run(
        [sys.executable, "-m", "edgespike", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        cwd=site.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def votes(weight: Any) -> Any:
    """Return a module of their class."""
    return import_module("edgespike_toy.votes").Votes(weight)


def dense(graph: Graph) -> Dense:
    (op,) = (op for _, op in graph.of_type(Dense))
    return op


@pytest.mark.torch
def test_a_module_of_their_class_goes_to_their_converter(toy: Path) -> None:
    torch = pytest.importorskip("torch")
    module = votes([[3, -2], [0, 1]])
    graph = edgespike.convert(module, input_range=(0, 9))
    assert graph.name == "votes"
    x = np.array([[0, 0], [9, 4], [1, 7]])
    accumulators = edgespike.run(graph, x).accumulators(graph)
    assert accumulators.tolist() == module(torch.from_numpy(x)).tolist()


@pytest.mark.torch
def test_any_other_module_goes_to_ours(toy: Path) -> None:
    pytest.importorskip("torch")
    from torch import nn

    from edgespike.nn.layers.weighted import QuantLinear

    assert edgespike.convert(nn.Sequential(QuantLinear(4, 2)), (4,)).name == "model"
    with pytest.raises(UnsupportedError, match="calibrate is missing"):
        edgespike.convert(nn.Sequential(votes([[1, 2]])), (2,))


@pytest.mark.parametrize("name", ["net.toy", "net", "net.safetensors"])
def test_a_file_is_recognised_by_its_first_bytes(toy: Path, tmp_path: Path, name: str) -> None:
    path = toy_file(tmp_path / name)
    graph = edgespike.load(path)
    assert dense(graph).weight.tolist() == [[127, -64, 32], [0, 95, -127]]
    assert edgespike.convert(path) == edgespike.convert(str(path)) == graph


def test_a_name_that_promises_the_format_is_not_enough(toy: Path, tmp_path: Path) -> None:
    path = tmp_path / "net.toy"
    path.write_bytes(b"OTHER")
    with pytest.raises(FileFormatError) as caught:
        edgespike.load(path)
    assert str(caught.value) == (
        f"{path} (5 bytes) is neither an edgespike graph nor a trained model, nor any other file "
        "that a converter recognises by its first bytes; recognised are: graph (graph files of "
        "edgespike), checkpoint (trained checkpoints of edgespike), lava-dl (network exchange "
        "files of lava-dl (.net)), nir (NIR files of snnTorch, norse, sinabs, SpikingJelly, "
        "Rockpool and others), onnx (ONNX files (.onnx): float nets, QONNX, and nets of 8-bit "
        "numbers), tflite (TFLite files of int8 nets), toy (files that begin with TOYNET1); make "
        "one with 'edgespike train', or from a PyTorch module with edgespike.convert, or get the "
        "file again if it is truncated"
    )


def test_the_convert_command_reaches_it(toy: Path, tmp_path: Path) -> None:
    path, out = toy_file(tmp_path / "net.bin"), tmp_path / "graph.safetensors"
    done = command(toy, "convert", path, "-o", out)
    assert (done.returncode, done.stderr) == (0, "")
    graph = load_graph(out)
    found, *_, written = done.stdout.splitlines()
    assert found == f"{path}: toy, files that begin with TOYNET1"
    assert written == f"{out}: graph {graph.hash}, 3 nodes"
    assert graph == edgespike.load(path)
    assert graph.hash in command(toy, "show", path).stdout


def test_every_option_of_the_command_reaches_it(toy: Path, tmp_path: Path) -> None:
    path, out = toy_file(tmp_path / "net.bin", features=None), tmp_path / "graph.safetensors"
    samples = np.array([[-8, 0, 4], [0, 0, 0]])
    np.save(tmp_path / "x.npy", samples)
    done = command(
        *(toy, "convert", path, "-o", out, "--name", "toy", "--input-shape", "3"),
        *("--input-range", "-8,7", "--input-scale", 0.5, "--bits", 3, "--calibrate", "x.npy"),
    )
    assert (done.returncode, done.stderr) == (0, "")
    graph = load_graph(out)
    given = {"input_range": (-8, 7), "input_scale": 0.5, "bits": 3, "calibrate": samples}
    assert graph == edgespike.convert(path, (3,), name="toy", **given)  # type: ignore[arg-type]
    assert graph.name == "toy"
    assert (graph.input_op.low, graph.input_op.high, graph.input_op.scale) == (-8, 7, 0.5)
    assert dense(graph).weight.tolist() == [[3, -2, 1], [0, 2, -3]]
    assert dense(graph).bias.tolist() == [10, 6]
    assert graph.readout_op.scale.tolist() == [0.5 / 3, 0.5 / 3]


def test_a_shape_that_the_file_does_not_state_is_asked_for(toy: Path, tmp_path: Path) -> None:
    path, out = toy_file(tmp_path / "net.bin", features=None), tmp_path / "graph.safetensors"
    done = command(toy, "convert", path, "-o", out)
    assert done.returncode == 2
    assert done.stderr == (
        "error: model cannot be converted:\n"
        f"  - input_shape is missing, and {path} does not state it; give the shape of one sample "
        "as a tuple, (features,) or (channels, height, width); on the command line, edgespike "
        "convert --input-shape 1,28,28\n"
    )
    assert not out.exists()


def test_a_source_that_is_not_run_is_not_checked(toy: Path, tmp_path: Path) -> None:
    path, out = toy_file(tmp_path / "net.bin"), tmp_path / "graph.safetensors"
    np.save(tmp_path / "x.npy", np.zeros((1, 3), int))
    done = command(toy, "convert", path, "-o", out, "--check", "x.npy")
    assert done.returncode == 2
    assert done.stderr == (
        "error: --check runs a source beside its graph, which converter 'toy' does not do; leave "
        "--check out\n"
    )
    assert not out.exists()


def test_what_it_finds_wrong_is_not_blamed_on_its_package(toy: Path, tmp_path: Path) -> None:
    path = tmp_path / "net.bin"
    path.write_bytes(b"TOYNET1\n{")
    with pytest.raises(FileFormatError, match=f"^{path} is damaged: .*; write it again$"):
        edgespike.load(path)


def test_nothing_is_recognised_by_its_suffix() -> None:
    """Neither by ours nor by those of the example that others copy."""
    sources = [*Path(choosing.__file__).parent.rglob("*.py"), *TOY.rglob("*.py")]
    assert not [path for path in sources if ".suffix" in path.read_text()]
