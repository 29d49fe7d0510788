"""Mixture posteriors over recurrent nets, of floats and of levels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgespike
from edgespike.errors import InputError
from edgespike.nn import PosteriorSpec, Recipe, RecurrentSpec, Task, train
from edgespike.trace import logits, member_logits
from tests.nn.small import striped_task

pytestmark = pytest.mark.torch

NET = RecurrentSpec((8, 8), classes=3, hidden=12, activation="levels", activation_states=9)
RECIPE = Recipe(
    NET,
    epochs=6,
    batch_size=16,
    learning_rate=1e-2,
    gradient_norm=1.0,
    weight_decay=0.0,
    data="fashion_mnist_rows",
    posterior=PosteriorSpec(members=2, temperature=0.1),
)


def rows_task() -> Task:
    task = striped_task()
    rows = task.train_images[:, 0]
    return Task(rows, task.train_labels, rows, task.test_labels)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_a_mixture_of_float_recurrent_nets_learns(cell: Any, tmp_path: Path) -> None:
    recipe = replace(RECIPE, net=replace(NET, activation="float", cell=cell), epochs=15)
    result = train(recipe, tmp_path / "run", task=rows_task(), quiet=True)
    assert result.history[-1]["test_accuracy"] > 0.8


def test_members_of_levels_merge_into_one_graph_that_equals_them(tmp_path: Path) -> None:
    result = train(RECIPE, tmp_path / "run", task=rows_task(), quiet=True)
    assert result.history[-1]["test_accuracy"] > 0.8
    graphs = [edgespike.load(path) for path in result.models]
    merged = edgespike.ensemble(graphs)
    rows = rows_task().test_images
    found = edgespike.run(merged, rows).accumulators(merged)
    expected = [logits(graph, edgespike.run(graph, rows).accumulators(graph)) for graph in graphs]
    assert np.array_equal(member_logits(merged, found), np.stack(expected, axis=1))


def test_a_mixture_does_not_start_from_one_net(tmp_path: Path) -> None:
    alone = train(replace(RECIPE, posterior=None, epochs=1), tmp_path / "alone", task=rows_task())
    with pytest.raises(InputError, match="is one net, but the recipe's posterior starts from nets"):
        train(RECIPE, tmp_path / "run", task=rows_task(), start=alone.model, quiet=True)
    assert not (tmp_path / "run").exists()
