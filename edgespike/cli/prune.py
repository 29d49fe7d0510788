"""``edgespike prune``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgespike.cli.options import Force, Json, Limit, data_names
from edgespike.cli.output import print_json, print_table, progress

if TYPE_CHECKING:
    from edgespike.prune.checkpoint import PrunedCheckpoint

EXAMPLE = "edgespike prune runs/rnn/model.safetensors --keep 42 -o pruned.safetensors"


def _methods(start: str) -> list[str]:
    from edgespike.prune import Method

    return [method.value for method in Method if method.value.startswith(start)]


def command(
    model: Annotated[
        Path,
        typer.Argument(metavar="MODEL", help="Checkpoint of a trained float net."),
    ],
    keep: Annotated[
        int | None, typer.Option(metavar="N", help="Number of units that each pruned layer keeps.")
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Instead of --keep: keep the fewest units whose loss is at most this share "
            "(0 to 1).",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Data set. Default: that of the net's recipe.",
            autocompletion=data_names,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Checkpoint to write. Default: none."),
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Method of pruning; for comparison: random, random-bare, magnitude, low-rank, "
            "columns, leverage, spectral-bare.",
            autocompletion=_methods,
        ),
    ] = "spectral",
    seed: Annotated[int, typer.Option(min=0, help="Seed of a method's random choices.")] = 0,
    limit: Limit = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Prune a trained net by the covariance of its units.

    The states are gathered on the training data. The table compares the net before and after
    pruning on the test data. Nothing is trained; fine-tune with: edgespike train RECIPE --from
    FILE.
    """
    from edgespike.extras import needs_extra

    with needs_extra("train", "edgespike prune"):
        from edgespike.prune import Options
        from edgespike.prune.checkpoint import prune_checkpoint, report_table

    with progress() as show:
        result = prune_checkpoint(
            model,
            out,
            keep,
            tolerance,
            method=method,
            options=Options(seed=seed),
            data=data,
            limit=limit or 0,
            force=force,
            track=partial(_track, show),
        )
    if as_json:
        print_json({"file": None if out is None else str(out), **report_table(result)})
    else:
        _print(result, out)


def _track(
    show: Callable[[str, int, int], None], batches: Iterable[Any], what: str, total: int
) -> Iterator[Any]:
    """Yield batches, and show how many of them are done."""
    for done, batch in enumerate(batches):
        show(what, done, total)
        yield batch
    show(what, total, total)


def _print(result: PrunedCheckpoint, out: Path | None) -> None:
    print_table(
        ["", "non-zero weights ", "operations per sample ", "loss ", "accuracy "],
        [
            (name, row.weights, row.operations, f"{row.loss:.4f}", f"{row.accuracy:.2%}")
            for name, row in (("before", result.before), ("after", result.after))
        ],
    )
    print(result.report)
    if out is not None:
        print(f"wrote {out}")
