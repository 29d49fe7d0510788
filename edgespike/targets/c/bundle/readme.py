"""The page of a bundle: how it is checked, called and fed, and what it takes."""

from __future__ import annotations

import textwrap
from typing import Any

from edgespike.graph import Graph
from edgespike.targets.base import without_repeats
from edgespike.targets.c.bundle.cores import CORES
from edgespike.targets.c.bundle.templates import fill
from edgespike.targets.c.numbers import numbers_of
from edgespike.targets.c.source import Written
from edgespike.targets.shared.c_classes import classes_files
from edgespike.targets.shared.c_labels import scaling_note
from edgespike.targets.shared.check_samples import CheckSamples

_WIDTH = 100

_RUN = """\
    static {prefix}_net net;

    /* Returns the class of a sample. */
    int classify(const {prefix}_input *sample)
    {{
        return (int){prefix}_classify({prefix}_run(&net, sample));
    }}"""

_RUN_ENSEMBLE = """\
    static {prefix}_net net;

    /* Returns the answer: {count} numbers. */
    const {prefix}_output *answer(const {prefix}_input *sample)
    {{
        return {prefix}_run(&net, sample);
    }}"""

_MEASURE = """\
    static {prefix}_net net;

    /* Returns the class of a sample of measured numbers, or -1 if one is infinite or NaN. */
    int classify(const double *sample)
    {{
        static {prefix}_input input[{prefix}_INPUT_SIZE];
        uint32_t step;
        {prefix}_init(&net);
        for (step = 0; step < {prefix}_STEPS; step++) {{
            if (!{prefix}_from_measured(sample + step * {prefix}_MEASURED_SIZE, input)) return -1;
            {prefix}_step(&net, input);
        }}
        return (int){prefix}_classify({prefix}_answer(&net));
    }}"""


def readme(written: Written, report: dict[str, Any], checks: CheckSamples, compiled: int) -> str:
    """Return the page.

    Parameters
    ----------
    written
        The network.
    report
        What :func:`edgespike.targets.c.bundle.report.report` found.
    checks, compiled
        The check samples, and how many of them are compiled in.
    """
    graph, prefix = written.layout.graph, written.prefix
    op, measured = graph.input_op, graph.scaling is not None
    members = graph.readout_op.members
    names = {"prefix": prefix, "low": op.low, "high": op.high}
    count = len(report["answer"]["scale"])
    if members > 1:
        code = _RUN_ENSEMBLE.format(**names, count=count)
    else:
        code = (_MEASURE if measured else _RUN).format(**names)
    headers = [f"{prefix}.h", f"{prefix}-classes.h"]
    headers += [f"{prefix}-measured.h"] if measured else []
    included = ", ".join(f'`"{header}"`' for header in headers)
    rows = [
        f"| {row.layer} | {row.numbers} | {row.why} |"
        for row in without_repeats(numbers_of(written.layout))
    ]
    return fill(
        "readme",
        **names,
        name=graph.name,
        hash=graph.hash,
        samples=compiled,
        covered=len(checks),
        coverage=checks.coverage,
        call_text=f"Include {included}:",
        code=code,
        answer=_wrapped(_answer(graph, prefix, report)),
        input=_wrapped(_input(graph, report)),
        scaling=scaling_note(graph, prefix),
        memory=_memory(report),
        classes_files=classes_files(graph),
        measured_row=(
            f"| src/{prefix}-measured.h, .c | turn measured numbers into the input |\n"
            if measured
            else ""
        ),
        processors=", ".join(core.processor for core in CORES),
        layers="\n".join(("| Layer | Kernel | Why |", "|---|---|---|", *rows)),
    )


def _wrapped(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_on_hyphens=False, break_long_words=False)


def _answer(graph: Graph, prefix: str, report: dict[str, Any]) -> str:
    """Say what an answer is, and what its class is called."""
    members = graph.readout_op.members
    kind = report["answer"]["type"]
    parts = [
        f"The answer is {len(report['answer']['scale'])} numbers of type `{kind}`; each times its "
        f"number of `{prefix}_scales` is the logit."
    ]
    if graph.class_names:
        parts.append(f"`{prefix}_class_names[c]` is the name of class `c`.")
    if members > 1:
        parts.append(
            f"The network is an ensemble: they are those of {members} members, one after the "
            "other. Its class is the one with the largest mean of the members' softmax; there is "
            f"no `{prefix}_classify`, since that takes `exp`."
        )
    return " ".join(parts)


def _input(graph: Graph, report: dict[str, Any]) -> str:
    """Say what numbers a sample is, and in which order they stand."""
    op, kind = graph.input_op, report["input"]["type"]
    size = " x ".join(map(str, report["input"]["shape"]))
    order = ["step by step"] if graph.steps > 1 else []
    order += ["row by row, channels last"] if len(op.shape) == 3 else []
    steps = f"{graph.steps} steps of " if graph.steps > 1 else ""
    return (
        f"A sample is {steps}{size} numbers of type `{kind}`, {op.low}..{op.high}"
        f"{''.join(f', {each}' for each in order)}. One unit stands for {op.scale:g}."
    )


def _memory(report: dict[str, Any]) -> str:
    """List what the network takes."""
    lines = [
        "| Bytes | |",
        "|---|---|",
        f"| {report['flash']['constants']:,} | constants, in flash |",
    ]
    compiled = report["compiled"]
    if compiled is None:
        lines.append(f"| {report['ram']:,} | RAM: the structure `{report['prefix']}_net` |")
        return "\n".join((*lines, "", f"Code and stack were not measured: {_why(report)}."))
    by = f"{compiled['core']}, {compiled['compiler']}"
    lines += [
        f"| {compiled['flash']:,} | flash, code and constants |",
        f"| {compiled['ram']:,} | RAM: the structure `{report['prefix']}_net` |",
        f"| {compiled['stack']:,} | stack, at most |",
    ]
    return "\n".join((*lines, "", f"Of {by}."))


def _why(report: dict[str, Any]) -> str:
    return str(report["not_compiled"])
