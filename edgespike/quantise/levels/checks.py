"""What a net of levels cannot be made of, found before anything is computed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from edgespike.errors import UnsupportedError
from edgespike.floats.net import FloatDelay, FloatNet, FloatNode, FloatRelu, FloatTanh
from edgespike.floats.shapes import not_finite

if TYPE_CHECKING:
    from edgespike.converters.base import ConvertOptions

FEWEST_BITS, MOST_BITS = 2, 8


def check_net(net: FloatNet, options: ConvertOptions) -> None:
    """Raise ``UnsupportedError`` that lists what has no integer form, and options out of range."""
    faults = [fault for node in net.nodes for fault in _faults(net, node)]
    bits = options.bits
    if bits is not None and not FEWEST_BITS <= bits <= MOST_BITS:
        faults.append(
            f"bits is {bits}; give {FEWEST_BITS} (weights -1, 0 and 1) to {MOST_BITS} bits of a "
            "weight"
        )
    if faults:
        raise UnsupportedError("model cannot be quantised", faults)


def _faults(net: FloatNet, node: FloatNode) -> Iterator[str]:
    path = node.title
    if isinstance(node.op, FloatDelay):
        source = net.by_name[node.inputs[0]]
        if not isinstance(source.op, FloatRelu | FloatTanh):
            yield (
                f"{path} keeps {source.title} for the next step, which is no activation; only "
                "levels can be kept, so delay a ReLU or a tanh"
            )
    if isinstance(node.op, FloatRelu) and node.op.maximum is not None and not node.op.maximum > 0:
        yield f"{path} has the maximum {node.op.maximum}; give a positive one, or leave it out"
    yield from (f"{path}: {fault}" for fault in not_finite(node.op))
