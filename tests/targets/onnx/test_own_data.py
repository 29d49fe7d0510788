"""Measured numbers and names of classes in the folder for ONNX Runtime."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import edgespike
from edgespike.passes.ensemble import ensemble
from tests.available import available
from tests.targets.labelled import GRAPHS, classes, in_units, measured_for
from tests.targets.onnx.test_artefact import run_py


@pytest.fixture(autouse=True)
def _installed() -> None:
    available("onnx")


@pytest.mark.parametrize("name", GRAPHS)
def test_measured_numbers_are_classified_by_name(name: str, tmp_path: Path) -> None:
    graph = GRAPHS[name]()
    folder = edgespike.export(graph, "onnx", tmp_path / "out")
    assert "samples are exactly as expected" in run_py(folder)
    measured = measured_for(graph, 50)
    lines = [f"{number} {graph.class_names[number]}" for number in classes(graph, measured)]
    np.save(folder / "mine.npy", measured)
    assert run_py(folder, "mine.npy").splitlines() == lines
    np.save(folder / "units.npy", in_units(graph, measured))
    assert run_py(folder, "units.npy").splitlines() == lines
    if len(graph.input_op.shape) == 1:
        table = measured.reshape(-1, graph.input_op.shape[0]).tolist()
        (folder / "mine.csv").write_text("\n".join(",".join(map(repr, row)) for row in table))
        assert run_py(folder, "mine.csv").splitlines() == lines


def test_an_ensemble_names_the_class_last(tmp_path: Path) -> None:
    graph = ensemble([GRAPHS["signed"]()] * 2)
    folder = edgespike.export(graph, "onnx", tmp_path / "out")
    measured = measured_for(graph, 12)
    np.save(folder / "mine.npy", measured)
    header, *rows = run_py(folder, "mine.npy").splitlines()
    assert header.endswith(" mutual_information name")
    for row, number in zip(rows, classes(graph, measured), strict=True):
        assert row.split(" ", 5)[::5] == [str(number), graph.class_names[number]]


def test_the_metadata_holds_them_only_where_there_are_any(tmp_path: Path) -> None:
    import onnx

    graph = GRAPHS["image"]()
    found = {}
    for name, each in {
        "with": graph,
        "without": replace(graph, class_names=(), scaling=None),
    }.items():
        folder = edgespike.export(each, "onnx", tmp_path / name)
        model = onnx.load(folder / "model.onnx")
        found[name] = {entry.key: entry.value for entry in model.metadata_props}
        found[name + " graph"] = model.graph.SerializeToString().replace(each.hash.encode(), b"")
    labels = {key: found["with"][key] for key in set(found["with"]) - set(found["without"])}
    assert {key: json.loads(value) for key, value in labels.items()} == {
        "edgespike.class_names": list(graph.class_names),
        "edgespike.scaling": {"offset": [0.3, -1.1], "step": [0.1, 0.7]},
    }
    assert found["with graph"] == found["without graph"]


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    graph = GRAPHS["signed"]()
    folder = edgespike.export(graph, "onnx", tmp_path / "out")
    np.save(folder / "bad.npy", np.full((2, 5), np.nan))
    told = run_py(folder, "bad.npy", fails=True)
    assert told == "10 of 10 measured numbers are not finite; fill or remove them\n"
