"""``edgespike targets``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from edgespike.cli.options import Json
from edgespike.cli.output import print_json, print_table, say

EXAMPLE = "edgespike targets --setup loihi"


def command(
    setup: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Install this runtime."),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the targets and which of them can run here."""
    if setup is not None:
        set_up(setup)
    rows = list_targets()
    if as_json:
        print_json(rows)
        return
    print_table(
        ["target", "what it is", "runtime"],
        [(row["name"], row["summary"], row["runtime"] or row["missing"]) for row in rows],
    )


def set_up(name: str) -> None:
    """Install a runtime, or say what is missing if only ``pip install`` can install it."""
    from edgespike.targets import get_runtime

    runtime = get_runtime(name)
    if runtime.setup is not None:
        say(f"setting up {name}")
    version = runtime.version() if runtime.setup is None else runtime.setup()
    say(f"{name}: {version} is ready")


def list_targets() -> list[dict[str, Any]]:
    """Describe every runtime of every target.

    ``runtime`` is ``None`` where it is not installed, and ``missing`` says why.
    """
    from edgespike.targets import get_runtime, runtime_names

    rows = []
    for name in runtime_names():
        row: dict[str, Any] = {"name": name, "summary": None, "runtime": None, "missing": None}
        rows.append(row)
        try:
            runtime = get_runtime(name)
            row["summary"] = runtime.summary
            row["runtime"] = runtime.version()
        except Exception as error:  # a third party's target may be broken in any way
            row["missing"] = str(error)
    return rows
