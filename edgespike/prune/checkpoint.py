"""Prune a trained checkpoint, and measure it before and after."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from edgespike.data import DATA_SETS
from edgespike.errors import InputError, UnsupportedError
from edgespike.nn.layers.residual import Residual
from edgespike.nn.nets.checkpoint import load_float32_model, save_model
from edgespike.nn.nets.recurrent_spec import RecurrentSpec
from edgespike.nn.nets.spec import AnySpec, ConvSpec, LayerSpec, ResidualSpec
from edgespike.nn.training.task import EVALUATION_BATCH, Task, load_task
from edgespike.prune.choosing.choice import Method, Options
from edgespike.prune.report import Report
from edgespike.prune.torch.pruning import known_method, prune
from edgespike.storage.files import check_output

Track = Callable[[Iterable[Tensor], str, int], Iterable[Tensor]]
"""Wraps batches to show progress: takes the batches, what is done with them, and their number."""


@dataclass(frozen=True)
class Measured:
    """Size, cost and accuracy of a net.

    Attributes
    ----------
    weights
        Number of non-zero weights in all matrices and kernels, without biases and normalisation.
    operations
        Multiply-accumulates of one sample over all steps, in dense arithmetic.
    loss, accuracy
        Cross-entropy in nats and share of correct answers, on the test data.
    """

    weights: int
    operations: int
    loss: float
    accuracy: float


@dataclass(frozen=True)
class PrunedCheckpoint:
    """What pruning changed.

    Attributes
    ----------
    before, after
        Measurements of the net, without any training in between.
    report
        Units, losses, bound and spectrum.
    data
        Name of the data set on which both were measured.
    """

    before: Measured
    after: Measured
    report: Report
    data: str


def prune_checkpoint(
    path: Path,
    out: Path | None,
    keep: int | None = None,
    tolerance: float | None = None,
    *,
    method: Method | str = Method.SPECTRAL,
    options: Options | None = None,
    data: str | None = None,
    limit: int = 0,
    force: bool = True,
    track: Track = lambda batches, what, total: batches,
) -> PrunedCheckpoint:
    """Prune the net of a checkpoint, and write the smaller net as another checkpoint.

    Parameters
    ----------
    path
        A trained float net: a recurrent one, or a feed-forward one with ReLU.
    out
        Checkpoint to write, whole or not at all; None to measure only.
    keep, tolerance, method, options
        As for `edgespike.prune.prune`. The result of a method that keeps all units cannot be
        written.
    data
        One of `edgespike.data.DATA_SETS`; that of the checkpoint's recipe if None.
    force
        Whether ``out`` may replace an existing file.
    limit
        Use only the first ``limit`` training samples and the first ``limit`` test samples; 0 means
        all.
    track
        Shows progress.

    Raises
    ------
    InputError
        An argument is out of range, or the data does not fit the net.
    UnsupportedError
        The net has no float units that can be pruned.
    FileFormatError
        The checkpoint is damaged or foreign, or its weights are not finite float32 numbers.
    WriteError
        ``out`` is ``path`` or cannot be written; this is checked before anything runs.
    """
    model, spec, metadata = load_float32_model(path)
    method = known_method(method)
    _refuse(path, spec, method if out is not None else None)
    check_output(out, [path], force)
    name = data or str(metadata.get("recipe", {}).get("data", ""))
    task = _task(name, spec, limit)
    sequences = torch.from_numpy(task.train_images)
    batches = torch.split(sequences, EVALUATION_BATCH)
    pruned = prune(
        model,
        track(batches, "gathering the states", len(batches)),
        keep,
        tolerance=tolerance,
        method=method,
        options=options,
    )
    result = PrunedCheckpoint(
        _measure(model, task, track), _measure(pruned.model, task, track), pruned.report, name
    )
    if out is not None:
        about = {"method": method.value, "keep": keep, "tolerance": tolerance, "data": name}
        measured = {"before": asdict(result.before), "after": asdict(result.after)}
        kept = {**metadata, "pruned": {**about, **measured}}
        save_model(out, pruned.model, smaller_spec(spec, pruned.model), kept)
    return result


def smaller_spec(spec: AnySpec, model: nn.Module) -> AnySpec:
    """Return the description of a net whose layers have lost units.

    Parameters
    ----------
    spec
        Description of the net before pruning.
    model
        The pruned net.
    """
    if isinstance(spec, RecurrentSpec):
        (size,) = {part.hidden_size for part in model.modules() if isinstance(part, nn.RNNBase)}
        return replace(spec, hidden=size)
    parts = [
        part for part in model.children() if isinstance(part, nn.Conv2d | nn.Linear | Residual)
    ]
    pairs = zip(spec.layers, parts[:-1], strict=True)
    return replace(spec, layers=tuple(_smaller_layer(layer, part) for layer, part in pairs))


def _smaller_layer(layer: LayerSpec, part: nn.Module) -> LayerSpec:
    if isinstance(layer, ResidualSpec):  # layers in a residual block are not pruned
        return layer
    size = len(part.get_parameter("weight"))
    if isinstance(layer, ConvSpec):
        return replace(layer, channels=size)
    return replace(layer, features=size)


def _refuse(path: Path, spec: AnySpec, written: Method | None) -> None:
    if spec.activation not in ("float", "relu"):
        raise UnsupportedError(
            f"{path} cannot be pruned",
            [
                f"its neurons emit {spec.activation}; prune the float net, then train the net of "
                "levels from it (edgespike train --from)"
            ],
        )
    if written is not None and not written.keeps_units:
        raise InputError(
            f"method {written.value} keeps the size of the net, and training from the checkpoint "
            "would make its pruned weights non-zero again; measure it without --out, or fine-tune "
            "in Python (edgespike.prune.prune)"
        )


def _task(data: str, spec: AnySpec, limit: int) -> Task:
    if data not in DATA_SETS:
        raise InputError(
            f"data is {data!r}; name the data set on which the net was trained: "
            f"{', '.join(DATA_SETS)}"
        )
    task = load_task(data, spec.input_shape, spec.classes)
    return task.first(limit) if limit else task


def _measure(model: nn.Module, task: Task, track: Track) -> Measured:
    images, labels = torch.from_numpy(task.test_images), torch.from_numpy(task.test_labels)
    loss = right = 0.0
    batches = torch.split(images, EVALUATION_BATCH)
    answers = torch.split(labels, EVALUATION_BATCH)
    with torch.inference_mode():
        for batch, truth in zip(track(batches, "testing", len(batches)), answers, strict=True):
            logits = model(batch)
            loss += functional.cross_entropy(logits, truth, reduction="sum").item()
            right += (logits.argmax(dim=1) == truth).sum().item()
    return Measured(
        sum(int(torch.count_nonzero(weight)) for weight in _matrices(model)),
        _operations(model, images[:1]),
        loss / len(labels),
        right / len(labels),
    )


def _matrices(model: nn.Module) -> Iterator[Tensor]:
    return (parameter for parameter in model.parameters() if parameter.ndim > 1)


def _operations(model: nn.Module, sample: Tensor) -> int:
    # On the meta device a recurrent layer runs as single operations, which the counter can see.
    shapes = copy.deepcopy(model).to("meta")
    with FlopCounterMode(display=False) as counter:
        shapes(sample.to("meta"))
    return int(counter.get_total_flops()) // 2


def report_table(result: PrunedCheckpoint) -> dict[str, Any]:
    """Return what pruning changed as plain values, for JSON."""
    groups = [
        {
            "name": group.name,
            "units_before": group.units_before,
            "kept": group.kept.tolist(),
            "losses": asdict(group.losses) if group.losses else None,
            "eigenvalues": group.spectrum.eigenvalues.tolist(),
        }
        for group in result.report.groups
    ]
    return {
        "method": result.report.method.value,
        "data": result.data,
        "before": asdict(result.before),
        "after": asdict(result.after),
        "layers": groups,
        "bounds": dict(result.report.bounds),
    }
