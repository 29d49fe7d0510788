"""The export folder: the runner runs, the C compiles, TFLite Micro agrees."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgespike.storage.checksums import write_checksums
from edgespike.targets import get_target
from edgespike.targets.tflite.environment import environment_python
from edgespike.targets.tflite.limits import UNROLLED_STEPS
from edgespike.targets.tflite.lower import lower_unrolled
from edgespike.targets.tflite.planning.planner import make_plan
from edgespike.targets.tflite.running.trust import TESTED
from tests.available import available
from tests.targets.tflite.networks import NETWORKS
from tests.targets.tflite.recurrent import layers

WHOLE = [
    "graded input in int8",
    "graded input in float32",
    "membrane decay 410",
    "currents of channels, loop False",
    "side by side: ('input', -6, 7)",
]
BY_STEP = [
    "recurrent layer of 7 levels",
    "recurrent convolutions and a pool",
    "recurrent membranes, late reset",
    "currents of neurons, loop True",
    "leaky sum, max, loop True",
]
EXPORTED = [*WHOLE, *BY_STEP]
FLAGS = ["-Wall", "-Wextra", "-Werror", "-pedantic"]

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
needs_gxx = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")

Export = Callable[[str], Path]


@pytest.fixture
def export(tmp_path: Path) -> Export:
    def write(name: str) -> Path:
        get_target("tflite").write(NETWORKS[name](), tmp_path)
        return tmp_path

    return write


def run(*command: str | Path, cwd: Path, fails: bool = False) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + (done.stderr if fails else "")


def test_files(export: Export) -> None:
    folder = export(EXPORTED[0])
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == {
        "raspberry-pi/README.md",
        "raspberry-pi/SHA256SUMS",
        "raspberry-pi/expected_output.npy",
        "raspberry-pi/model.tflite",
        "raspberry-pi/model_int4.tflite",
        "raspberry-pi/network.json",
        "raspberry-pi/run.py",
        "raspberry-pi/sample_input.npy",
        "raspberry-pi/samples_and_answers.py",
        "microcontroller/Makefile",
        "microcontroller/README.md",
        "microcontroller/SHA256SUMS",
        "microcontroller/check/main.cc",
        "microcontroller/model.tflite",
        "microcontroller/src/network-check.c",
        "microcontroller/src/network-check.h",
        "microcontroller/src/network-classes.c",
        "microcontroller/src/network-classes.h",
        "microcontroller/src/network-model.c",
        "microcontroller/src/network.cc",
        "microcontroller/src/network.h",
    }


def test_a_recurrent_network_is_written_with_all_its_steps_as_well(export: Export) -> None:
    folder = export(BY_STEP[0]) / "raspberry-pi"
    content = (folder / "model_unrolled.tflite").read_bytes()
    assert content == lower_unrolled(make_plan(NETWORKS[BY_STEP[0]]())).content
    assert (folder / "model.tflite").read_bytes() != content


def test_many_steps_are_not_unrolled(tmp_path: Path) -> None:
    graph = layers(3, steps=UNROLLED_STEPS + 1)
    get_target("tflite").check(graph)
    get_target("tflite").write(graph, tmp_path)
    assert not list(tmp_path.rglob("model_unrolled.tflite"))


def test_the_readmes_name_the_states(export: Export) -> None:
    folder = export("recurrent membranes, late reset")
    assert "cells:potential, cells:spikes" in (folder / "raspberry-pi" / "README.md").read_text()
    text = (folder / "microcontroller" / "README.md").read_text()
    assert "  - cells:potential: input 2, output 2, `float`, 6 elements, all 0 before" in text


def test_int4_is_written_where_it_is_smaller(export: Export) -> None:
    """The float32 layers of this network keep their weights in int8."""
    folder = export("graded input in float32") / "raspberry-pi"
    assert (folder / "model.tflite").exists()
    assert not (folder / "model_int4.tflite").exists()


def test_the_readmes_tell_in_which_numbers_layers_are_computed(export: Export) -> None:
    folder = export("two levels")
    for bundle in ("raspberry-pi", "microcontroller"):
        text = (folder / bundle / "README.md").read_text()
        assert "| Layer | Numbers | Why |" in text
        assert "| conv2d1 + threshold2 | int8, a scale for each channel | " in text


class TestRaspberryPi:
    @pytest.fixture(params=["here", pytest.param("there", marks=pytest.mark.tflite_runtime)])
    def python(self, request: pytest.FixtureRequest) -> str:
        """A Python with ai-edge-litert, and one with tflite-runtime but without edgespike."""
        if request.param == "here":
            pytest.importorskip("ai_edge_litert")
            return sys.executable
        available("tflite-runtime")
        return str(environment_python())

    @pytest.mark.parametrize("name", EXPORTED)
    def test_the_runner_checks_itself(self, export: Export, python: str, name: str) -> None:
        folder = export(name) / "raspberry-pi"
        count = len(np.load(folder / "expected_output.npy"))
        told = f"{count} of {count} samples are exactly as expected\n"
        assert count >= 8
        assert run(python, "run.py", cwd=folder) == told

    @pytest.mark.parametrize("name", [WHOLE[0], BY_STEP[2]])
    def test_the_runner_prints_percentiles(self, export: Export, python: str, name: str) -> None:
        printed = run(python, "run.py", "--latency", cwd=export(name) / "raspberry-pi")
        found = re.fullmatch(
            r"one sample: p50 ([\d.]+) ms, p95 ([\d.]+) ms, p99 ([\d.]+) ms; (\d+) runs\n", printed
        )
        assert found is not None
        median, high, highest = (float(each) for each in found.groups()[:3])
        assert 0 < median <= high <= highest
        assert 1 <= int(found[4]) <= 1000

    def test_the_runner_notices_a_difference(self, export: Export, python: str) -> None:
        folder = export(EXPORTED[0]) / "raspberry-pi"
        expected = np.load(folder / "expected_output.npy")
        expected[3, 1] += 1
        np.save(folder / "expected_output.npy", expected)
        write_checksums(folder)
        told = f"{len(expected) - 1} of {len(expected)} samples"
        assert told in run(python, "run.py", cwd=folder, fails=True)

    @pytest.mark.parametrize(
        "name",
        ["run.py", "network.json", "model.tflite", "sample_input.npy", "expected_output.npy"],
    )
    def test_the_runner_refuses_a_file_with_a_flipped_bit(
        self, export: Export, python: str, name: str
    ) -> None:
        folder = export(EXPORTED[0]) / "raspberry-pi"
        content = bytearray((folder / name).read_bytes())
        content[5 if name == "run.py" else len(content) // 2] ^= 1  # of run.py, in its docstring
        (folder / name).write_bytes(content)
        told = run(python, "run.py", cwd=folder, fails=True)
        assert f"{name} and SHA256SUMS differ" in told

    @pytest.mark.parametrize("name", ["SHA256SUMS", "network.json", "model.tflite"])
    def test_the_runner_names_a_missing_file(self, export: Export, python: str, name: str) -> None:
        folder = export(EXPORTED[0]) / "raspberry-pi"
        (folder / name).unlink()
        told = run(python, "run.py", cwd=folder, fails=True)
        assert f"{name} cannot be read: No such file or directory; copy the folder again" in told

    def test_the_runner_classifies(self, export: Export, python: str) -> None:
        folder = export(EXPORTED[0]) / "raspberry-pi"
        printed = run(python, "run.py", "sample_input.npy", cwd=folder)
        expected = np.load(folder / "expected_output.npy").argmax(axis=1)
        assert [int(line) for line in printed.split()] == expected.tolist()

    @pytest.mark.parametrize(
        ("samples", "message"),
        [
            (np.full((1, 2, 4, 4), 256), "values 256..256; give 0..255"),
            (np.full((1, 2, 4, 4), -1), "values -1..-1; give 0..255"),
            (np.zeros((1, 4, 4, 2), int), "shape (1, 4, 4, 2); give (samples, 2, 4, 4)"),
            (np.zeros((0, 2, 4, 4), int), "shape (0, 2, 4, 4)"),
            (np.zeros((1, 2, 4, 4)), "dtype float64"),
        ],
    )
    def test_bad_samples(
        self, export: Export, python: str, samples: NDArray[Any], message: str
    ) -> None:
        folder = export(EXPORTED[0]) / "raspberry-pi"
        np.save(folder / "bad.npy", samples)
        assert message in run(python, "run.py", "bad.npy", cwd=folder, fails=True)

    def test_a_recording_without_an_axis_of_samples(self, export: Export, python: str) -> None:
        """It could be as many constant samples, which the runner takes as well."""
        folder = export("recurrent layers of equal levels") / "raspberry-pi"
        recording = np.load(folder / "sample_input.npy")[0]
        np.save(folder / "one.npy", recording)
        told = run(python, "run.py", "one.npy", cwd=folder, fails=True)
        shape = str(recording.shape)
        assert told.startswith(f"samples have shape {shape}: one sample of {len(recording)} steps,")
        assert f"give (1, {shape[1:]} or (samples, {shape[1:]}" in told
        np.save(folder / "one.npy", recording[None])
        assert len(run(python, "run.py", "one.npy", cwd=folder).split()) == 1

    @pytest.mark.parametrize("content", [b"", b"PK\3\4", b"\x93NUMPY", b"samples"])
    def test_a_file_that_is_not_an_array(self, export: Export, python: str, content: bytes) -> None:
        folder = export(EXPORTED[0]) / "raspberry-pi"
        (folder / "bad.npy").write_bytes(content)
        told = run(python, "run.py", "bad.npy", cwd=folder, fails=True)
        assert told.startswith("cannot read bad.npy: ")

    def test_an_archive_of_arrays(self, export: Export, python: str) -> None:
        folder = export(EXPORTED[0]) / "raspberry-pi"
        np.savez(folder / "bad.npz", a=np.zeros(3))
        told = run(python, "run.py", "bad.npz", cwd=folder, fails=True)
        assert told == "bad.npz is an archive of arrays; give one array, in a .npy file\n"

    def test_numpy_is_missing(self, export: Export) -> None:
        folder = export(EXPORTED[0]) / "raspberry-pi"
        (folder / "numpy.py").write_text("raise ImportError")
        told = run(sys.executable, "run.py", cwd=folder, fails=True)
        assert told == "numpy is not installed; see README.md\n"

    def test_a_missing_file(self, export: Export, python: str) -> None:
        folder = export(EXPORTED[0]) / "raspberry-pi"
        assert "no.npy" in run(python, "run.py", "no.npy", cwd=folder, fails=True)

    @pytest.mark.parametrize("version", ["2.7.0", "2.9.1", "2.11.0"])
    def test_a_tflite_runtime_that_crashes_is_not_used(self, export: Export, version: str) -> None:
        folder = export(EXPORTED[0]) / "raspberry-pi"
        pretend_runtime(folder, version)
        told = run(sys.executable, "run.py", cwd=folder, fails=True)
        assert told.startswith(f"tflite-runtime is {version}, which may crash; install 2.12 or lat")

    @pytest.mark.parametrize("version", ["2.12.0", "2.14.0", "3.0.0rc1"])
    def test_later_ones_are(self, export: Export, version: str) -> None:
        folder = export(EXPORTED[0]) / "raspberry-pi"
        pretend_runtime(folder, version)
        assert "it was used" in run(sys.executable, "run.py", cwd=folder, fails=True)

    def test_the_readme_installs_into_an_environment(self, export: Export) -> None:
        text = (export(EXPORTED[0]) / "raspberry-pi" / "README.md").read_text()
        lines = [line.strip() for line in text.splitlines() if line.startswith("    ")]
        assert lines[:4] == [
            "python3 -m venv .venv",
            ". .venv/bin/activate",
            "python -m pip install numpy ai-edge-litert",
            'python -m pip install "numpy<2" "tflite-runtime>=2.12"',
        ]
        assert f"tested with ai-edge-litert {TESTED[0]}." in text

    @pytest.mark.parametrize("arguments", [("--help",), ("a.npy", "b.npy")])
    def test_how_it_is_used(self, export: Export, python: str, arguments: tuple[str, ...]) -> None:
        folder = export(EXPORTED[0]) / "raspberry-pi"
        told = run(python, "run.py", *arguments, cwd=folder, fails=True)
        assert "python run.py SAMPLES.npy" in told


def pretend_runtime(folder: Path, version: str) -> None:
    """Hide ai-edge-litert from a bundle's runner, and let tflite-runtime have a version."""
    for name in ("ai_edge_litert", "tflite_runtime"):
        (folder / name).mkdir()
    (folder / "ai_edge_litert" / "__init__.py").write_text("raise ImportError")
    (folder / "tflite_runtime" / "__init__.py").write_text(f"__version__ = {version!r}")
    pretended = "import sys\ndef Interpreter(**_): sys.exit('it was used')\n"
    (folder / "tflite_runtime" / "interpreter.py").write_text(pretended)
