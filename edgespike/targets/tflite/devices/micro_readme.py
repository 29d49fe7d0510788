"""The page of the microcontroller bundle: how it is checked, called and fed, and what it takes."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator

from edgespike.graph import Graph
from edgespike.targets.shared.c_classes import classes_files
from edgespike.targets.shared.c_labels import scaling_note
from edgespike.targets.shared.c_names import c_prefix
from edgespike.targets.shared.check_samples import CheckSamples
from edgespike.targets.tflite.devices.arena import Arena
from edgespike.targets.tflite.devices.arrays import crc
from edgespike.targets.tflite.devices.bundle import described, fill
from edgespike.targets.tflite.devices.network_files import (
    C_TYPES,
    input_type,
    output_type,
    resolver_method,
)
from edgespike.targets.tflite.lower import Lowered
from edgespike.targets.tflite.planning.plan import Plan, channels_last
from edgespike.targets.tflite.planning.storage import Form

_WIDTH = 120

_ARENA = """\
    #ifdef __cplusplus
    alignas(16)
    #else
    _Alignas(16)
    #endif
    static uint8_t arena[{prefix}_ARENA_SIZE];

    /* Loads the network. Returns NULL, or what is wrong. */
    const char *load(void)
    {{
        return {prefix}_init(arena);
    }}

"""

_RUN = """\
    /* Returns the class of a sample, or -1 if there is none. */
    int classify(const {prefix}_input *sample)
    {{
        const {prefix}_output *answer = {prefix}_run(sample);
        return answer ? (int){prefix}_classify(answer) : -1;
    }}"""

_RUN_ENSEMBLE = """\
    /* Returns the answer: {count} numbers; NULL if there is none. */
    const {prefix}_output *answer(const {prefix}_input *sample)
    {{
        return {prefix}_run(sample);
    }}"""

_MEASURE = """\
    /* Returns the class of a sample of measured numbers, or -1 if there is none. */
    int classify(const double *sample)
    {{
        static {prefix}_input input[{prefix}_STEPS * {prefix}_INPUT_SIZE];
        const {prefix}_output *answer;
        int i;
        for (i = 0; i < {prefix}_STEPS; i++)
            if (!{prefix}_from_measured(sample + i * {prefix}_INPUT_SIZE,
                                        input + i * {prefix}_INPUT_SIZE))
                return -1;
        answer = {prefix}_run(input);
        return answer ? (int){prefix}_classify(answer) : -1;
    }}"""


def readme(
    plan: Plan, lowered: Lowered, checks: CheckSamples, compiled: int, arena: Arena, commit: str
) -> str:
    """Return the page.

    Parameters
    ----------
    checks, compiled
        The check samples, and how many of them are compiled in.
    commit
        The tested commit of TensorFlow Lite Micro.
    """
    graph, prefix = plan.graph, c_prefix(plan.graph.name)
    measured = graph.scaling is not None
    row = f"| src/{prefix}-measured.h, .c | turn measured numbers into the input |\n"
    headers = [f"{prefix}.h", f"{prefix}-classes.h"]
    headers += [f"{prefix}-measured.h"] if measured else []
    return fill(
        "microcontroller",
        **described(plan),
        prefix=prefix,
        commit=commit[:9],
        samples=compiled,
        covered=len(checks),
        coverage=checks.coverage,
        call_text=f"Include {', '.join(f'`{header}`' for header in headers)}:",
        code=_code(graph, prefix),
        answer=_wrapped(_answer(graph, lowered, prefix)),
        input=_wrapped(_input(graph, lowered)),
        scaling=scaling_note(graph, prefix),
        memory="\n".join(_memory(lowered, prefix, arena)),
        model_crc=crc(lowered.content),
        classes_files=classes_files(graph),
        measured_row=row if measured else "",
    )


def _wrapped(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_on_hyphens=False, break_long_words=False)


def _item(text: str) -> str:
    return textwrap.fill(
        f"- {text}",
        _WIDTH,
        subsequent_indent="  ",
        break_on_hyphens=False,
        break_long_words=False,
    )


def _code(graph: Graph, prefix: str) -> str:
    """Return a function in C that uses the bundle."""
    if graph.readout_op.members > 1:
        body = _RUN_ENSEMBLE
    else:
        body = _RUN if graph.scaling is None else _MEASURE
    return (_ARENA + body).format(prefix=prefix, count=graph.readout_op.scale.size)


def _answer(graph: Graph, lowered: Lowered, prefix: str) -> str:
    """Say what an answer is, and what its class is called."""
    op = graph.readout_op
    parts = [
        f"The answer is {op.scale.size} whole numbers of type `{output_type(lowered)}`; each times "
        f"its number of `{prefix}_scales` is the logit."
    ]
    if graph.class_names:
        parts.append(f"`{prefix}_class_names[c]` is the name of class `c`.")
    if op.members > 1:
        parts.append(
            f"The network is an ensemble: they are those of {op.members} members, one after the "
            "other. Its class is the one with the largest mean of the members' softmax; there is "
            f"no `{prefix}_classify`, since that takes `exp`."
        )
    return " ".join(parts)


def _input(graph: Graph, lowered: Lowered) -> str:
    """Say what numbers a sample is, in which order they stand, and how they are stored."""
    op = graph.input_op
    order = ["step by step"] if graph.steps > 1 else []
    order += ["row by row, channels last"] if len(op.shape) == 3 else []
    steps = f"{graph.steps} steps of " if graph.steps > 1 else ""
    return (
        f"A sample is {steps}{' x '.join(map(str, channels_last(op.shape)))} numbers of type "
        f"`{input_type(lowered)}`{''.join(f', {each}' for each in order)}. For x in real units, "
        f"one unit of the graph's {op.low}..{op.high} being {op.scale:g}, {_rule(graph, lowered)}."
    )


def _rule(graph: Graph, lowered: Lowered) -> str:
    """Return which number to store for a value in real units, in words."""
    if lowered.input.form is Form.FLOAT:
        return "store x itself"
    zero = lowered.input.zero_point
    shift = f" {'-' if zero < 0 else '+'} {abs(zero)}" if zero else ""
    return f"store round(x / {graph.input_op.scale:.9g}){shift}"


def _memory(lowered: Lowered, prefix: str, arena: Arena) -> Iterator[str]:
    """List what the network takes, and the model's states, if it computes one step."""
    operators = ", ".join(resolver_method(name) for name in lowered.operators)
    yield _item(
        f"Working memory (arena): {arena.origin}. Optimised kernels may need more: "
        f"`{prefix}_init` says if it is too small, and `-D{prefix}_ARENA_SIZE=` makes it larger."
    )
    yield _item(
        f"Flash: {len(lowered.content)} bytes of the model, the code of TensorFlow Lite Micro, and "
        f"its operators: {operators}."
    )
    if not lowered.states:
        return
    yield "- The model computes one step. States, which the library carries from step to step:"
    yield from (
        f"  - {state.tensor.name}: input {index}, output {state.output}, "
        f"`{C_TYPES[state.tensor.storage.form]}`, {math.prod(state.tensor.shape)} elements, "
        f"all {state.initial} before the first step"
        for index, state in enumerate(lowered.states, start=1)
    )
