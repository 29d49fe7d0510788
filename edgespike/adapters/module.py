"""A graph as a torch module that runs it on a target."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgespike.adapters.tensors import as_answers, as_whole_samples
from edgespike.batches import tally_all
from edgespike.errors import InputError, shown
from edgespike.graph import Graph
from edgespike.prepared import prepared


class GraphModule(nn.Module):
    """Runs a graph on a target, for inference.

    Its call takes ``(batch, *shape)`` or ``(batch, steps, *shape)`` on any device. Integers and
    booleans are units of the graph's input; reals are measured numbers if the graph has a scaling,
    else in the source model's units: they are divided by the input's scale and rounded half up. It
    returns ``(batch, classes)`` on the input's device, float64: the logits, or of an ensemble the
    logarithms of the mean probabilities. ``graph.class_names`` names the classes.

    It has no parameters; ``state_dict`` holds the graph's hash, and a state of another graph is
    refused. It can be copied and pickled: the graph is in the pickle, and is prepared again where
    it is first called. ``torch.compile`` leaves it as it is.

    Parameters
    ----------
    graph
        The graph.
    target
        Name of the target, or of one of its runtimes.

    Raises
    ------
    InputError
        ``graph`` is not a graph.
    UnknownTargetError, UnsupportedError, EnvironmentMissingError
        The target does not exist, cannot compute the graph, or is not installed.
    """

    def __init__(self, graph: Graph, target: str = "cpu") -> None:
        super().__init__()
        self.graph, self.target = graph, target
        prepared(graph, target)

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def forward(self, x: Tensor) -> Tensor:
        """Return the answers to a batch.

        Raises
        ------
        InputError
            The batch does not fit the graph's input, or asks for a gradient.
        TargetRunError
            The runtime failed.
        """
        samples = as_whole_samples(self.graph, x)
        tally = tally_all(prepared(self.graph, self.target).runner, samples, self.target)
        return as_answers(self.graph, tally.accumulators, x.device)

    def extra_repr(self) -> str:
        """Return the graph and the target, for ``repr``."""
        return f"{self.graph!r}, target={self.target!r}"

    def get_extra_state(self) -> str:
        """Return the graph's hash: what ``state_dict`` holds."""
        return self.graph.hash

    def set_extra_state(self, state: object) -> None:
        """Refuse a state of another graph.

        Raises
        ------
        InputError
            The hash is not that of this graph.
        """
        if state != self.graph.hash:
            raise InputError(
                f"the state is that of graph {shown(state)}, and this is graph "
                f"{self.graph.hash}; a state holds no weights, so make the module from the "
                "other graph's file"
            )
