"""A graph as one torch module, whose children NeuroBench hooks into."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import assert_never

from edgespike import interpreter
from edgespike.adapters.neurobench.layers import Levels, Neurons, WholeConv2d, WholeLinear
from edgespike.adapters.tensors import as_answers, as_whole_samples
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
    Threshold,
)


class GraphNet(nn.Module):
    """Computes a graph step by step; each node with weights or neurons is a child.

    A child has its node's name, with ``/`` for ``.``, which torch keeps for paths; "(node)" follows
    the names that modules have for other things, such as "forward". The other nodes are computed by
    :mod:`edgespike.interpreter`.

    Parameters
    ----------
    graph
        The graph.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph
        self.layers: dict[str, nn.Module] = {}
        for node in graph.nodes:
            layer = _layer(node)
            if layer is not None:
                self.layers[node.name] = layer
                free = not hasattr(self, node.name)
                name = node.name.replace(".", "/") if free else f"{node.name} (node)"
                self.add_module(name, layer)

    def forward(self, x: Tensor) -> Tensor:
        """Return the answers to a batch, as :class:`edgespike.adapters.module.GraphModule` does.

        Raises
        ------
        InputError
            The batch does not fit the graph's input, or asks for a gradient.
        """
        samples = as_whole_samples(self.graph, x)
        for name, layer in self.layers.items():
            if isinstance(layer, Neurons):
                layer.begin((len(samples), *self.graph.tensors[name].shape))
        values: dict[str, Tensor] | None = None
        total: Any = None
        with torch.no_grad():
            for t in range(self.graph.steps):
                shown = torch.from_numpy(samples[:, t].astype("float64")).to(x.device)
                values = self._step(shown, values)
                last = values[self.graph.readout.inputs[0]].long().cpu().numpy()
                total, _ = interpreter.readout(self.graph.readout_op, last, total)
        return as_answers(self.graph, total, x.device)

    def _step(self, shown: Tensor, before: dict[str, Tensor] | None) -> dict[str, Tensor]:
        """Compute every node but the readout once; ``before`` is the previous step, if any."""
        values = {self.graph.input.name: shown}
        for node in self.graph.nodes[1:-1]:
            if node.name in self.layers:
                values[node.name] = self.layers[node.name](values[node.inputs[0]])
            elif isinstance(node.op, Delay):
                source = None if before is None else before[node.inputs[0]].long().cpu().numpy()
                found = interpreter.delay(node.op, source, len(shown))
                values[node.name] = torch.from_numpy(found).double().to(shown.device)
            else:
                inputs = [values[name].long().cpu().numpy() for name in node.inputs]
                found, _ = interpreter.evaluate(node.op, inputs)
                values[node.name] = torch.from_numpy(found).double().to(shown.device)
        return values


def _layer(node: Node) -> nn.Module | None:
    """Return the layer of a node that has weights or neurons; ``None`` for another."""
    match node.op:
        case Dense() as op:
            return WholeLinear(op)
        case Conv2d() as op:
            return WholeConv2d(op)
        case Threshold() as op:
            return Levels(op)
        case Membrane() as op:
            return Neurons(op)
        case (
            Input()
            | SumPool2d()
            | MaxPool2d()
            | Add()
            | Multiply()
            | Concatenate()
            | Reshape()
            | Delay()
            | Readout()
        ):
            return None
        case _:
            assert_never(node.op)
