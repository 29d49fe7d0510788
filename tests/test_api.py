"""The public Python interface: its names, what importing it costs, and the way in five lines."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import edgespike
from edgespike.counting import Counter, count
from edgespike.energy import energy_report, load_profile, shipped_profiles
from edgespike.errors import EdgespikeError, InputError, UnsupportedError
from edgespike.graph import Dense, Graph, Input, Node, Readout, Threshold
from edgespike.graph.graph import NAME_LIMIT, NODE_NAME_LIMIT
from edgespike.interpreter import interpret
from edgespike.storage.files import WriteError
from edgespike.targets import UnknownTargetError
from edgespike.targets.cpu import CpuRunner
from edgespike.trace import Trace
from tests.example_graphs import membrane_graph, residual_graph, samples_for

PUBLIC = {
    "EdgespikeError",
    "Graph",
    "__version__",
    "compare",
    "convert",
    "count",
    "ensemble",
    "estimate_energy",
    "export",
    "load",
    "prepare",
    "run",
    "save",
    "verify",
}
HEAVY = ("torch", "numpy", "safetensors", "typer", "rich", "matplotlib", "jinja2")


def modules_loaded_by(code: str) -> set[str]:
    shown = f"{code}\nimport sys; print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_the_public_names_are_these() -> None:
    assert set(edgespike.__all__) == PUBLIC
    assert set(dir(edgespike)) == PUBLIC
    for name in PUBLIC:
        assert getattr(edgespike, name) is not None


def test_other_names_do_not_exist() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonesuch'"):
        edgespike.nonesuch  # noqa: B018


def test_no_module_hides_a_function() -> None:
    folder = Path(str(edgespike.__file__)).parent
    modules = {path.stem for path in folder.iterdir() if path.name != "__init__.py"}
    assert not modules & PUBLIC


def test_importing_edgespike_loads_nothing_heavy() -> None:
    assert not modules_loaded_by("import edgespike").intersection(HEAVY)


def test_help_needs_typer_alone() -> None:
    code = (
        "import sys, contextlib; sys.argv = ['edgespike', '--help']\n"
        "from edgespike.cli import main\n"
        "with contextlib.suppress(SystemExit): main()"
    )
    assert modules_loaded_by(code).intersection(HEAVY) == {"typer"}


def test_loading_running_verifying_and_energy_need_no_torch(tmp_path: Path) -> None:
    edgespike.save(residual_graph(), tmp_path / "g.safetensors")
    code = (
        "import edgespike, numpy\n"
        f"graph = edgespike.load({str(tmp_path / 'g.safetensors')!r})\n"
        "x = numpy.ones((2, 1, 6, 6), int)\n"
        f"edgespike.export(graph, 'cpu', {str(tmp_path / 'out')!r})\n"
        "edgespike.run(graph, x); edgespike.verify(graph, x); edgespike.estimate_energy(graph, x)"
    )
    assert "torch" not in modules_loaded_by(code)


def test_the_whole_way(tmp_path: Path) -> None:
    graph = residual_graph()
    samples = samples_for(graph, 5)
    edgespike.save(graph, tmp_path / "graph.safetensors")
    loaded = edgespike.load(tmp_path / "graph.safetensors")
    assert loaded == graph
    folder = edgespike.export(loaded, "cpu", tmp_path / "out")
    assert any(folder.iterdir())
    trace, defined = edgespike.run(loaded, samples), interpret(graph, samples)
    for name, values in defined.values.items():
        np.testing.assert_array_equal(trace.values[name], values)
    assert edgespike.verify(loaded, samples).equal
    report = edgespike.estimate_energy(loaded, samples)
    assert report.counts.to_json() == count(graph, samples, defined).to_json()


def test_an_energy_report_takes_profiles_and_reports_progress() -> None:
    graph = membrane_graph()
    samples = samples_for(graph, 3)
    name = shipped_profiles()[0]
    reported: list[tuple[str, int, int]] = []
    report = edgespike.estimate_energy(
        graph,
        samples,
        profiles=[name, load_profile(name)],
        progress=lambda *each: reported.append(each),
    )
    assert reported == [("cpu", 0, 3), ("cpu", 3, 3)]
    expected = energy_report(graph, edgespike.count(graph, samples), [name, name])
    assert report.to_json() == expected.to_json()


def test_a_profile_that_does_not_exist_is_refused_before_anything_runs() -> None:
    graph = membrane_graph()
    reported: list[tuple[str, int, int]] = []
    with pytest.raises(EdgespikeError, match="no-such-profile"):
        edgespike.estimate_energy(
            graph,
            samples_for(graph, 3),
            profiles=["no-such-profile"],
            progress=lambda *each: reported.append(each),
        )
    assert reported == []


@pytest.mark.parametrize("size", [1, 3, 100])
def test_counts_are_exact_for_every_size_of_batches(
    monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    graph = membrane_graph()
    samples = samples_for(graph, 7)
    expected = count(graph, samples, interpret(graph, samples)).to_json()
    one = graph.steps * sum(tensor.size for tensor in graph.tensors.values())
    monkeypatch.setattr("edgespike.batches.COMPUTED_AT_ONCE", size * one)
    done: list[tuple[str, int, int]] = []
    counted = edgespike.count(graph, samples, progress=lambda *each: done.append(each))
    assert counted.to_json() == expected
    assert done[::2] == [("cpu", start, 7) for start in range(0, 7, size)]
    assert done[-1] == ("cpu", 7, 7)


def test_a_runner_gives_values_and_answers_and_events_of_one_run() -> None:
    graph = membrane_graph()
    samples = samples_for(graph, 7)
    defined = interpret(graph, samples)
    runner = edgespike.prepare(graph, "cpu")
    tally = runner.tally(samples)
    np.testing.assert_array_equal(tally.accumulators, defined.accumulators(graph))
    assert Counter(graph).counts(tally).to_json() == count(graph, samples, defined).to_json()
    for name, values in runner.trace(samples).values.items():
        np.testing.assert_array_equal(values, defined.values[name])


def test_a_target_that_counts_by_itself_keeps_no_values(monkeypatch: pytest.MonkeyPatch) -> None:
    def trace(self: CpuRunner, samples: NDArray[Any]) -> Trace:
        raise AssertionError("values were asked for")

    monkeypatch.setattr(CpuRunner, "trace", trace)
    graph = membrane_graph()
    samples = samples_for(graph, 7)
    expected = count(graph, samples, interpret(graph, samples)).to_json()
    assert edgespike.count(graph, samples).to_json() == expected


@pytest.mark.parametrize("target", ["cpu", "tflite"])
def test_every_target_counts_the_same(target: str) -> None:
    graph = residual_graph()
    samples = samples_for(graph, 7)
    expected = count(graph, samples, interpret(graph, samples)).to_json()
    assert edgespike.count(graph, samples, target).to_json() == expected


def test_export_refuses_a_folder_with_files_in_it(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(WriteError, match="exists and is not an empty folder"):
        edgespike.export(residual_graph(), "cpu", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("target", ["cpu", "loihi", "tflite"])
def test_the_longest_names_are_exported_to_every_target(target: str, tmp_path: Path) -> None:
    layer = "l" * NODE_NAME_LIMIT
    nodes = (
        Node("x", Input((2,), 0, 1, 1.0)),
        Node(layer, Dense(np.ones((2, 2), int), np.zeros(2, int)), ("x",)),
        Node("s", Threshold(np.ones((2, 1), int), np.zeros(2, bool)), (layer,)),
        Node("d", Dense(np.ones((2, 2), int), np.zeros(2, int)), ("s",)),
        Node("out", Readout(np.ones(2)), ("d",)),
    )
    folder = edgespike.export(Graph("n" * NAME_LIMIT, nodes), target, tmp_path / "out")
    assert any(folder.iterdir())


@pytest.mark.parametrize("name", ["nonesuch", ["cpu"], None])
def test_an_unknown_target_is_refused(tmp_path: Path, name: Any) -> None:
    with pytest.raises(UnknownTargetError, match="cpu"):
        edgespike.export(residual_graph(), name, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_all_violations_of_a_target_are_raised_at_once(tmp_path: Path) -> None:
    graph = Graph(
        "wide",
        (
            Node("x", Input((1,), 0, 1, 1.0)),
            Node("a", Dense(np.array([[2**40]]), np.array([2**40])), ("x",)),
            Node("s", Threshold(np.array([[1]]), np.array([False])), ("a",)),
            Node("b", Dense(np.array([[2**40]]), np.array([0])), ("s",)),
            Node("out", Readout(np.ones(1)), ("b",)),
        ),
    )
    with pytest.raises(UnsupportedError, match="cannot run on loihi") as caught:
        edgespike.export(graph, "loihi", tmp_path / "out")
    text = "\n".join(caught.value.violations)
    assert "a" in text
    assert "b" in text
    assert len(caught.value.violations) >= 2
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("graph", ["model.safetensors", None, Path("model.safetensors"), {}])
@pytest.mark.parametrize(
    "use",
    [
        lambda graph, _: edgespike.run(graph, np.zeros((1, 2), int)),
        lambda graph, _: edgespike.count(graph, np.zeros((1, 2), int)),
        lambda graph, _: edgespike.verify(graph, np.zeros((1, 2), int)),
        lambda graph, _: edgespike.prepare(graph),
        lambda graph, _: edgespike.estimate_energy(graph, np.zeros((1, 2), int)),
        lambda graph, folder: edgespike.export(graph, "cpu", folder / "out"),
        lambda graph, folder: edgespike.save(graph, folder / "out"),
        lambda graph, _: edgespike.ensemble([graph]),
        lambda graph, _: edgespike.ensemble([graph, graph]),
    ],
    ids=[
        "run",
        "count",
        "verify",
        "prepare",
        "energy",
        "export",
        "save",
        "ensemble",
        "ensemble of two",
    ],
)
def test_what_is_no_graph_is_refused(
    tmp_path: Path, use: Callable[[Any, Path], object], graph: Any
) -> None:
    with pytest.raises(InputError, match=r"^graph is .*; give a Graph: edgespike\.load reads one"):
        use(graph, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_a_path_or_a_list_of_graphs_is_named() -> None:
    with pytest.raises(InputError, match="path is None; give the path of a graph file or of a"):
        edgespike.load(None)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="graphs is None; give a list of graphs"):
        edgespike.ensemble(None)  # type: ignore[arg-type]


def test_an_ensemble_is_of_a_list() -> None:
    with pytest.raises(InputError, match="graphs is one graph, 'residual'; give a list of them"):
        edgespike.ensemble(residual_graph())  # type: ignore[arg-type]
