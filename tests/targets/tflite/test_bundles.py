"""The export folder: the runner runs, the C compiles, TFLite Micro agrees."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgespike.errors import TargetRunError
from edgespike.storage.checksums import write_checksums
from edgespike.targets import get_target
from edgespike.targets.shared.check_samples import check_samples
from edgespike.targets.tflite.devices.microcontroller import (
    arena_estimate,
    resolver_method,
    run_on_tflite_micro,
    write_microcontroller,
)
from edgespike.targets.tflite.environment import environment_python
from edgespike.targets.tflite.limits import UNROLLED_STEPS
from edgespike.targets.tflite.lower import Lowered, lower, lower_unrolled
from edgespike.targets.tflite.planning.planner import make_plan
from edgespike.targets.tflite.run import encode_input
from edgespike.targets.tflite.running.trust import TESTED
from edgespike.targets.tflite.writing.schema import OPERATORS
from tests.available import available, needs_tflm
from tests.targets.tflite.networks import NETWORKS, Chain
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
        "model.tflite",
        "model_int4.tflite",
        "raspberry-pi/README.md",
        "raspberry-pi/SHA256SUMS",
        "raspberry-pi/expected_output.npy",
        "raspberry-pi/model.tflite",
        "raspberry-pi/network.json",
        "raspberry-pi/run.py",
        "raspberry-pi/sample_input.npy",
        "raspberry-pi/samples_and_answers.py",
        "microcontroller/README.md",
        "microcontroller/SHA256SUMS",
        "microcontroller/check.c",
        "microcontroller/check.h",
        "microcontroller/main.cc",
        "microcontroller/network.c",
        "microcontroller/network.h",
    }
    model = (folder / "model.tflite").read_bytes()
    assert (folder / "raspberry-pi" / "model.tflite").read_bytes() == model


def test_a_recurrent_network_is_written_with_all_its_steps_as_well(export: Export) -> None:
    folder = export(BY_STEP[0])
    content = (folder / "model_unrolled.tflite").read_bytes()
    assert content == lower_unrolled(make_plan(NETWORKS[BY_STEP[0]]())).content
    assert (folder / "model.tflite").read_bytes() != content


def test_many_steps_are_not_unrolled(tmp_path: Path) -> None:
    graph = layers(3, steps=UNROLLED_STEPS + 1)
    get_target("tflite").check(graph)
    get_target("tflite").write(graph, tmp_path)
    assert not (tmp_path / "model_unrolled.tflite").exists()


def test_the_readmes_name_the_states(export: Export) -> None:
    folder = export("recurrent membranes, late reset")
    assert "cells:potential, cells:spikes" in (folder / "raspberry-pi" / "README.md").read_text()
    text = (folder / "microcontroller" / "README.md").read_text()
    assert "  - cells:potential: input 2, output 2, `float`, 6 elements, all 0 before" in text


def test_int4_is_written_where_it_is_smaller(export: Export) -> None:
    """The float32 layers of this network keep their weights in int8."""
    folder = export("graded input in float32")
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


PRINT_ARRAYS = """
#include <stdio.h>
#include "check.h"
#include "network.h"
int main(void) {
  if ((unsigned long)NAME_model % 16 != 0) return 1;
  for (int i = 0; i < NAME_MODEL_SIZE; ++i) printf("%d ", NAME_model[i]);
  for (int s = 0; s < NAME_CHECK_SAMPLES; ++s) {
    for (int t = 0; t < NAME_CHECK_STEPS; ++t)
      for (int i = 0; i < NAME_CHECK_INPUT_SIZE; ++i)
        printf("%.0f ", (double)NAME_check_input[s][t][i]);
    for (int i = 0; i < NAME_CHECK_OUTPUT_SIZE; ++i)
      printf("%.0f ", (double)NAME_check_output[s][i]);
  }
  return 0;
}
"""


def declared(check_h: str) -> int:
    """Read how many samples are compiled in."""
    return int(check_h.split("_CHECK_SAMPLES ")[1].split()[0])


@needs_gcc
@pytest.mark.parametrize("name", EXPORTED)
def test_c_arrays_hold_model_and_samples(export: Export, name: str) -> None:
    root = export(name)
    folder = root / "microcontroller"
    (folder / "print.c").write_text(PRINT_ARRAYS.replace("NAME", NETWORKS[name]().name))
    sources = ["print.c", "network.c", "check.c"]
    run("gcc", "-std=c11", *FLAGS, *sources, "-o", "print", cwd=folder)
    numbers = [int(word) for word in run(folder / "print", cwd=folder).split()]
    model = (root / "model.tflite").read_bytes()
    assert bytes(numbers[: len(model)]) == model

    graph = NETWORKS[name]()
    samples = np.load(root / "raspberry-pi" / "sample_input.npy")
    stepped = samples.reshape(len(samples), graph.steps, *graph.tensors["input"].shape)
    inputs = encode_input(graph, lower(make_plan(graph)), stepped)
    outputs = np.load(root / "raspberry-pi" / "expected_output.npy")
    rows = [[*inputs[i].ravel(), *outputs[i]] for i in range(len(samples))]
    compiled = [int(number) for row in rows for number in row]
    assert compiled[: len(numbers) - len(model)] == numbers[len(model) :]
    text = (folder / "check.h").read_text()
    assert 2 * len(rows[0]) <= len(numbers) - len(model) == declared(text) * len(rows[0])


TWO_NETWORKS = """
#include <stdio.h>
#include "first/check.h"
#include "first/network.h"
#include "second/check.h"
#include "second/network.h"
int main(void) {
  printf("%d %d %d %d ", two_levels_MODEL_SIZE, net_2nd_x_MODEL_SIZE, two_levels_ARENA_SIZE > 0,
         net_2nd_x_ARENA_SIZE > 0);
  printf("%d %d ", two_levels_model[4], net_2nd_x_model[4]);
  printf("%d %d\\n", two_levels_check_input[0][0][0], net_2nd_x_check_input[0][0][0]);
  return 0;
}
"""


@needs_gcc
def test_two_networks_fit_into_one_firmware(tmp_path: Path) -> None:
    graphs = {"first": ("two-levels", "two levels"), "second": ("2nd.x", "graded input in int8")}
    sources = ["main.c"]
    for folder, (name, network) in graphs.items():
        target = tmp_path / f"{folder}.export"
        target.mkdir()
        get_target("tflite").write(replace(NETWORKS[network](), name=name), target)
        (target / "microcontroller").rename(tmp_path / folder)
        sources += [f"{folder}/network.c", f"{folder}/check.c"]
    (tmp_path / "main.c").write_text(TWO_NETWORKS)
    run("gcc", "-std=c11", *FLAGS, *sources, "-o", "main", cwd=tmp_path)
    sizes = [(tmp_path / f"{folder}.export" / "model.tflite").stat().st_size for folder in graphs]
    inputs = [
        np.load(tmp_path / f"{folder}.export" / "raspberry-pi" / "sample_input.npy")
        for folder in graphs
    ]
    printed = [int(word) for word in run(tmp_path / "main", cwd=tmp_path).split()]
    first = [int(inputs[0][0, 0, 0, 0]), int(inputs[1][0, 0, 0, 0]) - 128]
    assert printed == [*sizes, 1, 1, *b"TT", *first]
    text = (tmp_path / "second" / "README.md").read_text()
    assert "begins with `net_2nd_x_`" in text


# What main.cc uses of TFLite Micro, whose library is in no package: declarations with its names,
# and an interpreter that looks its answers up, so that main.cc compiles and its check can be seen
# to pass and to fail. It wants each state as it gave it at the step before, and changes what it was
# given. It says nothing of TFLite Micro itself.
STAND_IN = """
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>
#include "check.h"
enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 };
struct TfLiteTensor { union { char* raw; } data; size_t bytes; };
namespace tflite {
struct Model {};
inline const Model* GetModel(const void* bytes) { return static_cast<const Model*>(bytes); }
template <unsigned N> struct MicroMutableOpResolver {
ADDERS
 private:
  unsigned left_ = N;
  TfLiteStatus Add() { return left_-- > 0 ? kTfLiteOk : kTfLiteError; }
};
using Bytes = std::vector<char>;
struct State { int output; Bytes first; };
static const std::vector<State> wanted = {STATES};
class MicroInterpreter {
 public:
  template <typename R>
  MicroInterpreter(const Model*, R&, uint8_t*, size_t) {
    inputs_.emplace_back(sizeof(NAME_check_input[0][0]));
    outputs_.resize(1 + wanted.size());
    outputs_[0].resize(sizeof(NAME_check_output[0]));
    for (const State& state : wanted) {
      inputs_.push_back(state.first);
      outputs_[state.output].resize(state.first.size());
    }
  }
  TfLiteStatus AllocateTensors() { return kTfLiteOk; }
  TfLiteTensor* input(int i) { return See(inputs_[i]); }
  TfLiteTensor* output(int i) { return See(outputs_[i]); }
  size_t arena_used_bytes() const { return 0; }
  TfLiteStatus Invoke() {
    const int sample = runs_ / NAME_CHECK_STEPS, step = runs_ % NAME_CHECK_STEPS;
    ++runs_;
    const auto& wanted_input = NAME_check_input[sample][step];
    bool right = std::memcmp(inputs_[0].data(), wanted_input, inputs_[0].size()) == 0;
    for (size_t i = 0; i < wanted.size(); ++i) {
      const State& state = wanted[i];
      const size_t size = state.first.size();
      right = right && inputs_[i + 1] == (step ? given_[state.output] : state.first);
      outputs_[state.output] = Bytes(size, char(step + state.output + 1));
      inputs_[i + 1] = Bytes(size, 99);
    }
    // The answer may be a state too: a sum, or a potential.
    std::memcpy(outputs_[0].data(), NAME_check_output[sample], outputs_[0].size());
    outputs_[0][0] += WRONG && sample == 1;
    given_ = outputs_;
    return right ? kTfLiteOk : kTfLiteError;
  }
 private:
  TfLiteTensor* See(Bytes& bytes) {
    seen_.data.raw = bytes.data();
    seen_.bytes = bytes.size();
    return &seen_;
  }
  int runs_ = 0;
  TfLiteTensor seen_;
  std::vector<Bytes> inputs_, outputs_, given_;
};
}  // namespace tflite
"""


def first_states(lowered: Lowered) -> str:
    """Write each state's index and initial bytes as a C++ initialiser."""
    rows = []
    for state in lowered.states:
        dtype = state.tensor.storage.form.dtype
        content = np.full(state.tensor.shape, state.initial, dtype).view(np.int8).ravel()
        rows.append(f"{{{state.output}, Bytes{{{', '.join(map(str, content))}}}}}")
    return ", ".join(rows)


def with_stand_in(export: Export, name: str) -> Path:
    """Export, and write what main.cc includes of TFLite Micro beside it."""
    folder = export(name) / "microcontroller"
    write_stand_in(folder, NETWORKS[name]().name, lower(make_plan(NETWORKS[name]())))
    return folder


def write_stand_in(folder: Path, prefix: str, lowered: Lowered) -> None:
    """Write what main.cc includes of TFLite Micro beside it."""
    adders = "".join(
        f"  TfLiteStatus {resolver_method(operator)}() {{ return Add(); }}\n"
        for operator in OPERATORS
    )
    stand_in = STAND_IN.replace("ADDERS", adders).replace("STATES", first_states(lowered))
    stand_in = stand_in.replace("NAME", prefix)
    for header in re.findall(r'#include "(tensorflow/.*)"', (folder / "main.cc").read_text()):
        (folder / header).parent.mkdir(parents=True, exist_ok=True)
        (folder / header).write_text(stand_in if "inter" in header else "")


def link_main(folder: Path, wrong: int = 0) -> None:
    sources = sorted(path.name for path in folder.glob("*.c"))
    run("gcc", "-std=c11", *FLAGS, "-c", *sources, cwd=folder)
    objects = [f"{name}.o" for name in (source.removesuffix(".c") for source in sources)]
    flags = ["-std=c++17", *FLAGS, f"-DWRONG={wrong}", "-I."]
    run("g++", *flags, "main.cc", *objects, "-o", "main", cwd=folder)


@needs_gxx
@pytest.mark.parametrize("name", EXPORTED)
@pytest.mark.parametrize("wrong", [0, 1])
def test_the_main_program_checks_itself(export: Export, name: str, wrong: int) -> None:
    folder = with_stand_in(export, name)
    link_main(folder, wrong)
    printed = run(folder / "main", cwd=folder, fails=bool(wrong))
    count = declared((folder / "check.h").read_text())
    assert printed.startswith(f"{count - wrong} of {count} samples are exactly as expected")


@needs_gxx
@pytest.mark.parametrize("name", ["model", "check_input", "check_output"])
def test_the_main_program_refuses_an_array_with_a_flipped_bit(export: Export, name: str) -> None:
    folder = with_stand_in(export, EXPORTED[0])
    source, array = folder / ("network.c" if name == "model" else "check.c"), f"network_{name}"
    before, after = source.read_text().split(f" {array}", 1)
    numbers = re.compile(r"(?<=[{,\n])-?\d+(?=[,}\n])")
    damaged = numbers.sub(lambda found: str(int(found[0]) ^ 1), after, count=1)
    assert damaged != after
    source.write_text(f"{before} {array}{damaged}")
    link_main(folder)
    told = run(folder / "main", cwd=folder, fails=True)
    assert re.match(
        rf"{array} is damaged: its CRC-32 is 0x[0-9a-f]{{8}}, expected 0x[0-9a-f]{{8}}; flash", told
    )


def test_the_readme_names_arena_and_operators(export: Export) -> None:
    text = (export(EXPORTED[0]) / "microcontroller" / "README.md").read_text()
    assert "AddCast, AddConv2D, AddFullyConnected, AddMul, AddReshape" in text
    assert re.search(r"Working memory \(arena\): \d+ bytes", text)
    measured = find_spec("tflite_micro") is not None
    assert ("found by trial" in text) == measured
    assert "$" not in text


@needs_tflm
@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_tflite_micro_equals_the_interpreter(name: str) -> None:
    graph = NETWORKS[name]()
    checks = check_samples(graph)
    samples, expected = checks.samples, checks.expected
    stepped = samples.reshape(len(samples), graph.steps, *graph.tensors["input"].shape)
    lowered = lower(make_plan(graph))
    batch = encode_input(graph, lowered, stepped)
    outputs, arena = run_on_tflite_micro(sys.executable, lowered, batch)
    np.testing.assert_array_equal(outputs, expected)
    assert 0 < arena <= lowered.activation_bytes + 256 * lowered.tensors + 4096


@needs_tflm
@pytest.mark.parametrize("channels", [16, 1024, 4096])
def test_the_estimated_arena_is_enough_for_many_scales(channels: int) -> None:
    chain = Chain((4,), 15, ternary=True).dense(channels, 4).even_threshold(3)
    graph = chain.finish(channels)
    checks = check_samples(graph)
    samples, expected = checks.samples, checks.expected
    lowered = lower(make_plan(graph))
    assert lowered.constant_scales > 2 * channels
    outputs, arena = run_on_tflite_micro(
        sys.executable, lowered, encode_input(graph, lowered, samples[:, None])
    )
    np.testing.assert_array_equal(outputs, expected)
    assert arena <= arena_estimate(lowered)


@needs_tflm
@pytest.mark.parametrize("name", ["membrane decay 410", "graded input in int8"])
def test_the_measured_arena_is_the_smallest_that_works(name: str) -> None:
    """What the interpreter reports to use is not enough to load these models."""
    runtime = pytest.importorskip("tflite_micro").runtime
    graph = NETWORKS[name]()
    lowered, checks = lower(make_plan(graph)), check_samples(graph)
    stepped = checks.samples.reshape(len(checks), graph.steps, *graph.tensors["input"].shape)
    batch = encode_input(graph, lowered, stepped)
    _, arena = run_on_tflite_micro(sys.executable, lowered, batch)
    runtime.Interpreter.from_bytes(lowered.content, arena_size=arena)
    with pytest.raises(RuntimeError):
        runtime.Interpreter.from_bytes(lowered.content, arena_size=arena - 16)


@needs_tflm
def test_a_model_that_is_not_exact_on_tflite_micro_is_not_exported(tmp_path: Path) -> None:
    plan = make_plan(NETWORKS[EXPORTED[0]]())
    checks = check_samples(plan.graph)
    checks.expected[1, -1] += 1
    with pytest.raises(TargetRunError, match="computes another output than the interpreter"):
        write_microcontroller(plan, lower(plan), checks, tmp_path)
    assert list(tmp_path.iterdir()) == []
