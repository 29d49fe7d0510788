"""A sample of the user's own on a microcontroller: its scaling, its class, and the class's name."""

from __future__ import annotations

import textwrap
from math import prod
from pathlib import Path

from edgespike.graph import Graph
from edgespike.targets.shared.c_arrays import c_prefix
from edgespike.targets.shared.c_labels import (
    StoredInput,
    classes_c,
    classes_h,
    measured_c,
    measured_h,
)
from edgespike.targets.tflite.lower import Lowered
from edgespike.targets.tflite.planning.storage import Form

_PAGE = """\
## Your own samples

{introduction}

    // Returns the class of a sample, or -1 if it cannot be classified.
    int Classify(tflite::MicroInterpreter& interpreter, const {given}* sample) {{
      static {stored} input[{size}];
      Reset();
      for (int step = 0; step < {prefix}_CHECK_STEPS; ++step) {{
        {fill}
        if (!Run(interpreter, input, sizeof(input))) {{
          return -1;
        }}
      }}
      const auto* logits = reinterpret_cast<const {output}*>(interpreter.output(0)->data.raw);
      const auto* end = logits + {prefix}_CHECK_OUTPUT_SIZE;
      return static_cast<int>(std::max_element(logits, end) - logits);
    }}

    const int found = Classify(interpreter, sample);
    {say}
"""

_COPY = "std::copy_n(sample + step * {size}, {size}, input);"

_SCALE = """\
if (!{prefix}_from_measured(sample + step * {size}, input)) {{
          return -1;
        }}"""

_SCALING = """
`{prefix}_from_measured` computes floor((x - offset) / step + 1/2) in double, clips it to
{low}..{high} and stores it as the model's input. It is exact wherever a double has 64 bits and
rounds as IEEE 754 says; with a compiler or an option for which that does not hold it does not
compile.
"""

_ENSEMBLE = """\
## Your own samples

The model is an ensemble: output 0 holds the logits of {members} members, one after the other. Its
class is the one with the largest mean of the members' softmax.
"""


def write_labels(graph: Graph, lowered: Lowered, input_type: str, folder: Path) -> str:
    """Write names of classes and the function that scales, as far as a graph has them.

    Returns
    -------
    rows
        Of the README's table of files; empty if nothing was written.
    """
    prefix, rows = c_prefix(graph.name), ""
    if graph.class_names:
        (folder / "classes.h").write_text(classes_h(prefix, graph.class_names))
        (folder / "classes.c").write_text(classes_c(prefix, graph.class_names))
        rows += "| classes.h, classes.c | the name of each class, in UTF-8 |\n"
    if graph.scaling is not None:
        op, stored = graph.input_op, _stored(graph, lowered, input_type)
        content = measured_c(prefix, graph.scaling, op.low, op.high, stored)
        (folder / "measured.h").write_text(measured_h(prefix, prod(lowered.input.shape), stored))
        (folder / "measured.c").write_text(content)
        rows += "| measured.h, measured.c | turn measured numbers into the model's input |\n"
    return rows


def _stored(graph: Graph, lowered: Lowered, input_type: str) -> StoredInput:
    if lowered.input.form is Form.FLOAT:
        return StoredInput(input_type, unit=graph.input_op.scale)
    return StoredInput(input_type, lowered.input.zero_point)


def own_sample(graph: Graph, input_type: str, output_type: str) -> str:
    """Return in Markdown, with a function in C++, how a program classifies a sample of its own."""
    op, members, measured = graph.input_op, graph.readout_op.members, graph.scaling is not None
    names = {"prefix": c_prefix(graph.name), "low": op.low, "high": op.high, "members": members}
    scaling = _SCALING.format(**names) if measured else ""
    if members > 1:
        return (_ENSEMBLE.format(**names) + scaling).rstrip()
    size = f"{names['prefix']}_{'MEASURED' if measured else 'CHECK_INPUT'}_SIZE"
    page = _PAGE.format(
        **names,
        introduction=_introduction(graph, size),
        size=size,
        given="double" if measured else input_type,
        stored=input_type,
        output=output_type,
        fill=(_SCALE if measured else _COPY).format(**names, size=size),
        say=_say(graph),
    )
    return (page + scaling).rstrip()


def _order(graph: Graph) -> str:
    """Say what numbers a sample is, and in which order they stand."""
    parts = ["measured numbers" if graph.scaling is not None else "numbers, stored as above"]
    parts += ["step by step"] if graph.steps > 1 else []
    parts += ["row by row, channels last"] if len(graph.input_op.shape) > 1 else []
    return ", ".join(parts)


def _introduction(graph: Graph, size: str) -> str:
    return textwrap.fill(
        f"A sample is {_order(graph)}: `{c_prefix(graph.name)}_CHECK_STEPS * {size}` of them. To "
        f"classify it, include {', '.join(_headers(graph))} in `main.cc`, add this after "
        "`CountWrong`, and call it after the check:",
        100,
    )


def _headers(graph: Graph) -> list[str]:
    headers = ["<algorithm>"]
    headers += ['"classes.h"'] if graph.class_names else []
    headers += ['"measured.h"'] if graph.scaling is not None else []
    return [f"`{name}`" for name in headers]


def _say(graph: Graph) -> str:
    """Return the line that prints the class that was found."""
    if not graph.class_names:
        return 'std::printf("%d\\n", found);'
    name = f"{c_prefix(graph.name)}_class_names[found]"
    return f'std::printf("%s\\n", found < 0 ? "unusable" : {name});'
