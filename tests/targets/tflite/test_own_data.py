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
from edgespike.targets.shared.c_arrays import c_prefix
from edgespike.targets.tflite.environment import environment_python
from edgespike.targets.tflite.lower import Lowered, lower
from edgespike.targets.tflite.planning.planner import make_plan
from edgespike.targets.tflite.run import encode_input
from tests.available import available
from tests.targets.labelled import GRAPHS, classes, grey_graph, in_units, measured_for
from tests.targets.tflite.test_bundles import (
    declared,
    link_main,
    needs_gxx,
    run,
    write_stand_in,
)

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
    assert {path.name for path in (folder / "microcontroller").iterdir()} == {
        "README.md",
        "SHA256SUMS",
        "check.c",
        "check.h",
        "main.cc",
        "network.c",
        "network.h",
    }


@pytest.mark.parametrize("name", GRAPHS)
def test_the_model_does_not_depend_on_them(name: str) -> None:
    graph = GRAPHS[name]()
    without = plain(graph)
    content, same = (lower(make_plan(each)).content for each in (graph, without))
    assert content.replace(graph.hash.encode(), without.hash.encode()) == same


MAIN = """
  (void)CountWrong;
  static const TYPE samples[COUNT][SIZE] = {VALUES};
  for (const auto& sample : samples) {
    CALL
  }
  return 0;
}
"""


def code_of(readme: str) -> tuple[str, str, str]:
    """Return headers, function and call of the section on own samples."""
    section = readme.split("## Your own samples")[1].split("The number type")[0]
    headers = re.findall(r"`([<\"][a-z.]+[>\"])`", section)
    lines = [line.removeprefix("    ") for line in section.splitlines() if line.startswith("    ")]
    end = lines.index("}") + 1
    includes = "".join(f"#include {header}\n" for header in headers)
    return includes, "\n".join(lines[:end]), "\n".join(lines[end:])


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


@needs_gxx
@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("name", GRAPHS)
def test_the_readmes_code_classifies_by_name(export: Export, name: str, scaled: bool) -> None:
    """In a program that looks up what TFLite Micro answers for the samples compiled in.

    Its stand-in refuses any other input than theirs.
    """
    graph = GRAPHS[name]()
    graph = graph if scaled else replace(graph, scaling=None)
    folder, lowered = export(graph) / "microcontroller", lower(make_plan(graph))
    write_stand_in(folder, c_prefix(graph.name), lowered)
    count = declared((folder / "check.h").read_text())
    samples = np.load(folder.parent / "raspberry-pi" / "sample_input.npy")[:count]
    expected = np.load(folder.parent / "raspberry-pi" / "expected_output.npy")[:count]
    given = given_to(graph, lowered, samples)
    includes, function, call = code_of((folder / "README.md").read_text())
    rows = ", ".join("{" + ", ".join(map(in_c, row)) + "}" for row in given.tolist())
    body = MAIN.replace("CALL", call).replace("VALUES", rows).replace("COUNT", str(count))
    types = {"f8": "double", "f4": "float", "i1": "int8_t", "i2": "int16_t"}
    body = body.replace("SIZE", str(given.shape[1])).replace("TYPE", types[given.dtype.str[1:]])
    main = (folder / "main.cc").read_text()
    main = main.replace("}  // namespace\n", f"{function}\n\n}}  // namespace\n", 1)
    main = main[: main.index("  const int wrong = CountWrong")]
    (folder / "main.cc").write_text(includes + main + body)
    link_main(folder)
    printed = run(folder / "main", cwd=folder).splitlines()
    assert printed == [graph.class_names[best] for best in expected.argmax(axis=1)]


def test_the_readme_of_an_ensemble_names_the_classes_rule(export: Export) -> None:
    text = (
        export(ensemble([GRAPHS["signed"]()] * 2)) / "microcontroller" / "README.md"
    ).read_text()
    assert "the logits of 2 members, one after the other" in text
    assert "`ensemble_from_measured` computes" in text
