"""From a graph to a program in C."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np
from typing_extensions import assert_never

from edgespike.graph import (
    Add,
    Concatenate,
    Conv2d,
    Delay,
    Dense,
    Graph,
    Input,
    MaxPool2d,
    Membrane,
    Multiply,
    Node,
    Readout,
    ReadoutMode,
    Reshape,
    SumPool2d,
    Threshold,
)
from edgespike.targets.c.cells import Output, cell_lines
from edgespike.targets.c.counters import Counters
from edgespike.targets.c.layers import Kernel, partial_bound
from edgespike.targets.c.layout import Layout, is_computed, make_layout
from edgespike.targets.c.program import Program, literal
from edgespike.targets.c.values import RANGES, Value
from edgespike.targets.c.weighted import Place, write_layer
from edgespike.targets.shared.channels_last import order_of_reshape
from edgespike.trace import observed_names


def lower(
    graph: Graph, prefix: str = "network", forced: Mapping[str, Kernel] | None = None
) -> tuple[Program, Layout]:
    """Return the program that computes a graph, and how it does.

    Parameters
    ----------
    graph, forced
        As for :func:`edgespike.targets.c.layout.make_layout`.
    prefix
        What the names of the network begin with.
    """
    layout = make_layout(graph, forced)
    program = Program()
    return _Lowering(program, layout, Counters(program, graph, prefix)).run(), layout


class _Lowering:
    """Writes one program."""

    def __init__(self, program: Program, layout: Layout, counters: Counters) -> None:
        self._program, self._layout, self._graph = program, layout, layout.graph
        self._counters = counters
        self._steps = [node for node in self._graph.nodes if is_computed(layout, node)]
        self._number = {node.name: number for number, node in enumerate(self._steps)}
        self._observed = {name: index for index, name in enumerate(observed_names(self._graph))}

    def run(self) -> Program:
        for name in self._layout.values:
            self._lay(self._graph[name])
        for node in (self._graph.input, *(delay for delay, _ in self._graph.of_type(Delay))):
            self._count(node)
        for node in self._steps:
            self._write(node)
            self._see(self._result(node))
            self._count(self._result(node))
        for node, _ in self._graph.of_type(Delay):
            self._carry(node)
        return self._program

    def _result(self, node: Node) -> Node:
        """Return the node whose values a function writes."""
        cell = self._layout.cells.get(node.name, node)
        return self._layout.pools.get(cell.name, cell)

    def _read_by(self, name: str) -> list[int]:
        """Return the numbers of the functions that read a node's values."""
        return [self._number[node.name] for node in self._steps if name in self._reads(node)]

    def _reads(self, node: Node) -> list[str]:
        """Name the nodes whose values a function reads."""
        layer = self._layout.layers.get(node.name)
        if layer is not None:
            return [layer.root.name]
        inner = [name for name in node.inputs if name in self._layout.inline]
        others = [name for name in node.inputs if name not in inner]
        return others + [read for name in inner for read in self._reads(self._graph[name])]

    def _lay(self, node: Node) -> None:
        """Lay out the memory of a node's values."""
        value = self._layout.values[node.name]
        if isinstance(node.op, Input | Readout):
            if isinstance(node.op, Readout):
                self._program.keep(_array(value), value.c_type, value.length)
            return
        if isinstance(node.op, Delay):
            self._program.keep(_array(value), value.c_type, value.length)
            return
        writer = next(each for each in self._steps if self._result(each).name == node.name)
        first = self._number[writer.name]
        delayed = any(node.name in each.inputs for each, _ in self._graph.of_type(Delay))
        last = len(self._steps) if delayed else max(self._read_by(node.name), default=first)
        self._program.pass_on(_array(value), value.c_type, value.length, first, max(first, last))

    def _at(self, name: str) -> str:
        """Return the C expression of a node's array."""
        if name == self._graph.input.name:
            return "input"
        return f"net->{_array(self._layout.values[name])}"

    def _write(self, node: Node) -> None:
        layout, program = self._layout, self._program
        if node.name in layout.layers:
            root = layout.layers[node.name].root.name
            result = self._result(node).name
            place = Place(
                layout.values[root],
                self._at(root),
                layout.values[result],
                self._at(result),
                self._number[node.name],
            )
            write_layer(program, layout, node, place)
            return
        names = [self._at(name) for name in self._reads(node)]
        to = self._at(node.name)
        value = layout.values[node.name]
        sources = [layout.values[name] for name in self._reads(node)]
        match node.op:
            case Threshold() | Membrane() if node.inputs[0] in layout.inline:
                body = self._cell_of_sums(node, value, to)
            case Threshold() | Membrane():
                body = self._cell(node, sources[0], value, names[0], to)
            case MaxPool2d() | SumPool2d() as op:
                body = _pool(op, sources[0], value, names[0], to)
            case Add() | Multiply():
                body = self._elements(node, value, names, to)
            case Concatenate():
                body = _concatenated(sources, value, names, to)
            case Reshape():
                body = self._reshaped(node, value, names[0], to)
            case Readout() as op:
                body = _read_out(op, value, names[0], to)
            case Conv2d() | Dense() | Input() | Delay():
                raise TypeError(f"{node.name} ({node.op.kind}) is written elsewhere")
            case _:
                assert_never(node.op)
        name = layout.identifiers[node.name]
        program.add_step(name, f"{node.name}: {node.op.kind}", body, reads_input="input" in names)

    def _cell_of_sums(self, node: Node, value: Value, to: str) -> list[str]:
        """Compute neurons from sums that are made for them, position by position."""
        added = self._graph[node.inputs[0]]
        bound = sum(self._largest(name) for name in added.inputs)
        kind = "int32_t" if bound <= RANGES["int32_t"][1] else "int64_t"
        name = self._layout.identifiers[node.name]
        number = self._number[node.name]
        sums = self._program.scratch(f"sums_{name}", kind, value.channels, number)
        terms = " + ".join(self._term(each, kind) for each in added.inputs)
        lines = self._neurons(node, value, kind, to)
        return [
            f"{kind} *sums = {sums};",
            "uint32_t position, o, i = 0;",
            f"for (position = 0; position < {value.positions}; position++) {{",
            f"    for (o = 0; o < {value.channels}; o++, i++) sums[o] = {terms};",
            *(f"    {line}" for line in lines),
            "}",
        ]

    def _largest(self, name: str) -> int:
        """Bound the magnitudes of a term of a sum, and of what it is computed from."""
        layer = self._layout.layers.get(name)
        if layer is None or name not in self._layout.inline:
            return max(map(abs, self._graph.tensors[name].bounds))
        return partial_bound(layer, self._graph.tensors[layer.root.name])

    def _term(self, name: str, kind: str) -> str:
        """Return the C expression of element ``i``, of channel ``o``, of a term of a sum."""
        layer = self._layout.layers.get(name)
        if layer is None or name not in self._layout.inline:
            return f"({kind}){self._at(name)}[i]"
        own = self._layout.identifiers[name]
        factor = self._program.parameter(f"factor_{own}", layer.weight.ravel(), "o")
        term = f"({kind}){self._at(layer.root.name)}[i] * {factor}"
        if not layer.bias.any():
            return term
        return f"{term} + {self._program.parameter(f'bias_{own}', layer.bias, 'o')}"

    def _cell(self, node: Node, source: Value, value: Value, at: str, to: str) -> list[str]:
        return [
            f"const {source.c_type} *sums = {at};",
            "uint32_t position;",
            f"for (position = 0; position < {value.positions}; position++) {{",
            *(f"    {line}" for line in self._neurons(node, value, source.c_type, to)),
            f"    sums += {source.channels};",
            "}",
        ]

    def _neurons(self, node: Node, value: Value, sums_type: str, to: str) -> list[str]:
        """Compute a position's neurons from its ``sums``."""
        (tensor,) = self._graph.input_tensors(node)
        output = Output(value, f"{to} + position * {value.each}u")
        return cell_lines(self._program, self._layout, node, tensor, sums_type, output)

    def _elements(self, node: Node, value: Value, names: list[str], to: str) -> list[str]:
        """Add or multiply element by element, in a type that holds every partial result."""
        adds = isinstance(node.op, Add)
        ends = [tuple(map(abs, each.bounds)) for each in self._graph.input_tensors(node)]
        largest = sum(map(sum, ends)) if adds else prod(map(max, ends))
        kind = "int32_t" if largest <= RANGES["int32_t"][1] else "int64_t"
        sign = " + " if adds else " * "
        terms = sign.join(f"({kind}){name}[i]" for name in names)
        return [
            "uint32_t i;",
            f"for (i = 0; i < {value.length}; i++) {to}[i] = ({value.c_type})({terms});",
        ]

    def _reshaped(self, node: Node, value: Value, at: str, to: str) -> list[str]:
        source, result = (self._graph.tensors[name].shape for name in (*node.inputs, node.name))
        order = order_of_reshape(source, result)
        if (order == np.arange(order.size)).all():
            index = "i"
        else:
            array = self._program.constant(f"order_{self._layout.identifiers[node.name]}", order)
            index = f"{array}[i]"
        return [
            "uint32_t i;",
            f"for (i = 0; i < {value.length}; i++) {to}[i] = {at}[{index}];",
        ]

    def _see(self, node: Node) -> None:
        """Show a node's values, if it is observed."""
        index = self._observed.get(node.name)
        if index is None:
            return
        value, at = self._layout.values[node.name], self._at(node.name)
        if value.levels:
            self._program.step.append(
                f"SEE_BITS({index}, 0, {value.positions}, {at}, {value.channels}, {value.levels});"
            )
        else:
            self._program.step.append(f"SEE({index}, {at}, {value.bytes}u);")

    def _count(self, node: Node) -> None:
        """Count the synapses that the events of a node's values reach."""
        self._counters.add(node.name, self._layout.values[node.name], self._at(node.name))

    def _carry(self, node: Node) -> None:
        """Take a delay's values to the next step."""
        assert isinstance(node.op, Delay)
        value = self._layout.values.get(node.name)
        if value is None:
            return
        to, source = self._at(node.name), self._at(node.inputs[0])
        loop = f"for (i = 0; i < {value.length}; i++) {to}[i] ="
        self._program.initial.append(f"{loop} {literal(node.op.initial)};")
        self._program.end_of_step.append(f"{loop} ({value.c_type}){source}[i];")


def _array(value: Value) -> str:
    return f"value_{value.name}"


def _pool(op: MaxPool2d | SumPool2d, source: Value, value: Value, at: str, to: str) -> list[str]:
    (top, _), (left, _) = op.sides
    height, width, _ = source.shape
    each = source.each
    if source.levels:
        start, taken = "uint32_t found = 0", "found |= next"
    elif isinstance(op, MaxPool2d):
        start, taken = f"{value.c_type} found = 0", "if (next > found) found = next"
    else:
        wide = "int64_t" if value.c_type == "int64_t" else "int32_t"
        start, taken = f"{wide} found = 0", "found += next"
    return [
        "uint32_t y, x, c, tap_y, tap_x;",
        f"{value.c_type} *to = {to};",
        f"for (y = 0; y < {value.shape[0]}; y++)",
        f"    for (x = 0; x < {value.shape[1]}; x++)",
        f"        for (c = 0; c < {each}; c++) {{",
        f"            {start};",
        f"            for (tap_y = 0; tap_y < {op.kernel[0]}; tap_y++)",
        f"                for (tap_x = 0; tap_x < {op.kernel[1]}; tap_x++) {{",
        f"                    const int32_t at_y = (int32_t)(y * {op.stride[0]}u + tap_y) - {top};",
        f"                    const int32_t at_x = (int32_t)(x * {op.stride[1]}u + tap_x) "
        f"- {left};",
        f"                    {source.c_type} next;",
        f"                    if (at_y < 0 || at_y >= {height} || at_x < 0 || at_x >= {width}) "
        "continue;",
        f"                    next = {at}[((uint32_t)at_y * {width}u + (uint32_t)at_x) * "
        f"{each}u + c];",
        f"                    {taken};",
        "                }",
        f"            *to++ = ({value.c_type})found;",
        "        }",
    ]


def _concatenated(
    sources: Sequence[Value], value: Value, names: Sequence[str], to: str
) -> list[str]:
    lines = ["uint32_t position, c;", f"{value.c_type} *to = {to};"]
    lines.append(f"for (position = 0; position < {value.positions}; position++) {{")
    for source, at in zip(sources, names, strict=True):
        lines.append(f"    for (c = 0; c < {source.channels}; c++)")
        lines.append(f"        *to++ = ({value.c_type}){at}[position * {source.channels}u + c];")
    return [*lines, "}"]


def _read_out(op: Readout, value: Value, at: str, to: str) -> list[str]:
    lines = ["uint32_t i;", f"for (i = 0; i < {value.length}; i++) {{"]
    lines.append(f"    const {value.c_type} now = ({value.c_type}){at}[i];")
    match op.mode:
        case ReadoutMode.SUM:
            taken = f"if (net->step) {to}[i] = ({value.c_type})({to}[i] + now);"
            lines += [f"    {taken}", f"    else {to}[i] = now;"]
        case ReadoutMode.MAX:
            lines.append(f"    if (!net->step || now > {to}[i]) {to}[i] = now;")
        case ReadoutMode.LAST:
            lines.append(f"    {to}[i] = now;")
        case _:
            assert_never(op.mode)
    return [*lines, "}"]
