"""What pages give to copy works, and what they list is complete."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgespike.energy import ENERGY_MODELS, Grade, load_profile
from edgespike.errors import UnsupportedError
from edgespike.graph import Dense, Graph, Input, Multiply, Node, Readout
from edgespike.interpreter import interpret
from edgespike.targets.base import Target
from tests.example_graphs import residual_graph, samples_for

myst = pytest.importorskip("sybil.parsers.myst")
sybil = pytest.importorskip("sybil")

PAGES = Path(__file__).parents[2] / "docs" / "how-to"


def blocks(page: str, language: str) -> list[str]:
    """Return the fenced blocks of a page in a language."""
    parser = myst.CodeBlockParser(language, lambda example: None)
    return [str(each.parsed) for each in sybil.Sybil([parser]).parse(PAGES / page).examples()]


def test_the_loop_of_the_page_about_training_counts_operations(
    capsys: pytest.CaptureFixture[str],
) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("snntorch", reason="needs snntorch: pip install snntorch")
    (code,) = blocks("../training.md", "python")
    torch.manual_seed(0)
    exec(code, {})
    printed = capsys.readouterr().out.splitlines()
    operations = [int(line.removesuffix(" synaptic operations a sample")) for line in printed]
    assert len(operations) == 5
    assert min(operations) > 0


@pytest.fixture
def toy() -> Target:
    (code, *_) = blocks("add-a-target.md", "python")
    names: dict[str, Any] = {}
    exec(code, names)
    target = names["TARGET"]
    assert isinstance(target, Target)
    return target


def test_the_page_about_energy_models_names_them_all_and_every_grade() -> None:
    page = (PAGES.parent / "concepts" / "energy-models.md").read_text()
    assert [name for name in ENERGY_MODELS if f"`{name}`" not in page] == []
    assert [grade.value for grade in Grade if f"| {grade.value} |" not in page] == []


def test_the_profile_is_valid(tmp_path: Path) -> None:
    (text,) = blocks("write-a-profile.md", "toml")
    (tmp_path / "mychip.toml").write_text(text)
    profile = load_profile(tmp_path / "mychip.toml")
    assert profile.constants["integer_add"].grade is Grade.MEASURED


def test_the_target_computes_and_writes_a_graph(toy: Target, tmp_path: Path) -> None:
    graph = residual_graph()
    samples = samples_for(graph, 3)
    toy.check(graph)
    toy.write(graph, tmp_path)
    assert (tmp_path / "model.safetensors").is_file()
    (runtime,) = toy.runtimes
    found, expected = runtime.prepare(graph).trace(samples), interpret(graph, samples)
    assert found.values.keys() == expected.values.keys()
    assert all(np.array_equal(found.values[name], expected.values[name]) for name in found.values)


def test_the_target_refuses_what_it_says(toy: Target) -> None:
    graph = Graph(
        "product",
        (
            Node("in", Input((2,), 0, 3, 1.0)),
            Node("square", Multiply(), ("in", "in")),
            Node("last", Dense(np.array([[1, 1]]), np.array([0])), ("square",)),
            Node("out", Readout(np.ones(1)), ("last",)),
        ),
    )
    with pytest.raises(UnsupportedError, match=r"square \(multiply\): toy has no products"):
        toy.check(graph)
