"""Write the bundle: library, check, emulated boards, packages, report and page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgespike.graph import Graph
from edgespike.targets.c.bundle.building import building_files
from edgespike.targets.c.bundle.check_files import check_c, check_h, main_c
from edgespike.targets.c.bundle.readme import readme
from edgespike.targets.c.bundle.report import report
from edgespike.targets.c.layers import Kernel
from edgespike.targets.c.names import prefix_of
from edgespike.targets.c.source import Written, write_c
from edgespike.targets.c.values import BYTES
from edgespike.targets.shared.c_classes import classes_c, classes_h
from edgespike.targets.shared.c_labels import StoredInput, measured_c, measured_h
from edgespike.targets.shared.check_samples import CheckSamples, check_samples

COMPILED_BYTES = 2**13
"""Flash for the samples that are compiled in: as many as fit, but at least three."""

LEAST_COMPILED = 3
"""The sample with the most events, one without any, and the one that checks the most."""


def write_bundle(
    graph: Graph,
    folder: Path,
    samples: NDArray[Any] | None = None,
    *,
    forced: Mapping[str, Kernel] | None = None,
) -> None:
    """Write the bundle into an empty folder.

    Parameters
    ----------
    graph
        The graph.
    folder
        Where to write.
    samples
        Samples among which those that check the artefact are chosen, and whose events the report
        has; ``None`` for random ones.
    forced
        Kernels of layers instead of the chosen ones, by the layers' names.

    Raises
    ------
    InputError
        The samples do not fit the graph.
    UnsupportedError
        The graph is too large to compute samples.
    """
    checks = check_samples(graph, samples, extremes=True)
    prefix = prefix_of(graph.name)
    written = write_c(graph, prefix, forced)
    compiled = min(len(checks), max(LEAST_COMPILED, COMPILED_BYTES // _sample_bytes(written)))
    library = {
        f"{prefix}.h": written.header,
        f"{prefix}.c": written.source,
        f"{prefix}-classes.h": classes_h(graph, prefix),
        f"{prefix}-classes.c": classes_c(graph, prefix),
        **_measured(graph, written),
        **check_sources(graph, prefix, checks, compiled),
    }
    sources = [f"src/{name}" for name in library if name.endswith(".c")]
    files = {
        **{f"src/{name}": text for name, text in library.items()},
        "check/main.c": main_c(graph, prefix),
        **building_files(graph, prefix, sources),
    }
    for name, text in files.items():
        _write(folder / name, text)
    found = report(written, checks, compiled, folder / "src", samples)
    _write(folder / "report.json", f"{json.dumps(found, indent=1)}\n")
    _write(folder / "README.md", readme(written, found, checks, compiled))


def check_sources(graph: Graph, prefix: str, checks: CheckSamples, count: int) -> dict[str, str]:
    """Return the files of the first ``count`` samples that are compiled in."""
    inputs, answers = checks.samples[:count], checks.expected[:count]
    return {
        f"{prefix}-check.h": check_h(graph, prefix, count),
        f"{prefix}-check.c": check_c(graph, prefix, inputs, answers),
    }


def _measured(graph: Graph, written: Written) -> dict[str, str]:
    """Return the files that scale measured numbers, if the graph has a scaling."""
    if graph.scaling is None:
        return {}
    op, prefix = graph.input_op, written.prefix
    stored = StoredInput(written.layout.values[graph.input.name].c_type)
    return {
        f"{prefix}-measured.h": measured_h(prefix, prod(op.shape), stored),
        f"{prefix}-measured.c": measured_c(prefix, graph.scaling, op.low, op.high, stored),
    }


def _sample_bytes(written: Written) -> int:
    graph = written.layout.graph
    source = written.layout.values[graph.input.name]
    answer = written.layout.values[graph.readout.name]
    return graph.steps * source.size * BYTES[source.c_type] + answer.size * BYTES[answer.c_type]


def _write(place: Path, text: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text, "utf-8", newline="\n")
