"""The settings of the penalty and the surrogate, from the command line to the trained net."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from edgespike.cli.app import app
from edgespike.errors import FileFormatError
from edgespike.nn import (
    DenseSpec,
    NetSpec,
    SpikeActivation,
    SpikePenalty,
    build,
    load_draft,
    load_model,
    train,
)
from edgespike.nn.layers.penalty import KINDS
from edgespike.nn.layers.surrogates import BUMPS, SumOfBumps
from edgespike.nn.nets.checkpoint import save_model
from edgespike.nn.training.run_folder import RunFolder
from tests.nn.small import NET, RECIPE, random_images, striped_task


def test_all_settings_are_options_of_the_command(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("train", "test"):
        np.savez(
            tmp_path / f"{name}.npz",
            samples=rng.integers(0, 256, (12, 1, 8, 8), dtype=np.uint8),
            labels=np.arange(12) % 3,
        )
    (tmp_path / "mine.toml").write_text(
        "epochs = 1\nbatch_size = 4\nlambda = 1e-9\n[net]\n"
        "[[net.layers]]\nkind = 'dense'\nfeatures = 5\n"
    )
    out = tmp_path / "run"
    given = ["train", str(tmp_path / "mine.toml"), "-o", str(out)]
    given += ["--data", str(tmp_path / "train.npz"), "--json"]
    given += ["--penalty", "layer_balanced", "--lambda", "0.5", "--p", "2", "--seed", "7"]
    teacher = tmp_path / "teacher.safetensors"
    spec = NetSpec((1, 8, 8), 3, (DenseSpec(4),), activation="relu")
    save_model(teacher, build(spec), spec)
    given += ["--teacher", str(teacher)]
    refused = CliRunner().invoke(app, given)
    assert refused.exit_code == 2
    assert "give --distillation" in refused.output
    answer = CliRunner().invoke(app, [*given, "--distillation", "0.25"])
    assert answer.exit_code == 0, answer.output
    recipe, epoch = map(json.loads, (out / "training.jsonl").read_text().splitlines())
    assert recipe["recipe"].pop("teacher")["path"] == str(teacher)
    wanted = {"penalty": "layer_balanced", "lambda": 0.5, "p": 2, "seed": 7, "distillation": 0.25}
    assert {name: recipe["recipe"][name] for name in wanted} == wanted
    assert epoch["penalty_weight"] == 0.5


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("lambda", -1.0, "lambda is -1.0; it must be 0 to"),
        ("lambda", float("nan"), "lambda is nan; it must be 0 to"),
        ("penalty", "joules", "'joules'; it must be one of synaptic, spike_count, layer_balanced"),
        ("p", 3, "p is 3; it must be 1 or 2"),
    ],
)
def test_impossible_settings_are_refused_before_data_is_read(
    name: str, value: Any, fault: str
) -> None:
    draft = load_draft("images_s3nn", "nowhere").override(**{name: value})
    with pytest.raises(FileFormatError, match=fault):
        draft.check()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("p", [1, 2])
def test_each_penalty_makes_a_net_send_fewer_events(kind: Any, p: int, tmp_path: Path) -> None:
    def trained(strength: float) -> Any:
        recipe = replace(RECIPE, epochs=6, penalty=kind, p=p, lambda_=strength)
        last = train(recipe, tmp_path / str(strength), task=striped_task(), quiet=True).history[-1]
        return last["test_synaptic_operations"]

    strength = {"synaptic": 3e-2, "spike_count": 1.0, "layer_balanced": 30.0}[kind]
    assert trained(strength) < trained(0.0) / 2


@pytest.mark.parametrize("bump", BUMPS)
def test_a_net_keeps_its_surrogate(bump: Any, tmp_path: Path) -> None:
    recipe = replace(RECIPE, epochs=1, net=replace(NET, bump=bump))
    model = train(recipe, tmp_path, task=striped_task(), quiet=True).model
    module, spec, _ = load_model(model)
    assert spec == recipe.net
    activations = [part for part in module if isinstance(part, SpikeActivation)]
    assert [part.surrogate for part in activations] == [SumOfBumps(4.0, 1.0, bump)] * 3


def test_the_surrogate_changes_what_the_penalty_does() -> None:
    images, gradients = random_images(8), []
    for bump in BUMPS:
        torch.manual_seed(0)
        net = build(replace(NET, bump=bump))
        with SpikePenalty(net, images[:1]) as penalty:
            net(images)
            (gradient,) = torch.autograd.grad(penalty(), [next(net.parameters())])
        assert gradient.any()
        gradients.append(gradient)
    for i, first in enumerate(gradients):
        assert not any(torch.equal(first, other) for other in gradients[:i])


def test_a_run_that_an_older_version_recorded_is_the_same_recipe(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, RECIPE)
    older = json.loads(json.dumps(folder.table))
    older |= {"penalty": older.pop("lambda"), "penalty_cost": "synaptic", "penalty_power": 1}
    del older["p"]
    folder._check_recipe(older)
