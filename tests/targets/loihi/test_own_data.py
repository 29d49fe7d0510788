"""Measured numbers and names of classes in the folder for Loihi."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgespike.api import export
from edgespike.targets import get_target
from edgespike.targets.shared.bundles import labels
from tests.targets.labelled import GRAPHS, classes, in_units, measured_for
from tests.targets.loihi.test_artefact import run_by_itself


@pytest.mark.loihi
@pytest.mark.slow
@pytest.mark.usefixtures("lava")
@pytest.mark.parametrize("name", ["signed", "image", "sequence"])
def test_measured_numbers_are_classified_by_name(name: str, tmp_path: Path) -> None:
    graph = GRAPHS[name]()
    assert get_target("loihi").violations(graph) == []
    folder = export(graph, "loihi", tmp_path / "out")
    measured = measured_for(graph, 12)
    lines = [f"{number} {graph.class_names[number]}" for number in classes(graph, measured)]
    rows = measured.reshape(12, graph.steps, -1)
    np.save(folder / "mine.npy", rows)
    done = run_by_itself(folder, "mine.npy", "results.npz")
    assert done.stdout.splitlines() == lines, done.stderr
    np.save(folder / "mine.npy", in_units(graph, measured).reshape(rows.shape))
    assert run_by_itself(folder, "mine.npy", "again.npz").stdout.splitlines() == lines
    with np.load(folder / "results.npz") as first, np.load(folder / "again.npz") as second:
        for layer in first.files:
            np.testing.assert_array_equal(first[layer], second[layer])
    table = rows.reshape(-1, rows.shape[-1]).tolist()
    (folder / "mine.csv").write_text("\n".join(",".join(map(repr, row)) for row in table))
    assert run_by_itself(folder, "mine.csv", "third.npz").stdout.splitlines() == lines


def test_the_folder_holds_them_only_where_there_are_any(tmp_path: Path) -> None:
    graph = GRAPHS["signed"]()
    plain = replace(graph, class_names=(), scaling=None)
    described, readmes = [], []
    for place, each in {"with": graph, "without": plain}.items():
        folder = export(each, "loihi", tmp_path / place)
        described.append(json.loads((folder / "network.json").read_text()))
        readmes.append((folder / "README.md").read_text())
    added = {key: described[0][key] for key in set(described[0]) - set(described[1])}
    assert added == {**labels(graph), "members": 1, "scale": [1.0] * 7}
    assert {key: described[0][key] for key in described[1]} == described[1]
    assert "`floor((x - offset) / step + 1/2)` in float64" in readmes[0]
    assert "printed with its name" in readmes[0]
    assert "floor" not in readmes[1]
    assert "name, which" not in readmes[1]


@pytest.mark.loihi
@pytest.mark.usefixtures("lava")
def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    folder = export(GRAPHS["signed"](), "loihi", tmp_path / "out")
    np.save(folder / "bad.npy", np.full((2, 1, 5), np.inf))
    done = run_by_itself(folder, "bad.npy", "results.npz")
    assert done.stderr == "10 of 10 measured numbers are not finite; fill or remove them\n"
    assert not (folder / "results.npz").exists()
