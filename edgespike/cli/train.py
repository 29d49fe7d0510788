"""``edgespike train``."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgespike.cli.lists import size_in
from edgespike.cli.options import Json, recipe_names, runtime_names_from
from edgespike.cli.output import print_json, say

if TYPE_CHECKING:
    from edgespike.nn import TrainingResult
    from edgespike.nn.nets.spec import AnySpec

EXAMPLE = "edgespike train fashion_s3nn -o runs/fashion"


def command(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE",
            help="Name of a shipped recipe, or a TOML file. Its entry 'data' names a data set "
            "(fashion_mnist, the default; fashion_mnist_rows, mnist, cifar10), or is a table of "
            "options for data of your own.",
            autocompletion=recipe_names,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="DIR", help="Folder for model, log and checkpoint."),
    ],
    data: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="Train on this file or folder (.npy, .npz, CSV, images by class), or on a known "
            "data set, instead of the recipe's data. The recipes images_... and sequences_... are "
            "for data of your own.",
        ),
    ] = None,
    window: Annotated[
        int | None,
        typer.Option(min=0, metavar="ROWS", help="Cut recordings into windows of this many rows."),
    ] = None,
    stride: Annotated[
        int | None,
        typer.Option(min=0, metavar="ROWS", help="Rows between windows. Default: the window."),
    ] = None,
    label: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of a CSV file with the class.")
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of a CSV file, such as a person; nobody is in both training and testing.",
        ),
    ] = None,
    size: Annotated[
        str | None, typer.Option(metavar="HxW", help="Resize images to this height and width.")
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="CHECKPOINT",
            help="Start from this trained net or, for a recurrent net of levels, from its float "
            "net.",
        ),
    ] = None,
    teacher: Annotated[
        Path | None,
        typer.Option(
            metavar="CHECKPOINT",
            help="Learn from this trained net's answers too, such as those of the float net of the "
            "same shape; needs --distillation, or that entry in the recipe.",
        ),
    ] = None,
    distillation: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE", help="Share of the loss that is the distance from the teacher."
        ),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Override the recipe's number of epochs.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            min=1,
            metavar="N",
            help="Use only the first N samples, for training and for testing.",
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Override the recipe's seed.")] = None,
    penalty: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            help="Kind of the penalty on events: synaptic (each by the synapses that it reaches), "
            "spike_count, or layer_balanced.",
        ),
    ] = None,
    strength: Annotated[
        float | None,
        typer.Option(
            "--lambda",
            metavar="WEIGHT",
            help="Weight of the penalty in the last epoch; it rises linearly. 0 for no penalty.",
        ),
    ] = None,
    power: Annotated[
        int | None,
        typer.Option("--p", metavar="1|2", help="Power of the spikes in the penalty."),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Continue from the folder's last checkpoint, if there is one."
        ),
    ] = False,
    targets: Annotated[
        list[str] | None,
        typer.Option(
            "--for",
            metavar="TARGET",
            help="Refuse, before training, a net that this target could not run; may be repeated.",
            autocompletion=runtime_names_from,
        ),
    ] = None,
    tensorboard: Annotated[
        bool,
        typer.Option("--tensorboard", help="Also write event files for TensorBoard."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Train a net by a recipe, on known data or on data of your own.

    The folder then holds the net, the log, what is needed to resume, results.json, and pictures of
    accuracy, confusions and firing rates; with data of your own also test samples for the other
    commands.

    A recipe with a table 'posterior' trains several nets as a mixture over the net's weights;
    'edgespike ensemble' combines them into one graph.

    With --for, a net is not trained, and the exit code is 2, if the target refuses it whatever its
    weights become, or with random weights in a layer of few inputs. If the target would refuse
    only larger weights, a warning says so. Without --for, these refusals become warnings.
    """
    from edgespike.bayes.overlap import CollapseWarning
    from edgespike.errors import InputError
    from edgespike.nn import load_draft, train
    from edgespike.nn.training.place import Place

    options = {"window": window, "stride": stride, "label": label, "group": group}
    draft = load_draft(recipe, data, **options, size=size_in(size))
    draft = draft.override(epochs=epochs, seed=seed, limit=limit)
    draft = draft.override(**{"penalty": penalty, "lambda": strength, "p": power})
    draft = draft.override(
        teacher=None if teacher is None else str(teacher), distillation=distillation
    )
    if teacher is not None and not draft.table.get("distillation"):
        raise InputError(
            f"--teacher is {teacher}, but nothing is learnt from it while the share is 0; give "
            "--distillation, such as 0.5"
        )
    place = Place(out)
    place.refuse(Path(recipe))
    if start is not None:
        place.refuse(start)
    place.check(resume)
    changed, task = draft.read()
    _check_targets(changed.net, targets)
    if resume and not place.began:
        say(f"{out} holds no run to resume; training starts with the first epoch")
    with warnings.catch_warnings():
        warnings.simplefilter("always", CollapseWarning)
        warnings.showwarning = _show_warning  # type: ignore[assignment]
        result = train(
            *(changed, out),
            task=task,
            start=start,
            resume=resume,
            quiet=as_json,
            report=True,
            tensorboard=tensorboard,
        )
    if as_json:
        models = [str(path) for path in result.models]
        found = {"model": models[0], "models": models, "log": str(result.log)}
        files = [str(out / name) for name in result.results.files] if result.results else []
        print_json({**found, "last_epoch": result.history[-1], "files": files})
    else:
        _tell(result)


def _tell(result: TrainingResult) -> None:
    """Print how well the net does and where the files are."""
    last, results = result.history[-1], result.results
    if results is None:  # another process of the run tells it
        return
    others = f" and {len(result.models) - 1} more" if len(result.models) > 1 else ""
    print(f"{result.model}{others}: test accuracy {last['test_accuracy']:.2%}; log in {result.log}")
    if "validation_accuracy" in last:
        print(f"validation accuracy {last['validation_accuracy']:.2%}")
    if worst := list(results.worst(3)):
        print(f"most often wrong: {'; '.join(worst)}")
    if results.firing:
        rates = ", ".join(f"{rate:.1%}" for _, rate in results.firing)
        print(f"share of neurons that send an event, layer by layer: {rates}")
    print(f"in {result.log.parent}: {', '.join(results.files)}")
    if results.remark:
        print(results.remark)
    if "test.npy" in results.files:
        given = f"-i {result.log.parent / 'test.npy'}"
        labels = f"--labels {result.log.parent / 'test_labels.npy'}"
        print(f"next: edgespike verify {result.model} -t cpu,tflite {given}")
        print(f"      edgespike run {result.model} {given} {labels}")


def _check_targets(net: AnySpec, targets: Sequence[str] | None) -> None:
    """Refuse a net that could not run on a target, or warn about it."""
    from edgespike.errors import UnsupportedError
    from edgespike.nn import forecast
    from edgespike.targets import BUILT_IN, get_target

    if targets is None:
        if net.spiking:
            for name in dict.fromkeys(get_target(runtime).name for runtime in BUILT_IN):
                _warn_about(net, name)
        return
    forecasts = {name: forecast(net, name) for name in dict.fromkeys(targets)}
    refused = [
        f"{name}: {how}{line}"
        for name, expected in forecasts.items()
        for how, lines in (("", expected.certain), ("with random weights, ", expected.likely))
        for line in lines
    ]
    if refused:
        raise UnsupportedError("the recipe's net was not trained: it would not run", refused)
    for name, expected in forecasts.items():
        for line in expected.possible:
            _show_warning(f"the trained net may not fit {name}, if its weights are large: {line}")


def _warn_about(net: AnySpec, name: str) -> None:
    from edgespike.nn import forecast

    expected = forecast(net, name)
    lines = expected.certain + expected.likely
    if lines:
        more = f"; and {len(lines) - 1} more" if len(lines) > 1 else ""
        _show_warning(f"{name} would refuse the net, already with random weights: {lines[0]}{more}")


def _show_warning(message: Warning | str, *_where: object) -> None:
    print(f"warning: {message}", file=sys.stderr)
