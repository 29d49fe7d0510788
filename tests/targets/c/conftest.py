"""Folders of exported networks, each written once for all tests of a file."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edgespike.graph import Graph
from tests.targets.c.bundles import Export, export_to


@pytest.fixture(autouse=True)
def outside_make(monkeypatch: pytest.MonkeyPatch) -> None:
    """Build as a user does, also where a make runs the tests: it would change what make prints."""
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders that were written before, by the graph's hash."""
    return {"": tmp_path_factory.mktemp("exported")}


@pytest.fixture
def export(exported: dict[str, Path], tmp_path: Path) -> Export:
    """Write a graph's folder, once for all tests of a file, and return a copy of it."""

    def write(graph: Graph) -> Path:
        if graph.hash not in exported:
            exported[graph.hash] = export_to(exported[""] / graph.hash)(graph)
        return Path(shutil.copytree(exported[graph.hash], tmp_path / "out"))

    return write
