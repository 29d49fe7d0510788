"""``edgespike ensemble``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgespike.cli.inputs import inputs_with_labels
from edgespike.cli.options import Force, Json, LabelsFile, Limit
from edgespike.cli.output import print_json, print_table, progress

if TYPE_CHECKING:
    from edgespike.graph import Graph
    from edgespike.selection import MemberFigures, Score

EXAMPLE = "edgespike ensemble a.safetensors b.safetensors -o both.safetensors"

_BOTH = "--input and --labels belong together; give both, or an input that has labels itself"


def command(
    models: Annotated[
        list[Path],
        typer.Argument(metavar="MODEL...", help="Trained checkpoints or graph files."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Graph file to write.")],
    name: Annotated[str, typer.Option(help="Name of the merged graph.")] = "ensemble",
    members: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="K", help="Choose the best K members; needs --input and --labels."
        ),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            metavar="OPERATIONS",
            help="Choose the best members that take at most this many synaptic operations and "
            "multiply-accumulates per sample on average; needs --input and --labels.",
        ),
    ] = None,
    input_file: Annotated[
        Path | None,
        typer.Option("--input", "-i", metavar="X.npy", help="Held-out integer samples."),
    ] = None,
    labels_file: LabelsFile = None,
    limit: Limit = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Merge models of the same architecture into one graph.

    The graph computes its members side by side, and every target can run it. It predicts the class
    with the largest mean probability over the members; their disagreement shows how uncertain it
    is.

    With --members or --budget, the members are chosen whose mean probability makes the labels of
    held-out samples most likely. Members are numbered from 0, in the order of the models.
    """
    import edgespike
    from edgespike.errors import InputError
    from edgespike.passes.ensemble import ensemble
    from edgespike.selection import select_members
    from edgespike.storage.files import check_output

    if input_file is None and labels_file is not None:
        raise InputError(_BOTH)
    if input_file is None and (members, budget, limit) != (None, None, None):
        raise InputError(
            "--members, --budget and --limit need held-out samples; give --input and --labels"
        )
    check_output(out, [*models, input_file, labels_file], force)
    graphs = [edgespike.load(model) for model in models]
    merged = ensemble(graphs, name)  # reports what does not fit before anything runs
    rows: list[dict[str, Any]] = []
    if input_file is not None:
        figures = _measure(graphs, input_file, labels_file, limit)
        wanted = len(graphs) if (members, budget) == (None, None) else members
        chosen = select_members(figures, wanted, budget)
        merged = ensemble([graphs[place] for place in chosen.members], name)
        rows = _rows(models, figures, chosen)
    edgespike.save(merged, out)
    count = merged.readout_op.members
    if as_json:
        print_json({"graph": merged.hash, "file": str(out), "members": count, "scores": rows})
        return
    if rows:
        _print_scores(rows)
    print(f"{out}: graph {merged.hash}, {count} {'member' if count == 1 else 'members'}")


def _measure(
    graphs: Sequence[Graph], input_file: Path, labels_file: Path | None, limit: int | None
) -> MemberFigures:
    from edgespike.errors import InputError
    from edgespike.selection import measure_members

    inputs = inputs_with_labels(graphs[0], input_file, labels_file, limit)
    if inputs.labels is None:
        raise InputError(_BOTH)
    with progress() as report:
        return measure_members(graphs, inputs.samples, inputs.labels, report)


def _print_scores(rows: Sequence[dict[str, Any]]) -> None:
    print_table(
        ["ensemble", "members ", "NLL (nats) ", "accuracy ", "operations per sample "],
        [
            (
                row["ensemble"],
                ", ".join(map(str, row["members"])),
                f"{row['nll']:.4f}",
                f"{row['accuracy']:.2%}",
                f"{row['operations']:,.0f}",
            )
            for row in rows
        ],
    )


def _rows(models: Sequence[Path], figures: MemberFigures, chosen: Score) -> list[dict[str, Any]]:
    """Return the scores of each candidate, of all together, and of the chosen ones.

    Members are numbered from 0, in the order of the models.
    """
    places = range(len(models))
    scores = [
        (str(path), figures.score([place])) for path, place in zip(models, places, strict=True)
    ]
    scores += [("all", figures.score(places)), ("chosen", chosen)]
    return [
        {
            "ensemble": label,
            "members": list(score.members),
            "nll": score.nll,
            "accuracy": score.accuracy,
            "operations": score.operations,
        }
        for label, score in scores
    ]
