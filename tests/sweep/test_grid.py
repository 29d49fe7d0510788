"""Which points a sweep has, and which settings are refused."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from edgespike.errors import InputError
from edgespike.nn import Draft, Recipe, load_draft
from edgespike.sweep.grid import Axis, Point, identity, points_of, read_axis, settings_of
from edgespike.sweep.point import FIGURES
from tests.sweep.recipes import write_recipe

pytestmark = pytest.mark.torch


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        ("learning_rate=0,1e-9, 5e-9", "learning_rate", (0, 1e-9, 5e-9)),
        ("seed=1..4", "seed", (1, 2, 3, 4)),
        ("seed=7,1..2", "seed", (7, 1, 2)),
        ("flip=true,false", "flip", (True, False)),
        ("net.surrogate=bumps,clipped", "net.surrogate", ("bumps", "clipped")),
        ('net.name="1"', "net.name", ("1",)),
        ("x=[1]", "x", ("[1]",)),
        ("x=a=b", "x", ("a=b",)),
    ],
)
def test_values_are_read_as_toml_reads_them(text: str, name: str, values: Any) -> None:
    found = read_axis(text)
    assert found == Axis(name, values)
    assert list(map(type, found.values)) == list(map(type, values))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed", "give a setting of the recipe and its values"),
        ("=1", "give a setting"),
        ("seed=", "give a setting"),
        ("seed=1,,2", "give a setting"),
        ("seed=1..3,2", "has 2 twice"),
        ("lambda=0,0.0", "has 0.0 twice"),
        ("seed=3..1", "goes upwards"),
        ("seed=1..999999999", "at most 100,000 numbers"),
    ],
)
def test_other_texts_are_refused(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_axis(text)


@pytest.fixture
def read(tmp_path: Path) -> tuple[Recipe, Draft]:
    draft = load_draft(write_recipe(tmp_path))
    return draft.read()[0], draft


def points(read: tuple[Recipe, Draft], *texts: str) -> list[Point]:
    return points_of(*read, [read_axis(text) for text in texts])


def test_all_combinations_are_points_and_the_last_changes_fastest(
    read: tuple[Recipe, Draft],
) -> None:
    found = points(read, "learning_rate=0.1,0.2", "seed=1..3", "net.alpha=2")
    assert [each.label for each in found][:4] == [
        "learning_rate=0.1 seed=1 net.alpha=2",
        "learning_rate=0.1 seed=2 net.alpha=2",
        "learning_rate=0.1 seed=3 net.alpha=2",
        "learning_rate=0.2 seed=1 net.alpha=2",
    ]
    assert len({each.id for each in found}) == len(found) == 6
    assert [(each.recipe.learning_rate, each.recipe.seed) for each in found] == [
        (rate, seed) for rate in (0.1, 0.2) for seed in (1, 2, 3)
    ]
    assert found[0].recipe.net.alpha == 2  # type: ignore[union-attr]
    assert found[0].recipe.net.input_shape == (1, 8, 8)
    assert found[0].recipe.net.classes == 3


def test_without_penalty_its_kind_and_power_make_no_points(read: tuple[Recipe, Draft]) -> None:
    found = points(read, "penalty=spike_count,synaptic", "p=1,2", "lambda=0,1e-6")
    assert [each.label for each in found] == [
        "penalty=spike_count p=1 lambda=0",
        "penalty=spike_count p=1 lambda=1e-06",
        "penalty=spike_count p=2 lambda=1e-06",
        "penalty=synaptic p=1 lambda=1e-06",
        "penalty=synaptic p=2 lambda=1e-06",
    ]
    assert found[0].id == identity(read[0])


def test_a_teacher_is_a_setting_by_its_content(read: tuple[Recipe, Draft], tmp_path: Path) -> None:
    (tmp_path / "teacher").write_bytes(b"abc")
    taught = replace(read[0], teacher=str(tmp_path / "teacher"), distillation=0.5)
    assert settings_of(taught)["teacher"] == hashlib.sha256(b"abc").hexdigest()[:16]
    assert settings_of(replace(taught, distillation=0.0))["teacher"] == ""
    given = ("distillation=0.5", f"teacher={tmp_path / 'teacher'}")
    assert [each.id for each in points(read, *given)] == [identity(taught)]
    with pytest.raises(InputError, match="are the same training"):
        points(read, f"teacher={tmp_path / 'teacher'},other", "distillation=0")


def test_without_settings_the_recipe_is_the_point(read: tuple[Recipe, Draft]) -> None:
    (found,) = points(read)
    assert found.recipe == read[0]


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (("seed=1", "seed=2"), "names seed twice"),
        (("nonesuch=1",), r"cannot train nonesuch=1: .*recipe\.nonesuch is not known"),
        (("net.nonesuch=1",), r"recipe\.net\.nonesuch is not known"),
        (("seed.more=1",), "cannot train seed.more=1"),
        (("batch_size=16,0",), r"cannot train batch_size=0: .*batch_size is 0; it must be 2"),
        (("learning_rate=fast",), "learning_rate is 'fast', expected float"),
        (("data=mnist",), "points on different data cannot be compared"),
        (("data.limit=3",), "points on different data cannot be compared"),
        (("net.classes=4",), "net.classes: this follows from the data"),
        (("weight_decay=0", "posterior.members=2"), "posterior.members: a point of a sweep is one"),
        (("penalty=1e-7,1e-6",), "penalty=1e-07: this is written lambda"),
        (("penalty_cost=synaptic",), "give --over penalty="),
        (("penalty_power=2",), "give --over p="),
        (("limit=30,60",), "counted on different samples cannot be compared"),
        (("penalty=synaptic,spike_count",), "penalty: lambda is 0 in all points"),
        (("p=1,2", "lambda=0"), "p: lambda is 0 in all points"),
        (("seed=1..99999", "epochs=1..99999"), "the limit is 100,000"),
    ],
)
def test_what_the_recipe_cannot_take_is_refused(
    read: tuple[Recipe, Draft], texts: tuple[str, ...], said: str
) -> None:
    with pytest.raises(InputError, match=f"(?s){said}"):
        points(read, *texts)


def test_the_same_training_has_the_same_id_wherever_its_data_is(tmp_path: Path) -> None:
    found = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        found.append(load_draft(write_recipe(tmp_path / name)).read()[0])
    assert found[0] != found[1]
    assert identity(found[0]) == identity(found[1])
    assert identity(replace(found[0], learning_rate=1)) == identity(
        replace(found[0], learning_rate=1.0)
    )
    assert identity(found[0].override(seed=5)) != identity(found[0])


def test_every_entry_that_is_not_the_default_makes_another_point(
    read: tuple[Recipe, Draft],
) -> None:
    recipe = read[0]
    net: Any = recipe.net
    data: Any = recipe.data
    first = net.layers[0]
    others = [
        recipe,
        replace(recipe, learning_rate=0.5),
        replace(recipe, net=replace(net, alpha=3.0)),
        replace(recipe, net=replace(net, layers=net.layers[:1])),
        replace(recipe, net=replace(net, layers=(replace(first, channels=5), *net.layers[1:]))),
        replace(recipe, data="mnist"),
        replace(recipe, data=replace(data, grey=True)),
    ]
    assert len(set(map(identity, others))) == len(others)


def test_an_entry_that_a_later_version_adds_leaves_the_id(read: tuple[Recipe, Draft]) -> None:
    @dataclass(frozen=True)
    class Later(Recipe):
        more: int = 3

    values = {field.name: getattr(read[0], field.name) for field in fields(Recipe)}
    Later.__name__ = "Recipe"
    assert identity(Later(**values)) == identity(read[0])
    assert identity(Later(**values, more=4)) != identity(read[0])


def test_no_setting_is_called_like_a_figure(read: tuple[Recipe, Draft]) -> None:
    settings = settings_of(read[0])
    assert {"seed", "epochs", "net.alpha", "net.classes"} <= set(settings)
    assert not set(FIGURES) & ({field.name for field in fields(Recipe)} | set(settings))
