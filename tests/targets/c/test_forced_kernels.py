"""A layer's kernel can be chosen among those that are exact, and none of them changes a value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgespike
from edgespike.counting import tally_trace
from edgespike.errors import UnsupportedError
from edgespike.interpreter import interpret
from edgespike.models import MODELS, shipped_images, shipped_model
from edgespike.targets import get_target, with_kernels
from edgespike.targets.c.bundle.kernels import MOST_SAMPLES
from edgespike.targets.c.layers import Kernel, kernels_of
from edgespike.targets.c.layout import make_layout
from edgespike.targets.c.run import prepare_written
from edgespike.targets.c.source import write_c
from tests.available import available
from tests.example_graphs import membrane_graph, samples_for
from tests.targets.c.bundles import build_check, run

PLACES = range(5)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", MODELS)
def test_every_exact_kernel_computes_the_same(name: str, place: int) -> None:
    available("c")
    graph = shipped_model(name)
    layers = make_layout(graph).layers
    exact = {layer: kernels_of(graph, window) for layer, window in layers.items()}
    forced = {layer: kernels[place] for layer, kernels in exact.items() if place < len(kernels)}
    if not forced:
        pytest.skip(f"no layer of {name} has so many kernels")
    samples = shipped_images(name)[0][:5]
    written = write_c(graph, "network", forced)
    found = prepare_written(graph, written).trace(samples)
    for node, expected in interpret(graph, samples).values.items():
        assert np.array_equal(found.values[node], expected), node
    assert written.layout.kernels.items() >= forced.items()


def test_the_fastest_exact_kernel_is_the_first() -> None:
    graph = shipped_model("fashion_s3nn")
    layout = make_layout(graph)
    assert layout.kernels == {
        name: kernels_of(graph, layer)[0] for name, layer in layout.layers.items()
    }
    assert layout.kernels["conv2"] is Kernel.EVENTS


def test_what_cannot_be_forced_is_named_at_once() -> None:
    graph = shipped_model("fashion_rnn")
    with pytest.raises(UnsupportedError) as error:
        make_layout(graph, {"dense9": Kernel.ROWS, "dense3": Kernel.PAIRS})
    assert "dense9 is no layer" in str(error.value)
    assert "dense3: PAIRS is not exact; these are: EIGHTS, ROWS" in str(error.value)


def layers_of(folder: Path) -> dict[str, dict[str, Any]]:
    found = json.loads((folder / "report.json").read_text())
    return {row["layer"]: row for row in found["layers"]}


def test_an_artefact_has_the_kernels_that_are_asked_for(tmp_path: Path) -> None:
    graph = membrane_graph()
    asked = {"dense1": "rows", "dense2": "EIGHTS"}
    folder = edgespike.export(graph, "c", tmp_path / "out", kernels=asked)
    plain = edgespike.export(graph, "c", tmp_path / "plain")
    rows, usual = layers_of(folder), layers_of(plain)
    assert {name: row["kernel"] for name, row in rows.items()} == {
        "dense1": "ROWS",
        "dense2": "EIGHTS",
        "dense3": "ROWS",
    }
    assert rows["dense1"]["why"] == "asked for, instead of EVENTS"
    assert rows["dense1"]["kernels_that_fit"] == usual["dense1"]["kernels_that_fit"]
    assert usual["dense1"]["kernel"] == usual["dense1"]["kernels_that_fit"][0] == "EVENTS"
    assert rows["dense3"] == usual["dense3"]
    page = " ".join((folder / "README.md").read_text().split())
    assert "| dense1 | ROWS: a row of weights for each value that is not 0 | asked for" in page
    assert "weights_dense1" in (folder / "src" / "membranes.c").read_text()
    assert run(build_check(folder), cwd=folder).startswith("ok: ")


def test_the_target_with_kernels_runs_and_counts_with_them() -> None:
    available("c")
    graph = membrane_graph()
    target, usual = with_kernels("c", {"dense1": "rows"}), get_target("c")
    samples = samples_for(graph, 3)
    trace = target.runtimes[0].prepare(graph).trace(samples)
    expected = interpret(graph, samples)
    assert all(np.array_equal(trace.values[name], each) for name, each in expected.values.items())
    tally = tally_trace(graph, samples, expected)
    assert target.instructions is not None
    assert usual.instructions is not None
    own, other = (
        each(graph, tally.events, tally.samples)["cortex-m4"].layers
        for each in (target.instructions, usual.instructions)
    )
    assert own["dense1"] != other["dense1"]
    assert own["dense3"] == other["dense3"]
    (dense1, *_) = target.numbers(graph) if target.numbers else []
    assert dense1.numbers.startswith("ROWS: ")


def test_what_does_not_fit_is_a_violation_with_what_does() -> None:
    asked = {"dense9": "ROWS", "dense3": "EVENTS", "dense2": "FAST"}
    with pytest.raises(UnsupportedError) as error:
        edgespike.export(membrane_graph(), "c", "nowhere", kernels=asked)
    fitting = "EVENTS, EVENTS_WIDE, PAIRS, EIGHTS, ROWS"
    assert str(error.value).splitlines()[1:] == [
        "  - dense9 is no layer; there are dense1, dense2, dense3",
        "  - dense3: EVENTS is not exact; these are: ROWS",
        f"  - dense2: FAST is no kernel; these are: {fitting}",
    ]
    assert not Path("nowhere").exists()


class TestRates:
    @pytest.mark.parametrize("share", [0, 1])
    def test_they_are_those_of_the_samples(self, share: int, tmp_path: Path) -> None:
        graph = membrane_graph()
        given = np.full((3, graph.steps, 5), share)
        rows = layers_of(edgespike.export(graph, "c", tmp_path / "out", given))
        fired = interpret(graph, given).values
        assert rows["dense1"]["event_rate"] == share
        for layer, source in (("dense2", "lif1"), ("dense3", "lif2")):
            rate = (fired[source] != 0).mean()
            assert rows[layer]["event_rate"] == pytest.approx(rate, abs=1e-6)

    def test_instructions_of_each_kernel_are_those_of_a_network_with_it(
        self, tmp_path: Path
    ) -> None:
        graph = membrane_graph()
        given = samples_for(graph, 9)
        rows = layers_of(edgespike.export(graph, "c", tmp_path / "out", given))
        tally = tally_trace(graph, given, interpret(graph, given))
        for name, row in rows.items():
            assert list(row["instructions"]) == row["kernels_that_fit"]
            for kernel, found in row["instructions"].items():
                target = with_kernels("c", {name: kernel})
                assert target.instructions is not None
                wanted = target.instructions(graph, tally.events, tally.samples)
                assert found == {core: round(each.typical) for core, each in wanted.items()}

    def test_many_samples_are_thinned_out(self, tmp_path: Path) -> None:
        graph = membrane_graph()
        given = np.zeros((MOST_SAMPLES * 3, graph.steps, 5), np.int64)
        folder = edgespike.export(graph, "c", tmp_path / "out", given)
        assert json.loads((folder / "report.json").read_text())["event_samples"] == MOST_SAMPLES

    def test_without_samples_there_are_none(self, tmp_path: Path) -> None:
        folder = edgespike.export(membrane_graph(), "c", tmp_path / "out")
        assert "event_samples" not in json.loads((folder / "report.json").read_text())
        assert all("event_rate" not in row for row in layers_of(folder).values())
