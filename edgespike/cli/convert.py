"""``edgespike convert``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgespike.cli.options import CHECK_FAILED, Coding, Json, ModelFile, Samples
from edgespike.cli.output import print_json, print_table

if TYPE_CHECKING:
    from edgespike.converters.torch.agreement import LayerAgreement
    from edgespike.graph import Graph

EXAMPLE = "edgespike convert runs/fashion/model.safetensors -o graph.safetensors"


def command(
    model: ModelFile,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Graph file to write.")],
    coding: Annotated[
        Coding,
        typer.Option(help="How levels travel: as numbers, or as so many single spikes."),
    ] = Coding.GRADED,
    check: Annotated[
        Path | None,
        typer.Option(
            metavar="X.npy",
            help="Compare the checkpoint's own neurons with the graph's on these samples.",
        ),
    ] = None,
    samples: Samples = None,
    as_json: Json = False,
) -> None:
    """Convert a trained checkpoint to an integer graph.

    With --coding unary, neurons of several levels become several neurons of single spikes: the
    readout stays the same, and every target runs the graph, the counts of which are its own.

    With --check, each layer of the checkpoint's float net receives what the graph gave, and its
    neurons are compared. The graph is exact; the float net may round where it is near a tie. If a
    neuron differs that is not, the exit code is 1 and no graph is written.
    """
    import edgespike
    from edgespike.errors import InputError
    from edgespike.storage.files import check_output

    if samples is not None and check is None:
        raise InputError("--samples says how many samples --check compares; give --check X.npy too")
    check_output(out, [model, check])
    converted = edgespike.load(model)
    found = None if check is None else _agreement(converted, model, check, samples)
    failed = found is not None and any(layer.unexplained for layer in found)
    graph = coding.apply(converted)
    if not failed:
        edgespike.save(graph, out)
    if as_json:
        answer = {"graph": graph.hash, "file": None if failed else str(out)}
        print_json(answer if found is None else {**answer, "check": [asdict(x) for x in found]})
    else:
        if found is not None:
            _print_agreement(found)
        written = "nothing written" if failed else str(out)
        print(f"{written}: graph {graph.hash}, {len(graph.nodes)} nodes")
    if failed:
        raise typer.Exit(CHECK_FAILED)


def _agreement(
    graph: Graph, model: Path, samples_file: Path, limit: int | None
) -> list[LayerAgreement]:
    from edgespike.converters.torch.checkpoints import check_checkpoint
    from edgespike.samples import read_samples

    return check_checkpoint(model, read_samples(graph, samples_file, limit))


def _print_agreement(layers: Sequence[LayerAgreement]) -> None:
    print_table(
        ["activation", "node", "compared ", "near a tie ", "different ", "of these not near "],
        [(x.path, x.node, x.neurons, x.near_ties, x.different, x.unexplained) for x in layers],
    )
