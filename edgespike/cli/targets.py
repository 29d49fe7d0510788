"""``edgespike targets``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from edgespike.cli.options import Json, Wide, runtime_names_from
from edgespike.cli.output import print_json, say

EXAMPLE = "edgespike targets --setup loihi"

_DESCRIBED = 9
"""Up to how many runtimes have a line for what they are, unless all is asked for."""


def command(
    setup: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Install this runtime.", autocompletion=runtime_names_from
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Print descriptions and what is missing in full.")
    ] = False,
    wide: Wide = False,
    as_json: Json = False,
) -> None:
    """List the targets and which of them can run here."""
    if setup is not None:
        set_up(setup)
    rows = list_targets()
    if as_json:
        print_json(rows)
        return
    print_targets(rows, everything, wide)


def print_targets(rows: list[dict[str, Any]], everything: bool, wide: bool) -> None:
    """Print which runtimes can run here, and each with what it is."""
    from edgespike.console import make_console, print_lines
    from edgespike.text import fact_lines, wrapped

    console = make_console(wide)
    found = [row["name"] for row in rows if row["runtime"] is not None]
    answer = f"{len(found)} of {len(rows)} can run here: {', '.join(found) or 'none'}"
    print_lines(console, wrapped(answer, console.width, hanging=2, most=None if everything else 3))
    facts: list[tuple[str, str]] = []
    for row in rows:
        facts.append((row["name"], row["runtime"] or f"not here: {row['missing']}"))
        if row["summary"] and (everything or len(rows) <= _DESCRIBED):
            facts.append(("", row["summary"]))
    most = None if everything else 1
    print_lines(console, fact_lines(facts, console.width, most=most)[: None if everything else 20])
    if not everything:
        print_lines(console, ["more: --all for whole descriptions, --setup NAME installs one"])


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
