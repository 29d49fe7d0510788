"""The text of a network's header and of its source."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from edgespike.graph import Graph
from edgespike.targets.c.counters import counted_layers, too_large
from edgespike.targets.c.layers import Kernel
from edgespike.targets.c.layout import Layout
from edgespike.targets.c.lower import lower
from edgespike.targets.c.names import prefix_of
from edgespike.targets.c.program import Array, Program, block
from edgespike.trace import observed_names

_HEADER = """\
/* {name}: graph {hash}. Written by edgespike. */
#ifndef {prefix}_NETWORK_H
#define {prefix}_NETWORK_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

/* The graph's SHA-256. */
#define {prefix}_HASH "{hash}"

/* Numbers of one step of the input, {low}..{high}, channels last: {axes}. */
#define {prefix}_INPUT_SIZE {input_size}
#define {prefix}_STEPS {steps}
/* What one unit of the input stands for. */
#define {prefix}_INPUT_SCALE {scale}
/* Numbers of the answer. */
#define {prefix}_OUTPUT_SIZE {output_size}

typedef {input_type} {prefix}_input;
typedef {output_type} {prefix}_output;

/* All memory that the network works in: {memory} bytes at most. Nobody else may change it. */
typedef struct {prefix}_net {{
    uint32_t step;
{members}}} {prefix}_net;

/* Begin a sample. */
void {prefix}_init({prefix}_net *net);

/* Compute one step. */
void {prefix}_step({prefix}_net *net, const {prefix}_input *input);

/* Return the answer after the steps so far; it is part of net. */
const {prefix}_output *{prefix}_answer(const {prefix}_net *net);

/* Compute a whole sample: {prefix}_STEPS steps, one after the other in input.
   Returns the answer. */
const {prefix}_output *{prefix}_run({prefix}_net *net, const {prefix}_input *input);
{counting}
#ifdef __cplusplus
}}
#endif

#endif
"""

_COUNTING = """
/* With {prefix}_COUNT defined, the operations of each weighted layer are counted: spikes times the
   synapses that they reach, and events that carry a number times those that multiply it.
   Synapses are every one, then those whose trained weight is not 0, then those whose weight here
   is not 0. Layers:
{layers} */
#ifdef {prefix}_COUNT
#define {prefix}_LAYERS {number}
typedef struct {prefix}_counts {{
    uint64_t operations[3][{prefix}_LAYERS], multiplied[3][{prefix}_LAYERS];
}} {prefix}_counts;

/* Where steps add what they count, to what is there; NULL: nowhere. */
extern {prefix}_counts *{prefix}_counting;

/* Begin to count. */
void {prefix}_clear_counts({prefix}_counts *counts);
#endif
"""

_NOT_COUNTING = """
#ifdef {prefix}_COUNT
#error "this network is too large to be counted"
#endif
"""

_COUNT = """
#ifdef {prefix}_COUNT
{prefix}_counts *{prefix}_counting;
#define COUNT(kind, fan_out, values) count_##kind(&fan_out, values)

void {prefix}_clear_counts({prefix}_counts *counts)
{{
    memset(counts, 0, sizeof *counts);
}}
#else
#define COUNT(kind, fan_out, values)
#endif
"""

_SOURCE = """\
/* {name}: graph {hash}. Written by edgespike. */
#include "{prefix}.h"

#include <string.h>

#define NETWORK {prefix}_net
#define INPUT {prefix}_input
{observing}{counting}
{kernels}
{constants}
{functions}
void {prefix}_init(NETWORK *net)
{{
{initial}}}

void {prefix}_step(NETWORK *net, const INPUT *input)
{{
{step}}}

const {prefix}_output *{prefix}_answer(const NETWORK *net)
{{
    return net->{answer};
}}

const {prefix}_output *{prefix}_run(NETWORK *net, const INPUT *input)
{{
    uint32_t step;
    {prefix}_init(net);
    for (step = 0; step < {prefix}_STEPS; step++) {{
        {prefix}_step(net, input);
        input += {prefix}_INPUT_SIZE;
    }}
    return {prefix}_answer(net);
}}
"""

_OBSERVING = """
/* With {prefix}_OBSERVE defined, {prefix}_observed[k] points to where a layer's values are copied
   at each step, in the types and order of the report. */
#ifdef {prefix}_OBSERVE
void *{prefix}_observed[{layers}];
#define ALL(all, used) (all)
#define SEE(layer, values, bytes) memcpy({prefix}_observed[layer], values, bytes)
{bits}#else
#define ALL(all, used) (used)
#define SEE(layer, values, bytes)
#define SEE_BITS(layer, first, positions, bits, channels, levels) (void)(first)
#endif
"""

_OBSERVING_BITS = """\
#define SEE_BITS(layer, first, positions, bits, channels, levels) \\
    see_bits({prefix}_observed[layer], first, positions, bits, channels, levels)
static void see_bits(void *observed, uint32_t first, uint32_t positions, const uint32_t *bits,
                     uint32_t channels, uint32_t levels)
{{
    uint8_t *to = (uint8_t *)observed + first * channels;
    uint32_t c, level;
    for (; positions; positions--, bits += (channels + 31) / 32 * levels)
        for (c = 0; c < channels; c++, to++)
            for (*to = 0, level = 0; level < levels; level++)
                *to = (uint8_t)(*to + (bits[c / 32 * levels + level] >> c % 32 & 1));
}}
"""


@dataclass(frozen=True)
class Written:
    """A network in C.

    Parameters
    ----------
    prefix
        What all its names begin with.
    header, source
        The text of both files.
    memory
        Bytes of the network's structure, at most; compilers may lay it out more tightly.
    flash
        Bytes of each constant array.
    layout
        How the graph is computed.
    """

    prefix: str
    header: str
    source: str
    memory: int
    flash: dict[str, int]
    layout: Layout


def write_c(
    graph: Graph, prefix: str | None = None, forced: Mapping[str, Kernel] | None = None
) -> Written:
    """Write a graph in C.

    Parameters
    ----------
    graph
        The graph.
    prefix
        What all names begin with; by default the graph's name.
    forced
        Kernels of layers instead of the fastest exact ones, by the layers' names.

    Raises
    ------
    UnsupportedError
        A forced kernel is not exact.
    """
    prefix = prefix_of(graph.name) if prefix is None else prefix
    program, layout = lower(graph, prefix, forced)
    slots = program.slots()
    kept = [array for array in program.arrays if array.first is None]
    kept.sort(key=_alignment, reverse=True)
    members = ["/* kept from step to step */", *(array.declaration for array in kept)]
    where = {array.name: array.name for array in kept}
    memory = 8 + sum(-(-array.bytes // 8) * 8 for array in kept)
    for number, slot in enumerate(slots):
        members += ["union {", *(f"    {array.declaration}" for array in slot), f"}} at{number};"]
        where.update({array.name: f"at{number}.{array.name}" for array in slot})
        memory += max(-(-array.bytes // 8) * 8 for array in slot)
    shape = graph.input_op.shape
    axes = ", ".join(map(str, (*shape[1:], shape[0])))
    source = layout.values[graph.input.name]
    readout = layout.values[graph.readout.name]
    common = {"name": _in_comment(graph.name), "hash": graph.hash, "prefix": prefix}
    header = _HEADER.format(
        **common,
        low=graph.input_op.low,
        high=graph.input_op.high,
        scale=repr(float(graph.input_op.scale)),
        axes=axes,
        input_size=source.size,
        steps=graph.steps,
        output_size=readout.size,
        input_type=source.c_type,
        output_type=readout.c_type,
        memory=memory,
        members=block(members),
        counting=_counting(graph, prefix),
    )
    text = _SOURCE.format(
        **common,
        observing=_observing(program, prefix, len(observed_names(graph))),
        counting=_COUNT.format(prefix=prefix) if _counts(graph) else "",
        kernels=program.kernels.text(),
        constants="".join(program.constants),
        functions="\n".join(program.functions),
        initial=_initial(program),
        step=_step(program),
        answer=f"value_{readout.name}",
    )
    found = re.sub(r"net->(\w+)", lambda match: f"net->{where.get(match[1], match[1])}", text)
    return Written(prefix, header, found, memory, dict(program.flash), layout)


def _counts(graph: Graph) -> bool:
    return bool(counted_layers(graph)) and not too_large(graph)


def _counting(graph: Graph, prefix: str) -> str:
    """Return the declaration of the counters."""
    if too_large(graph):
        return _NOT_COUNTING.format(prefix=prefix)
    layers = counted_layers(graph)
    if not layers:
        return ""
    names = "\n".join(f"   {k}: {_in_comment(node.name)}" for k, node in enumerate(layers))
    return _COUNTING.format(prefix=prefix, layers=names, number=len(layers))


def _observing(program: Program, prefix: str, layers: int) -> str:
    used = any("SEE_BITS" in text for text in (*program.functions, *program.step))
    bits = _OBSERVING_BITS.format(prefix=prefix) if used else ""
    return _OBSERVING.format(prefix=prefix, layers=layers, bits=bits)


def _alignment(array: Array) -> int:
    return array.bytes // array.length


def _in_comment(name: str) -> str:
    return re.sub(r"[^ -~]", "?", name).replace("*/", "* /")


def _initial(program: Program) -> str:
    loops = ["uint32_t i;"] if any(" i " in line for line in program.initial) else []
    return block([*loops, *program.initial, "net->step = 0;"])


def _step(program: Program) -> str:
    loops = ["uint32_t i;"] if program.end_of_step else []
    unused = [] if program.reads_input else ["(void)input;"]
    return block([*loops, *unused, *program.step, *program.end_of_step, "net->step++;"])
