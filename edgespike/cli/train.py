"""``edgespike train``."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgespike.cli.options import Json, recipe_names, runtime_names_from
from edgespike.cli.output import print_json, say

if TYPE_CHECKING:
    from edgespike.nn.nets.spec import AnySpec

EXAMPLE = "edgespike train fashion_s3nn -o runs/fashion"


def command(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE",
            help="Name of a shipped recipe, or a TOML file. Its entry 'data' names the data set: "
            "fashion_mnist (the default), fashion_mnist_rows, mnist or cifar10.",
            autocompletion=recipe_names,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="DIR", help="Folder for model, log and checkpoint."),
    ],
    start: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="CHECKPOINT",
            help="Start from this trained net or, for a recurrent net of levels, from its float "
            "net.",
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
    as_json: Json = False,
) -> None:
    """Train a net by a recipe.

    A recipe with a table 'posterior' trains several nets as a mixture over the net's weights;
    'edgespike ensemble' combines them into one graph.

    With --for, a net is not trained, and the exit code is 2, if the target refuses it whatever its
    weights become, or with random weights in a layer of few inputs. If the target would refuse
    only larger weights, a warning says so. Without --for, these refusals become warnings.
    """
    from edgespike.bayes.overlap import CollapseWarning
    from edgespike.nn import load_recipe, train
    from edgespike.nn.training.run_folder import RunFolder

    changed = load_recipe(recipe).override(epochs=epochs, seed=seed, limit=limit)
    folder = RunFolder(out, changed)
    folder.refuse(Path(recipe))
    _check_targets(changed.net, targets)
    if resume and not folder.began:
        say(f"{out} holds no run to resume; training starts with the first epoch")
    with warnings.catch_warnings():
        warnings.simplefilter("always", CollapseWarning)
        warnings.showwarning = _show_warning  # type: ignore[assignment]
        result = train(changed, out, start=start, resume=resume, quiet=as_json)
    last = result.history[-1]
    if as_json:
        models = [str(path) for path in result.models]
        print_json(
            {"model": models[0], "models": models, "log": str(result.log), "last_epoch": last}
        )
    else:
        others = f" and {len(result.models) - 1} more" if len(result.models) > 1 else ""
        accuracy = f"test accuracy {last['test_accuracy']:.2%}"
        print(f"{result.model}{others}: {accuracy}; log in {result.log}")


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
