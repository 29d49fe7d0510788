"""The export folder, and the commands that use the target."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgespike
from edgespike.cli import main
from edgespike.errors import EnvironmentMissingError, TargetRunError
from edgespike.graph import Graph
from edgespike.interpreter import interpret
from edgespike.passes.ensemble import ensemble
from edgespike.targets import get_runtime, prepare
from edgespike.targets.onnx import run
from edgespike.trace import predictions
from tests.available import available
from tests.example_graphs import membrane_graph, recurrent_graph, residual_graph, samples_for

GRAPHS = {"residual": residual_graph, "membranes": membrane_graph, "recurrent": recurrent_graph}


@pytest.fixture(autouse=True)
def _installed() -> None:
    available("onnx")


@pytest.fixture(params=GRAPHS)
def exported(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Graph, Path]:
    graph = GRAPHS[request.param]()
    return graph, edgespike.export(graph, "onnx", tmp_path / "out")


def run_py(folder: Path, *arguments: object, fails: bool = False) -> str:
    command = [sys.executable, "run.py", *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + (done.stderr if fails else "")


def test_files(exported: tuple[Graph, Path]) -> None:
    graph, folder = exported
    qonnx = {"model_qonnx.onnx"} if graph.steps == 1 else set()
    assert {path.name for path in folder.iterdir()} == qonnx | {
        "README.md",
        "SHA256SUMS",
        "expected_output.npy",
        "model.onnx",
        "run.py",
        "sample_input.npy",
        "samples_and_answers.py",
    }
    readme = (folder / "README.md").read_text()
    assert graph.hash in readme
    assert "$" not in readme
    assert ("Scan" in readme) == (graph.steps > 1)
    assert ("| model_qonnx.onnx |" in readme) == bool(qonnx)
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=folder, check=True)


def test_the_runner_checks_and_classifies(exported: tuple[Graph, Path]) -> None:
    graph, folder = exported
    count = len(np.load(folder / "sample_input.npy"))
    assert run_py(folder) == f"{count} of {count} samples are exactly as expected\n"
    samples = samples_for(graph, 70)
    samples = samples if graph.steps > 1 else samples[:, 0]
    np.save(folder / "mine.npy", samples)
    expected = predictions(graph, interpret(graph, samples).accumulators(graph))
    assert [int(line) for line in run_py(folder, "mine.npy").split()] == expected.tolist()
    np.save(folder / "constant.npy", samples[:, 0] if graph.steps > 1 else samples)
    assert len(run_py(folder, "constant.npy").split()) == 70


def test_the_runner_shows_how_sure_an_ensemble_is(tmp_path: Path) -> None:
    folder = edgespike.export(ensemble([residual_graph()] * 2), "onnx", tmp_path / "out")
    header, *rows = run_py(folder, "sample_input.npy").splitlines()
    assert header.startswith("# class probability")
    assert all(float(row.split()[4]) == 0 for row in rows)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((2, 5), np.float32), "dtype float32; give whole numbers 0..1"),
        (np.full((2, 5), 2), "values 2..2; give 0..1"),
        (np.zeros((2, 6), int), "shape (2, 6)"),
        (np.zeros((4, 5), int), "one sample of 4 steps, or 4 constant samples?"),
        (np.zeros((0, 4, 5), int), "shape (0, 4, 5)"),
    ],
)
def test_the_runner_refuses_bad_samples(samples: Any, message: str, tmp_path: Path) -> None:
    folder = edgespike.export(membrane_graph(), "onnx", tmp_path / "out")
    np.save(folder / "bad.npy", samples)
    assert message in run_py(folder, "bad.npy", fails=True)


@pytest.mark.parametrize("name", ["model.onnx", "sample_input.npy", "expected_output.npy"])
def test_the_runner_notices_damage(name: str, tmp_path: Path) -> None:
    folder = edgespike.export(residual_graph(), "onnx", tmp_path / "out")
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    assert f"{name} and SHA256SUMS differ" in run_py(folder, fails=True)


def test_samples_of_the_user_check_the_artefact(tmp_path: Path) -> None:
    graph = residual_graph()
    given = np.full((3, 1, 6, 6), 7)
    folder = edgespike.export(graph, "onnx", tmp_path / "out", given)
    assert (np.load(folder / "sample_input.npy") == 7).all()


Command = Callable[..., Any]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command in this process and return its JSON."""

    def run_command(*arguments: object) -> Any:
        monkeypatch.setattr(sys, "argv", ["edgespike", *map(str, arguments), "--json"])
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
        return json.loads(capsys.readouterr().out)

    return run_command


def test_commands(command: Command, tmp_path: Path) -> None:
    graph = recurrent_graph()
    edgespike.save(graph, tmp_path / "graph.safetensors")
    np.save(tmp_path / "x.npy", samples_for(graph, 4))
    where = (tmp_path / "graph.safetensors", "--input", tmp_path / "x.npy")
    verified = command("verify", *where, "--targets", "cpu,onnx")
    assert all(found["first_difference"] is None for found in verified["targets"].values())
    assert set(verified["targets"]) == {"cpu", "onnx"}
    for name, result in (("run", "predictions"), ("energy", "counts")):
        on_cpu, on_onnx = (command(name, *where, "-t", x) for x in ("cpu", "onnx"))
        assert on_cpu[result] == on_onnx[result]
    out = tmp_path / "out"
    written = command("export", "--target", "onnx", where[0], "-o", out)
    assert "model.onnx" in written["files"]
    assert "no model_qonnx.onnx: samples have 4 steps; QONNX has no time" in written["remarks"][0]
    assert {layer["layer"] for layer in written["layers"]} >= {"recurrent", "state"}


def test_differences_between_models_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = residual_graph()
    runner = prepare(graph, "onnx")
    real = run.Session.run

    def wrong(self: run.Session, samples: Any) -> Any:
        outputs = dict(real(self, samples))
        if len(outputs) == 2:
            outputs["accumulators"] = (
                outputs["accumulators"] + (np.arange(len(samples)) == 3)[:, None]
            )
        return outputs

    monkeypatch.setattr(run.Session, "run", wrong)
    with pytest.raises(TargetRunError, match="differ in sample 3 of a batch of 5"):
        runner.trace(samples_for(graph, 5))


def test_what_onnx_runtime_refuses_is_a_clear_error(capfd: pytest.CaptureFixture[str]) -> None:
    from edgespike.targets.onnx.lower import lower

    model = lower(residual_graph()).model
    session = run.Session(model)
    with pytest.raises(TargetRunError, match=r"onnxruntime .* failed: "):
        session.run(np.zeros((2, 3), np.uint8))
    model.opset_import[0].version = 9999
    with pytest.raises(TargetRunError, match=r"onnxruntime .* failed: "):
        run.Session(model)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_is_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name == package:
            raise metadata.PackageNotFoundError(name)
        return "1"

    monkeypatch.setattr(metadata, "version", version)
    with pytest.raises(EnvironmentMissingError, match=rf"{package} is not installed.*\[onnx\]"):
        get_runtime("onnx").version()


def test_the_folder_can_be_moved(tmp_path: Path) -> None:
    folder = edgespike.export(recurrent_graph(), "onnx", tmp_path / "out")
    moved = Path(shutil.move(folder, tmp_path / "elsewhere"))
    assert "exactly as expected" in run_py(moved)
