"""``edgespike train``."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer

from edgespike.cli.options import Json, recipe_names
from edgespike.cli.output import print_json, say

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
            "--samples",
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
    as_json: Json = False,
) -> None:
    """Train a net by a recipe.

    A recipe with a table 'posterior' trains several nets as a mixture over the net's weights;
    'edgespike ensemble' combines them into one graph.
    """
    from edgespike.bayes.overlap import CollapseWarning
    from edgespike.nn import load_recipe, train
    from edgespike.nn.training.run_folder import RunFolder

    changed = load_recipe(recipe).override(epochs=epochs, seed=seed, limit=limit)
    folder = RunFolder(out, changed)
    folder.refuse(Path(recipe))
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


def _show_warning(message: Warning | str, *_where: object) -> None:
    print(f"warning: {message}", file=sys.stderr)
