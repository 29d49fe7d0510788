"""The microcontroller bundle: the C compiles, the check passes and fails, TFLite Micro agrees."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from edgespike.errors import TargetRunError
from edgespike.graph import Graph
from edgespike.targets import get_target
from edgespike.targets.shared.c_names import c_prefix
from edgespike.targets.shared.check_samples import check_samples
from edgespike.targets.tflite.devices.arena import arena_estimate, run_on_tflite_micro
from edgespike.targets.tflite.devices.microcontroller import COMMIT, write_microcontroller
from edgespike.targets.tflite.lower import Lowered, lower
from edgespike.targets.tflite.planning.planner import make_plan
from edgespike.targets.tflite.run import encode_input
from edgespike.targets.tflite.writing import exported as models_of
from edgespike.targets.tflite.writing.exported import MICRO_MODEL, PI_MODEL
from tests.available import needs_tflm
from tests.targets.tflite.networks import NETWORKS, Chain
from tests.targets.tflite.stand_in import WARNINGS, make, write_stand_in
from tests.targets.tflite.test_bundles import EXPORTED, run

FLAGS = ["-Wall", "-Wextra", "-Werror", "-pedantic"]

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")

Export = Callable[[Graph], Path]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders that were written before, by the graph's hash."""
    return {"": tmp_path_factory.mktemp("exported")}


@pytest.fixture
def export(exported: dict[str, Path], tmp_path: Path) -> Export:
    """Write a graph's folder, once for all tests, and return a copy of the bundle in it."""

    def write(graph: Graph) -> Path:
        if graph.hash not in exported:
            folder = exported[graph.hash] = exported[""] / graph.hash
            folder.mkdir()
            get_target("tflite").write(graph, folder)
        target = tmp_path / graph.hash
        return Path(shutil.copytree(exported[graph.hash], target)) / "microcontroller"

    return write


def with_stand_in(folder: Path, graph: Graph) -> Path:
    write_stand_in(folder, c_prefix(graph.name), lower(make_plan(graph)))
    return folder


def declared(folder: Path, prefix: str) -> int:
    """Read how many samples are compiled in."""
    text = (folder / "src" / f"{prefix}-check.h").read_text()
    return int(text.split("_CHECK_SAMPLES ")[1].split()[0])


PRINT_ARRAYS = """
#include <stdio.h>
#include "NAME-check.h"
const NAME_output *NAME_run(const NAME_input *sample) { (void)sample; return 0; }
int main(void) {
  if ((unsigned long)NAME_model % 16 != 0 || NAME_check() != NAME_CHECK_SAMPLES) return 1;
  for (int i = 0; i < NAME_MODEL_SIZE; ++i) printf("%d ", NAME_model[i]);
  for (int s = 0; s < NAME_CHECK_SAMPLES; ++s) {
    for (int i = 0; i < NAME_STEPS * NAME_INPUT_SIZE; ++i)
      printf("%.0f ", (double)NAME_check_inputs[s][i]);
    for (int i = 0; i < NAME_OUTPUT_SIZE; ++i)
      printf("%.0f ", (double)NAME_check_answers[s][i]);
  }
  return 0;
}
"""


@needs_gcc
@pytest.mark.parametrize("name", EXPORTED)
def test_c_arrays_hold_model_and_samples(export: Export, name: str) -> None:
    graph = NETWORKS[name]()
    folder, prefix = export(graph), c_prefix(graph.name)
    (folder / "print.c").write_text(PRINT_ARRAYS.replace("NAME", prefix))
    sources = ["print.c", f"src/{prefix}-model.c", f"src/{prefix}-check.c"]
    run("gcc", "-std=c11", *FLAGS, "-Isrc", *sources, "-o", "print", cwd=folder)
    numbers = [int(word) for word in run(folder / "print", cwd=folder).split()]
    model = (folder / "model.tflite").read_bytes()
    assert bytes(numbers[: len(model)]) == model

    samples = np.load(folder.parent / "raspberry-pi" / "sample_input.npy")
    stepped = samples.reshape(len(samples), graph.steps, *graph.tensors["input"].shape)
    inputs = encode_input(graph, lower(make_plan(graph)), stepped)
    outputs = np.load(folder.parent / "raspberry-pi" / "expected_output.npy")
    rows = [[*inputs[i].ravel(), *outputs[i]] for i in range(len(samples))]
    compiled = [int(number) for row in rows for number in row]
    assert compiled[: len(numbers) - len(model)] == numbers[len(model) :]
    count = declared(folder, prefix)
    assert 2 * len(rows[0]) <= len(numbers) - len(model) == count * len(rows[0])


@pytest.mark.parametrize("name", EXPORTED)
@pytest.mark.parametrize("wrong", [0, 1])
def test_the_makefile_builds_a_program_that_checks_itself(
    export: Export, name: str, wrong: int
) -> None:
    graph = NETWORKS[name]()
    folder = with_stand_in(export(graph), graph)
    flags = f"FLAGS={WARNINGS} -DWRONG={wrong}"
    printed = make(folder, "check", "TFLM=tflm", flags, fails=bool(wrong))
    count = declared(folder, c_prefix(graph.name))
    begins = "wrong" if wrong else "ok"
    assert printed.startswith(
        f"{begins}: {count - wrong} of {count} samples are exactly as expected; tensors take 1234"
    )


def test_the_makefile_names_the_tested_commit_and_a_missing_checkout(export: Export) -> None:
    folder = export(NETWORKS[EXPORTED[0]]())
    assert f"git -C tflite-micro checkout {COMMIT}" in (folder / "Makefile").read_text()
    assert f"commit {COMMIT[:9]}" in (folder / "README.md").read_text()
    told = make(folder, "check", "TFLM=/nowhere", fails=True)
    assert "there is no /nowhere/tensorflow/lite/micro/tools/make/Makefile; give TFLM=" in told


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ("-Dnetwork_ARENA_SIZE=1024", "the arena is too small, or an operator is refused"),
        ("-DUNALIGNED", "the arena's address is no multiple of 16"),
    ],
)
def test_what_cannot_be_loaded_is_told(export: Export, change: str, wrong: str) -> None:
    graph = NETWORKS[EXPORTED[0]]()
    folder = with_stand_in(export(graph), graph)
    main = folder / "check" / "main.cc"
    text = main.read_text().replace("alignas(16) uint8_t arena[", "alignas(16) uint8_t arena[8 + ")
    main.write_text(text.replace("_init(arena)", "_init(arena + 8)") if "UNA" in change else text)
    assert make(folder, "check", "TFLM=tflm", f"FLAGS={change}", fails=True).startswith(wrong)


@pytest.mark.parametrize("name", ["model", "check_inputs", "check_answers"])
def test_the_main_program_refuses_an_array_with_a_flipped_bit(export: Export, name: str) -> None:
    graph = NETWORKS[EXPORTED[0]]()
    folder = with_stand_in(export(graph), graph)
    source = folder / "src" / f"network-{'model' if name == 'model' else 'check'}.c"
    array = f"network_{name}"
    before, after = source.read_text().split(f" {array}", 1)
    numbers = re.compile(r"(?<=[{,\n ])-?\d+(?=,)")
    damaged = numbers.sub(lambda found: str(int(found[0]) ^ 1), after, count=1)
    assert damaged != after
    source.write_text(f"{before} {array}{damaged}")
    told = make(folder, "check", "TFLM=tflm", fails=True)
    assert re.match(
        rf"{array} is damaged: its CRC-32 is 0x[0-9a-f]{{8}}, expected 0x[0-9a-f]{{8}}; flash", told
    )


TWO_NETWORKS = """
#include <cstdio>
#include "two_levels-check.h"
#include "two_levels-classes.h"
#include "net_2nd_x-check.h"
#include "net_2nd_x-classes.h"
alignas(16) static uint8_t one[two_levels_ARENA_SIZE], other[net_2nd_x_ARENA_SIZE];
int main() {
  if (two_levels_init(one) || net_2nd_x_init(other)) return 1;
  if (two_levels_check() || net_2nd_x_check()) return 2;
  if (two_levels_init(one) || net_2nd_x_init(other)) return 3;
  std::printf("%d %d ", two_levels_classify(two_levels_run(two_levels_check_inputs[0])),
              net_2nd_x_classify(net_2nd_x_run(net_2nd_x_check_inputs[0])));
  return 0;
}
"""


def test_two_networks_fit_into_one_firmware(export: Export, tmp_path: Path) -> None:
    """Their files lie in one folder."""
    graphs = [
        replace(NETWORKS["two levels"](), name="two-levels"),
        replace(NETWORKS["graded input in int8"](), name="2nd.x"),
    ]
    firmware, libraries, found = tmp_path / "firmware", [], []
    firmware.mkdir()
    for graph in graphs:
        folder = with_stand_in(export(graph), graph)
        make(folder, "library", "TFLM=tflm", f"FLAGS={WARNINGS}")
        libraries.append(folder / "build" / "host" / f"{c_prefix(graph.name)}.a")
        for file in (folder / "src").iterdir():
            assert not (firmware / file.name).exists()
            shutil.copy(file, firmware)
        expected = np.load(folder.parent / "raspberry-pi" / "expected_output.npy")[0]
        found.append(int((expected * graph.readout_op.scale).argmax()))
    (firmware / "main.cc").write_text(TWO_NETWORKS)
    run("g++", "-std=c++17", *FLAGS, "main.cc", *libraries, "-o", "main", cwd=firmware)
    assert run(firmware / "main", cwd=firmware).split() == [str(number) for number in found]
    text = (folder / "README.md").read_text()
    assert "begins with `net_2nd_x`" in text


def exported_models(graph: Graph) -> dict[str, Lowered]:
    plan = make_plan(graph)
    return models_of.exported(plan, models_of.for_micro(plan))


@pytest.mark.parametrize("name", ["graded input in int8", "two levels"])
def test_nothing_in_the_model_sends_an_operator_off_an_npu(export: Export, name: str) -> None:
    """Ethos-U has no CAST. QUANTIZE does the same, but not on tflite-runtime."""
    graph = NETWORKS[name]()
    models = exported_models(graph)
    assert "CAST" in models[PI_MODEL].operators
    operators = set(models[MICRO_MODEL].operators)
    assert operators == {*models[PI_MODEL].operators, "QUANTIZE"} - {"CAST"}
    assert (export(graph) / "model.tflite").read_bytes() == models[MICRO_MODEL].content


def test_there_is_one_model_where_16_bits_hold_nothing() -> None:
    models = exported_models(NETWORKS["recurrent layer of large weights"]())
    assert models[PI_MODEL] is models[MICRO_MODEL]


def test_the_header_says_how_numbers_are_stored(export: Export) -> None:
    graph = NETWORKS["graded input in int8"]()
    text = (export(graph) / "src" / "network.h").read_text()
    assert f'#define network_HASH "{graph.hash}"' in text
    assert f"#define network_INPUT_SCALE {graph.input_op.scale}\n" in text
    assert "#define network_INPUT_ZERO_POINT -128\n" in text
    assert "#define network_OUTPUT_ZERO_POINT 0\n" in text


def test_the_readme_names_arena_and_operators(export: Export) -> None:
    page = (export(NETWORKS[EXPORTED[0]]()) / "README.md").read_text()
    text = " ".join(page.split())
    assert "AddConv2D, AddFullyConnected, AddMul" in text
    assert re.search(r"Working memory \(arena\): \d+ bytes", text)
    assert ("found by trial" in text) == (find_spec("tflite_micro") is not None)
    assert "<<" not in text


@pytest.mark.skipif("TFLM" not in os.environ, reason="TFLM names no checkout of tflite-micro")
@pytest.mark.parametrize("name", EXPORTED)
def test_the_bundle_runs_on_tflite_micro_itself(export: Export, name: str) -> None:
    folder = export(NETWORKS[name]())
    printed = make(folder, "check", f"TFLM={os.environ['TFLM']}", "FLAGS=-Werror")
    assert "ok: " in printed


@needs_tflm
@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_tflite_micro_equals_the_interpreter(name: str) -> None:
    graph = NETWORKS[name]()
    checks = check_samples(graph)
    samples, expected = checks.samples, checks.expected
    stepped = samples.reshape(len(samples), graph.steps, *graph.tensors["input"].shape)
    lowered = exported_models(graph)[MICRO_MODEL]
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
