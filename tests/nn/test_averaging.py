from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from edgespike.nn import load_model, train
from edgespike.nn.averaging import WeightAverage
from tests.nn.small import RECIPE, striped_task


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def test_each_step_moves_the_average_towards_the_weights() -> None:
    model = nn.Linear(2, 3)
    average = WeightAverage(model, decay=0.75)
    steps = [torch.full((3, 2), value) for value in (4.0, 8.0, 0.0)]
    for weight in steps:
        with torch.no_grad():
            model.weight.copy_(weight)
        average.update(model)
    averaged = average.model.get_parameter("weight")
    assert torch.equal(averaged, torch.full((3, 2), 0.75 * (0.75 * 4 + 0.25 * 8)))


def test_statistics_are_those_of_the_averaged_net() -> None:
    model = net()
    average = WeightAverage(model, decay=0.5)
    before = {name: value.clone() for name, value in model.named_buffers()}
    batches = [torch.randn(8, 2) + 3 for _ in range(4)]
    average.measure_statistics(batches)
    linear, normalisation = average.model.children()
    sums = [linear(batch) for batch in batches]
    mean = torch.stack([batch.mean(0) for batch in sums]).mean(0)
    torch.testing.assert_close(normalisation.running_mean, mean)
    assert all(torch.equal(value, before[name]) for name, value in model.named_buffers())


def test_the_averaged_net_is_what_is_kept_and_tested(tmp_path: Path) -> None:
    plain = train(replace(RECIPE, epochs=1), tmp_path / "plain", task=striped_task(), quiet=True)
    recipe = replace(RECIPE, epochs=1, averaging=0.9)
    averaged = train(recipe, tmp_path / "averaged", task=striped_task(), quiet=True)
    # The same training in both: what it measures on the way is equal, what it keeps is not.
    losses = [run.history[0]["train_loss"] for run in (plain, averaged)]
    assert losses[0] == losses[1]
    assert plain.history[0]["test_loss"] != averaged.history[0]["test_loss"]
    task, kept = striped_task(), load_model(averaged.model)[0]
    with torch.inference_mode():
        logits = kept(torch.from_numpy(task.test_images))
    loss = nn.functional.cross_entropy(logits, torch.from_numpy(task.test_labels)).item()
    torch.testing.assert_close(loss, averaged.history[0]["test_loss"])
