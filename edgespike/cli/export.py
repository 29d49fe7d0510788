"""``edgespike export``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from edgespike.cli.options import Json, ModelFile, TargetName
from edgespike.cli.output import print_json, print_table, say, say_if_slow
from edgespike.passes.coding import Coding

EXAMPLE = "edgespike export --target tflite graph.safetensors -o out/tflite"


def command(
    model: ModelFile,
    target: TargetName,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder to write; new or empty.")
    ],
    coding: Annotated[
        Coding | None,
        typer.Option(
            help="For loihi: how levels are encoded, each as one graded spike (default) or as that "
            "number of single spikes, which Loihi 1 can send too."
        ),
    ] = None,
    samples: Annotated[
        Path | None,
        typer.Option(
            metavar="X.npy",
            help="Samples, as for run --input, among which those that check the artefact are "
            "chosen; for c, report.json gets the rates of their events. Default: random samples.",
        ),
    ] = None,
    kernel: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LAYER=KIND",
            help="For c: the kernel of a layer instead of the fastest exact one, for example "
            "conv2=ROWS; may be repeated.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write the files that a target needs to run a model.

    The folder is new or empty, and is written whole or not at all. SHA256SUMS in it holds the hash
    of each file.
    """
    import edgespike
    from edgespike.samples import read_samples
    from edgespike.storage.files import check_new_folder
    from edgespike.targets import with_kernels
    from edgespike.targets.base import without_repeats

    check_new_folder(out)
    kernels = _kernels(kernel or [])
    chosen = with_kernels(target, kernels)
    graph = edgespike.load(model)
    if coding is not None:
        _check_coding(target, coding)
        graph = coding.apply(graph)
    given = None if samples is None else read_samples(graph, samples)
    with say_if_slow(f"writing {out} for {target}; the time grows with the number of synapses"):
        edgespike.export(graph, target, out, given, kernels=kernels)
    files = sorted(path for path in out.rglob("*") if path.is_file())
    layers = chosen.numbers(graph) if chosen.numbers else []
    remarks = chosen.remarks(graph) if chosen.remarks else []
    if as_json:
        names = [path.relative_to(out).as_posix() for path in files]
        answer: dict[str, Any] = {
            "graph": graph.hash,
            "target": target,
            "folder": str(out),
            "files": names,
        }
        if layers:
            answer["layers"] = [asdict(layer) for layer in layers]
        if remarks:
            answer["remarks"] = remarks
        print_json(answer)
        return
    for path in files:
        print(f"{path}  ({path.stat().st_size:,} bytes)")
    if layers:
        print_table(
            ("Layer", "Numbers", "Why"),
            [(row.layer, row.numbers, row.why) for row in without_repeats(layers)],
        )
    for remark in remarks:
        say(remark)


def _kernels(given: list[str]) -> dict[str, str]:
    """Return the kernels of ``--kernel LAYER=KIND``, by layer."""
    from edgespike.errors import InputError, shown

    found: dict[str, str] = {}
    for text in given:
        layer, equals, kind = text.rpartition("=")
        layer, kind = layer.strip(), kind.strip()
        if not (layer and equals and kind):
            raise InputError(f"--kernel {shown(text)} is not LAYER=KIND, as conv2=ROWS is")
        if found.setdefault(layer, kind) != kind:
            raise InputError(f"--kernel names two kernels for {shown(layer)}; give one")
    return found


def _check_coding(target: str, coding: Coding) -> None:
    from edgespike.errors import UnsupportedError
    from edgespike.targets import get_target

    codings = get_target(target).codings
    if coding.value not in codings:
        offered = f"it takes {' and '.join(codings)}" if codings else "it offers no choice"
        raise UnsupportedError(
            f"target {target!r} does not take --coding {coding.value}",
            [
                f"{offered}; leave it out, or make a graph of single spikes for any target with: "
                "edgespike convert --coding unary"
            ],
        )
