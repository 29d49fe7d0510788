"""What ONNX's integer operators cannot compute exactly in a graph."""

from __future__ import annotations

from collections.abc import Iterator

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
    Reshape,
    SumPool2d,
    Tensor,
    Threshold,
)
from edgespike.targets.onnx.limits import FILE_BYTES, PATCH_PLACES, SUM_LIMIT, TABLE_ENTRIES
from edgespike.targets.onnx.sums import Product, as_convolution, digit_bytes, digit_sum_bound


def violations(graph: Graph) -> list[str]:
    """List sums that int32 cannot hold, and a file that would be too large."""
    return [line for node in graph.nodes for line in _of_node(graph, node)] + list(_size(graph))


def _of_node(graph: Graph, node: Node) -> Iterator[str]:
    op = node.op
    match op:
        case Dense() | Conv2d():
            yield from _sums(node, op, *graph.input_tensors(node))
        case SumPool2d():
            (source,) = graph.input_tensors(node)
            yield from _sums(node, as_convolution(op, source.shape[0]), source)
        case (
            Input()
            | Add()
            | Multiply()
            | Concatenate()
            | Reshape()
            | Delay()
            | Threshold()
            | Membrane()
            | MaxPool2d()
            | Readout()
        ):
            pass  # exact in int64, whose range no graph exceeds
        case _:
            assert_never(op)


def _sums(node: Node, op: Product, source: Tensor) -> Iterator[str]:
    largest = digit_sum_bound(op, source)
    if largest > SUM_LIMIT:
        yield (
            f"{node.name} ({node.op.kind}) adds up products to {largest:.0f} in int32, which "
            f"holds {SUM_LIMIT}; use fewer inputs, smaller weights, or the cpu target"
        )


def _size(graph: Graph) -> Iterator[str]:
    size = 0  # at most, as far as tables are concerned
    for node in graph.nodes:
        op = node.op
        if isinstance(op, (Dense, Conv2d)):
            size += digit_bytes(op.weight) + 8 * op.bias.size
            size += 4 * PATCH_PLACES if isinstance(op, Conv2d) else 0
        elif isinstance(op, (Threshold, Membrane)):
            # A table, or thresholds padded to a power of two.
            size += 8 * TABLE_ENTRIES + 2 * op.array_bytes
    if size > FILE_BYTES:
        yield (
            f"its constants may take {size:,} bytes; the limit of an ONNX file is {FILE_BYTES:,}: "
            "use smaller layers, or the cpu target"
        )
