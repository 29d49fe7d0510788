"""``edgespike energy``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgespike.cli.options import (
    CHECK_FAILED,
    Html,
    InputFile,
    Json,
    ModelFile,
    Samples,
    TargetName,
    Threads,
    profile_names,
)
from edgespike.cli.output import print_json, print_sentence, progress, say

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgespike.counting import Audit, Counts
    from edgespike.energy import EnergyReport
    from edgespike.prepared import Prepared

EXAMPLE = "edgespike energy graph.safetensors --input images.npy --audit 2 --html energy.html"


def command(
    model: ModelFile,
    input_file: InputFile,
    target: TargetName = "cpu",
    samples: Samples = None,
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
            help="A shipped energy profile, or a TOML file; may be repeated. "
            "Default: all shipped profiles.",
            autocompletion=profile_names,
        ),
    ] = None,
    html: Html = None,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Count operations and estimate the energy that they take.

    Totals are over the given samples. The exit code is 1 if an audit disagrees with the count.
    """
    import edgespike
    from edgespike.batches import tally_all
    from edgespike.energy import energy_report, load_profile, shipped_profiles
    from edgespike.prepared import prepared
    from edgespike.report import write_page
    from edgespike.samples import read_samples
    from edgespike.storage.files import check_output
    from edgespike.targets import refusals
    from edgespike.threads import at_most

    profiles = [load_profile(name) for name in profile] if profile else None
    own = [Path(name) for name in profile or () if name not in shipped_profiles()]
    check_output(html, [model, input_file, *own])
    graph = edgespike.load(model)
    array = read_samples(graph, input_file, samples)
    ready = prepared(graph, target)
    with at_most(threads), progress() as report_progress:
        tally = tally_all(ready.runner, array, target, report_progress)
    report = energy_report(graph, ready.counter.counts(tally), profiles, refusals(graph))
    with at_most(threads):
        recount = _recount(ready, array[:audit]) if audit else None
    if html is not None:
        write_page(html, graph, report, audit=recount)
        say(f"wrote {html}")
    if as_json:
        print_json({**report.to_json(), **({"audit": _audit_json(*recount)} if recount else {})})
    else:
        print_energy(report)
        if recount:
            _print_audit(*recount)
    if recount and not recount[0].agrees(recount[1]):
        raise typer.Exit(CHECK_FAILED)


def print_energy(report: EnergyReport) -> None:
    """Print an energy report for people."""
    from edgespike.console import make_console
    from edgespike.report import print_report

    print_report(report, make_console())


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


def _print_audit(audit: Audit, counts: Counts) -> None:
    result = "equal to the count" if audit.agrees(counts) else "DIFFERENT from the count"
    kinds = {
        "synaptic operations": audit.synaptic_operations,
        "multiply-accumulates": audit.multiply_accumulates,
    }
    for kind, found in kinds.items():
        walked = ", ".join(f"{k.value} {v:,}" for k, v in found.items())
        print_sentence(f"Audit of {audit.samples} samples: {kind} {walked}; {result}.")
