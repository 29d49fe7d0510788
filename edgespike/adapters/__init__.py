"""A graph in other people's programs: as a torch module, as a NeuroBench model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgespike.extras import needs_extra
from edgespike.graph import Graph

if TYPE_CHECKING:
    from edgespike.adapters.module import GraphModule

__all__ = ["neurobench_model", "torch_module"]


def torch_module(graph: Graph, target: str = "cpu") -> GraphModule:
    """Return a graph as a callable torch module, for inference.

    It runs the graph on a target, so that its answers are those of :func:`edgespike.run`.

    Parameters
    ----------
    graph
        The graph.
    target
        Name of the target, or of one of its runtimes.

    Returns
    -------
    module
        Takes ``(batch, *shape)`` or ``(batch, steps, *shape)``, integers as they are, or reals:
        measured numbers if the graph has a scaling, else in the source model's units; returns
        ``(batch, classes)``, float64. See :class:`edgespike.adapters.module.GraphModule`.

    Raises
    ------
    InputError
        ``graph`` is not a graph.
    UnknownTargetError, UnsupportedError, EnvironmentMissingError
        The target does not exist, cannot compute the graph, or is not installed; or torch is not.
    """
    with needs_extra("train", "edgespike.adapters.torch_module"):
        from edgespike.adapters.module import GraphModule
    return GraphModule(graph, target)


def neurobench_model(graph: Graph) -> Any:
    """Return a graph as a model for NeuroBench's harness.

    Its layers are torch layers of whole numbers, so that the harness finds and counts them. It
    computes what the graph's definition does, layer by layer.

    Parameters
    ----------
    graph
        The graph.

    Returns
    -------
    model
        A ``neurobench.models.TorchModel``. It takes and returns tensors as :func:`torch_module`
        does; give ``lambda answers: answers.argmax(dim=1)`` as postprocessor to get classes.

    Raises
    ------
    InputError
        ``graph`` is not a graph.
    UnsupportedError
        Sums of a layer may not be exact in float64, in which torch computes them; all such layers
        are named.
    EnvironmentMissingError
        NeuroBench is not installed.
    """
    with needs_extra("bench", "edgespike.adapters.neurobench_model"):
        from edgespike.adapters.neurobench.model import as_model
    return as_model(graph)
