"""Which converter gets a model or a file, what it is told, and whose fault it is if it fails."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgespike import plugins
from edgespike.converters import AmbiguousSourceError, DuplicateConverterError, convert, load
from edgespike.errors import UnsupportedError
from edgespike.graph import Dense, Graph, Input, Node, Readout, save_graph
from tests.converters.installing import write_dist_info
from tests.example_graphs import residual_graph

THIRD_PARTY = """
from dataclasses import replace

from edgespike.converters.base import Converter, class_distance
from edgespike.graph import Graph, Input, Node, Readout

class Half(float):
    pass

class Foreign:
    holds_spikes = True

def graph(model, options):
    nodes = Node("in", Input((1,), 0, 1, 1.0)), Node("out", Readout([float(model)]), ("in",))
    return Graph(options.graph_name(), nodes)

def nearer(model):
    return class_distance(model, "third_party_converters.Half")

def floats(model):
    return class_distance(model, "builtins.float")

def containing(model):
    distance = class_distance(model, "builtins.object")
    return distance - 0.5 if getattr(model, "holds_spikes", False) else None

def fail(*arguments):
    raise ZeroDivisionError("division by zero")

FLOATS = Converter(name="floats", summary="a number", convert=graph, options=("name",),
                   accepts=floats)
HALVES = replace(FLOATS, name="halves", accepts=nearer, convert=lambda *_: graph(0.25, *_[1:]))
TWINS = replace(FLOATS, name="twins")
ANY = replace(FLOATS, name="any", accepts=lambda model: class_distance(model, "builtins.object"))
CONTENT = replace(ANY, name="content", accepts=containing, convert=lambda *_: graph(0.125, *_[1:]))
LETTERS = Converter(name="letters", summary="files of letters",
                    convert=lambda path, options: graph(2.0, options),
                    recognises=lambda head, path: head.isalpha())
ABC = replace(LETTERS, name="abc", recognises=lambda head, path: head.startswith(b"abc"))
BAD_ACCEPTS = replace(FLOATS, name="bad", accepts=fail)
BAD_CONVERT = replace(FLOATS, name="bad", convert=fail)
NO_GRAPH = replace(FLOATS, name="bad", convert=lambda *_: {})
BAD_RECOGNISES = replace(LETTERS, name="bad", recognises=fail)


def quit_disk(*_):
    raise OSError(5, "input/output error")


class Silent(Exception):
    def __str__(self):
        raise ValueError


def silently(*_):
    raise Silent


NO_DISK = replace(FLOATS, name="bad", convert=quit_disk)
NO_TEXT = replace(FLOATS, name="bad", accepts=silently)
NOT_A_NUMBER = replace(FLOATS, name="bad", accepts=lambda model: float("nan"))
YES = replace(FLOATS, name="bad", accepts=lambda model: True)
NEITHER = replace(LETTERS, name="bad", recognises=lambda head, path: [1, 2])
"""
UNKNOWN_OPTION = """
from edgespike.converters.base import Converter
CONVERTER = Converter(name="x", summary="y", convert=print, options=("name", "colour"))
"""
USELESS = """
from edgespike.converters.base import Converter
CONVERTER = Converter(name="x", summary="y", convert=print)
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a third party's module, whose converters no package offers yet."""
    (tmp_path / "third_party_converters.py").write_text(THIRD_PARTY)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "third_party_converters", raising=False)
    return tmp_path


def offer(site: Path, package: str = "third-party", **converters: str) -> None:
    sources = {name: f"third_party_converters:{which}" for name, which in converters.items()}
    write_dist_info(site, package, sources)


def scale(graph: Graph) -> float:
    return float(graph.readout_op.scale[0])


def test_a_converter_of_a_third_party_is_found(site: Path) -> None:
    offer(site, floats="FLOATS")
    assert scale(convert(0.5, name="half")) == 0.5
    with pytest.raises(UnsupportedError, match=r"no converter takes a dict; .*floats \(a number\)"):
        convert({})


def test_two_converters_of_one_name_are_refused(site: Path) -> None:
    offer(site, torch="FLOATS")
    with pytest.raises(DuplicateConverterError) as caught:
        convert(0.5)
    assert str(caught.value) == (
        "converter 'torch' is offered by edgespike.converters.torch:CONVERTER and by "
        "third_party_converters:FLOATS; uninstall one of the two"
    )


@pytest.mark.parametrize("order", [("any", "floats", "halves"), ("halves", "floats", "any")])
def test_the_converter_nearest_to_the_class_is_chosen(site: Path, order: Sequence[str]) -> None:
    offer(site, **{name: name.upper() for name in order})
    half = import_module("third_party_converters").Half(0.5)
    assert (scale(convert(half)), scale(convert(0.5)), scale(convert(3))) == (0.25, 0.5, 3)


def test_what_a_model_contains_precedes_its_base_class(site: Path) -> None:
    offer(site, any="ANY", content="CONTENT")
    foreign = import_module("third_party_converters").Foreign()
    assert (scale(convert(foreign)), scale(convert(3))) == (0.125, 3)


def test_a_tie_names_both_converters_and_their_packages(site: Path) -> None:
    offer(site, floats="FLOATS")
    offer(site, "other-party", twins="TWINS", any="ANY")
    with pytest.raises(AmbiguousSourceError) as caught:
        convert(0.5)
    packages = "'floats' of package third-party", "'twins' of package other-party"
    assert str(caught.value) in [
        f"a float is taken equally well by the converters {first} and {second}; uninstall all of "
        "these packages but one"
        for first, second in (packages, packages[::-1])
    ]
    # There is no tie where another converter is nearer.
    assert scale(convert(3)) == 3


def test_a_file_that_two_converters_recognise_is_a_tie(site: Path, tmp_path: Path) -> None:
    offer(site, letters="LETTERS")
    offer(site, "other-party", abc="ABC")
    (tmp_path / "x").write_bytes(b"xyz")
    assert scale(load(tmp_path / "x")) == 2
    (tmp_path / "abc").write_bytes(b"abc")
    with pytest.raises(AmbiguousSourceError) as caught:
        load(tmp_path / "abc")
    for part in (tmp_path / "abc", "'letters' of package third-party", "'abc' of package other-p"):
        assert str(part) in str(caught.value)


def test_options_that_a_converter_does_not_use_are_refused(site: Path) -> None:
    offer(site, floats="FLOATS")
    with pytest.raises(UnsupportedError) as caught:
        convert(0.5, (1,), bits=8, name="half")
    assert str(caught.value) == (
        "model cannot be converted with these options:\n"
        "  - input_shape is (1,), but converter 'floats' does not use it; it takes name, so leave "
        "input_shape out\n"
        "  - bits is 8, but converter 'floats' does not use it; it takes name, so leave bits out"
    )


def test_a_graph_file_takes_no_options(tmp_path: Path) -> None:
    save_graph(residual_graph(), tmp_path / "g")
    assert convert(tmp_path / "g") == residual_graph()
    message = "name is 'new', but converter 'graph' does not use it; it takes no options"
    with pytest.raises(UnsupportedError, match=message):
        convert(tmp_path / "g", name="new")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("input_scale", 10**400),
        ("input_scale", True),
        ("bits", True),
        ("input_range", (False, True)),
        ("calibrate", np.array(5)),
        ("calibrate", np.array([[None]])),
    ],
)
def test_options_of_other_types_are_refused(option: str, value: Any) -> None:
    with pytest.raises(UnsupportedError, match=f"{option} is "):
        convert(0.5, **{option: value})


def test_a_model_is_not_asked_for_its_class() -> None:
    class Shy:
        @property
        def __class__(self) -> Any:
            raise RuntimeError

        @__class__.setter
        def __class__(self, kind: Any) -> None:
            raise RuntimeError

    with pytest.raises(UnsupportedError, match=r"no converter takes a .*Shy;"):
        convert(Shy())


def test_all_options_with_a_wrong_value_are_listed() -> None:
    with pytest.raises(UnsupportedError) as caught:
        convert(
            0.5,
            [1],  # type: ignore[arg-type]
            input_range=(1, 0),
            input_scale=float("nan"),
            bits=0,
            calibrate=np.zeros((0, 1)),
        )
    assert caught.value.violations == (
        "input_shape is [1]; give the shape of one sample as a tuple, (features,) or (channels, "
        "height, width)",
        "input_range is (1, 0); give two whole numbers (low, high), low <= high",
        "input_scale is nan; give a positive finite number",
        "bits is 0; give a whole number of at least 1",
        "calibrate is array([], shape=(0, 1), dtype=float64); give numbers (samples, *input_shape)",
    )


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("third_party_converters:NONESUCH", "AttributeError: .*NONESUCH"),
        ("no_such_module:CONVERTER", "ModuleNotFoundError: No module named 'no_such_module'"),
        (
            "third_party_converters:graph",
            "TypeError: it is not of type edgespike.converters.base.Converter",
        ),
        ("third_party_broken:CONVERTER", "ZeroDivisionError: division by zero"),
        ("third_party_option:CONVERTER", "ValueError: converter 'x' declares options colour; .*"),
        ("third_party_useless:CONVERTER", "ValueError: converter 'x' has neither accepts nor rec"),
    ],
)
def test_a_broken_converter_is_the_fault_of_its_package(
    site: Path, source: str, fault: str
) -> None:
    (site / "third_party_broken.py").write_text("1 / 0\n")
    (site / "third_party_option.py").write_text(UNKNOWN_OPTION)
    (site / "third_party_useless.py").write_text(USELESS)
    write_dist_info(site, "third-party", {"broken": source})
    with pytest.raises(
        plugins.PluginError, match=rf"^{source}, which another package offers, .*: {fault}.*; fix"
    ):
        convert(0.5)


@pytest.mark.parametrize(
    ("which", "fault"),
    [
        ("BAD_ACCEPTS", "ZeroDivisionError: division by zero"),
        ("BAD_CONVERT", "ZeroDivisionError: division by zero"),
        ("NO_GRAPH", "TypeError: it returned a dict, not a Graph"),
        ("NO_DISK", "OSError: [Errno 5] input/output error"),
        ("NO_TEXT", "Silent"),
        ("NOT_A_NUMBER", "TypeError: accepts returned nan, not a distance or None"),
        ("YES", "TypeError: accepts returned True, not a distance or None"),
    ],
)
def test_a_converter_that_fails_is_the_fault_of_its_package(
    site: Path, which: str, fault: str
) -> None:
    offer(site, bad=which)
    with pytest.raises(plugins.PluginError) as caught:
        convert(0.5)
    assert str(caught.value) == (
        f"converter 'bad' of package third-party failed: {fault}; fix or uninstall that package"
    )


def test_graph_files_do_not_depend_on_other_packages(site: Path, tmp_path: Path) -> None:
    offer(site, bad="BAD_RECOGNISES", broken="NONESUCH", torch="FLOATS")
    save_graph(residual_graph(), tmp_path / "g")
    assert load(tmp_path / "g") == residual_graph()
    assert "third_party_converters" not in sys.modules


@pytest.mark.parametrize("which", ["BAD_RECOGNISES", "NEITHER"])
def test_a_converter_that_fails_to_recognise_is_the_fault_of_its_package(
    site: Path, tmp_path: Path, which: str
) -> None:
    offer(site, bad=which)
    (tmp_path / "x").write_bytes(b"xyz")
    with pytest.raises(plugins.PluginError, match=r"^converter 'bad' of package third-party f"):
        load(tmp_path / "x")


def test_installed_packages_are_searched_once(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(site, floats="FLOATS")
    asked: list[Any] = []
    looked_up = importlib.metadata.entry_points

    def entry_points(**group: str) -> Any:
        asked.append(group)
        return looked_up(**group)

    monkeypatch.setattr(plugins, "entry_points", entry_points)
    for _ in range(3):
        convert(0.5)
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
