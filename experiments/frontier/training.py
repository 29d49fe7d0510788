"""The nets that the baselines are made of, each trained once for a seed and kept in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edgespike.nn import NetSpec, Recipe, Task, load_model, train
from edgespike.nn.training.processes import Processes
from edgespike.nn.training.progress import EpochProgress
from edgespike.nn.training.run_folder import Log, RunFolder
from edgespike.nn.training.trainer import Trainer
from experiments.frontier.nets import leaky_net


@dataclass(frozen=True)
class Trained:
    """A net in evaluation mode, and how it was trained.

    Parameters
    ----------
    net
        It takes images, uint8, and returns logits.
    accuracy, train_accuracy
        On the test samples, and during the last epoch on the training samples, from 0 to 1.
    seconds
        Of the training.
    """

    net: nn.Module
    accuracy: float
    train_accuracy: float
    seconds: float


def trained_relu(recipe: Recipe, given: Task | None, folder: Path) -> Trained:
    """Train a recipe's float net, or go on with it, or load it.

    Parameters
    ----------
    given
        Data in place of the recipe's.
    folder
        Of the training's files.
    """
    found = train(recipe, folder, task=given, resume=True)
    return _trained(load_model(found.model)[0], found.history)


def trained_leaky(recipe: Recipe, steps: int, task: Task, folder: Path) -> Trained:
    """Train a net of leaky neurons with all settings of a recipe, or go on with it, or load it.

    Optimiser, data, augmentation and the averaging of weights are those of `edgespike train`.

    Parameters
    ----------
    recipe
        Of a float net, whose layers the net of leaky neurons gets.
    steps
        How often it is shown an image.
    """
    assert isinstance(recipe.net, NetSpec)
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        net = leaky_net(recipe.net, steps)
    trainer, place, log = Trainer(recipe, task, Processes(), net), RunFolder(folder, recipe), Log()
    folder.mkdir(parents=True, exist_ok=True)
    if (found := place.read()) is not None:
        tensors, log = found
        trainer.restore(tensors)
    for epoch in range(len(log.epochs), recipe.epochs):
        with EpochProgress(epoch, recipe.epochs, trainer.steps, quiet=False) as show:
            log.epochs.append(trainer.run_epoch(epoch, show))
            show.finish(log.epochs[-1])
        place.save(trainer.tensors(), log)
    return _trained(trainer.result.cpu(), log.epochs)


def _trained(net: nn.Module, history: Sequence[dict[str, Any]]) -> Trained:
    last, seconds = history[-1], sum(epoch["seconds"] for epoch in history)
    return Trained(net.eval(), last["test_accuracy"], last["train_accuracy"], seconds)
