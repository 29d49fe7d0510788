"""``edgespike export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgespike.cli.options import Json, Model, TargetName
from edgespike.cli.output import print_json

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

    graph = edgespike.load(model)
    edgespike.export(graph, target, out)
    files = sorted(path for path in out.rglob("*") if path.is_file())
    if as_json:
        names = [path.relative_to(out).as_posix() for path in files]
        print_json({"graph": graph.hash, "target": target, "folder": str(out), "files": names})
        return
    for path in files:
        print(f"{path}  ({path.stat().st_size:,} bytes)")
