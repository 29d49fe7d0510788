"""Report in which numbers each layer is computed, and why."""

from __future__ import annotations

from typing_extensions import assert_never

from edgespike.graph import (
    Conv2d,
    Dense,
    Graph,
    Membrane,
    Multiply,
    Node,
    SumPool2d,
    Tensor,
    Threshold,
)
from edgespike.targets.base import LayerNumbers, without_repeats
from edgespike.targets.onnx.bytes import signed_digits
from edgespike.targets.onnx.guesses import Guess
from edgespike.targets.onnx.limits import PAIR_LIMIT
from edgespike.targets.onnx.membranes import potential_type
from edgespike.targets.onnx.patches import gathers
from edgespike.targets.onnx.requantise import Requantised
from edgespike.targets.onnx.sums import (
    Product,
    as_convolution,
    input_digits,
    largest_stored,
    product_weights,
    scales_channels,
    sums_type,
)
from edgespike.targets.onnx.thresholds import Method, method, table_entries, threshold_type
from edgespike.targets.onnx.walk import merged, product_storage


def layer_numbers(graph: Graph) -> list[LayerNumbers]:
    """Return the numbers of each operation that computes, in the order in which they run."""
    plans = merged(graph)
    skipped = {graph[name].inputs[0] for name in plans}
    rows = []
    for node in graph.nodes:
        op = node.op
        if node.name in skipped:
            continue
        if node.name in plans:
            rows.append(_merged(graph, node, plans[node.name]))
        elif isinstance(op, (Dense, Conv2d)):
            rows.append(_sums(node, op, *graph.input_tensors(node)))
        elif isinstance(op, SumPool2d):
            (source,) = graph.input_tensors(node)
            rows.append(_sums(node, as_convolution(op, source.shape[0]), source))
        elif isinstance(op, Multiply):
            dtype = product_storage(graph, node).dtype
            rows.append(LayerNumbers(node.name, dtype.name, "the proven range of its products"))
        elif isinstance(op, Threshold):
            rows.append(_thresholds(node, op, *graph.input_tensors(node)))
        elif isinstance(op, Membrane):
            (source,) = graph.input_tensors(node)
            dtype = potential_type(op, source, graph.steps)
            rows.append(LayerNumbers(node.name, dtype.name, "the proven range of its potentials"))
    return rows


def as_markdown(graph: Graph) -> str:
    """Write the numbers as a table."""
    rows = [
        f"| {row.layer} | {row.numbers} | {row.why} |"
        for row in without_repeats(layer_numbers(graph))
    ]
    return "\n".join(("| Layer | Numbers | Why |", "|---|---|---|", *rows))


def _merged(graph: Graph, node: Node, plan: Requantised) -> LayerNumbers:
    (conv,) = node.inputs
    (source,) = graph.input_tensors(graph[conv])
    kind = plan.weights.values.dtype.name
    exact = bool((plan.multiplier == 1).all())
    return LayerNumbers(
        f"{conv} + {node.name}",
        f"uint8 x {kind}, " + ("rescaled by 1" if exact else "a multiplier for each channel"),
        ("one threshold a channel" if exact else "proven at every threshold")
        + f"; {_pair(largest_stored(source), plan.largest_weight, kind)}",
    )


def _thresholds(node: Node, op: Threshold, source: Tensor) -> LayerNumbers:
    dtype, levels = threshold_type(source).name, f"{op.levels} level{'s' if op.levels > 1 else ''}"
    chosen = method(op, source)
    match chosen:
        case Method.COMPARE:
            return LayerNumbers(node.name, f"{dtype}, comparisons", levels)
        case Method.TABLE:
            entries = int(table_entries(op, source))
            return LayerNumbers(node.name, f"{dtype}, a table", f"{levels}; {entries} entries")
        case Guess():
            return LayerNumbers(node.name, "int64, a line and a comparison", levels)
        case Method.SEARCH:
            return LayerNumbers(node.name, f"{dtype}, a search", f"{levels} far apart")
        case _:
            assert_never(chosen)


def _sums(node: Node, op: Product, source: Tensor) -> LayerNumbers:
    digits, largest = signed_digits(op.weight), largest_stored(source)
    result = sums_type(op, source).name
    if scales_channels(op):
        return LayerNumbers(node.name, result, "a factor for each channel")
    if input_digits(source) * len(digits) > 1:
        return LayerNumbers(
            node.name,
            f"{input_digits(source)} x {len(digits)} digits of 8 bits, {result}",
            "inputs or weights of more than 8 bits",
        )
    kind = product_weights(op, digits[0], largest, source.shape).values.dtype.name
    if isinstance(op, Conv2d) and not gathers(op, source.shape):
        return LayerNumbers(node.name, f"uint8 x {kind}, {result}", "ConvInteger, for groups")
    weight = max(-int(digits[0].min()), int(digits[0].max()))
    return LayerNumbers(node.name, f"uint8 x {kind}, {result}", _pair(largest, weight, kind))


def _pair(activation: int, weight: int, kind: str) -> str:
    product = f"2 x {activation} x {weight} = {2 * activation * weight}"
    return f"{product}, {'within' if kind == 'int8' else 'beyond'} {PAIR_LIMIT}"
