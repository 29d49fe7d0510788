"""From a file to a graph: calibrated, checked against ONNX Runtime, on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import edgespike
from edgespike.cli.app import app
from edgespike.converters import conversion
from edgespike.converters.base import ConvertOptions
from edgespike.converters.checking import check_source
from edgespike.errors import UnsupportedError
from edgespike.graph import load_graph
from tests.converters.onnx.nets import SMALL, model, numbers, public, saved, whole


def images(*shape: int, count: int = 60) -> Any:
    return np.random.default_rng(2).normal(size=(count, *shape)).astype(np.float32)


def found_of(path: Path, samples: Any, **options: Any) -> Any:
    found = conversion(path, ConvertOptions(calibrate=samples, **options))
    assert found.quantised is not None
    return found


def test_the_graph_answers_as_the_file_does(tmp_path: Path) -> None:
    samples = images(2, 6, 5)
    found = found_of(saved(model(*SMALL), tmp_path), samples, levels=256)
    assert found.converter == "onnx"
    assert found.graph.name == "model"
    check = check_source(found.quantised, samples)
    assert not check.failed
    assert check.flipped <= 1
    assert [part.path for part in check.parts] == [
        *("Conv of c", "BatchNormalization of n", "Relu of r"),
        *("MaxPool of m", "Gemm of o"),
    ]
    assert max(part.distance for part in check.parts) < 1e-6
    assert found.assumed[0].startswith("Softmax at the end is left out")


def test_a_net_that_is_read_wrongly_is_noticed(tmp_path: Path) -> None:
    """The file is changed behind the converter's back."""
    samples = images(2, 6, 5)
    shape, nodes, constants = SMALL
    path = saved(model(shape, nodes, constants), tmp_path)
    found = found_of(path, samples)
    saved(model(shape, nodes, {**constants, "b": constants["b"] + 1}), tmp_path)
    check = check_source(found.quantised, samples)
    assert check.failed
    assert check.parts[0].misread


@pytest.mark.parametrize("shape", [(8, 6, 3), (3, 8, 6)])
def test_samples_may_have_the_channels_where_the_file_has_them(
    shape: tuple[int, ...], tmp_path: Path
) -> None:
    nodes = (
        "t = Transpose <perm = [0, 3, 1, 2]> (x) c = Conv (t, w) r = Relu (c) "
        "u = Transpose <perm = [0, 2, 3, 1]> (r) f = Reshape (u, to) y = MatMul (f, out)"
    )
    constants = {"w": numbers(5, 3, 3, 3), "to": whole(-1, 120), "out": numbers(120, 4)}
    path = saved(model((1, 8, 6, 3), nodes, constants), tmp_path)
    last = images(8, 6, 3)
    samples = last if shape == last.shape[1:] else last.transpose(0, 3, 1, 2)
    found = found_of(path, samples)
    assert found.graph.input_op.shape == (3, 8, 6)
    check = check_source(found.quantised, samples)
    assert not check.failed
    assert check.flipped <= 2
    same = found_of(path, last.transpose(0, 3, 1, 2))
    assert found.graph.hash == same.graph.hash


def test_a_residual_net_and_depthwise_layers(tmp_path: Path) -> None:
    nodes = (
        "a = Conv <pads = [1, 1, 1, 1]> (x, w) b = Relu (a) "
        "c = Conv <pads = [1, 1, 1, 1], group = 4> (b, d) e = Add (b, c) f = Relu (e) "
        "p = AveragePool <kernel_shape = [2, 2], strides = [2, 2]> (f) g = GlobalAveragePool (p) "
        "h = Flatten (g) y = Gemm (h, out)"
    )
    constants = {"w": numbers(4, 2, 3, 3), "d": numbers(4, 1, 3, 3), "out": numbers(4, 3)}
    samples = images(2, 6, 6)
    found = found_of(saved(model((1, 2, 6, 6), nodes, constants), tmp_path), samples)
    check = check_source(found.quantised, samples)
    assert not check.failed
    certificate = edgespike.verify(found.graph, np.zeros((2, 2, 6, 6), np.int64), targets=["cpu"])
    assert certificate.equal


def test_a_public_file(tmp_path: Path) -> None:
    """A float net that CNTK trained; its input is pixels of 0..255."""
    samples, _ = edgespike.models.shipped_images()
    found = found_of(public("mnist_conv.onnx"), samples, levels=64)
    check = check_source(found.quantised, samples)
    assert not check.failed
    assert len(check.parts) == 11
    assert check.flipped <= 0.03 * len(samples)


def test_without_samples_they_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="calibrate is missing"):
        edgespike.load(saved(model(*SMALL), tmp_path))


@pytest.mark.parametrize("steps", [1])
def test_options_that_are_not_used(steps: int, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="converter 'onnx' does not use it"):
        edgespike.convert(saved(model(*SMALL), tmp_path), steps=steps)


def test_on_the_command_line(tmp_path: Path) -> None:
    path, samples = saved(model(*SMALL), tmp_path, "net"), tmp_path / "samples.npy"
    np.save(samples, images(2, 6, 5))
    out = tmp_path / "graph.safetensors"
    line = ["convert", str(path), "--calibrate", str(samples), "--check", str(samples)]
    result = CliRunner().invoke(app, [*line, "-o", str(out)])
    assert result.exit_code == 0, result.output
    assert "ONNX files (.onnx)" in result.output
    assert load_graph(out).input_op.shape == (2, 6, 5)


def test_inputs_are_saved_as_the_graph_takes_them(tmp_path: Path) -> None:
    nodes = "t = Transpose <perm = [0, 3, 1, 2]> (x) c = Conv (t, w) y = GlobalAveragePool (c)"
    path = saved(model((1, 5, 4, 3), nodes, {"w": numbers(2, 3, 3, 3)}), tmp_path)
    samples, inputs = tmp_path / "samples.npy", tmp_path / "inputs.npy"
    np.save(samples, images(5, 4, 3))
    line = ["convert", str(path), "--calibrate", str(samples), "--save-inputs", str(inputs)]
    out = tmp_path / "graph.safetensors"
    result = CliRunner().invoke(app, [*line, "--check", str(samples), "-o", str(out)])
    assert result.exit_code == 0, result.output
    graph, whole = load_graph(out), np.load(inputs)
    assert whole.shape == (60, 3, 5, 4)
    real = np.moveaxis(np.load(samples), -1, 1)
    assert np.abs(whole * graph.input_op.scale - real).max() <= graph.input_op.scale / 2 + 1e-9


def test_nothing_is_written_for_a_file_that_is_refused(tmp_path: Path) -> None:
    path = saved(model((1, 6), "y = Elu (x)"), tmp_path)
    out = tmp_path / "graph.safetensors"
    result = CliRunner().invoke(app, ["convert", str(path), "-o", str(out)])
    assert result.exit_code == 2
    assert "Elu of y, a Elu, is not read: use ReLU or ReLU6" in result.output.replace("\n", " ")
    assert not out.exists()
