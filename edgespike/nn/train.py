"""Train a net by a recipe, with a checkpoint after each epoch.

Runs on a GPU if there is one, and on several (or several machines) when started by ``torchrun`` or
``accelerate launch``; each process then takes its share of each batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgespike.nn.checkpoint import save_model
from edgespike.nn.progress import EpochProgress
from edgespike.nn.recipe import Recipe
from edgespike.nn.run_folder import Log, RunFolder
from edgespike.nn.start import load_start
from edgespike.nn.task import Task, load_task
from edgespike.nn.trainer import Trainer


@dataclass(frozen=True)
class TrainingResult:
    """Where the trained net and its log are, and what each epoch measured (as in the log)."""

    model: Path
    log: Path
    history: tuple[dict[str, Any], ...]


def train(
    recipe: Recipe,
    out: Path,
    *,
    task: Task | None = None,
    start: Path | None = None,
    resume: bool = False,
    quiet: bool = False,
) -> TrainingResult:
    """Train the recipe's net.

    Each epoch ends with a checkpoint, so a killed run loses an epoch at most, and with the same
    number of threads on a CPU it ends with the weights of an uninterrupted one. The net after the
    last epoch is kept; the test set chooses nothing.

    Parameters
    ----------
    out
        Folder for ``model.safetensors`` (the trained net), ``training.jsonl`` (recipe, versions,
        then one line an epoch) and ``checkpoint.safetensors`` (to resume from).
    task
        What to train on; the recipe's data set if None.
    start
        Checkpoint to start from instead of random weights, see `edgespike.nn.start`. The log then
        says what it holds, and what it gives before the first step.
    resume
        Go on from the folder's checkpoint, or start if there is none.
    quiet
        Show no progress.

    Raises
    ------
    InputError
        ``out`` holds a run and ``resume`` is False, or its recipe is another one; or the task
        or ``start`` does not fit the net.
    TrainingError
        The loss is no longer a number. The last checkpoint stays.
    """
    folder = RunFolder(Path(out), recipe)
    folder.check(resume)
    shape, classes = recipe.net.input_shape, recipe.net.classes
    task = task or load_task(recipe.data, shape, classes)
    task.check(shape, classes)
    task = task.first(recipe.limit) if recipe.limit else task
    begin = load_start(Path(start), recipe.net, task.train_images) if start else None
    # Not before, so that what does not fit leaves no empty folder behind.
    folder.make()
    trainer = Trainer(recipe, task, begin.model if begin else None)
    log = Log()
    if resume and (found := folder.read()):
        tensors, log = found
        trainer.restore(tensors)
    elif begin:
        log = Log({"metadata": begin.metadata, **trainer.measure()})
    history = log.epochs
    for epoch in range(len(history), recipe.epochs):
        with EpochProgress(epoch, recipe.epochs, trainer.steps, quiet or not trainer.main) as show:
            history.append(trainer.run_epoch(epoch, show))
        if trainer.main:
            folder.save(trainer.tensors(), log)
    if trainer.main:
        # Without the time it took: the same run gives the same file.
        measured = {name: value for name, value in history[-1].items() if name != "seconds"}
        metadata = {"recipe": recipe.to_table(), **measured}
        if log.start is not None:
            metadata["start"] = log.start
        save_model(folder.model, trainer.result, recipe.net, metadata)
    trainer.accelerator.wait_for_everyone()
    return TrainingResult(folder.model, folder.log, tuple(history))
