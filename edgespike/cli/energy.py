"""``edgespike energy``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgespike.cli.inputs import confusion_of, inputs_with_labels
from edgespike.cli.options import (
    CHECK_FAILED,
    Cluster,
    Force,
    Html,
    InputFile,
    Json,
    LabelsFile,
    Limit,
    ModelFile,
    TargetName,
    Threads,
    Wide,
    Workers,
    profile_names,
)
from edgespike.cli.output import MOST_LINES, print_json, progress, say

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgespike.counting import Audit, Counts
    from edgespike.graph import Graph
    from edgespike.prepared import Prepared

MORE = "--layers, --steps, --models, --sources, --html FILE, --json"
"""What else can be asked for."""

EXAMPLE = "edgespike energy graph.safetensors --input images.npy --audit 2 --html energy.html"


def command(
    model: ModelFile,
    input_file: InputFile,
    target: TargetName = "cpu",
    labels_file: LabelsFile = None,
    limit: Limit = None,
    audit: Annotated[
        int,
        typer.Option(
            min=0, metavar="N", help="Recount the first N samples by walking each event (slow)."
        ),
    ] = 0,
    profile: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PROFILE",
            help="A shipped energy profile, 'all' of them, or a TOML file; may be repeated. "
            "Default: those with models.",
            autocompletion=profile_names,
        ),
    ] = None,
    layers: Annotated[
        bool, typer.Option("--layers", help="Also print every layer's counts and weights.")
    ] = False,
    steps: Annotated[bool, typer.Option("--steps", help="Also print every step's counts.")] = False,
    models: Annotated[
        bool, typer.Option("--models", help="Also print every model's energy, formula and caveat.")
    ] = False,
    sources: Annotated[
        bool, typer.Option("--sources", help="Also print every constant and where it is from.")
    ] = False,
    html: Html = None,
    certificate: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.json",
            help="For --html: what 'edgespike verify --out' wrote of this graph.",
        ),
    ] = None,
    force: Force = False,
    wide: Wide = False,
    threads: Threads = None,
    workers: Workers = None,
    cluster: Cluster = None,
    as_json: Json = False,
) -> None:
    """Count operations and estimate the energy that they take.

    The first lines say what a sample costs on average; JSON has totals over all samples. With
    --workers or --cluster, the samples are shared between workers, and all counts stay the same.
    The exit code is 1 if an audit disagrees with the count.
    """
    import edgespike
    from edgespike.api import report_tally
    from edgespike.console import make_console, print_facts, print_lines
    from edgespike.energy import load_profiles, shipped_profiles
    from edgespike.prepared import prepared
    from edgespike.report import print_report, write_page
    from edgespike.sharding import tally_shared
    from edgespike.storage.files import check_output
    from edgespike.text import fact_lines
    from edgespike.threads import at_most

    profiles = load_profiles(profile or None)
    own = [Path(name) for name in profile or () if name not in shipped_profiles()]
    check_output(html, [model, input_file, labels_file, certificate, *own], force)
    graph = edgespike.load(model)
    verified = None if certificate is None else _verified(graph, certificate, html)
    inputs = inputs_with_labels(graph, input_file, labels_file, limit)
    array = inputs.samples
    ready = prepared(graph, target)
    with at_most(threads), progress() as report_progress:
        tally = tally_shared(ready, array, report_progress, workers=workers, cluster=cluster)
    report = report_tally(ready, tally, target, profiles, inputs.labels)
    with at_most(threads):
        recount = _recount(ready, array[:audit]) if audit else None
    if html is not None:
        confusion = confusion_of(graph, tally.accumulators, inputs.labels)
        write_page(html, graph, report, verified, recount, confusion)
        say(f"wrote {html}")
    if as_json:
        from edgespike.comparison import samples_hash

        answer = {**report.to_json(), "inputs": samples_hash(graph, array)}
        print_json({**answer, **({"audit": _audit_json(*recount)} if recount else {})})
    else:
        console = make_console(wide)
        audited = [] if recount is None else _audit_facts(*recount)
        print_report(
            report,
            console,
            lines=MOST_LINES - len(fact_lines(audited)) - 2,
            layers=layers,
            steps=steps,
            models=models,
            sources=sources,
        )
        print_facts(console, audited)
        if not (layers or steps or models or sources):
            console.print()
            labels_too = "" if report.accuracy is not None else "--labels Y, "
            print_lines(console, [f"more: {labels_too}{MORE}"])
    if recount and not recount[0].agrees(recount[1]):
        raise typer.Exit(CHECK_FAILED)


def _verified(graph: Graph, certificate: Path, html: Path | None) -> dict[str, Any]:
    """Return a certificate of the graph for the page."""
    from edgespike.certificates import read_certificate
    from edgespike.errors import InputError

    if html is None:
        raise InputError("--certificate is shown on the page; add --html FILE.html")
    found = read_certificate(certificate)
    if found.graph != graph.hash:
        raise InputError(
            f"{certificate} is of graph {found.graph}, not of {graph.name!r}, which is "
            f"{graph.hash}; verify this graph"
        )
    return found.to_json()


def _recount(ready: Prepared, samples: NDArray[Any]) -> tuple[Audit, Counts]:
    from edgespike.batches import tally_all, trace_all
    from edgespike.counting import audit

    say(f"recounting {len(samples)} samples, one event at a time")
    walked = audit(ready.graph, samples, trace_all(ready.runner, samples))
    # Tallied again, as for the report: that is what is audited, and a trace is of another run.
    return walked, ready.counter.counts(tally_all(ready.runner, samples, ready.runtime.name))


def _audit_json(audit: Audit, counts: Counts) -> dict[str, Any]:
    return {
        "samples": audit.samples,
        "equal": audit.agrees(counts),
        "synaptic_operations": {k.value: v for k, v in audit.synaptic_operations.items()},
        "multiply_accumulates": {k.value: v for k, v in audit.multiply_accumulates.items()},
    }


def _audit_facts(audit: Audit, counts: Counts) -> list[tuple[str, str]]:
    result = "equal to the count" if audit.agrees(counts) else "DIFFERENT from the count"
    kinds = {
        "synaptic operations": audit.synaptic_operations,
        "multiply-accumulates": audit.multiply_accumulates,
    }
    walked = [
        f"{kind} {', '.join(f'{k.value} {v:,}' for k, v in found.items())}"
        for kind, found in kinds.items()
    ]
    return [("audit", f"{result}; {audit.samples} samples: {'; '.join(walked)}")]
