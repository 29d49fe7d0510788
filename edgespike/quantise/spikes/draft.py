"""A folded net under construction, and how factors and offsets move into its weighted layers."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from edgespike.floats.net import (
    FloatAdd,
    FloatConcatenate,
    FloatConv2d,
    FloatDelay,
    FloatDense,
    FloatInput,
    FloatNet,
    FloatNeurons,
    FloatNode,
    FloatPool2d,
    FloatReadout,
    FloatReshape,
    Pooling,
    Reals,
)
from edgespike.floats.shapes import Shape, shape_after
from edgespike.floats.weighted import then_affine
from edgespike.quantise.dyadic import exact_product, exact_sum
from edgespike.quantise.lines import along_reshape


class Draft:
    """The nodes of a folded net so far.

    Parameters
    ----------
    net
        The net that is folded.
    """

    def __init__(self, net: FloatNet) -> None:
        self.taken = {node.name for node in net.nodes}
        self.uses = {name: len(users) for name, users in net.users.items()}
        self.out: dict[str, FloatNode] = {}
        self.shapes: dict[str, Shape] = {}
        self.faults: list[str] = []
        self.exact = True

    def refuse(self, node: FloatNode, why: str) -> None:
        """Note why a node has no place in a graph."""
        self.faults.append(f"{node.title}: {why}")

    def emit(self, node: FloatNode, inputs: tuple[str, ...]) -> str:
        """Add a node under its name to the folded net."""
        shapes = [] if isinstance(node.op, FloatDelay) else [self.shapes[name] for name in inputs]
        self.out[node.name] = replace(node, inputs=inputs)
        self.shapes[node.name] = shape_after(node.op, shapes)
        return node.name

    def is_sum(self, name: str) -> bool:
        """Return whether a node of the folded net has sums as its values."""
        node = self.out[name]
        match node.op:
            case FloatDense() | FloatConv2d():
                return True
            case FloatInput() | FloatDelay() | FloatNeurons() | FloatReadout():
                return False
            case _:
                return self.is_sum(node.inputs[0])

    def new(self, name: str) -> str:
        """Return a name that no node has yet."""
        taken, number = {*self.taken, *self.out}, 1
        while (found := name if number == 1 else f"{name}{number}") in taken:
            number += 1
        return found

    def pushed(
        self, node: FloatNode, name: str, scale: Reals, offset: Reals, shared: bool = False
    ) -> str:
        """Return a node of sums that has ``scale * value + offset`` of another, a channel each.

        The node itself changes if nothing else uses it, and is copied otherwise.
        """
        old, shared = self.out[name], shared or self.uses.get(name, 1) > 1
        match old.op:
            case FloatDense() | FloatConv2d() as op:
                self.exact &= exact_product(op.weight, scale) and exact_product(op.bias, scale)
                bias = op.bias * scale
                self.exact &= all(
                    exact_sum(np.array(pair)) for pair in zip(bias, offset, strict=True)
                )
                changed = replace(old, op=then_affine(op, scale, offset))
            case FloatPool2d(Pooling.MAX):
                if (scale <= 0).any():
                    self.refuse(
                        node,
                        "has a factor of 0 or less behind the largest of sums; normalise before "
                        "the pool",
                    )
                changed = self._with_pushed_inputs(node, old, [(scale, offset)], shared)
            case FloatPool2d() as pool:
                if offset.any() and any(pool.padding):
                    self.refuse(node, "adds to pooled sums with padding; normalise before the pool")
                area = prod(pool.kernel)
                self.exact &= area & (area - 1) == 0 or not offset.any()
                changed = self._with_pushed_inputs(node, old, [(scale, offset / area)], shared)
            case FloatAdd():
                zeros = np.zeros_like(offset)
                pairs = [(scale, zeros if i else offset) for i in range(len(old.inputs))]
                changed = self._with_pushed_inputs(node, old, pairs, shared)
            case FloatConcatenate():
                ends = np.cumsum([self.shapes[source][0] for source in old.inputs])[:-1]
                parts = zip(np.split(scale, ends), np.split(offset, ends), strict=True)
                changed = self._with_pushed_inputs(node, old, list(parts), shared)
            case FloatReshape(shape):
                before = self.shapes[old.inputs[0]]
                pair = along_reshape(scale, shape, before), along_reshape(offset, shape, before)
                if pair[0] is None or pair[1] is None:
                    self.refuse(
                        node, "normalises parts of a channel differently; normalise before flatten"
                    )
                    return name
                changed = self._with_pushed_inputs(node, old, [(pair[0], pair[1])], shared)
            case _:
                self.refuse(node, "normalises what is no sum; normalise after a weighted layer")
                return name
        if shared:
            changed = replace(changed, name=self.new(f"{name}_{node.name}"))
            self.shapes[changed.name] = self.shapes[name]
        else:
            del self.out[name]  # it moves behind its inputs, which may be new
        self.out[changed.name] = changed
        return changed.name

    def _with_pushed_inputs(
        self, node: FloatNode, old: FloatNode, pairs: list[tuple[Reals, Reals]], shared: bool
    ) -> FloatNode:
        inputs = tuple(
            self.pushed(node, name, scale, offset, shared)
            for name, (scale, offset) in zip(old.inputs, pairs, strict=True)
        )
        return replace(old, inputs=inputs)
