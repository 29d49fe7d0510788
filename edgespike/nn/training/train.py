"""Train a net by a recipe, with a checkpoint after each epoch.

Training runs on a GPU if there is one, and on several GPUs or machines when started by ``torchrun``
or ``accelerate launch``; each process then takes its share of each batch.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgespike.errors import InputError
from edgespike.nn.nets.checkpoint import save_model
from edgespike.nn.training.progress import EpochProgress
from edgespike.nn.training.recipe import Recipe
from edgespike.nn.training.run_folder import Log, RunFolder
from edgespike.nn.training.start import Start, load_start
from edgespike.nn.training.task import Task, load_task
from edgespike.nn.training.trainer import Trainer


@dataclass(frozen=True)
class TrainingResult:
    """Paths of the trained nets and the log, and the measurements of each epoch, as in the log."""

    models: tuple[Path, ...]
    """The net, or the nets of a mixture posterior: its members, then the nets drawn from it."""

    log: Path
    history: tuple[dict[str, Any], ...]

    @property
    def model(self) -> Path:
        """The net, or the first member."""
        return self.models[0]


def train(
    recipe: Recipe,
    out: Path,
    *,
    task: Task | None = None,
    start: Path | None = None,
    resume: bool = False,
    quiet: bool = False,
) -> TrainingResult:
    """Train the recipe's net, or a mixture of such nets.

    Each epoch ends with a checkpoint, so a killed run loses at most one epoch. With the same number
    of threads on a CPU a resumed run ends with the weights of an uninterrupted one. The net after
    the last epoch is kept; nothing is selected on the test set.

    Parameters
    ----------
    out
        Folder for ``model.safetensors`` (the trained net), ``training.jsonl`` (recipe, versions,
        then one line an epoch) and ``checkpoint.safetensors`` (to resume from). A mixture's nets
        are ``member0.safetensors`` and so on, draws from it ``sample0.safetensors`` and so on.
    task
        Data to train on; the recipe's data set if None. The files of the run then record the data
        as "given".
    start
        Checkpoint to start from instead of random weights, see `edgespike.nn.training.start`. The
        log then states its metadata, and how it performs before the first step.
    resume
        Continue from the folder's checkpoint, or start if there is none.
    quiet
        Show no progress.

    Raises
    ------
    InputError
        ``out`` holds a run and ``resume`` is False, holds a run of another recipe, or is in use by
        another run; the run would overwrite ``start``; the task or ``start`` does not fit the net;
        or ``start`` is given and the recipe has a posterior.
    FileFormatError
        ``start``, or the checkpoint to resume from, is damaged, foreign or does not fit.
    WriteError
        ``out`` cannot be written; this is checked before data is read.
    TrainingError
        The loss is infinite or NaN. The last checkpoint is kept.

    Warns
    -----
    CollapseWarning
        Components of a mixture overlap after an epoch.
    """
    if start and recipe.posterior:
        raise InputError(
            f"{start} is one net, but the recipe's posterior starts from nets that differ; do not "
            "name a net to start from"
        )
    folder = RunFolder(Path(out), recipe, data_given=task is not None)
    if start:
        folder.refuse(Path(start))
    folder.check(resume)
    shape, classes = recipe.net.input_shape, recipe.net.classes
    task = task or load_task(recipe.data, shape, classes)
    task.check(shape, classes)
    task = task.first(recipe.limit) if recipe.limit else task
    begin = load_start(Path(start), recipe.net, task.train_images) if start else None
    # Not earlier, so that input that does not fit leaves no empty folder behind.
    folder.make()
    trainer = Trainer(recipe, task, begin.model if begin else None)
    # Only now, when all processes of this run have made their checks.
    with folder.locked() if trainer.main else contextlib.nullcontext():
        if trainer.main:
            folder.check_files(resume)  # another run may have ended since the first check
        return _run(folder, trainer, begin, resume, quiet)


def _run(
    folder: RunFolder, trainer: Trainer, begin: Start | None, resume: bool, quiet: bool
) -> TrainingResult:
    epochs, log = folder.recipe.epochs, Log()
    if resume and (found := folder.read()):
        tensors, log = found
        folder.refuse_faults(trainer.faults(tensors, len(log.epochs)))
        trainer.restore(tensors)
        if trainer.main:
            folder.save_log(log)
    elif begin:
        log = Log({"metadata": begin.metadata, **trainer.measure()})
    history = log.epochs
    for epoch in range(len(history), epochs):
        with EpochProgress(epoch, epochs, trainer.steps, quiet or not trainer.main) as show:
            history.append(trainer.run_epoch(epoch, show))
            show.finish(history[-1])
        if trainer.main:
            folder.save(trainer.tensors(), log)
    paths = _save_networks(folder, trainer, log)
    trainer.accelerator.wait_for_everyone()
    return TrainingResult(paths, folder.log, tuple(history))


def _save_networks(folder: RunFolder, trainer: Trainer, log: Log) -> tuple[Path, ...]:
    # Without the time it took, so that the same run gives the same file.
    measured = {name: value for name, value in log.epochs[-1].items() if name != "seconds"}
    metadata = {"recipe": folder.table, **measured}
    if log.start is not None:
        metadata["start"] = log.start
    paths = []
    for name, net in trainer.networks():
        paths.append(folder.path / f"{name}.safetensors")
        if trainer.main:
            save_model(paths[-1], net, folder.recipe.net, metadata)
    return tuple(paths)
