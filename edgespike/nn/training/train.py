"""Train a net by a recipe, with a checkpoint after each epoch.

Training runs on a GPU if there is one, and on several GPUs or machines when started by
``torchrun``; each process then takes its share of each batch.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgespike.errors import InputError
from edgespike.graph.graph import NAME_LIMIT
from edgespike.nn.nets.checkpoint import save_model
from edgespike.nn.nets.recurrent_spec import RecurrentSpec
from edgespike.nn.nets.spec import AnySpec
from edgespike.nn.training.event_files import check_tensorboard, writer_for
from edgespike.nn.training.own_task import read_own_task
from edgespike.nn.training.processes import Processes
from edgespike.nn.training.progress import EpochProgress
from edgespike.nn.training.recipe import Recipe
from edgespike.nn.training.results import Results, write_results
from edgespike.nn.training.run_folder import Log, RunFolder
from edgespike.nn.training.start import Start, load_start
from edgespike.nn.training.task import Task, load_task
from edgespike.nn.training.teacher import class_names_of, load_teacher
from edgespike.nn.training.trainer import Trainer


@dataclass(frozen=True)
class TrainingResult:
    """Paths of the trained nets and the log, and the measurements of each epoch, as in the log."""

    models: tuple[Path, ...]
    """The net, or the nets of a mixture posterior: its members, then the nets drawn from it."""

    log: Path
    history: tuple[dict[str, Any], ...]
    results: Results | None = None
    """What the report holds, if one was asked for."""

    @property
    def model(self) -> Path:
        """The net, or the first member."""
        return self.models[0]


def ignore_epoch(measured: Mapping[str, Any]) -> None:
    """Ignore the measurements of an epoch."""


def train(
    recipe: Recipe,
    out: Path,
    *,
    task: Task | None = None,
    start: Path | None = None,
    resume: bool = False,
    quiet: bool = False,
    report: bool = False,
    tensorboard: bool = False,
    on_epoch: Callable[[Mapping[str, Any]], None] = ignore_epoch,
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
        Data to train on; the recipe's data if None. The files of the run then record the data as
        "given", unless the task has a source.
    start
        Checkpoint to start from instead of random weights, see `edgespike.nn.training.start`. The
        log then states its metadata, and how it performs before the first step.
    resume
        Continue from the folder's checkpoint, or start if there is none.
    quiet
        Show no progress.
    report
        Write what `edgespike.nn.training.results` describes into the folder at the end.
    tensorboard
        Write the measurements of each epoch for TensorBoard too, into ``tensorboard`` in the
        folder.
    on_epoch
        Called with the measurements of each epoch, as in the log, after it is saved.

    Raises
    ------
    InputError
        ``out`` holds a run and ``resume`` is False, holds a run of another recipe or of other data,
        or is in use by another run; the run would overwrite ``start`` or the recipe's teacher; the
        task, ``start`` or the teacher does not fit the net; the limit exceeds the data; or
        ``start`` is given and the recipe has a posterior.
    EnvironmentMissingError
        ``tensorboard`` is true, and TensorBoard is not installed.
    FileFormatError
        ``start``, the teacher or the checkpoint to resume from is damaged, foreign or does not fit.
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
    if tensorboard:
        check_tensorboard()
    given = task is not None and task.source is None
    folder = RunFolder(Path(out), recipe, data_given=given)
    for source in (start, recipe.teacher):
        if source:
            folder.refuse(Path(source))
    folder.check(resume)
    task = (task or _load(recipe)).limited(recipe.limit)
    task.check(recipe.net.input_shape, recipe.net.classes, recipe.net.signed)
    teacher = None
    if recipe.distillation > 0:
        classes = task.class_names or class_names_of(recipe.data if not given else None)
        teacher = load_teacher(recipe.teacher, recipe.net, classes)
    begin = load_start(Path(start), recipe.net, task.train_images) if start else None
    folder.source = task.source
    # Not earlier, so that input that does not fit leaves no empty folder behind.
    folder.make()
    processes = Processes()
    # Only when they are together, all processes of this run have made their checks.
    with processes.together():
        trainer = Trainer(recipe, task, processes, begin.model if begin else None, teacher)
        with folder.locked() if processes.main else contextlib.nullcontext():
            if processes.main:
                folder.check_files(resume)  # another run may have ended since the first check
            log = _run(folder, trainer, begin, resume, quiet, tensorboard, on_epoch)
            paths = _save_networks(folder, trainer, task, log)
            results = None
            if report and processes.main:
                results = write_results(folder, trainer, task, log)
    return TrainingResult(paths, folder.log, tuple(log.epochs), results)


def _load(recipe: Recipe) -> Task:
    if isinstance(recipe.data, str):
        return load_task(recipe.data, recipe.net.input_shape, recipe.net.classes)
    return read_own_task(recipe.data, isinstance(recipe.net, RecurrentSpec))


def _run(
    folder: RunFolder,
    trainer: Trainer,
    begin: Start | None,
    resume: bool,
    quiet: bool,
    tensorboard: bool,
    on_epoch: Callable[[Mapping[str, Any]], None],
) -> Log:
    epochs, log, main = folder.recipe.epochs, Log(), trainer.processes.main
    if resume and (found := folder.read("validation" in trainer.parts)):
        tensors, log = found
        folder.refuse_faults(trainer.faults(tensors, len(log.epochs)))
        trainer.restore(tensors)
        if main:
            folder.save_log(log)
    elif begin:
        log = Log({"metadata": begin.metadata, **trainer.measure()})
    history = log.epochs
    with writer_for(folder.path / "tensorboard", len(history), tensorboard and main) as write:
        for epoch in range(len(history), epochs):
            with EpochProgress(epoch, epochs, trainer.steps, quiet or not main) as show:
                history.append(trainer.run_epoch(epoch, show))
                show.finish(history[-1])
            if main:
                folder.save(trainer.tensors(), log)
            write(history[-1])
            on_epoch(history[-1])
    return log


def _save_networks(folder: RunFolder, trainer: Trainer, task: Task, log: Log) -> tuple[Path, ...]:
    # Without the time it took, so that the same run gives the same file.
    measured = {name: value for name, value in log.epochs[-1].items() if name != "seconds"}
    metadata = {"recipe": folder.table, **measured}
    if task.source is not None:
        metadata["source"] = task.source
        metadata["name"] = graph_name(task.source, folder.recipe.net)
    if task.class_names:
        metadata["class_names"] = task.class_names
    if task.scaling is not None:
        metadata["scaling"] = asdict(task.scaling)
    if log.start is not None:
        metadata["start"] = log.start
    paths = []
    for name, net in trainer.networks():
        paths.append(folder.path / f"{name}.safetensors")
        if trainer.processes.main:
            save_model(paths[-1], net, folder.recipe.net, metadata)
    return tuple(paths)


def graph_name(source: Mapping[str, Any], net: AnySpec) -> str:
    """Return the name of the graph of a net that learnt data of one's own, ``digits_spike``."""
    kind = net.cell if isinstance(net, RecurrentSpec) else net.activation
    data = re.sub(r"[^A-Za-z0-9_.-]+", "_", Path(str(source.get("path", ""))).stem)
    return f"{data.lstrip('-._')[: NAME_LIMIT // 2] or 'net'}_{kind}"
