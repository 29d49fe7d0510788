"""Weighted layers in C: a function that goes from position to position."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from typing_extensions import assert_never

from edgespike.graph import MaxPool2d, Node, Threshold
from edgespike.targets.c.cells import Output, bit_thresholds, cell_lines
from edgespike.targets.c.layers import Kernel, Layer, partial_bound
from edgespike.targets.c.layout import Layout
from edgespike.targets.c.packing import CHUNK, field_bits, halves, packed
from edgespike.targets.c.program import Program
from edgespike.targets.c.values import Value, signed_type
from edgespike.trace import observed_names

INT16 = 2**15 - 1

EIGHT = 8
"""Outputs that the kernel ``eights`` computes at a time."""


@dataclass(frozen=True)
class Place:
    """Where a layer reads and writes.

    Parameters
    ----------
    source, to
        How the values are kept.
    source_at, to_at
        C expressions of the arrays.
    number
        Of the layer's function in a step.
    """

    source: Value
    source_at: str
    to: Value
    to_at: str
    number: int


@dataclass(frozen=True)
class _Sums:
    """Statements that make a position's sums: before all, before a row, at a position."""

    declared: list[str]
    by_row: list[str]
    by_position: list[str]


def write_layer(program: Program, layout: Layout, node: Node, place: Place) -> None:
    """Write a layer's function, its constants and its memory."""
    layer, kernel = layout.layers[node.name], layout.kernels[node.name]
    name = layout.identifiers[node.name]
    cell = layout.cells.get(node.name)
    pool = layout.pools.get(cell.name) if cell is not None else None
    (height, width), (step_y, step_x), (top, left) = layer.output, layer.stride, layer.padding
    sums_type = _sums_type(layout, layer, kernel)
    at = "fired" if pool is not None else f"to + position * {place.to.each}u"
    fire = _fire(program, layout, layer, kernel, cell, Output(place.to, at))
    sums = _sums(program, layout, layer, kernel, name, sums_type, place, fire)
    body = [
        f"const {place.source.c_type} *source = {place.source_at};",
        f"{place.to.c_type} *to = {place.to_at};",
        *sums.declared,
    ]
    if fire is None:
        length = layer.outputs if kernel is Kernel.ROWS else layer.padded_outputs
        array = program.scratch(f"sums_{name}", sums_type, length, place.number)
        body.insert(0, f"{sums_type} *sums = {array};")
    rows, columns = str(height), str(width)
    if pool is not None:
        assert isinstance(pool.op, MaxPool2d)
        program.kernels.use("clear")
        body += [f"uint32_t fired[{place.to.words}];", f"clear(to, {place.to.length});"]
        read = [count * size for count, size in zip(place.to.shape, pool.op.kernel, strict=False)]
        rows = f"ALL({height}, {read[0]})" if read[0] < height else rows
        columns = f"ALL({width}, {read[1]})" if read[1] < width else columns
    finish = (
        [] if fire is not None else _cell(program, layout, layer, cell, place.to, at, sums_type)
    )
    if pool is not None:
        assert cell is not None
        finish += _pooled(layout, cell, pool, place.to)
    if layer.output == (1, 1):
        body += _at_once([*sums.by_row, *sums.by_position, *finish], layer)
    else:
        body += [
            "uint32_t y, x, position = 0;",
            f"for (y = 0; y < {rows}; y++) {{",
            f"    const int32_t top = (int32_t)(y * {step_y}u) - {top};",
            *_indented(sums.by_row),
            f"    for (x = 0; x < {columns}; x++, position++) {{",
            f"        const int32_t left = (int32_t)(x * {step_x}u) - {left};",
            *_indented([*sums.by_position, *finish], 2),
            "    }",
            *([f"    position += {width}u - {columns};"] if columns != str(width) else []),
            "}",
        ]
    given = place.source_at == "input"
    program.add_step(name, f"{node.name}: {kernel.value}", body, reads_input=given)


def _at_once(lines: list[str], layer: Layer) -> list[str]:
    """Return the statements of an only position as a block."""
    given = {"y": 0, "x": 0, "position": 0, "top": -layer.padding[0], "left": -layer.padding[1]}
    used = {
        name: number
        for name, number in given.items()
        if re.search(rf"\b{name}\b", "\n".join(lines))
    }
    constants = [
        f"const {'int32_t' if name in ('top', 'left') else 'uint32_t'} {name} = {number};"
        for name, number in used.items()
    ]
    return ["{", *_indented([*constants, *lines]), "}"]


def _indented(lines: list[str], depth: int = 1) -> list[str]:
    return [f"{'    ' * depth}{line}" for line in lines]


def _sums_type(layout: Layout, layer: Layer, kernel: Kernel) -> str:
    match kernel:
        case Kernel.EVENTS | Kernel.PAIRS:
            return "int16_t"
        case Kernel.EVENTS_WIDE | Kernel.EIGHTS:
            return "int32_t"
        case Kernel.ROWS:
            bound = partial_bound(layer, layout.graph.tensors[layer.root.name])
            return signed_type(-bound, bound, least_bits=32)
        case _:
            assert_never(kernel)


def _sums(
    program: Program,
    layout: Layout,
    layer: Layer,
    kernel: Kernel,
    name: str,
    sums_type: str,
    place: Place,
    fire: str | None,
) -> _Sums:
    match kernel:
        case Kernel.EVENTS | Kernel.EVENTS_WIDE:
            return _from_events(program, layout, layer, kernel, name, place, fire)
        case Kernel.PAIRS:
            return _from_pairs(program, layer, name, place, fire)
        case Kernel.EIGHTS:
            return _from_eights(program, layer, name, place)
        case Kernel.ROWS:
            return _from_rows(program, layer, name, sums_type, place)
        case _:
            assert_never(kernel)


def _from_events(
    program: Program,
    layout: Layout,
    layer: Layer,
    kernel: Kernel,
    name: str,
    place: Place,
    fire: str | None,
) -> _Sums:
    source = place.source
    height, width, channels = source.shape
    low, high = layer.field_range
    bits, shift = field_bits(low, high), -low
    levels = source.levels or layout.graph.tensors[layer.root.name].bounds[1]
    whole = layer.covers(source.shape)
    if whole:  # the only window holds all events: they are listed as those of one row
        height, width = 1, height * width
    rows = min(height, layer.row_span)
    lists = program.scratch(f"lists_{name}", "uint16_t", rows * width * channels, place.number)
    starts = program.scratch(
        f"starts_{name}", "uint16_t", rows * levels * (width + 1), place.number
    )
    weights = program.constant(f"weights_{name}", packed(layer.rows, bits, shift), "uint32_t")
    if bits < 8 and len(layer.rows) * (high - low) >= 2**16:
        program.kernels.use("portable")
    gather = f"gather{bits}"
    if bits == 2:
        few = 15 // max(1, high - low)
        gather = f"gather2_{few}"
        program.kernels.use(
            "gather2",
            few=few,
            times=255 // (few * max(1, high - low)),
            unrolled="\n".join(f"{' ' * 20}ADD_FIELDS(weights[row[{k}]]);" for k in range(few)),
        )
    else:
        program.kernels.use(gather)
    if source.levels:
        program.kernels.use("list_bits")
        row_length, lister = (
            width * source.words,
            f"list_bits(source + %s, {width}, {channels}, {levels}, level, list, end, start)",
        )
    else:
        program.kernels.use("list_bytes")
        row_length, lister = (
            width * channels,
            f"list_bytes(source + %s, {width}, {channels}, level, list, end, start)",
        )
    declared = [
        f"uint16_t *lists = {lists}, *starts = {starts}, ends[{levels}];",
        "uint32_t listed = 0, less;",
    ]
    if whole:
        declared.append("const uint16_t *rows = lists;")
        by_row = [
            "uint16_t *list = lists, *start = starts, end = 0;",
            "unsigned level;",
            f"for (less = 0, level = {levels}; level; level--, start += {width + 1}) {{",
            "    const uint16_t before = end;",
            f"    end = {lister % '0'};",
            f"    ends[{levels} - level] = end;",
            "    less += (uint32_t)(end - before) * level;",
            "}",
            f"less *= {shift}u;",
        ]
        declared[1] = "uint32_t less;"
        found: list[str] = []
    else:
        window = _window(program, layer, name, source, levels, rows)
        program.kernels.use("find_rows")
        most = len(layer.rows)
        listed = program.scratch(f"rows_{name}", "uint16_t", most, place.number)
        declared.append(f"uint16_t *rows = {listed};")
        by_row = [
            f"for (; listed < {height} && (int32_t)listed < top + {layer.row_span}; listed++) {{",
            f"    uint16_t *list = lists + listed % {rows} * {width * channels}u, end = 0;",
            f"    uint16_t *start = starts + listed % {rows} * {levels * (width + 1)}u;",
            "    unsigned level;",
            f"    for (level = {levels}; level; level--, start += {width + 1})",
            f"        end = {lister % f'listed * {row_length}u'};",
            "}",
        ]
        found = [f"less = {shift}u * find_rows(&{window}, lists, starts, top, left, rows, ends);"]
    chunk = len(layer.rows) * CHUNK * bits // 32
    if kernel is Kernel.EVENTS_WIDE:
        program.kernels.use("gather_wide", gather=gather)
        bias = program.constant(f"bias_{name}", _padded(layer), "int32_t")
        call = (
            f"wide_{gather}({weights}, {chunk}, rows, ends, {levels}, {layer.padded_outputs}, "
            f"{bias}, less, sums);"
        )
        return _Sums(declared, by_row, [*found, call])
    declared += ["uint32_t words[8], o;"]
    call = (
        f"{gather}({weights} + o / 16 * {chunk}u, rows, ends, {levels}, "
        "0u - less * 0x10001u, words);"
    )
    return _Sums(declared, by_row, [*found, *_by_chunk(program, layer, name, call, fire)])


def _by_chunk(program: Program, layer: Layer, name: str, words: str, fire: str | None) -> list[str]:
    """Return the statements that compute sums, or what reaches its thresholds, 16 at a time."""
    lines = [f"for (o = 0; o < {layer.padded_outputs}; o += 16) {{", f"    {words}"]
    if fire is None:
        program.kernels.use("halves")
        bias = program.constant(f"bias_{name}", halves(layer.bias), "uint32_t")
        lines.append(f"    take_halves(words, {bias} + o / 2, sums + o);")
    else:
        lines.append(f"    {fire}")
    return [*lines, "}"]


def _padded(layer: Layer) -> np.typing.NDArray[np.int64]:
    padded = np.zeros(layer.padded_outputs, np.int64)
    padded[: layer.outputs] = layer.bias
    return padded


def _window(
    program: Program, layer: Layer, name: str, source: Value, levels: int, rows: int
) -> str:
    program.kernels.use("window")
    segments = layer.segments()
    height, width, channels = source.shape
    listed = ", ".join(f"{{{', '.join(map(str, each))}}}" for each in segments)
    program.constants.append(
        f"static const struct segment segments_{name}[{len(segments)}] = {{{listed}}};\n"
        f"static const struct window window_{name} = {{{height}, {width}, {channels}, {levels}, "
        f"{rows}, {len(segments)}, segments_{name}}};\n"
    )
    return f"window_{name}"


def _spans(program: Program, layer: Layer, name: str, place: Place) -> list[str]:
    """Return the declarations of a layer that multiplies numbers."""
    _window(program, layer, name, place.source, 0, 0)
    program.kernels.use("spans")
    return [f"struct span spans[{len(layer.segments())}];", "uint32_t found, o;"]


def _from_pairs(program: Program, layer: Layer, name: str, place: Place, fire: str | None) -> _Sums:
    kind = place.source.c_type
    program.kernels.use("pairs", value=kind)
    declared = [*_spans(program, layer, name, place), "uint32_t words[8];"]
    words = halves(layer.rows).reshape(len(layer.rows), -1, 8).transpose(1, 0, 2)
    weights = program.constant(f"weights_{name}", words, "uint32_t")
    product = (
        f"pairs_{kind}({weights} + o / 16 * {len(layer.rows) * 8}u, source, spans, found, words);"
    )
    by_position = [
        f"found = find_spans(&window_{name}, top, left, spans);",
        *_by_chunk(program, layer, name, product, fire),
    ]
    return _Sums(declared, [], by_position)


def _from_eights(program: Program, layer: Layer, name: str, place: Place) -> _Sums:
    kind = place.source.c_type
    program.kernels.use("eights", value=kind)
    declared = _spans(program, layer, name, place)
    count = -(-layer.outputs // EIGHT) * EIGHT
    rows = np.zeros((len(layer.rows), count), np.int64)
    rows[:, : layer.outputs] = layer.rows
    by_eights = rows.reshape(len(rows), -1, EIGHT).transpose(1, 0, 2)
    weights = program.constant(f"weights_{name}", by_eights, "int8_t")
    bias = program.constant(f"bias_{name}", _padded(layer), "int32_t")
    by_position = [
        f"found = find_spans(&window_{name}, top, left, spans);",
        f"for (o = 0; o < {count}; o++) sums[o] = {bias}[o];",
        f"for (o = 0; o < {count}; o += {EIGHT})",
        f"    eights_{kind}({weights} + o * {len(rows)}u, source, spans, found, sums + o);",
    ]
    return _Sums(declared, [], by_position)


def _from_rows(program: Program, layer: Layer, name: str, sums_type: str, place: Place) -> _Sums:
    height, width, channels = place.source.shape
    outputs, inputs, taps_y, taps_x = layer.weight.shape
    own = outputs // layer.groups
    by_tap = layer.weight.reshape(layer.groups, own, inputs, taps_y, taps_x)
    rows = by_tap.transpose(3, 4, 0, 2, 1)
    low, high = int(rows.min()), int(rows.max())
    kind = signed_type(low, high)
    weights = program.constant(f"weights_{name}", rows, kind)
    bias_type = signed_type(int(layer.bias.min()), int(layer.bias.max()), least_bits=32)
    bias = program.constant(f"bias_{name}", layer.bias, bias_type)
    declared = ["uint32_t tap_y, tap_x, group, c, o;"]
    source = place.source.c_type
    by_position = [
        f"for (o = 0; o < {outputs}; o++) sums[o] = {bias}[o];",
        f"for (tap_y = 0; tap_y < {taps_y}; tap_y++) {{",
        f"    const int32_t at_y = top + (int32_t)(tap_y * {layer.dilation[0]}u);",
        f"    if (at_y < 0 || at_y >= {height}) continue;",
        f"    for (tap_x = 0; tap_x < {taps_x}; tap_x++) {{",
        f"        const int32_t at_x = left + (int32_t)(tap_x * {layer.dilation[1]}u);",
        f"        const {kind} *row = {weights} + (tap_y * {taps_x} + tap_x) * "
        f"{inputs * outputs}u;",
        f"        const {source} *from = source + ((uint32_t)at_y * {width}u + (uint32_t)at_x) * "
        f"{channels}u;",
        f"        {sums_type} *sum = sums;",
        f"        if (at_x < 0 || at_x >= {width}) continue;",
    ]
    if inputs == own == 1:
        by_position += [
            f"        for (c = 0; c < {channels}; c++) sum[c] += ({sums_type})from[c] * row[c];"
        ]
        declared = ["uint32_t tap_y, tap_x, c, o;"]
    else:
        by_position += [
            f"        for (group = 0; group < {layer.groups}; group++, sum += {own})",
            f"            for (c = 0; c < {inputs}; c++, from++, row += {own}) {{",
            f"                const {sums_type} number = *from;",
            "                if (!number) continue;",
            f"                for (o = 0; o < {own}; o++) sum[o] += number * row[o];",
            "            }",
        ]
    by_position += ["    }", "}"]
    return _Sums(declared, [], by_position)


def _fire(
    program: Program,
    layout: Layout,
    layer: Layer,
    kernel: Kernel,
    cell: Node | None,
    output: Output,
) -> str | None:
    """Return the call that compares the sums of 16 outputs with their thresholds.

    ``None`` if neurons take sums one by one.
    """
    if kernel not in (Kernel.EVENTS, Kernel.PAIRS) or cell is None or not output.value.levels:
        return None
    if not isinstance(cell.op, Threshold):
        return None
    sums = layout.graph.tensors[layer.node.name]
    theta = bit_thresholds(cell.op, sums, output.value.levels)
    if (sums.high - theta).max() > INT16 or (theta - sums.low).max() > INT16 + 1:
        return None
    program.kernels.use("fire_halves")
    name, levels = layout.identifiers[cell.name], output.value.levels
    never = np.ones((levels, layer.padded_outputs), np.int64)
    never[:, : layer.outputs] = theta - layer.bias
    words = halves(never) - np.uint32(0x80008000)
    stride = layer.padded_outputs // 2
    array = program.constant(f"theta_{name}", words, "uint32_t")
    flags = np.zeros(layer.padded_outputs, np.int64)
    flags[: layer.outputs] = cell.op.flipped
    flipped = (flags.reshape(-1, CHUNK) << np.arange(CHUNK)).sum(axis=1)
    bits = program.constant(f"flipped_{name}", flipped, "uint16_t")
    return (
        f"fire_halves(words, {array} + o / 2, {stride}, {bits} + o / 16, {levels}, o % 32, "
        f"{output.place} + o / 32 * {levels});"
    )


def _cell(
    program: Program,
    layout: Layout,
    layer: Layer,
    cell: Node | None,
    value: Value,
    at: str,
    sums_type: str,
) -> list[str]:
    """Return the statements from a position's sums to its values."""
    if cell is None:
        return [
            f"for (uint32_t i = 0; i < {layer.outputs}; i++)",
            f"    to[position * {layer.outputs}u + i] = ({value.c_type})sums[i];",
        ]
    source = layout.graph.tensors[layer.node.name]
    return cell_lines(program, layout, cell, source, sums_type, Output(value, at))


def _pooled(layout: Layout, cell: Node, pool: Node, value: Value) -> list[str]:
    """Return the statements that put what fired into its pool's window."""
    assert isinstance(pool.op, MaxPool2d)
    height, width, _ = value.shape
    (size_y, size_x), words = pool.op.kernel, value.words
    seen = observed_names(layout.graph).index(cell.name)
    return [
        f"SEE_BITS({seen}, position, 1, fired, {value.channels}, {value.levels});",
        f"if (y / {size_y} < {height} && x / {size_x} < {width}) {{",
        f"    uint32_t *pooled = to + (y / {size_y} * {width}u + x / {size_x}) * {words}u, w;",
        f"    for (w = 0; w < {words}; w++) pooled[w] |= fired[w];",
        "}",
    ]
