"""``edgespike convert model.tflite``: the rounding, the check, and what says which it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.available import needs_tflm
from tests.cli.conftest import Cli
from tests.cli.test_bad_input import refused
from tests.converters.tflite.files import File
from tests.converters.tflite.test_bad_files import INTACT


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "net.tflite"
    path.write_bytes(INTACT)
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(-125, 131, (6, 3, 6, 5)))
    return path


@pytest.mark.parametrize(
    ("rounding", "runtime"),
    [
        pytest.param("tflm", "TFLite Micro", marks=needs_tflm),
        ("xnnpack", "XNNPACK"),
        ("builtin-x86", "LiteRT built-in"),
    ],
)
def test_each_rounding_is_checked_and_named(
    rounding: str, runtime: str, cli: Cli, model: Path, tmp_path: Path
) -> None:
    out, x = tmp_path / "graph.safetensors", tmp_path / "x.npy"
    result = cli("convert", model, "-o", out, "--rounding", rounding, "--check", x)
    assert result.code == 0, result.stderr
    assert f"{model}: tflite, TFLite files of int8 nets" in result.stdout
    assert "a sample has shape (3, 6, 5), channels first" in result.stdout
    assert runtime in result.stdout
    again = ("--rounding", rounding, "--check", x, "--force", "--json")
    check = cli("convert", model, "-o", out, *again).json
    paths = [part["path"] for part in check["check"] if part["different"] == 0]
    assert paths[0] == f"operator 0 (CONV_2D), {runtime}"
    assert paths[-1] == f"operator 7 (FULLY_CONNECTED) alone, {runtime}"
    assert len(paths) == 8
    for shown in (cli("show", out), cli("energy", out, "-i", x)):
        assert f"(rounding {rounding})" in " ".join(shown.stdout.split())
    assert cli("energy", out, "-i", x, "--json").json["origin"].endswith(f"(rounding {rounding})")


def test_a_slow_check_says_what_it_does(
    cli: Cli, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgespike.cli.output.SLOW_S", 0.0)
    x = tmp_path / "x.npy"
    arguments = ("convert", model, "-o", tmp_path / "graph.safetensors", "--rounding", "xnnpack")
    assert f"running {model} itself on the samples of {x}" in cli(*arguments, "--check", x).stderr
    assert "itself" not in cli(*arguments).stderr


def test_what_is_refused(cli: Cli, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "graph.safetensors"
    refused(
        cli("convert", model, "-o", out, "--rounding", "x"), "rounding is 'x'; give one of tflm"
    )
    refused(cli("convert", model, "-o", out, "--levels", 4), "levels", "tflite")
    samples = ("--calibrate", tmp_path / "x.npy")
    refused(
        cli("convert", model, "-o", out, *samples), "calibrate is given, but converter 'tflite'"
    )
    file = File()
    x = file.tensor((1, 3), 0.1)
    file.add("LSTM", [x], x)
    model.write_bytes(file.content([x], [x]))
    refused(cli("convert", model, "-o", out), "operator 0 (LSTM): it is not supported")
    assert not out.exists()


def test_the_option_is_of_this_converter(cli: Cli, tmp_path: Path, graph_file: Path) -> None:
    result = cli("convert", graph_file, "-o", tmp_path / "out", "--rounding", "tflm")
    refused(result, "rounding")
