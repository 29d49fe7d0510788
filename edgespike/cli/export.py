"""``edgespike export``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from edgespike.cli.options import Json, Model, TargetName
from edgespike.cli.output import print_json, print_table

EXAMPLE = "edgespike export --target tflite graph.safetensors -o out/tflite"


def command(
    model: Model,
    target: TargetName,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder to write; new or empty.")
    ],
    as_json: Json = False,
) -> None:
    """Write what a target needs to run a model.

    The folder is new, and appears whole or not at all.
    """
    import edgespike
    from edgespike.targets import get_target

    graph = edgespike.load(model)
    edgespike.export(graph, target, out)
    files = sorted(path for path in out.rglob("*") if path.is_file())
    tell = get_target(target).recipes
    recipes = tell(graph) if tell else []
    if as_json:
        names = [path.relative_to(out).as_posix() for path in files]
        answer: dict[str, Any] = {
            "graph": graph.hash,
            "target": target,
            "folder": str(out),
            "files": names,
        }
        if recipes:
            answer["layers"] = [asdict(recipe) for recipe in recipes]
        print_json(answer)
        return
    for path in files:
        print(f"{path}  ({path.stat().st_size:,} bytes)")
    if recipes:
        print_table(
            ("Layer", "Numbers", "Why"),
            [(recipe.layer, recipe.numbers, recipe.why) for recipe in recipes],
        )
