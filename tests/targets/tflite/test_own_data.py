"""Measured numbers and names of classes in the bundles for Raspberry Pi and microcontrollers."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgespike.graph import Graph
from edgespike.passes.ensemble import ensemble
from edgespike.targets import get_target
from edgespike.targets.shared.c_names import c_prefix
from edgespike.targets.tflite.environment import environment_python
from edgespike.targets.tflite.lower import Lowered, lower
from edgespike.targets.tflite.planning.planner import make_plan
from edgespike.targets.tflite.run import encode_input
from edgespike.trace import predictions
from tests.available import available
from tests.targets.labelled import GRAPHS, classes, grey_graph, in_units, measured_for
from tests.targets.tflite.stand_in import WARNINGS, make, write_stand_in
from tests.targets.tflite.test_bundles import run
from tests.targets.tflite.test_microcontroller import declared

Export = Callable[[Graph], Path]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders that were written before, by the graph's hash."""
    return {"": tmp_path_factory.mktemp("exported")}


@pytest.fixture
def export(exported: dict[str, Path], tmp_path: Path) -> Export:
    """Write a graph's folder, once for all tests, and return a copy of it."""

    def write(graph: Graph) -> Path:
        if graph.hash not in exported:
            folder = exported[graph.hash] = exported[""] / graph.hash
            folder.mkdir()
            get_target("tflite").write(graph, folder)
        return Path(shutil.copytree(exported[graph.hash], tmp_path / "out"))

    return write


def plain(graph: Graph) -> Graph:
    return replace(graph, class_names=(), scaling=None)


PROGRAM = """
import json
import numpy as np
from run import classify, names
numbers = classify(np.load("units.npy")).tolist()
again = [int(classify(one[None])[0]) for one in np.load("mine.npy")]
print(json.dumps([numbers, again, [names()[number] for number in numbers]]))
"""


class TestRaspberryPi:
    @pytest.fixture(params=["here", pytest.param("there", marks=pytest.mark.tflite_runtime)])
    def python(self, request: pytest.FixtureRequest) -> str:
        """A Python with ai-edge-litert, and one with tflite-runtime but without edgespike."""
        if request.param == "here":
            pytest.importorskip("ai_edge_litert")
            return sys.executable
        available("tflite-runtime")
        return str(environment_python())

    @pytest.mark.parametrize("name", ["signed", "image", "image in float32", "sequence"])
    def test_measured_numbers_are_classified_by_name(
        self, export: Export, python: str, name: str
    ) -> None:
        graph = GRAPHS[name]()
        folder = export(graph) / "raspberry-pi"
        count = len(np.load(folder / "expected_output.npy"))
        assert run(python, "run.py", cwd=folder) == (
            f"{count} of {count} samples are exactly as expected\n"
        )
        measured = measured_for(graph, 50)
        found = classes(graph, measured)
        assert len(set(found)) > 1
        lines = [f"{number} {graph.class_names[number]}" for number in found]
        np.save(folder / "mine.npy", measured)
        assert run(python, "run.py", "mine.npy", cwd=folder).splitlines() == lines
        np.save(folder / "units.npy", in_units(graph, measured))
        assert run(python, "run.py", "units.npy", cwd=folder).splitlines() == lines
        if measured[0].ndim < 3:
            rows = measured.reshape(-1, graph.input_op.shape[0]).tolist()
            (folder / "mine.csv").write_text("\n".join(",".join(map(repr, row)) for row in rows))
            assert run(python, "run.py", "mine.csv", cwd=folder).splitlines() == lines

    @pytest.mark.parametrize("name", ["signed", "image in float32", "sequence", "steps at once"])
    def test_a_program_imports_a_function(self, export: Export, python: str, name: str) -> None:
        graph = GRAPHS[name]()
        folder = export(graph) / "raspberry-pi"
        measured = measured_for(graph, 20)
        np.save(folder / "mine.npy", measured)
        np.save(folder / "units.npy", in_units(graph, measured))
        (folder / "program.py").write_text(PROGRAM)
        printed = run(python, "program.py", cwd=folder)
        found = classes(graph, measured)
        assert json.loads(printed) == [found, found, [graph.class_names[n] for n in found]]

    def test_that_function_refuses_samples_that_do_not_fit(
        self, export: Export, python: str
    ) -> None:
        folder = export(GRAPHS["signed"]()) / "raspberry-pi"
        program = "from run import classify; import numpy as np\ntry: classify(np.zeros((2, 9)))\n"
        (folder / "program.py").write_text(f"{program}except ValueError as error: print(error)")
        told = run(python, "program.py", cwd=folder)
        assert told == "samples have shape (2, 9); give (samples, 5)\n"

    def test_a_terminal_that_cannot_show_a_name(self, export: Export) -> None:
        pytest.importorskip("ai_edge_litert")
        folder = export(GRAPHS["signed"]()) / "raspberry-pi"
        environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
        done = subprocess.run(
            [sys.executable, "run.py", "sample_input.npy"],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        named = {line.split(" ", 1)[1] for line in done.stdout.splitlines()}
        assert named <= {
            name.encode("ascii", "backslashreplace").decode()
            for name in GRAPHS["signed"]().class_names
        }

    def test_a_damaged_reader_is_refused(self, export: Export) -> None:
        pytest.importorskip("ai_edge_litert")
        folder = export(GRAPHS["signed"]()) / "raspberry-pi"
        (folder / "samples_and_answers.py").write_text("this is no Python")
        told = run(sys.executable, "run.py", cwd=folder, fails=True)
        assert "samples_and_answers.py and SHA256SUMS differ" in told

    def test_the_readme_tells_how_to_give_data(self, export: Export) -> None:
        text = (export(GRAPHS["sequence"]()) / "raspberry-pi" / "README.md").read_text()
        assert "python run.py my_samples.npy" in text
        assert "floating-point numbers: measured ones" in text
        assert "rows of 3 measured numbers; 5 rows are one sample" in text

    def test_an_image_is_classified(self, export: Export) -> None:
        pytest.importorskip("ai_edge_litert")
        image = pytest.importorskip("PIL.Image")
        folder = export(grey_graph()) / "raspberry-pi"
        pixels = np.random.default_rng(1).integers(0, 256, (4, 4), np.uint8)
        image.fromarray(pixels).save(folder / "x.png")
        np.save(folder / "x.npy", pixels[None, None])
        printed = run(sys.executable, "run.py", "x.png", cwd=folder)
        assert printed == run(sys.executable, "run.py", "x.npy", cwd=folder)
        assert "Pillow" in (folder / "README.md").read_text()


def test_without_names_and_scaling_nothing_is_added(export: Export) -> None:
    folder = export(plain(GRAPHS["signed"]()))
    assert not {"class_names", "scaling"} & set(
        json.loads((folder / "raspberry-pi" / "network.json").read_text())
    )
    source = folder / "microcontroller" / "src"
    assert not list(source.glob("*-measured.*"))
    assert "class_names" not in "".join(path.read_text() for path in source.iterdir())


@pytest.mark.parametrize("name", GRAPHS)
def test_the_model_does_not_depend_on_them(name: str) -> None:
    graph = GRAPHS[name]()
    without = plain(graph)
    content, same = (lower(make_plan(each)).content for each in (graph, without))
    assert content.replace(graph.hash.encode(), without.hash.encode()) == same


MAIN = """
#include <cstdio>
#include <cstdlib>
int main() {
  static const TYPE samples[COUNT][SIZE] = {VALUES};
  if (const char *wrong = load()) return std::printf("%s", wrong);
  for (const auto& sample : samples) std::printf("%s\\n", PREFIX_class_names[classify(sample)]);
  return 0;
}
"""


def code_of(readme: str) -> str:
    """Return headers and functions of the section on programs of one's own."""
    section = readme.split("## In a program of your own")[1].split("## The input")[0]
    headers = re.findall(r"`([\w.-]+\.h)`", section)
    lines = [line.removeprefix("    ") for line in section.splitlines() if line.startswith("    ")]
    return "".join(f'#include "{header}"\n' for header in headers) + "\n".join(lines)


def in_c(value: float) -> str:
    return str(value) if isinstance(value, int) else value.hex()


def given_to(graph: Graph, lowered: Lowered, samples: NDArray[Any]) -> NDArray[Any]:
    """Return samples as the README's function takes them, ``(samples, numbers)``."""
    runs = encode_input(graph, lowered, samples.reshape(-1, graph.steps, *graph.input_op.shape))
    stored = runs.reshape(len(samples), -1)
    if graph.scaling is None:
        return stored
    unit = graph.input_op.scale if stored.dtype == np.float32 else 1
    whole = np.rint(stored / unit) - lowered.input.zero_point
    offset, step = map(np.array, (graph.scaling.offset, graph.scaling.step))
    each = np.arange(stored.shape[1]) % len(offset)
    return np.asarray(whole * step[each] + offset[each], np.float64)


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("name", GRAPHS)
def test_the_readmes_code_classifies_by_name(export: Export, name: str, scaled: bool) -> None:
    """In a program that looks up what TFLite Micro answers for the samples compiled in.

    Its stand-in refuses any other input than theirs.
    """
    graph = GRAPHS[name]()
    graph = graph if scaled else replace(graph, scaling=None)
    folder, lowered = export(graph) / "microcontroller", lower(make_plan(graph))
    prefix = c_prefix(graph.name)
    write_stand_in(folder, prefix, lowered)
    count = declared(folder, prefix)
    samples = np.load(folder.parent / "raspberry-pi" / "sample_input.npy")[:count]
    expected = np.load(folder.parent / "raspberry-pi" / "expected_output.npy")[:count]
    given = given_to(graph, lowered, samples)
    rows = ", ".join("{" + ", ".join(map(in_c, row)) + "}" for row in given.tolist())
    body = MAIN.replace("VALUES", rows).replace("COUNT", str(count)).replace("PREFIX", prefix)
    types = {"f8": "double", "f4": "float", "i1": "int8_t", "i2": "int16_t"}
    body = body.replace("SIZE", str(given.shape[1])).replace("TYPE", types[given.dtype.str[1:]])
    (folder / "check" / "main.cc").write_text(code_of((folder / "README.md").read_text()) + body)
    printed = make(folder, "check", "TFLM=tflm", f"FLAGS={WARNINGS}").splitlines()
    best = predictions(graph, expected)
    assert printed == [graph.class_names[number] for number in best]


def test_the_readme_of_an_ensemble_names_the_classes_rule(export: Export) -> None:
    folder = export(ensemble([GRAPHS["signed"]()] * 2)) / "microcontroller"
    text = (folder / "README.md").read_text()
    assert "those of 2 members, one after the other" in text.replace("\n", " ")
    assert "`ensemble_from_measured` computes" in text
    assert "_classify(" not in (folder / "src" / "ensemble-classes.h").read_text()
