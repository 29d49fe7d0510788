"""Mixture posteriors trained by a recipe, up to the graph of all members."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import edgespike
from edgespike.bayes.overlap import CollapseWarning
from edgespike.counting import Convention
from edgespike.errors import FileFormatError
from edgespike.nn import NetSpec, PosteriorSpec, Recipe, build, load_model, load_recipe, train
from edgespike.nn.training.optimiser import learning_rate
from edgespike.trace import log_probabilities, logits, member_logits
from tests.nn.small import NET, RECIPE, striped_task

pytestmark = pytest.mark.torch

MIXTURE = replace(
    RECIPE,
    weight_decay=0.0,
    lambda_=0.0,
    posterior=PosteriorSpec(members=3, temperature=0.1, samples=2),
)
LEVELS = replace(NET, activation="levels", normalisation="layer_batch")
NAMES = [
    *(f"member{k}.safetensors" for k in (0, 1, 2)),
    "sample0.safetensors",
    "sample1.safetensors",
]


def run(recipe: Recipe, folder: Path, resume: bool = False) -> tuple[list[Path], dict[str, Any]]:
    result = train(recipe, folder, task=striped_task(), resume=resume, quiet=True)
    return list(result.models), result.history[-1]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize(
    "net", [NET, LEVELS, replace(NET, activation="relu")], ids=["spikes", "levels", "relu"]
)
def test_a_mixture_learns_and_its_members_are_kept(net: NetSpec, tmp_path: Path) -> None:
    recipe = replace(MIXTURE, net=net, epochs=10)
    paths, last = run(recipe, tmp_path / "run")
    assert [path.name for path in paths] == NAMES
    assert last["test_accuracy"] > 0.9
    assert last["divergence"] > 0
    assert last["separation"] > 10
    assert 0 < last["entropy_error_bound"] < 1e-9
    assert all(load_model(path)[1] == net for path in paths)


def test_what_is_logged_is_what_the_members_say_together(tmp_path: Path) -> None:
    paths, last = run(MIXTURE, tmp_path / "run")
    task = striped_task()
    with torch.inference_mode():
        each = [load_model(path)[0](torch.from_numpy(task.test_images)) for path in paths[:3]]
    mean = torch.stack(each).softmax(dim=2).mean(dim=0)
    loss = nn.functional.nll_loss(mean.log(), torch.from_numpy(task.test_labels)).item()
    assert loss == pytest.approx(last["test_loss"], rel=1e-5)


def test_a_mixture_s_synaptic_operations_are_the_sum_of_its_members(tmp_path: Path) -> None:
    paths, last = run(MIXTURE, tmp_path / "run")
    images = striped_task().test_images
    counts = [edgespike.count(edgespike.load(path), images) for path in paths[:3]]
    expected = sum(count.synaptic_operations(Convention.EVERY) for count in counts) / len(images)
    assert last["test_synaptic_operations"] == pytest.approx(expected)


@pytest.mark.parametrize("net", [NET, LEVELS], ids=["spikes", "levels"])
def test_members_and_draws_merge_into_one_graph_that_equals_them(
    net: NetSpec, tmp_path: Path
) -> None:
    paths, _ = run(replace(MIXTURE, net=net), tmp_path / "run")
    graphs = [edgespike.load(path) for path in paths]
    merged = edgespike.ensemble(graphs)
    images = striped_task().test_images
    found = edgespike.run(merged, images).accumulators(merged)
    expected = [logits(graph, edgespike.run(graph, images).accumulators(graph)) for graph in graphs]
    assert np.array_equal(member_logits(merged, found), np.stack(expected, axis=1))
    assert len({graph.hash for graph in graphs}) == len(graphs)
    assert np.allclose(np.exp(log_probabilities(merged, found)).sum(axis=1), 1)


@pytest.mark.parametrize(
    "change",
    [{}, {"averaging": 0.9}, {"posterior": PosteriorSpec(2, "tensor", "learned", samples=1)}],
    ids=["plain", "averaged", "learned"],
)
def test_an_interrupted_run_resumes_to_the_nets_of_one_that_was_not(
    change: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C arrives in the middle of the third epoch."""
    recipe = replace(MIXTURE, **change)

    def interrupted(recipe: Recipe, step: int, steps: int) -> float:
        if step == 2 * steps + steps // 2:
            raise KeyboardInterrupt
        return learning_rate(recipe, step, steps)

    monkeypatch.setattr("edgespike.nn.training.trainer.learning_rate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(recipe, tmp_path / "run")
    monkeypatch.undo()
    resumed, _ = run(recipe, tmp_path / "run", resume=True)
    whole, _ = run(recipe, tmp_path / "whole")
    assert [path.read_bytes() for path in resumed] == [path.read_bytes() for path in whole]


def test_the_first_member_starts_as_the_single_net_does(tmp_path: Path) -> None:
    still = replace(MIXTURE, epochs=1, learning_rate=0.0, flip=False, shift=0)
    paths, _ = run(still, tmp_path / "mixture")
    alone, _ = run(replace(still, posterior=None), tmp_path / "alone")
    first, other = (load_model(path)[0].get_parameter("1.weight") for path in paths[:2])
    assert torch.equal(first, load_model(alone[0])[0].get_parameter("1.weight"))
    assert not torch.equal(first, other)


def test_components_that_coincide_are_warned_of_in_every_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = build(NET)
    monkeypatch.setattr("edgespike.nn.training.objective.build", lambda spec: copy.deepcopy(net))
    recipe = replace(MIXTURE, learning_rate=0.0, epochs=2)
    with pytest.warns(CollapseWarning, match="components collapse") as caught:
        _, last = run(recipe, tmp_path / "run")
    assert len(caught) == 2
    assert last["entropy_error_bound"] == pytest.approx(np.log(3))
    assert last["separation"] == 0


def test_the_penalty_saves_synaptic_operations_of_a_mixture(tmp_path: Path) -> None:
    used = []
    for penalty in (0.0, 3e-2):
        _, last = run(replace(MIXTURE, epochs=6, lambda_=penalty), tmp_path / str(penalty))
        used.append(last["test_synaptic_operations"])
    assert used[1] < used[0] / 2


HEAD = "epochs = 1\nweight_decay = 0\n"
TAIL = "\n[net]\ninput_shape = [1, 4, 4]\nclasses = 2\nlayers = []"


def test_a_recipe_names_a_posterior_in_a_table(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f"{HEAD}[posterior]\nmembers = 2\nweights = 'learned'\ntemperature = 0.5{TAIL}")
    expected = PosteriorSpec(members=2, weights="learned", temperature=0.5)
    assert load_recipe(path).posterior == expected


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (f"{HEAD}posterior = 3{TAIL}", "recipe.posterior is 3, expected a table"),
        (
            f"{HEAD}[posterior]\nmembers = 0{TAIL}",
            "members is 0; it must be a whole number from 1 to 1000",
        ),
        (
            f"{HEAD}[posterior]\nsamples = -1{TAIL}",
            "samples is -1; it must be a whole number from 0 to 1000",
        ),
        (f"{HEAD}[posterior]\nmembres = 2{TAIL}", "recipe.posterior.membres is not known"),
        (f"{HEAD}[posterior]\ndeviations = 'net'{TAIL}", "'net'; it must be one of weight, tensor"),
        (
            f"{HEAD}[posterior]\nweights = 'best'{TAIL}",
            "'best'; it must be one of uniform, learned",
        ),
        (f"{HEAD}[posterior]\ntemperature = nan{TAIL}", "temperature is nan; it must be 0 to"),
        (
            f"{HEAD}[posterior]\nprior_deviation = 0{TAIL}",
            "prior_deviation is 0; it must be 1e-06 to",
        ),
        (
            f"{HEAD}[posterior]\ninitial_deviation = inf{TAIL}",
            "initial_deviation is inf; it must be 1e-06 to",
        ),
        (
            f"epochs = 1\n[posterior]{TAIL}",
            "weight_decay is 0.01, but the weights of a posterior have",
        ),
    ],
)
def test_faults_of_a_posterior_are_named(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(FileFormatError, match=fault):
        load_recipe(path)
