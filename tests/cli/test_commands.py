"""What each command answers, for machines and for people."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

import edgespike
from edgespike.comparison.running import samples_hash
from edgespike.counting import Convention, audit, count
from edgespike.graph import Dense, Graph, Input, Node, Readout, Threshold, load_graph, save_graph
from edgespike.interpreter import interpret
from edgespike.passes.unary import unary
from edgespike.show.text import graph_json, graph_text, short_text
from edgespike.targets import BUILT_IN
from edgespike.trace import observed_names, predictions
from edgespike.verification import inputs_hash
from tests.cli.conftest import Cli
from tests.example_graphs import residual_graph, samples_for

GRAPH = residual_graph()
SAMPLES = samples_for(GRAPH, 4)
TRACE = interpret(GRAPH, SAMPLES)
THIRD_PARTY = ["exact", "faulty", "waiting", "absent", "later", "double"]
LEVELS = Graph(
    "levels",
    (
        Node("x", Input((4,), 0, 1, 1.0)),
        Node("first", Dense(np.arange(12).reshape(3, 4) - 5, np.zeros(3, int)), ("x",)),
        Node(
            "fire",
            Threshold(np.array([[-2, 0, 3]] * 3), np.array([True, False, False])),
            ("first",),
        ),
        Node("second", Dense(np.eye(3, dtype=int), np.zeros(3, int)), ("fire",)),
        Node("out", Readout(np.ones(3)), ("second",)),
    ),
)
CLASSES = predictions(GRAPH, TRACE.accumulators(GRAPH))


def test_verify_answers_as_scripts_expect(cli: Cli, graph_file: Path, input_file: Path) -> None:
    result = cli("verify", graph_file, "--targets", "cpu,exact", "--input", input_file, "--json")
    answer = result.json
    assert result.code == 0
    assert answer["graph"] == GRAPH.hash
    assert answer["inputs"] == inputs_hash(GRAPH, SAMPLES)
    assert list(answer["targets"]) == ["cpu", "exact"]
    for entry in answer["targets"].values():
        assert entry.pop("runtime")
        assert entry == {
            "equal": True,
            "samples": 4,
            "steps": 1,
            "layers": len(observed_names(GRAPH)),
            "synaptic_operations": count(GRAPH, SAMPLES, TRACE).synaptic_operations(),
            "multiply_accumulates": sum(
                int(layer.multiply_accumulates[Convention.QUANTISED].sum())
                for layer in count(GRAPH, SAMPLES, TRACE).layers
            ),
            "first_difference": None,
        }


def test_verify_ends_with_1_and_the_first_difference(
    cli: Cli, graph_file: Path, input_file: Path
) -> None:
    arguments = ("verify", graph_file, "--targets", "exact,faulty", "-i", input_file)
    machine, people = cli(*arguments, "--json"), cli(*arguments)
    assert (machine.code, people.code) == (1, 1)
    targets = machine.json["targets"]
    assert targets["exact"]["equal"] is True
    assert targets["faulty"]["equal"] is False
    right = int(TRACE.values["out"][1, 0, 2])
    assert targets["faulty"]["first_difference"] == {
        "layer": "out",
        "sample": 1,
        "step": 0,
        "neuron": 2,
        "expected": right,
        "found": right + 1,
    }
    assert (
        f"faulty first differs in layer out, sample 1, step 0, neuron 2: found {right + 1}, "
        f"expected {right}" in " ".join(people.stdout.split())
    )
    assert people.stdout.startswith("DIFFERENT: faulty; equal: exact; every layer and step of 4 ")


def test_verify_writes_the_certificate_that_it_prints(
    cli: Cli, graph_file: Path, input_file: Path, tmp_path: Path
) -> None:
    path = tmp_path / "certificate.json"
    result = cli("verify", graph_file, "-i", input_file, "--samples", 3, "-o", path, "--json")
    assert json.loads(path.read_text()) == result.json
    assert result.json["targets"]["cpu"]["samples"] == 3


def test_energy_of_a_target_that_refuses_the_graph_is_marked(cli: Cli, tmp_path: Path) -> None:
    """Loihi's spikes do not carry an input of so many bits."""
    nodes = (
        Node("input", Input((2,), 0, 2**40, 1.0)),
        Node("dense", Dense(np.ones((2, 2), int), np.zeros(2, int)), ("input",)),
        Node("readout", Readout(np.ones(2)), ("dense",)),
    )
    save_graph(Graph("wide", nodes), tmp_path / "wide.safetensors")
    np.save(tmp_path / "x.npy", np.ones((3, 2), int))
    result = cli("energy", tmp_path / "wide.safetensors", "-i", tmp_path / "x.npy", "--json")
    rows = [row for row in result.json["energy"] if row["target"] == "loihi"]
    assert rows
    for row in rows:
        assert row["target_runs_graph"] is False
        assert "needs 41 bits" in row["target_refusals"][0]


def test_energy_answers_as_scripts_expect(cli: Cli, graph_file: Path, input_file: Path) -> None:
    result = cli("energy", graph_file, "--input", input_file, "--json")
    assert result.code == 0
    expected = edgespike.estimate_energy(GRAPH, SAMPLES).to_json()
    assert expected["counts"] == count(GRAPH, SAMPLES, TRACE).to_json()
    assert result.json == {**expected, "inputs": samples_hash(GRAPH, SAMPLES)}
    counts = {"synaptic_operations", "multiply_accumulates", "neuron_updates", "spikes"}
    assert counts | {"layers"} <= result.json["counts"].keys()
    assert set(result.json["counts"]["synaptic_operations"]) == {"every", "nonzero", "quantised"}
    assert all(counts | {"name"} <= layer.keys() for layer in result.json["counts"]["layers"])
    assert result.json["energy"]
    for row in result.json["energy"]:
        assert {"model", "profile"} <= row.keys()
        assert 0 <= row["low_j"] <= row["typical_j"] <= row["high_j"]


def test_an_audit_recounts_by_walking(cli: Cli, graph_file: Path, input_file: Path) -> None:
    result = cli("energy", graph_file, "-i", input_file, "--audit", 2, "--json")
    walked = audit(GRAPH, SAMPLES[:2], interpret(GRAPH, SAMPLES[:2]))
    assert result.code == 0
    assert result.json["audit"] == {
        "samples": 2,
        "equal": True,
        "synaptic_operations": {k.value: v for k, v in walked.synaptic_operations.items()},
        "multiply_accumulates": {k.value: v for k, v in walked.multiply_accumulates.items()},
    }


def test_the_audit_is_of_the_counter_that_made_the_report(
    cli: Cli, graph_file: Path, input_file: Path
) -> None:
    """The target "double" runs exactly, and counts everything twice."""
    result = cli("energy", graph_file, "-i", input_file, "-t", "double", "--audit", 1, "--json")
    right = count(GRAPH, SAMPLES, TRACE).total.totals()
    assert result.json["counts"]["spikes"] == 2 * right["spikes"]
    assert result.json["audit"]["equal"] is False
    assert result.code == 1


def test_an_audit_that_finds_another_count_says_so(
    cli: Cli, graph_file: Path, input_file: Path
) -> None:
    result = cli("energy", graph_file, "-i", input_file, "-t", "double", "--audit", 1)
    assert "DIFFERENT from the count" in result.stdout
    assert result.code == 1


def test_energy_writes_a_page(cli: Cli, graph_file: Path, input_file: Path, tmp_path: Path) -> None:
    page = tmp_path / "energy.html"
    result = cli("energy", graph_file, "-i", input_file, "--html", page)
    assert result.code == 0
    assert "synaptic operations" in result.stdout
    assert GRAPH.hash in page.read_text()


def test_run_prints_classes_and_accuracy(
    cli: Cli, graph_file: Path, input_file: Path, tmp_path: Path
) -> None:
    labels = CLASSES.copy()
    labels[0] = (labels[0] + 1) % 3
    np.save(tmp_path / "y.npy", labels)
    arguments = ("run", graph_file, "-i", input_file, "--labels", tmp_path / "y.npy")
    result = cli(*arguments, "--json")
    assert result.code == 0
    assert result.json["predictions"] == CLASSES.tolist()
    assert result.json["accuracy"] == 0.75
    assert (result.json["target"], result.json["samples"]) == ("cpu", 4)
    assert result.json["labels"] == labels.tolist()
    assert np.sum(result.json["confusion"]) == 4
    assert result.json["confusion"][labels[0]][CLASSES[0]] == 1
    assert "accuracy 75.00% of 4 samples" in cli(*arguments).stdout
    assert cli(*arguments, "--samples", 1, "--json").json["accuracy"] == 0


def test_run_prints_the_accuracy_first_and_marks_what_is_wrong(
    cli: Cli, graph_file: Path, tmp_path: Path
) -> None:
    samples = np.concatenate([SAMPLES] * 6)
    labels = np.tile(CLASSES, 6)
    labels[[1, 22]] = (labels[[1, 22]] + 1) % 3
    np.save(tmp_path / "x.npy", samples)
    np.save(tmp_path / "y.npy", labels)
    arguments = ("run", graph_file, "-i", tmp_path / "x.npy", "--labels", tmp_path / "y.npy")
    some, everything = (cli(*arguments, *more).stdout.splitlines() for more in ([], ["--all"]))
    for lines, shown, wrong in ((some, 10, [1]), (everything, 24, [1, 22])):
        assert lines[0] == "accuracy 91.67% of 24 samples; * marks the wrong ones"
        rows = [line.split() for line in lines if re.match(r" *\d+ +\d+  \d", line)]
        assert [int(row[0]) for row in rows] == list(range(shown))
        assert [int(row[1]) for row in rows] == np.tile(CLASSES, 6)[:shown].tolist()
        assert [int(row[0]) for row in rows if row[-1] == "*"] == wrong
    assert some[-1].startswith("and 14 more samples; --all prints them")


def test_run_prints_values_where_there_is_one_output(cli: Cli, tmp_path: Path) -> None:
    nodes = (
        Node("x", Input((2,), 0, 9, 1.0)),
        Node("sum", Dense(np.array([[1, -2]]), np.array([3])), ("x",)),
        Node("out", Readout(np.array([0.25])), ("sum",)),
    )
    save_graph(Graph("regression", nodes), tmp_path / "graph.safetensors")
    np.save(tmp_path / "x.npy", np.array([[4, 0], [0, 9]]))
    arguments = ("run", tmp_path / "graph.safetensors", "-i", tmp_path / "x.npy")
    assert cli(*arguments, "--json").json["values"] == [1.75, -3.75]
    shown = cli(*arguments).stdout
    assert "value" in shown
    assert "class" not in shown
    assert "-3.75" in shown


def test_run_names_silent_layers(cli: Cli, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((2, 4), int))
    nodes = (
        Node("x", Input((4,), 0, 1, 1.0)),
        Node("first", Dense(np.ones((3, 4), int), np.zeros(3, int)), ("x",)),
        Node("never", Threshold(np.full((3, 1), 5), np.zeros(3, bool)), ("first",)),
        Node("second", Dense(np.eye(3, dtype=int), np.zeros(3, int)), ("never",)),
        Node("out", Readout(np.ones(3)), ("second",)),
    )
    graph = Graph("quiet", nodes)
    save_graph(graph, tmp_path / "quiet.safetensors")
    arguments = ("run", tmp_path / "quiet.safetensors", "-i", tmp_path / "x.npy")
    found = cli(*arguments, "--json").json["silent_layers"]
    assert found == ["x", "never"]
    assert found == cli("energy", *arguments[1:], "--json").json["silent_layers"]
    assert "silent layers, without a single event: x, never" in cli(*arguments).stdout


def test_run_does_not_speak_of_silence_where_there_is_none(
    cli: Cli, graph_file: Path, input_file: Path
) -> None:
    assert cli("run", graph_file, "-i", input_file, "--json").json["silent_layers"] == []
    assert "silent" not in cli("run", graph_file, "-i", input_file).stdout


def test_run_without_labels_has_no_accuracy(cli: Cli, graph_file: Path, input_file: Path) -> None:
    assert cli("run", graph_file, "-i", input_file, "--json").json["accuracy"] is None
    assert "accuracy" not in cli("run", graph_file, "-i", input_file).stdout


@pytest.mark.parametrize("at_once", [1, 2**24], ids=["one by one", "together"])
def test_run_writes_accumulators(
    cli: Cli,
    graph_file: Path,
    input_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    at_once: int,
) -> None:
    monkeypatch.setattr("edgespike.batches.COMPUTED_AT_ONCE", at_once)
    out = tmp_path / "answers.npz"
    assert cli("run", graph_file, "-i", input_file, "-o", out).code == 0
    with np.load(out, allow_pickle=False) as answers:
        np.testing.assert_array_equal(answers["predictions"], CLASSES)
        np.testing.assert_array_equal(answers["accumulators"], TRACE.accumulators(GRAPH))


@pytest.mark.parametrize("target", ["cpu", "tflite"])
def test_export_writes_a_folder_and_lists_it(
    cli: Cli, graph_file: Path, tmp_path: Path, target: str
) -> None:
    out = tmp_path / "deep" / "out"
    result = cli("export", "--target", target, graph_file, "-o", out, "--json")
    assert result.code == 0
    assert (result.json["graph"], result.json["target"]) == (GRAPH.hash, target)
    files = [path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()]
    assert result.json["files"] == sorted(files)
    assert files
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_export_tells_how_tflite_computes_each_layer(
    cli: Cli, graph_file: Path, tmp_path: Path
) -> None:
    answer = cli("export", "-t", "tflite", graph_file, "-o", tmp_path / "a", "--json").json
    assert answer["layers"]
    assert all(set(row) == {"layer", "numbers", "why"} for row in answer["layers"])
    (remark,) = answer["remarks"]
    assert "microcontroller/README.md" in remark
    assert (tmp_path / "a" / "microcontroller" / "README.md").is_file()
    printed = cli("export", "-t", "tflite", graph_file, "-o", tmp_path / "b").stdout
    assert answer["layers"][0]["layer"] in printed
    assert (
        "layers" not in cli("export", "-t", "cpu", graph_file, "-o", tmp_path / "c", "--json").json
    )


@pytest.mark.parametrize("target", ["cpu", "exact", "loihi", "tflite"])
def test_every_artefact_holds_the_hash_of_each_of_its_files(
    cli: Cli, graph_file: Path, tmp_path: Path, target: str
) -> None:
    """As ``sha256sum -c`` reads them; a third party's artefact too."""
    out = tmp_path / "out"
    result = cli("export", "-t", target, graph_file, "-o", out, "--json")
    assert "SHA256SUMS" in result.json["files"]
    bundles = [out / each for each in ("raspberry-pi", "microcontroller")]
    for folder in (out, *(bundles if target == "tflite" else ())):
        lines = (folder / "SHA256SUMS").read_text().splitlines()
        named = dict(line.split("  ")[::-1] for line in lines)
        for name, digest in named.items():
            assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
        files = {each.relative_to(folder).as_posix() for each in folder.rglob("*")}
        assert set(named) == {each for each in files if (folder / each).is_file()} - {"SHA256SUMS"}


def test_export_chooses_from_the_samples_that_are_given(
    cli: Cli, graph_file: Path, input_file: Path, tmp_path: Path
) -> None:
    given = np.load(input_file)
    for target, name in (
        ("cpu", "sample_input.npy"),
        ("loihi", "sample_input.npy"),
        ("tflite", "raspberry-pi/sample_input.npy"),
    ):
        out = tmp_path / target
        assert cli("export", "-t", target, graph_file, "--samples", input_file, "-o", out).code == 0
        chosen = np.load(out / name).reshape(len(given), -1)
        assert sorted(chosen.tolist()) == sorted(given.reshape(len(given), -1).tolist())


def test_export_refuses_samples_that_do_not_fit_or_have_no_use(
    cli: Cli, graph_file: Path, input_file: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "bad.npy", np.full((2, 3), 1))
    out = tmp_path / "out"
    result = cli("export", "-t", "cpu", graph_file, "--samples", tmp_path / "bad.npy", "-o", out)
    assert (result.code, out.exists()) == (2, False)
    assert "has shape (2, 3); give (samples, " in result.stderr
    result = cli("export", "-t", "exact", graph_file, "--samples", input_file, "-o", out)
    assert (result.code, out.exists()) == (2, False)
    assert "it has no samples; leave them out" in result.stderr


def test_export_says_why_there_is_no_net_file(
    cli: Cli, graph_file: Path, levels_file: Path, tmp_path: Path
) -> None:
    remark = "no .net file for Intel's netx: fire has several levels, which stock neurons"
    printed = cli("export", "-t", "loihi", levels_file, "-o", tmp_path / "a")
    assert remark in printed.stderr
    answer = cli("export", "-t", "loihi", levels_file, "-o", tmp_path / "b", "--json").json
    assert [line.startswith(remark) for line in answer["remarks"]] == [True]
    unary = ("--coding", "unary")
    coded = cli("export", "-t", "loihi", *unary, levels_file, "-o", tmp_path / "c", "--json").json
    assert "remarks" not in coded
    assert any(name.endswith(".net") for name in coded["files"])


def test_a_slow_export_says_what_it_does(
    cli: Cli, graph_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgespike.cli.output.SLOW_S", 0.0)
    slow = cli("export", "-t", "loihi", graph_file, "-o", tmp_path / "slow")
    assert f"writing {tmp_path / 'slow'} for loihi; the time grows" in slow.stderr
    monkeypatch.setattr("edgespike.cli.output.SLOW_S", 60.0)
    quick = cli("export", "-t", "loihi", graph_file, "-o", tmp_path / "quick")
    assert "the time grows" not in quick.stderr


def test_export_fills_an_empty_folder(cli: Cli, graph_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    result = cli("export", "--target", "exact", graph_file, "-o", out)
    assert result.code == 0
    assert result.stdout == (f"{out}/SHA256SUMS  (76 bytes)\n{out}/model.bin  (4,096 bytes)\n")


def test_convert_writes_a_graph_file(cli: Cli, graph_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "again.safetensors"
    result = cli("convert", graph_file, "-o", out, "--json")
    answer = result.json
    found = answer.pop("found")
    assert answer == {"graph": GRAPH.hash, "file": str(out)}
    assert (found["converter"], found["steps"]) == ("graph", GRAPH.steps)
    assert load_graph(out) == GRAPH


@pytest.fixture
def levels_file(tmp_path: Path) -> Path:
    """The graph file of a dense network with neurons of three levels."""
    save_graph(LEVELS, tmp_path / "levels.safetensors")
    return tmp_path / "levels.safetensors"


def test_convert_and_export_code_levels_in_unary(
    cli: Cli, levels_file: Path, tmp_path: Path
) -> None:
    out, folder = tmp_path / "unary.safetensors", tmp_path / "out"
    result = cli("convert", levels_file, "--coding", "unary", "-o", out, "--json")
    answer = result.json
    del answer["found"]
    assert answer == {"graph": unary(LEVELS).hash, "file": str(out)}
    assert load_graph(out) == unary(LEVELS) != LEVELS
    exported = cli(
        "export", "-t", "loihi", "--coding", "unary", levels_file, "-o", folder, "--json"
    )
    assert exported.code == 0
    assert exported.json["graph"] == unary(LEVELS).hash
    assert "--coding" not in (folder / "resources.txt").read_text()


def test_levels_are_graded_unless_asked_otherwise(
    cli: Cli, levels_file: Path, tmp_path: Path
) -> None:
    cli("convert", levels_file, "-o", tmp_path / "same.safetensors")
    assert load_graph(tmp_path / "same.safetensors") == LEVELS
    for index, options in enumerate([(), ("--coding", "graded")]):
        arguments = ("export", "-t", "loihi", *options, levels_file, "-o", tmp_path / str(index))
        assert cli(*arguments, "--json").json["graph"] == LEVELS.hash
    assert (tmp_path / "0/network.json").read_text() == (tmp_path / "1/network.json").read_text()


def test_a_unary_graph_file_is_verified_as_any_other(
    cli: Cli, levels_file: Path, tmp_path: Path
) -> None:
    out, x = tmp_path / "unary.safetensors", tmp_path / "x.npy"
    np.save(x, samples_for(LEVELS, 4))
    cli("convert", levels_file, "--coding", "unary", "-o", out)
    result = cli("verify", out, "--targets", "cpu,tflite", "-i", x, "--json")
    assert result.code == 0
    answers = [cli("run", path, "-i", x, "--json").json for path in (levels_file, out)]
    assert answers[0]["predictions"] == answers[1]["predictions"]


def test_show_describes_and_draws(cli: Cli, graph_file: Path, tmp_path: Path) -> None:
    svg = tmp_path / "graph.svg"
    shown = cli("show", graph_file, "--svg", svg).stdout
    assert shown.startswith(short_text(GRAPH, 80) + "\n\nmore: --layers")
    assert cli("show", graph_file, "--layers").stdout == graph_text(GRAPH, 80) + "\n"
    assert cli("show", graph_file, "--layers", "--wide").stdout == graph_text(GRAPH) + "\n"
    assert svg.read_text().startswith("<svg")
    shown = cli("show", graph_file, "--json").json
    assert shown == json.loads(json.dumps(graph_json(GRAPH)))


def test_targets_lists_all_with_runtime_or_what_is_missing(cli: Cli) -> None:
    rows = cli("targets", "--json").json
    assert [row["name"] for row in rows] == [*BUILT_IN, *THIRD_PARTY]
    assert all((row["runtime"] is None) != (row["missing"] is None) for row in rows)
    missing = {row["name"]: row["missing"] for row in rows}
    assert missing["absent"] == "the simulator is missing; run: edgespike targets --setup"
    exact = {"name": "exact", "summary": "the interpreter", "runtime": "exact 1", "missing": None}
    assert exact in rows
    assert "the interpreter" in cli("targets", "--all").stdout
    answer = " ".join(cli("targets", "--all").stdout.split())
    runs = [row["name"] for row in rows if row["runtime"] is not None]
    assert answer.startswith(f"{len(runs)} of {len(rows)} can run here: {', '.join(runs)} cpu ")
    assert f"absent not here: {missing['absent']}" in answer


def test_setup_installs_a_runtime_and_names_it(cli: Cli) -> None:
    result = cli("targets", "--setup", "later", "--json")
    assert result.code == 0
    assert result.stderr == "setting up later\nlater: simulator 2 is ready\n"
    assert {row["name"]: row["runtime"] for row in result.json}["later"] == "simulator 2"


def test_setup_of_a_target_that_needs_none_says_that_it_is_ready(cli: Cli) -> None:
    result = cli("targets", "--setup", "exact")
    assert (result.code, result.stderr) == (0, "exact: exact 1 is ready\n")


def test_setup_that_fails_ends_with_2(cli: Cli) -> None:
    result = cli("targets", "--setup", "absent")
    assert (result.code, result.stdout) == (2, "")
    assert "error: the simulator cannot be downloaded: no network\n" in result.stderr


def test_two_targets_of_one_name_are_refused(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "copycat-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: copycat\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[edgespike.targets]\ncpu = copycat:TARGET\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    result = cli("targets")
    assert result.code == 2
    assert "target 'cpu' is offered by" in result.stderr
