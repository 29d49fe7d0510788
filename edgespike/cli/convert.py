"""``edgespike convert``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgespike.cli.options import CHECK_FAILED, Json, Samples
from edgespike.cli.output import print_json, print_table
from edgespike.passes.coding import Coding

if TYPE_CHECKING:
    from edgespike.converters.torch.agreement import LayerAgreement
    from edgespike.graph import Graph

EXAMPLE = "edgespike convert runs/fashion/model.safetensors -o graph.safetensors"


def command(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL", help="Trained checkpoint, graph file, or a file for a converter."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Graph file to write.")],
    coding: Annotated[
        Coding,
        typer.Option(
            help="How levels are encoded: each as one graded spike, or as that number of single "
            "spikes."
        ),
    ] = Coding.GRADED,
    check: Annotated[
        Path | None,
        typer.Option(
            metavar="X.npy",
            help="Compare the checkpoint's own neurons with the graph's on these samples.",
        ),
    ] = None,
    samples: Samples = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the graph, part of its hash.")
    ] = None,
    input_shape: Annotated[
        str | None,
        typer.Option(
            metavar="1,28,28", help="For converters of other packages: shape of one sample."
        ),
    ] = None,
    input_range: Annotated[
        str | None,
        typer.Option(
            metavar="LOW,HIGH",
            help="For converters of other packages: smallest and largest input value.",
        ),
    ] = None,
    input_scale: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="For converters of other packages: real value of one unit of the input.",
        ),
    ] = None,
    bits: Annotated[
        int | None,
        typer.Option(metavar="N", help="For converters of other packages: bits of a weight."),
    ] = None,
    calibrate: Annotated[
        Path | None,
        typer.Option(
            metavar="X.npy",
            help="For converters of other packages: samples from which scales are derived.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Convert a trained model to an integer graph.

    MODEL is a checkpoint that edgespike train wrote, a graph file, or a file that a converter of
    another package recognises by its first bytes. A checkpoint takes --name; a graph file takes
    none of --name, --input-shape, --input-range, --input-scale, --bits and --calibrate; converters
    of other packages say which of them they take. An option that is not used is refused.

    With --coding unary, neurons of several levels become several neurons of single spikes: the
    readout stays the same, every target can run the graph, and the counts are those of single
    spikes.

    With --check, each layer of the checkpoint's float net receives what the graph gave, and its
    neurons are compared. The graph is exact; the float net may round a value that is near a tie.
    If any other neuron differs, the exit code is 1 and no graph is written.
    """
    import edgespike
    from edgespike.errors import InputError
    from edgespike.samples import read_array
    from edgespike.storage.files import check_output

    if samples is not None and check is None:
        raise InputError("--samples says how many samples --check compares; give --check X.npy too")
    check_output(out, [model, check, calibrate])
    if check is not None:
        _refuse_check_of_other_files(model)
    converted = edgespike.convert(
        model,
        _whole_numbers("--input-shape", input_shape),
        name=name,
        input_range=_whole_numbers("--input-range", input_range),
        input_scale=input_scale,
        bits=bits,
        calibrate=None if calibrate is None else read_array(calibrate),
    )
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


def _whole_numbers(option: str, text: str | None) -> Any:
    """Read integers separated by commas; how many there must be is checked later."""
    from edgespike.errors import InputError, shown

    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"{option} is {shown(text)}; give integers separated by commas") from None


def _refuse_check_of_other_files(model: Path) -> None:
    from edgespike.converters.own_files import is_checkpoint
    from edgespike.errors import InputError

    if not is_checkpoint(model):
        raise InputError(
            f"--check compares the neurons of a trained checkpoint with its graph's, and {model} "
            "is not one; leave --check out, or name a file that 'edgespike train' wrote"
        )


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
