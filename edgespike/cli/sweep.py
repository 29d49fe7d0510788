"""``edgespike sweep``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgespike.cli.options import (
    CHECK_FAILED,
    Cluster,
    EnergyModelName,
    Json,
    ProfileName,
    Workers,
    recipe_names,
)
from edgespike.cli.output import MOST_LINES, print_json, print_sentence, print_table
from edgespike.text import number_of

if TYPE_CHECKING:
    from edgespike.sweep.grid import Axis
    from edgespike.sweep.run import Swept

EXAMPLE = (
    "edgespike sweep fashion_s3nn --over penalty=synaptic,spike_count --over lambda=0,1e-9,5e-9 "
    "--over seed=1..3 -o sweeps/fashion"
)


def command(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE",
            help="Name of a shipped recipe, or a TOML file, as for train.",
            autocompletion=recipe_names,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="DIR", help="Folder for the table of results and all nets."
        ),
    ],
    over: Annotated[
        list[str],
        typer.Option(
            metavar="SETTING=A,B,...",
            help="A setting of the recipe with its values; 1..5 are five whole numbers, "
            "net.NAME is a setting of the net. Repeated, all combinations are trained.",
        ),
    ],
    data: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="Train on this file or folder, or on a known data set, instead of the recipe's "
            "data.",
        ),
    ] = None,
    verify: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            help="Compare each graph with its definition on the first N test samples.",
        ),
    ] = 200,
    model: EnergyModelName = None,
    profile: ProfileName = None,
    workers: Workers = None,
    cluster: Cluster = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Continue the folder's sweep, or add points to it, if there is one."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Train a recipe with many settings; verify and count each net.

    Each point is trained, converted, verified on the cpu target, and counted on all test samples.
    results.jsonl in the folder gets a line for each that is finished. With --resume, no finished
    point is done again, and a training on this machine goes on after its last epoch.

    The exit code is 1 if a point failed, such as by a loss that is infinite, or a graph is not
    equal to its definition; all other points are done nevertheless.
    """
    from edgespike.api import usable_profiles
    from edgespike.errors import InputError, shown
    from edgespike.nn import load_draft
    from edgespike.pools.choosing import pool_of
    from edgespike.sweep.grid import read_axis
    from edgespike.sweep.point import Counting
    from edgespike.sweep.progress import watcher
    from edgespike.sweep.run import sweep

    axes = [read_axis(text) for text in over]
    draft = load_draft(recipe, data)
    profiles = usable_profiles(None if profile is None else [profile])
    known = [each.name for one in profiles for each in one.models]
    if model is not None and model not in known:
        raise InputError(
            f"energy model {shown(model)} is in none of the profiles; there are {', '.join(known)}"
        )
    with pool_of(workers, cluster) as pool, watcher(as_json) as watching:
        found = sweep(
            *(draft, axes, out, pool, Counting(verify, profiles, model), watching),
            resume=resume,
            shared=cluster is None,
        )
    if as_json:
        print_json(
            {
                "results": str(found.results),
                "complete": found.complete,
                "points": found.rows,
                "failed": [
                    {"settings": settings, "kind": failure.kind, "message": failure.message}
                    for settings, failure in found.failed
                ],
            }
        )
    else:
        _print(found, axes, out)
    if not found.complete:
        raise typer.Exit(CHECK_FAILED)


def _print(found: Swept, axes: Sequence[Axis], out: Path) -> None:
    from edgespike.report.units import joules

    names = [axis.name for axis in axes if len(axis.values) > 1]
    rows = [row for row in found.rows if row["verified"]]
    shown = rows[: MOST_LINES - 8 - len(found.failed)]
    if shown:
        print_table(
            [*(f"{name} " for name in names), "accuracy ", "synaptic op. ", "MAC ", "energy "],
            [
                [
                    *(_cell(row, name) for name in names),
                    f"{row['accuracy']:.2%}",
                    f"{row['synaptic_operations']:,.0f}",
                    f"{row['multiply_accumulates']:,.0f}",
                    "–" if row["energy_j"] is None else joules(row["energy_j"]),
                ]
                for row in shown
            ],
        )
    if len(rows) > len(shown):
        print(f"and {number_of(len(rows) - len(shown), 'more point')}")
    for settings, failure in found.failed:
        label = " ".join(f"{name}={value}" for name, value in settings.items())
        print_sentence(f"FAILED: {label}: {failure.message}")
    for row in found.rows:
        if not row["verified"]:
            print_sentence(f"FAILED: point {row['point']} is not equal to its definition")
    print_sentence(f"{found.results}: {number_of(len(found.rows), 'point')} of this sweep")
    print(f"next: edgespike frontier {out}")


def _cell(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name, "")
    return f"{value:g}" if isinstance(value, float) else str(value)
