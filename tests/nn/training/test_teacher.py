"""Distillation from a trained net, and surrogates that become narrower."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from edgespike.errors import FileFormatError, InputError
from edgespike.nn import NetSpec, Recipe, build, load_model, train
from edgespike.nn.layers.surrogates import SumOfBumps
from edgespike.nn.nets.checkpoint import TRAINING, read_checkpoint, save_model, write_checkpoint
from edgespike.nn.training.annealing import alpha_of, set_alpha
from edgespike.nn.training.objective import objective_of
from edgespike.nn.training.teacher import distillation_loss, load_teacher
from edgespike.sweep.grid import identity
from tests.nn.small import NET, RECIPE, random_images, striped_task

RELU = replace(NET, activation="relu")


def saved(path: Path, spec: NetSpec = RELU, seed: int = 0) -> str:
    torch.manual_seed(seed)
    save_model(path, build(spec), spec)
    return str(path)


@pytest.fixture
def teacher(tmp_path: Path) -> str:
    return saved(tmp_path / "teacher.safetensors")


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_the_distance_is_the_divergence_of_softened_probabilities(temperature: float) -> None:
    rng = np.random.default_rng(1)
    own, taught = rng.normal(size=(2, 5, 3))
    p, q = (np.exp(x / temperature) for x in (taught, own))
    p, q = p / p.sum(1, keepdims=True), q / q.sum(1, keepdims=True)
    expected = temperature**2 * (p * np.log(p / q)).sum(1).mean()
    found = distillation_loss(torch.tensor(own), torch.tensor(taught), temperature)
    assert_allclose(float(found), expected, rtol=1e-12)


def test_a_net_with_its_teachers_answers_is_at_no_distance() -> None:
    logits = torch.randn(4, 3, dtype=torch.float64)
    assert float(distillation_loss(logits, logits + 7, 4.0)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_the_loss_is_a_mixture_of_labels_and_teacher(teacher: str, share: float) -> None:
    recipe = replace(RECIPE, teacher=teacher, distillation=share, temperature=2.0)
    net, taught = build(NET), load_teacher(teacher, NET)
    images, labels = random_images(6), torch.arange(6) % 3
    plain, _ = objective_of(RECIPE, net, 6).step(net, images, labels, torch.Generator())
    mixed, logits = objective_of(recipe, net, 6, taught).step(
        net, images, labels, torch.Generator()
    )
    distance = distillation_loss(logits, taught(images), 2.0)
    torch.testing.assert_close(mixed, (1 - share) * plain + share * distance)
    torch.autograd.backward(mixed)
    assert all(p.grad is None for p in taught.parameters())


def test_a_net_learns_from_its_teacher_alone(tmp_path: Path) -> None:
    task = striped_task()
    recipe = replace(RECIPE, net=RELU, lambda_=0.0, epochs=12)
    path = str(train(recipe, tmp_path / "teacher", task=task, quiet=True).model)
    wrong = replace(task, train_labels=(task.train_labels + 1) % 3)
    taught = replace(RECIPE, epochs=12, teacher=path, distillation=1.0)
    result = train(taught, tmp_path / "net", task=wrong, quiet=True)
    assert result.history[-1]["test_accuracy"] > 0.9


def test_a_run_states_its_teacher_and_goes_on_wherever_that_is(
    tmp_path: Path, teacher: str
) -> None:
    recipe = replace(RECIPE, epochs=2, teacher=teacher, distillation=0.5)
    whole = train(recipe, tmp_path / "whole", task=striped_task(), quiet=True)
    recorded = load_model(whole.model)[2]["recipe"]["teacher"]
    assert recorded["path"] == teacher
    assert len(recorded["sha256"]) == 64
    moved = tmp_path / "moved.safetensors"
    Path(teacher).rename(moved)
    again = replace(recipe, teacher=str(moved))
    assert train(again, tmp_path / "whole", task=striped_task(), quiet=True, resume=True)


def test_another_teacher_is_another_run(tmp_path: Path, teacher: str) -> None:
    recipe = replace(RECIPE, epochs=1, teacher=teacher, distillation=0.5)
    train(recipe, tmp_path / "run", task=striped_task(), quiet=True)
    saved(Path(teacher), seed=1)
    with pytest.raises(InputError, match="different: teacher"):
        train(recipe, tmp_path / "run", task=striped_task(), quiet=True, resume=True)


def test_a_run_of_a_version_without_teachers_goes_on(tmp_path: Path) -> None:
    recipe = replace(RECIPE, epochs=1)
    run = tmp_path / "run"
    train(recipe, run, task=striped_task(), quiet=True)
    checkpoint = read_checkpoint(run / "checkpoint.safetensors", TRAINING)
    for name in ("teacher", "distillation", "temperature", "final_alpha"):
        del checkpoint.description["recipe"][name]
    write_checkpoint(
        run / "checkpoint.safetensors", TRAINING, checkpoint.tensors, checkpoint.description
    )
    assert train(recipe, run, task=striped_task(), quiet=True, resume=True).history


def test_a_teacher_from_which_nothing_is_learnt_is_none(tmp_path: Path) -> None:
    recipe = replace(RECIPE, epochs=1, teacher=str(tmp_path / "missing.safetensors"))
    result = train(recipe, tmp_path / "run", task=striped_task(), quiet=True)
    assert load_model(result.model)[2]["recipe"]["teacher"] == ""
    assert identity(recipe) == identity(replace(recipe, teacher=""))


def test_a_point_of_a_sweep_follows_from_its_teachers_content(tmp_path: Path, teacher: str) -> None:
    def point(path: str) -> str:
        return identity(replace(RECIPE, teacher=path, distillation=0.5))

    first = point(teacher)
    assert point(saved(tmp_path / "same.safetensors")) == first
    assert point(saved(tmp_path / "other.safetensors", seed=1)) != first
    assert identity(RECIPE) != first


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"distillation": 0.5}, "distillation is 0.5, but there is no teacher"),
        ({"teacher": "t", "distillation": 1.5}, "distillation is 1.5; it must be 0 to 1"),
        ({"temperature": 0.0}, "temperature is 0.0; it must be 0.001 to 1000"),
        ({"final_alpha": -1.0}, "final_alpha is -1.0; it must be 0 to"),
        ({"final_alpha": 1e-9}, "final_alpha is 1e-09; it must be 0, or 0.001 or more"),
        ({"final_alpha": 8.0, "net": RELU, "lambda_": 0.0}, "the net's surrogate has no alpha"),
        ({"final_alpha": 8.0, "net": replace(NET, alpha=-1.0)}, "alpha of the net is -1.0"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes: dict[str, object], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        replace(RECIPE, **changes)  # type: ignore[arg-type]


def test_a_teacher_of_other_inputs_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "other.safetensors", replace(RELU, classes=7))
    recipe = replace(RECIPE, teacher=path, distillation=0.5)
    with pytest.raises(InputError, match="classes is 7 in the teacher, 3 in the net"):
        train(recipe, tmp_path / "run", task=striped_task(), quiet=True)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "metadata",
    [{"class_names": ["a", "b", "d"]}, {"recipe": {"data": "mnist"}}],
    ids=["own data", "known data"],
)
def test_a_teacher_of_other_classes_is_refused(tmp_path: Path, metadata: dict[str, Any]) -> None:
    path = tmp_path / "other.safetensors"
    save_model(path, build(RELU), RELU, metadata)
    recipe = replace(RECIPE, teacher=str(path), distillation=0.5)
    named = replace(striped_task(), class_names=("a", "b", "c"))
    with pytest.raises(InputError, match=r"its classes are .*, those of the data a, b, c"):
        train(recipe, tmp_path / "run", task=named, quiet=True)
    assert train(recipe, tmp_path / "unnamed", task=striped_task(), quiet=True)


@pytest.mark.parametrize("content", [None, b"", b"not a checkpoint"])
def test_a_teacher_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "teacher.safetensors"
    if content is not None:
        path.write_bytes(content)
    recipe = replace(RECIPE, teacher=str(path), distillation=0.5)
    with pytest.raises((InputError, FileFormatError), match=r"teacher\.safetensors"):
        train(recipe, tmp_path / "run", task=striped_task(), quiet=True)
    assert not (tmp_path / "run").exists()


def test_a_run_does_not_overwrite_its_teacher(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    path = saved(run / "model.safetensors")
    recipe = replace(RECIPE, teacher=path, distillation=0.5)
    with pytest.raises(InputError, match="is read, and the run would write"):
        train(recipe, run, task=striped_task(), quiet=True)


def annealed(epochs: int) -> Recipe:
    return replace(RECIPE, epochs=epochs, final_alpha=16.0, net=replace(NET, alpha=2.0))


def test_surrogates_become_narrower_in_equal_ratios() -> None:
    assert [alpha_of(annealed(4), epoch) for epoch in range(4)] == pytest.approx([2, 4, 8, 16])
    assert alpha_of(annealed(1), 0) == 16
    assert alpha_of(RECIPE, 0) is None


def test_only_bumps_have_an_alpha() -> None:
    levels = replace(NET, activation="levels", surrogate="bumps")
    for spec in (NET, levels):
        net = build(spec)
        set_alpha(net, 9.0)
        surrogates = [part.surrogate for part in net.modules() if hasattr(part, "surrogate")]
        assert surrogates
        assert all(isinstance(s, SumOfBumps) and s.alpha == 9 for s in surrogates)
    straight = build(replace(NET, activation="levels"))
    before = str(straight)
    set_alpha(straight, 9.0)
    assert str(straight) == before


def test_a_run_is_annealed_also_where_it_was_resumed(tmp_path: Path) -> None:
    recipe = annealed(3)
    whole = train(recipe, tmp_path / "whole", task=striped_task(), quiet=True)

    class StoppedError(Exception):
        pass

    def stop(measured: object) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        train(recipe, tmp_path / "cut", task=striped_task(), quiet=True, on_epoch=stop)
    again = train(recipe, tmp_path / "cut", task=striped_task(), quiet=True, resume=True)
    one, other = (load_model(result.model)[0].state_dict() for result in (whole, again))
    assert all(torch.equal(one[name], other[name]) for name in one)
    constant = train(replace(recipe, final_alpha=0.0), tmp_path / "c", task=striped_task())
    assert not all(
        torch.equal(one[name], value)
        for name, value in load_model(constant.model)[0].state_dict().items()
    )
    assert math.isfinite(whole.history[-1]["test_loss"])
