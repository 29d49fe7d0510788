"""The page holds the figures, loads nothing, escapes markup, and is the same bytes each time."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgespike.counting import Audit, Convention, audit
from edgespike.energy import EnergyReport, energy_report
from edgespike.errors import EnvironmentMissingError, InputError
from edgespike.graph import Graph
from edgespike.interpreter import interpret
from edgespike.report import write_page
from edgespike.storage.files import WriteError
from tests.energy.examples import (
    THREE_STEP_SAMPLES,
    THREE_STEPS,
    TWO_LAYERS,
    TWO_SAMPLES,
    counts_of,
)
from tests.strategies import MIXES, Case, cases

VOID = {"meta", "br", "img", "link", "input", "hr"}
LOADING = {"src", "srcset", "data", "action", "poster", "background"}


class Reader(HTMLParser):
    """Checks that tags close in order; collects attributes, tags, ids and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(" ".join(data.split()))

    def values(self, attribute: str) -> list[str]:
        return [value for name, value in self.attributes if name == attribute]


@pytest.fixture(scope="module")
def report() -> EnergyReport:
    return energy_report(TWO_LAYERS, counts_of(TWO_LAYERS, TWO_SAMPLES))


def certificate_of(graph: Graph, runtime: str = "lava-nc 0.10.0") -> dict[str, Any]:
    same = {
        "samples": 2,
        "steps": 1,
        "layers": 2,
        "synaptic_operations": 4,
        "multiply_accumulates": 7,
    }
    difference = {"layer": "spikes", "sample": 1, "step": 0, "neuron": 5}
    return {
        "graph": graph.hash,
        "inputs": "c0ffee",
        "targets": {
            "cpu": {"equal": True, "runtime": "numpy", "first_difference": None, **same},
            "loihi": {"equal": False, "runtime": runtime, "first_difference": difference, **same},
        },
    }


def page_of(folder: Path, graph: Graph, report: EnergyReport, **given: Any) -> str:
    path = folder / "page.html"
    write_page(path, graph, report, **given)
    return path.read_text(encoding="utf-8")


def test_the_page_holds_the_figures(tmp_path: Path, report: EnergyReport) -> None:
    texts = Reader(page_of(tmp_path, TWO_LAYERS, report)).texts
    for expected in (
        "two_layers: what a sample costs",
        TWO_LAYERS.hash,
        "non-zero quantised weights",
        "183 pJ",
        "91.4 to 216 pJ",
        "99.3%",
        "52.8 pJ",
        "23.55 to 23.65 pJ",
        "inherited",
        "simulated",
        "sram_8bit_1m",
        "Weights of each layer in the graph file; entropy in bits per weight, bound in bytes",
        "entropy bound",
        "Not charged: event transport (6).",
        "E = synaptic operations x E_add(fp32)",
    ):
        assert expected in texts
    assert any("IEEE Micro, table 2 (2018)" in text for text in texts)
    assert any("synaptic_operation, neuron_update_active" in text for text in texts)


def test_the_page_loads_nothing(tmp_path: Path, report: EnergyReport) -> None:
    page = page_of(tmp_path, TWO_LAYERS, report, certificate=certificate_of(TWO_LAYERS))
    reader = Reader(page)
    assert not {"script", "link", "img", "iframe", "object"}.intersection(reader.tags)
    assert not LOADING.intersection(name for name, _ in reader.attributes)
    # A source's address is followed by the reader's click, never loaded.
    assert all(value.startswith(("#", "https://")) for value in reader.values("href"))
    assert all(address.startswith("#") for address in re.findall(r"url\(([^)]*)\)", page))
    assert "@import" not in page


def test_charts_have_text_alternatives_and_ids_are_unique(
    tmp_path: Path, report: EnergyReport
) -> None:
    reader = Reader(page_of(tmp_path, TWO_LAYERS, report))
    assert reader.tags.count("svg") == 2  # for phones and for wide screens
    alternatives = [text for text in reader.values("aria-label") if "chart" in text or ":" in text]
    assert len(set(alternatives)) == 1
    assert any("fp32-spiking-only 2.70 pJ (2.55 to 2.85 pJ)" in text for text in alternatives)
    ids = reader.values("id")
    assert len(ids) == len(set(ids))
    assert {value[1:] for value in reader.values("href") if value[0] == "#"} <= set(ids)


def test_steps_get_a_chart_of_their_own(tmp_path: Path) -> None:
    report = energy_report(THREE_STEPS, counts_of(THREE_STEPS, THREE_STEP_SAMPLES))
    reader = Reader(page_of(tmp_path, THREE_STEPS, report))
    assert reader.tags.count("svg") == 4
    assert any("Line chart over 3 steps" in text for text in reader.values("aria-label"))


def test_verification_and_audit_are_shown_if_given(tmp_path: Path, report: EnergyReport) -> None:
    walked = audit(TWO_LAYERS, TWO_SAMPLES, interpret(TWO_LAYERS, TWO_SAMPLES))
    page = page_of(
        tmp_path,
        TWO_LAYERS,
        report,
        certificate=certificate_of(TWO_LAYERS),
        audit=(walked, report.counts),
    )
    texts = Reader(page).texts
    assert texts[texts.index("Exactness") + 1 :][:2] == ["different", "on loihi"]
    assert "spikes, sample 1, step 0, neuron 5" in texts
    assert "c0ffee" in " ".join(texts)
    assert "The recount of 2 samples equals the count." in texts
    texts = Reader(page_of(tmp_path, TWO_LAYERS, report)).texts
    assert texts[texts.index("Exactness") + 1] == "not verified yet"
    assert "Recount" not in texts


def test_an_audit_that_found_another_number_says_so(tmp_path: Path, report: EnergyReport) -> None:
    walked = audit(TWO_LAYERS, TWO_SAMPLES, interpret(TWO_LAYERS, TWO_SAMPLES))
    wrong = {**walked.synaptic_operations, Convention.EVERY: 7}
    other = Audit(walked.samples, wrong, walked.multiply_accumulates)
    page = page_of(tmp_path, TWO_LAYERS, report, audit=(other, report.counts))
    texts = Reader(page).texts
    assert "The recount of 2 samples differs from the count." in texts
    assert "different" in texts


HOSTILE = "</title><script>alert(1)</script><img src=x onerror=alert(1)>"


def test_foreign_texts_are_escaped(tmp_path: Path, report: EnergyReport) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        f'format = 1\nname = "mine"\ntitle = "{HOSTILE}"\nnote = "{HOSTILE}"\nmodels = []\n'
    )
    hostile = energy_report(TWO_LAYERS, report.counts, ["45nm", path])
    certificate = certificate_of(TWO_LAYERS, HOSTILE)
    certificate["targets"][HOSTILE] = certificate["targets"]["loihi"]
    certificate["inputs"] = HOSTILE
    page = page_of(tmp_path, TWO_LAYERS, hostile, certificate=certificate)
    reader = Reader(page)
    assert "script" not in reader.tags
    assert "img" not in reader.tags
    assert HOSTILE in reader.texts


def test_the_same_report_gives_the_same_bytes(tmp_path: Path, report: EnergyReport) -> None:
    assert page_of(tmp_path, TWO_LAYERS, report) == page_of(tmp_path, TWO_LAYERS, report)


@given(case=st.sampled_from(MIXES).flatmap(cases), silent=st.booleans())
@settings(max_examples=8)
def test_every_graph_gets_a_page(
    tmp_path_factory: pytest.TempPathFactory, case: Case, silent: bool
) -> None:
    least = case.graph.input.op.low  # type: ignore[union-attr]
    samples = np.full_like(case.samples, least) if silent else case.samples
    report = energy_report(case.graph, counts_of(case.graph, samples))
    Reader(page_of(tmp_path_factory.mktemp("pages"), case.graph, report))


def test_energies_of_zero_are_in_the_table_alone(tmp_path: Path) -> None:
    silent = np.zeros((1, 2), np.int64)
    constant = 'unit = "pJ"\nsource = "me"\nyear = 2026\ngrade = "measured"\nnote = "none"\n'
    path = tmp_path / "mine.toml"
    path.write_text(
        'format = 1\nname = "mine"\ntitle = "Mine"\nnote = "none"\nmodels = ["fp32-spiking-only"]\n'
        f"[constants.fp32_add]\nvalue = 1\nlow = 1\nhigh = 1\n{constant}"
        f"[constants.fp32_multiply_accumulate]\nvalue = 1\nlow = 1\nhigh = 1\n{constant}"
    )
    report = energy_report(TWO_LAYERS, counts_of(TWO_LAYERS, silent), [path])
    reader = Reader(page_of(tmp_path, TWO_LAYERS, report))
    assert "0 J" in reader.texts
    assert reader.tags.count("svg") == 0


@pytest.mark.parametrize("profiles", [["loihi2"], []])
def test_a_page_without_energies(tmp_path: Path, report: EnergyReport, profiles: list[str]) -> None:
    counts = report.counts
    reader = Reader(page_of(tmp_path, TWO_LAYERS, energy_report(TWO_LAYERS, counts, profiles)))
    assert reader.tags.count("svg") == 0
    assert "no figure" in reader.texts


def test_a_report_or_certificate_of_another_graph_is_refused(
    tmp_path: Path, report: EnergyReport
) -> None:
    with pytest.raises(InputError, match="report belongs to graph"):
        write_page(tmp_path / "page.html", THREE_STEPS, report)
    with pytest.raises(InputError, match="certificate belongs to graph"):
        write_page(tmp_path / "page.html", TWO_LAYERS, report, certificate_of(THREE_STEPS))
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written(tmp_path: Path, report: EnergyReport) -> None:
    with pytest.raises(WriteError, match="missing"):
        write_page(tmp_path / "missing" / "page.html", TWO_LAYERS, report)


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
def test_a_missing_extra_is_named(
    tmp_path: Path, report: EnergyReport, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(EnvironmentMissingError, match=r"\.\[report\]"):
        write_page(tmp_path / "page.html", TWO_LAYERS, report)
    assert list(tmp_path.iterdir()) == []


def test_importing_the_report_needs_no_extra() -> None:
    code = (
        "import sys; import edgespike.report; "
        "sys.exit(bool({'jinja2', 'matplotlib', 'torch'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_energy_of_a_target_that_refuses_the_graph_is_marked(
    tmp_path: Path, report: EnergyReport
) -> None:
    refused = energy_report(TWO_LAYERS, report.counts, refusals=lambda _: [f"first: {HOSTILE}"])
    page = page_of(tmp_path, TWO_LAYERS, refused)
    texts = Reader(page).texts
    assert "loihi (refused by target loihi)" in texts
    assert any(text.startswith("Target loihi cannot run this graph") for text in texts)
    assert "script" not in Reader(page).tags
    assert "refused by" not in page_of(tmp_path, TWO_LAYERS, report)


def test_silent_layers_are_named(tmp_path: Path, report: EnergyReport) -> None:
    quiet = energy_report(TWO_LAYERS, counts_of(TWO_LAYERS, np.array([[0, 1]])))
    texts = Reader(page_of(tmp_path, TWO_LAYERS, quiet)).texts
    assert any(text.startswith("Silent in this run, without a single event: sp") for text in texts)
    assert "Silent" not in page_of(tmp_path, TWO_LAYERS, report)


def test_baselines_are_labelled_and_an_energy_of_zero_says_why(
    tmp_path: Path, report: EnergyReport
) -> None:
    steps = energy_report(THREE_STEPS, counts_of(THREE_STEPS, THREE_STEP_SAMPLES))
    texts = Reader(page_of(tmp_path, THREE_STEPS, steps)).texts
    for name, energy in (("one pass a sample", "18.4 pJ"), ("one pass a step", "55.2 pJ")):
        assert texts[texts.index(f"dense fp32 ReLU, {name}") + 1] == energy
    quiet = energy_report(TWO_LAYERS, counts_of(TWO_LAYERS, np.array([[0, 1]])))
    assert "It is 0 J because this run has no syn" in page_of(tmp_path, TWO_LAYERS, quiet)
    page = page_of(tmp_path, TWO_LAYERS, report)
    assert "It is 0 J" not in page
