from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from edgespike.nn import load_model, train
from edgespike.nn.layers.normalise import LayerBatchNorm, Reading
from edgespike.nn.training.averaging import WeightAverage, measure_statistics
from tests.nn.small import RECIPE, striped_task

READINGS: tuple[Reading, ...] = ("joint", "averaged", "per_sample")


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


@pytest.mark.parametrize(
    "normalisation",
    [nn.BatchNorm1d(3), *(LayerBatchNorm(3, reading) for reading in READINGS)],
    ids=str,
)
def test_statistics_are_those_of_the_averaged_net(normalisation: nn.Module) -> None:
    model = nn.Sequential(nn.Linear(2, 3), normalisation)
    average = WeightAverage(model, decay=0.5)
    before = {name: value.clone() for name, value in model.named_buffers()}
    batches = [torch.randn(8, 2) + 3 for _ in range(4)]
    measure_statistics(average.model, batches)
    linear, measured = average.model.children()
    axes = 0 if isinstance(normalisation, nn.BatchNorm1d) else (0, 1)
    mean = torch.stack([linear(batch).mean(axes) for batch in batches]).mean(0)
    torch.testing.assert_close(measured.running_mean, mean)
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
