"""Which converters there are, and how often is looked for them and at a file."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgespike import plugins
from edgespike.converters import DuplicateConverterError, convert, load
from edgespike.errors import UnsupportedError
from edgespike.graph import Dense, Graph, Input, Node, Readout, save_graph

THIRD_PARTY = """
from edgespike.converters.base import Converter
from edgespike.graph import Graph, Input, Node, Readout

def graph(model, shape, name):
    nodes = Node("in", Input(shape, 0, 1, 1.0)), Node("out", Readout([model]), ("in",))
    return Graph(name, nodes)

CONVERTER = Converter("floats", "a number", lambda model: isinstance(model, float), graph)
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a third party's package, which offers no converter yet."""
    (tmp_path / "third_party_converters.py").write_text(THIRD_PARTY)
    info = tmp_path / "third_party-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "third_party_converters", raising=False)
    return info


def offer(site: Path, *names: str) -> None:
    lines = [f"{name} = third_party_converters:CONVERTER" for name in names]
    (site / "entry_points.txt").write_text("\n".join(["[edgespike.converters]", *lines]))


def test_a_converter_of_a_third_party_is_found(site: Path) -> None:
    offer(site, "floats")
    assert convert(0.5, (1,), name="half").readout_op.scale.tolist() == [0.5]
    with pytest.raises(UnsupportedError, match=r"no converter takes a str; .*floats"):
        convert("nothing", (1,))


def test_two_converters_of_one_name_are_refused(site: Path) -> None:
    offer(site, "torch")
    with pytest.raises(DuplicateConverterError) as caught:
        convert(0.5, (1,))
    assert str(caught.value) == (
        "converter 'torch' is offered by edgespike.converters.torch.modules:CONVERTER and by "
        "third_party_converters:CONVERTER; uninstall one of the two"
    )


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("third_party_converters:NONESUCH", "AttributeError: .*NONESUCH"),
        ("no_such_module:CONVERTER", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("third_party_converters:graph", "TypeError: it is no edgespike.converters.base.Converter"),
        ("third_party_broken:CONVERTER", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_broken_converter_is_the_fault_of_its_package(
    site: Path, source: str, fault: str
) -> None:
    (site.parent / "third_party_broken.py").write_text("1 / 0\n")
    (site / "entry_points.txt").write_text(f"[edgespike.converters]\nbroken = {source}\n")
    with pytest.raises(
        plugins.PluginError, match=rf"^{source}, which another package offers, .*: {fault}.*; mend"
    ):
        convert(0.5, (1,))


def test_what_is_installed_is_looked_through_once(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(site, "floats")
    asked: list[Any] = []
    looked_up = importlib.metadata.entry_points

    def entry_points(**group: str) -> Any:
        asked.append(group)
        return looked_up(**group)

    monkeypatch.setattr(plugins, "entry_points", entry_points)
    for _ in range(3):
        convert(0.5, (1,))
    assert asked == [{"group": "edgespike.converters"}]


def test_a_graph_file_is_read_once(tmp_path: Path) -> None:
    weight = np.random.default_rng(0).integers(-(2**60), 2**60, (1, 2**17))
    nodes = (
        Node("in", Input((2**17,), 0, 0, 1.0)),
        Node("dense", Dense(weight, np.zeros(1, int)), ("in",)),
        Node("out", Readout(np.ones(1)), ("dense",)),
    )
    path = tmp_path / "graph.safetensors"
    save_graph(Graph("large", nodes), path)
    load(path)  # so that what is imported is not counted
    before = bytes_read()
    load(path)
    assert bytes_read() - before < 1.5 * path.stat().st_size


def bytes_read() -> int:
    return int(Path("/proc/self/io").read_text().split()[1])
