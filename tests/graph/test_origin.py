"""What a graph is made from is part of it, and of its file only where it is said."""

from __future__ import annotations

import copy
import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from edgespike.energy import energy_report
from edgespike.errors import FileFormatError, GraphError
from edgespike.graph import load_graph, save_graph
from edgespike.graph.graph import ORIGIN_LIMIT
from edgespike.passes.ensemble import ensemble
from edgespike.passes.unary import unary
from edgespike.report import print_report
from edgespike.show.text import graph_json, graph_text
from tests.energy.examples import TWO_LAYERS, TWO_SAMPLES, counts_of
from tests.graph.test_files import description_of
from tests.graph_files import hostile

ORIGIN = "a TFLite file, computed as TFLite Micro's reference kernels do (rounding tflm)"
GRAPH = replace(TWO_LAYERS, origin=ORIGIN)


def test_a_file_keeps_it(tmp_path: Path) -> None:
    save_graph(GRAPH, tmp_path / "graph.safetensors")
    assert load_graph(tmp_path / "graph.safetensors").origin == ORIGIN
    assert GRAPH.hash != TWO_LAYERS.hash


def test_a_file_without_it_is_as_before(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("without", "with")]
    for graph, path in zip((TWO_LAYERS, GRAPH), paths, strict=True):
        save_graph(graph, path)
    without, having = (description_of(path.read_bytes()) for path in paths)
    assert "origin" not in without
    assert without["version"] < 6
    assert having == without | {"version": 6, "origin": ORIGIN}


def test_an_older_version_has_none(tmp_path: Path) -> None:
    path = tmp_path / "graph.safetensors"
    description = {"version": 5, "name": "g", "steps": 1, "nodes": [], "origin": "x"}
    path.write_bytes(hostile(description))
    with pytest.raises(FileFormatError, match="origin needs format version 6, the file says 5"):
        load_graph(path)


@pytest.mark.parametrize("origin", ["two\nlines", "\ud800", 3, "x" * (ORIGIN_LIMIT + 1)])
def test_it_is_one_line_of_text(origin: str) -> None:
    with pytest.raises(GraphError, match="origin"):
        replace(TWO_LAYERS, origin=origin)


def test_passes_and_copies_keep_it() -> None:
    assert copy.deepcopy(GRAPH).origin == ORIGIN
    assert unary(GRAPH).origin == ORIGIN
    assert ensemble([GRAPH, GRAPH]).origin == ORIGIN
    other = replace(TWO_LAYERS, origin="another file")
    assert ensemble([GRAPH, TWO_LAYERS, other]).origin == f"{ORIGIN}; another file"
    longest = [replace(TWO_LAYERS, origin=letter * ORIGIN_LIMIT) for letter in "ab"]
    assert ensemble(longest).origin == "2 sources"


def test_it_is_shown() -> None:
    assert f"from: {ORIGIN}" in graph_text(GRAPH)
    assert "from:" not in graph_text(TWO_LAYERS)
    assert graph_json(GRAPH)["origin"] == ORIGIN


def test_an_energy_report_says_it() -> None:
    report = energy_report(GRAPH, counts_of(GRAPH, TWO_SAMPLES))
    assert report.to_json()["origin"] == ORIGIN
    stream = io.StringIO()
    print_report(report, Console(file=stream, width=200))
    assert f"made from   {ORIGIN}" in stream.getvalue()
