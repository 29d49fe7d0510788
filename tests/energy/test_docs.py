"""docs/energy.md says what the code does, and its examples run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import edgespike
from edgespike.energy import ENERGY_MODELS, Grade, default_profiles, load_profiles
from edgespike.models import shipped_images, shipped_model

PAGE = (Path(__file__).parents[2] / "docs" / "energy.md").read_text("utf-8")
WORDS = " ".join(PAGE.split())


def section(name: str) -> str:
    return PAGE.split(f"### {name}\n")[1].split("\n#")[0]


def test_every_model_has_its_section() -> None:
    assert re.findall(r"^### (.*)$", PAGE, re.MULTILINE) == list(ENERGY_MODELS)


@pytest.mark.parametrize("name", ENERGY_MODELS)
def test_formula_equations_and_source_of_a_model_are_the_codes(name: str) -> None:
    model, text = ENERGY_MODELS[name], section(name)
    assert model.formula in " ".join(text.split())
    assert re.findall(r"^- (.*)$", text, re.MULTILINE) == list(model.equations)
    assert model.link in PAGE


def test_the_table_of_profiles_is_the_shipped_ones() -> None:
    rows = re.findall(r"^\| ([a-z0-9-]+) \| (yes)? ?\| (.*) \| (.*) \|$", PAGE, re.MULTILINE)
    found = {name: (bool(default), figure, grade) for name, default, figure, grade in rows}
    expected = {}
    for profile in load_profiles(["all"]):
        rows = list(profile.constants.values())
        figure, grade = "none is published", "-"
        if len(rows) > 4:
            figure, grade = f"{len(rows)} constants", rows[0].grade.value
        elif rows:
            first = rows[0]
            figure = f"{first.value} pJ ({first.low} to {first.high})"
            grade = first.grade.value
        expected[profile.name] = (profile.name in default_profiles(), figure, grade)
    assert found == expected


def test_every_grade_is_explained() -> None:
    for grade in Grade:
        assert f"\n| {grade.value} | " in PAGE


def test_the_break_even_of_the_shipped_net_is_as_printed() -> None:
    graph = shipped_model("fashion_s3nn")
    images, _ = shipped_images("fashion_s3nn")
    report = edgespike.estimate_energy(graph, images, profiles=["45nm"])
    rows = {row.model.name: row for row in report.estimates}
    assert f"({rows['lemaire'].rate:.3f} events of a neuron in the mean)" in PAGE
    for name in ("int8-operations", "int8-with-memory", "lemaire"):
        row = rows[name]
        assert row.rival is not None
        against = row.rival.name.removesuffix(", one pass a sample")
        assert f"\n| {name} | {row.break_even:.3f} | {against} |\n" in PAGE
    typical = [row.energy.typical for row in report.estimates]
    assert f"a factor of {round(max(typical) / min(typical), -3):,.0f}" in WORDS


def test_the_profile_of_ones_own_and_the_program_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (profile,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    Path("my-board.toml").write_text(profile)
    graph = shipped_model("fashion_rnn")
    images, labels = shipped_images("fashion_rnn")
    names: dict[str, Any] = {
        "edgespike": edgespike,
        "graph": graph,
        "images": images,
        "labels": labels,
    }
    exec(program, names)
    report = names["report"]
    totals = report.counts.total.totals()
    operations = totals["synaptic_operations"]["quantised"] + totals["multiply_accumulates"]
    operations += totals["pool_operations"]
    expected = operations * 1.1e-9 + totals["neuron_updates"] * 4e-9
    assert report.estimates[-1].energy.typical == pytest.approx(expected)
    printed = capsys.readouterr().out
    assert "fitted 0.905 CoreLoad(" in printed


def test_lines_fit() -> None:
    assert max(map(len, PAGE.split("\n"))) <= 122
