"""A graph as one of NeuroBench's models, or the reasons why not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from neurobench.models import TorchModel

from edgespike.adapters.neurobench.layers import Levels, Neurons
from edgespike.adapters.neurobench.net import GraphNet
from edgespike.errors import UnsupportedError
from edgespike.graph import Graph, Multiply
from edgespike.graph.graph import as_graph
from edgespike.graph.ops import Weighted
from edgespike.graph.tensor import FLOAT64_LIMIT


def as_model(graph: Graph) -> Any:
    """Return a graph as a ``TorchModel`` whose neurons NeuroBench finds as activations.

    Raises
    ------
    InputError
        It is not a graph.
    UnsupportedError
        Sums of a layer may not be exact in float64, or the graph multiplies events by events.
    """
    violations = list(_violations(as_graph(graph)))
    if violations:
        raise UnsupportedError(f"graph {graph.name!r} cannot run in NeuroBench", violations)
    model = TorchModel(GraphNet(graph))
    # snnTorch's kinds of neurons are activations to NeuroBench's own model of snnTorch alone.
    for kind in (Levels, Neurons):
        model.add_activation_module(kind)
    return model


def _violations(graph: Graph) -> Iterator[str]:
    """Yield products, and layers in which a partial sum may exceed what is exact."""
    for node, product in graph.of_type(Multiply):
        yield (
            f"{node.name} ({product.kind}): NeuroBench counts the operations of layers with "
            "weights, and none for this product; use edgespike energy, which counts them"
        )
    for node in graph.nodes:
        op = node.op
        if not isinstance(op, Weighted):
            continue
        (tensor,) = graph.input_tensors(node)
        largest = max(1, *map(abs, tensor.bounds))
        rows = np.abs(op.weight).reshape(len(op.weight), -1).sum(axis=1, dtype=np.float64)
        reached = float(rows.max()) * largest + float(np.abs(op.bias).max())
        if reached >= FLOAT64_LIMIT:
            yield (
                f"{node.name} ({op.kind}): sums of up to {reached:.3g}, and torch computes them in "
                f"float64, which is exact up to {FLOAT64_LIMIT}; use smaller weights or inputs"
            )
