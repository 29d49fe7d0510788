"""Thresholds and membranes in C: from a position's sums to its values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgespike.graph import (
    Comparison,
    Emits,
    Membrane,
    Node,
    Reset,
    ResetTime,
    Tensor,
    Threshold,
)
from edgespike.graph.ops.threshold import reachable
from edgespike.graph.tensor import Integers
from edgespike.targets.c.formulas import Line, Scaled, formula_of
from edgespike.targets.c.layers import magnitude
from edgespike.targets.c.layout import Layout
from edgespike.targets.c.program import Program, block, literal
from edgespike.targets.c.values import RANGES, Value, signed_type

INT32 = RANGES["int32_t"][1]

FEW_LEVELS = 3
"""Most levels that are searched even where a line is exact."""


@dataclass(frozen=True)
class Output:
    """Where a position's values go.

    Parameters
    ----------
    value
        How they are kept.
    place
        C expression of the position's first element.
    """

    value: Value
    place: str


def cell_lines(
    program: Program, layout: Layout, node: Node, source: Tensor, sums_type: str, output: Output
) -> list[str]:
    """Return the statements that compute neurons from ``sums`` at ``position``.

    Parameters
    ----------
    node
        Thresholds or membranes.
    source
        Range of the sums.
    sums_type
        Type of the array ``sums``.
    """
    name = layout.identifiers[node.name]
    if isinstance(node.op, Threshold):
        return _threshold(program, name, node.op, source, sums_type, output)
    assert isinstance(node.op, Membrane)
    return _membrane(program, layout, node, node.op, source, sums_type, output)


def _threshold(
    program: Program, name: str, op: Threshold, source: Tensor, sums_type: str, output: Output
) -> list[str]:
    channels = len(op.theta)
    theta = reachable(op.theta, source.low[:, None], source.high[:, None])
    if output.value.levels:
        return [_fire(program, name, op, source, sums_type, output)]
    value = output.value.c_type
    wide = "int64_t" if magnitude(abs(op.offset) + op.unit * op.levels) > INT32 else "int32_t"
    numbers = f"{channels}, {op.levels}, {literal(op.offset)}, {literal(op.unit)}, {output.place}"
    formula = formula_of(op, source) if op.levels > FEW_LEVELS else None
    name_of_value = value if wide == "int32_t" else f"{value}_wide"
    types = {"sums": sums_type, "value": value, "wide": wide, "named": name_of_value}
    if isinstance(formula, Line):
        program.kernels.use("line", **types)
        slope = program.constant(f"slope_{name}", formula.slope, "int32_t")
        shift = program.constant(f"shift_{name}", formula.shift, "int32_t")
        return [
            f"line_{sums_type}_{name_of_value}(sums, {slope}, {shift}, {formula.bits}, {numbers});"
        ]
    if isinstance(formula, Scaled):
        program.kernels.use("scaled", **types)
        mantissa = program.constant(f"mantissa_{name}", formula.mantissa, "int32_t")
        shift = program.constant(f"shift_{name}", formula.shift, "uint8_t")
        zero = program.constant(f"zero_{name}", formula.zero, "int16_t")
        return [
            f"scaled_{sums_type}_{name_of_value}(sums, {mantissa}, {shift}, {zero}, {numbers});"
        ]
    flipped = program.constant(f"flipped_{name}", op.flipped.astype(np.int64))
    theta_type = signed_type(int(theta.min()), int(theta.max()), least_bits=16)
    program.kernels.use("levels", theta=theta_type, **types)
    alike = bool((theta == theta[0]).all())
    array = program.constant(f"theta_{name}", theta[:1] if alike else theta, theta_type)
    stride = 0 if alike else op.levels
    kinds = f"{sums_type}_{theta_type}_{name_of_value}"
    return [f"levels_{kinds}(sums, {array}, {stride}, {flipped}, {numbers});"]


def _fire(
    program: Program,
    name: str,
    op: Threshold,
    source: Tensor,
    sums_type: str,
    output: Output,
) -> str:
    """Return the statement that sets bits."""
    levels, channels = output.value.levels, len(op.theta)
    own = bit_thresholds(op, source, levels)
    theta_type = signed_type(int(own.min()), int(own.max()), least_bits=16)
    program.kernels.use("fire", sums=sums_type, theta=theta_type)
    array = program.constant(f"theta_{name}", own, theta_type)
    flipped = program.constant(f"flipped_{name}", bit_words(op.flipped), "uint32_t")
    return (
        f"fire_{sums_type}_{theta_type}(sums, {array}, {flipped}, {channels}, {levels}, "
        f"{output.place});"
    )


def bit_thresholds(op: Threshold, source: Tensor, levels: int) -> Integers:
    """Return what a sum must reach for each level's bit, ``(levels, channels)``.

    In a flipped channel it must not: ``x`` is at least at level ``l`` if it does not reach the
    ``l``-th threshold from above.
    """
    theta = reachable(op.theta, source.low[:, None], source.high[:, None])
    return np.where(op.flipped[:, None], theta[:, ::-1], theta)[:, :levels].T


def bit_words(flags: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """Return flags as words of 32 bits, the first in the lowest bit."""
    padded = np.zeros(-(-len(flags) // 32) * 32, np.uint64)
    padded[: len(flags)] = flags
    words = (padded.reshape(-1, 32) << np.arange(32, dtype=np.uint64)).sum(axis=1)
    return np.asarray(words, np.uint32)


def _membrane(
    program: Program,
    layout: Layout,
    node: Node,
    op: Membrane,
    source: Tensor,
    sums_type: str,
    output: Output,
) -> list[str]:
    name = layout.identifiers[node.name]
    writer = _MembraneWriter(program, name, op, source, layout.graph.steps, output.value)
    program.functions.append(writer.function(sums_type))
    return [f"step_{name}(net, position, sums, {output.place});"]


class _MembraneWriter:
    """Writes the function that steps the membranes of a position."""

    def __init__(
        self, program: Program, name: str, op: Membrane, source: Tensor, steps: int, value: Value
    ) -> None:
        self._program, self._name, self._op, self._value = program, name, op, value
        # Not those of the value, which may be a pool's.
        self._neurons = source.size
        low, high = op.potential_range(source, steps)
        self._saturates = op.saturates(low, high, steps)
        self._too_high = int(high.max()) > op.saturation
        least = np.asarray(op.least)
        self._too_low = int(low.min()) < int(least.max())
        current = [int(np.abs(end).max()) for end in op.current_range(source, steps)]
        inputs = max(abs(end) for end in source.bounds) << op.fraction_bits
        largest = max(-int(low.min()), int(high.max())) + magnitude(op.bias) + max(*current, inputs)
        largest += 2 << op.fraction_bits
        if op.reset_time is ResetTime.SAME_STEP_RAISED:
            largest *= 2
        self._largest = largest
        self._highest = int(high.max())
        self._current = max(*current, inputs)
        self._type = "int32_t" if largest <= INT32 else "int64_t"
        kept = largest if not self._saturates else min(largest, op.saturation)
        self._kept = signed_type(-kept, kept, least_bits=16)
        self._clips_current = op.current_saturates(source, steps)

    def function(self, sums_type: str) -> str:
        """Return the function."""
        op, value, channels = self._op, self._value, self._value.channels
        out = "uint32_t" if value.levels else value.c_type
        head = [self._state("potential", self._kept)]
        if op.decay_syn is not None:
            head.insert(1, self._state("current", self._current_type()))
        if op.reset_time is ResetTime.NEXT_STEP and op.reset is not Reset.NONE:
            head.insert(1, self._state("fired", "uint8_t" if op.max_spikes <= 255 else "int64_t"))
        head.append("unsigned c;")
        body = self._body()
        if value.levels:
            head.append(f"for (c = 0; c < {value.words}u; c++) to[c] = 0;")
        return (
            f"static void step_{self._name}(NETWORK *net, uint32_t position, "
            f"const {sums_type} *sums, {out} *to)\n{{\n{block(head)}"
            f"    for (c = 0; c < {channels}u; c++) {{\n"
            f"{block(body, 2)}    }}\n}}\n"
        )

    def _state(self, name: str, c_type: str) -> str:
        """Lay out what each neuron keeps, 0 at first; return the pointer to a position's."""
        array = self._program.keep(f"{name}_{self._name}", c_type, self._neurons)
        self._program.initial.append(f"memset({array}, 0, sizeof {array});")
        return f"{c_type} *{name} = {array} + position * {self._value.channels}u;"

    def _body(self) -> list[str]:
        op, kind, bits = self._op, self._type, self._op.fraction_bits
        scale = literal(1 << bits)
        added = f"({kind})sums[c] * {scale}" if bits else f"({kind})sums[c]"
        lines = [f"{kind} v = potential[c];"]
        if op.emits is Emits.SPIKES or op.reset is not Reset.NONE:
            # A threshold above all potentials is never reached; just above them, it fits the type.
            highest = np.minimum(op.theta, (self._highest >> bits) + 1)
            theta = self._parameter("theta", highest << bits)
            lines.append(f"const {kind} theta = {theta};")
        reached = "theta"
        compare = ">=" if op.comparison is Comparison.GREATER_EQUAL else ">"
        if op.reset_time is ResetTime.SAME_STEP_RAISED:
            lines.append(f"const {kind} reached = v {compare} theta ? 2 * theta : theta;")
            reached = "reached"
        if op.decay_syn is not None:
            kept = self._parameter("conserved", op.decay_one - np.asarray(op.decay_syn))
            decayed = self._decayed("current[c]", kept, min(self._current, op.saturation))
            lines.append(f"{kind} i = {decayed} + {added};")
            if self._clips_current:
                top = literal(op.saturation)
                lines.append(f"i = i > {top} ? {top} : i < -{top} ? -{top} : i;")
            lines.append(f"current[c] = ({self._current_type()})i;")
            added = "i"
        if np.any(op.decay):
            kept = self._parameter("kept", op.decay_one - np.asarray(op.decay))
            lines.append(f"v = {self._decayed('v', kept, self._largest)};")
        lines.append(f"v += {added};")
        if np.any(op.bias):
            lines.append(f"v += {self._parameter('bias', np.asarray(op.bias))};")
        late = op.reset_time is ResetTime.NEXT_STEP and op.reset is not Reset.NONE
        if late and op.reset is Reset.ZERO:
            lines.append("if (fired[c]) v = 0;")
        elif late:
            lines.append(f"v -= ({kind})fired[c] * theta;")
        if self._saturates and self._too_low:
            least = self._parameter("least", np.maximum(np.asarray(op.least), -self._largest))
            lines.append(f"if (v < {least}) v = {least};")
        if self._saturates and self._too_high:
            top = literal(op.saturation)
            lines.append(f"if (v > {top}) v = {top};")
        return [*lines, *self._firing(compare, reached, late=late)]

    def _firing(self, compare: str, reached: str, *, late: bool) -> list[str]:
        op, kind, value = self._op, self._type, self._value
        lines = []
        if op.emits is Emits.POTENTIAL:
            lines.append(f"to[c] = ({value.c_type})v;")
        if op.max_spikes == 1:
            spikes = [f"if (v {compare} {reached}) {{"]
            if op.emits is Emits.SPIKES:
                spikes.append(
                    "    to[c / 32] |= (uint32_t)1 << c % 32;" if value.levels else "    to[c] = 1;"
                )
            if late:
                spikes.append("    fired[c] = 1;")
            elif op.reset is Reset.ZERO:
                spikes.append("    v = 0;")
            elif op.reset is Reset.SUBTRACT:
                spikes.append("    v -= theta;")
            if len(spikes) > 1:
                if op.emits is Emits.SPIKES and not value.levels:
                    lines.append("to[c] = 0;")
                if late:
                    lines.append("fired[c] = 0;")
                lines += [*spikes, "}"]
        else:
            enough = "v" if compare == ">=" else "v - 1"
            most = literal(min(op.max_spikes, RANGES[kind][1]))
            lines.append(f"{kind} n = {enough} < theta ? 0 : ({enough}) / theta;")
            lines.append(f"if (n > {most}) n = {most};")
            if op.emits is Emits.SPIKES:
                lines.append(f"to[c] = ({value.c_type})n;")
            if late:
                fired = "uint8_t" if op.max_spikes <= 255 else "int64_t"
                lines.append(f"fired[c] = ({fired})n;")
            elif op.reset is Reset.ZERO:
                lines.append("if (n) v = 0;")
            elif op.reset is Reset.SUBTRACT:
                lines.append("v -= n * theta;")
            elif op.emits is Emits.POTENTIAL:
                lines = lines[:1]
        lines.append(f"potential[c] = ({self._kept})v;")
        return lines

    def _current_type(self) -> str:
        bound = min(self._current, self._op.saturation)
        return signed_type(-bound, bound, least_bits=16)

    def _decayed(self, what: str, kept: str, largest: int) -> str:
        one = self._op.decay_one
        bits = self._op.decay_bits
        if largest * one <= INT32:
            self._program.kernels.use("decay", value="int32_t")
            return f"decay_int32_t({what}, {kept}, {bits})"
        if largest * one < 2**62:
            self._program.kernels.use("decay", value="int64_t")
            return f"({self._type})decay_int64_t({what}, {kept}, {bits})"
        self._program.kernels.use("decay_in_parts")
        return f"({self._type})decay_in_parts({what}, {kept}, {bits})"

    def _parameter(self, kind: str, values: Integers) -> str:
        """Return the C expression of a parameter: a number, or an array's element."""
        values, name = np.asarray(values), f"{kind}_{self._name}"
        if values.ndim <= 1:
            return self._program.parameter(name, np.atleast_1d(values), "c")
        index = f"position * {self._value.channels}u + c"
        return self._program.parameter(name, np.moveaxis(values, 0, -1), index)
