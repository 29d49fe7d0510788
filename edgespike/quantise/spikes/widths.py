"""How many bits the weights of each layer have where they are rounded."""

from __future__ import annotations

import numpy as np

from edgespike.floats.net import (
    FloatConcatenate,
    FloatNeurons,
    FloatNode,
    FloatPool2d,
    FloatReshape,
)
from edgespike.quantise.dyadic import significant_bits
from edgespike.quantise.spikes.blocks import Block
from edgespike.quantise.spikes.folded import Folded
from edgespike.quantise.spikes.rounded_units import CLIPPED_BITS

FEWEST_BITS, MOST_BITS = 2, 24
"""Bits of a rounded weight, sign included."""

WEIGHT_BITS = 8
"""Bits of a weight unless the user says otherwise, and of the first and last layer at least."""


def widths_of(folded: Folded, blocks: list[Block], bits: int | None) -> dict[str, int]:
    """Return the bits of each weighted layer's weights.

    At 4 bits or fewer the first and the last layer keep 8; of two layers only the last does.
    """
    bits = WEIGHT_BITS if bits is None else bits
    widths = {node.name: bits for block in blocks for node in block.weighted}
    if bits > CLIPPED_BITS:
        return widths
    own = [block for block in blocks if not all(map(_is_identity, block.weighted))]
    last = _last_takers(folded)
    for block in blocks:
        if block not in own or any(taker.name in last for taker in block.takers):
            widths.update((node.name, WEIGHT_BITS) for node in block.weighted)
    if len(own) > 2:
        for block in own:
            for node in block.weighted:
                if _reads_input(folded, node.inputs[0]):
                    widths[node.name] = WEIGHT_BITS
    return widths


def _is_identity(node: FloatNode) -> bool:
    """Return whether folding made a node to turn events into sums."""
    weight = getattr(node.op, "weight", np.zeros(1))
    return np.count_nonzero(weight) == len(weight) and significant_bits(weight) <= 1


def _last_takers(folded: Folded) -> set[str]:
    """Return the readout, and the neurons whose spikes or potentials it takes."""
    last = folded.net.nodes[-1]
    found, waiting = {last.name}, list(last.inputs)
    while waiting:
        node = folded.by_name[waiting.pop()]
        if isinstance(node.op, FloatNeurons):
            found.add(node.name)
        elif isinstance(node.op, FloatPool2d | FloatReshape | FloatConcatenate) or (
            node.name in folded.sums and _is_identity(node)
        ):
            waiting += node.inputs
    return found


def _reads_input(folded: Folded, name: str) -> bool:
    """Return whether events come from the input without neurons between."""
    node = folded.by_name[name]
    if node is folded.net.nodes[0]:
        return True
    return not isinstance(node.op, FloatNeurons) and any(
        _reads_input(folded, source) for source in node.inputs
    )
