"""Samples from torch's tensors, and answers as tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgespike.data.own.measured import as_whole
from edgespike.errors import InputError, shown
from edgespike.graph import Graph
from edgespike.graph.inputs import as_samples
from edgespike.quantise.inputs import as_integers
from edgespike.trace import log_probabilities, logits


def as_whole_samples(graph: Graph, x: object) -> NDArray[Any]:
    """Return a tensor as samples for a graph, integers ``(samples, steps, *shape)``.

    Parameters
    ----------
    graph
        The graph.
    x
        ``(samples, *shape)`` or ``(samples, steps, *shape)`` on any device. Integers and booleans
        are units of the graph's input. Reals are measured numbers if the graph has a scaling, which
        is applied; else they are in the source model's units: they are divided by the input's scale
        and rounded half up.

    Raises
    ------
    InputError
        Not a tensor, a tensor that asks for a gradient or holds no values, values that are not
        finite or outside the input's range, or another shape; or torch records the call.
    """
    if torch.jit.is_tracing():  # type: ignore[attr-defined,no-untyped-call]
        # What numpy computes would be a constant of the trace: the same answers to any samples.
        raise InputError(
            f"graph {graph.name!r} runs outside of torch, which can therefore not trace it; call "
            "the module itself, or let edgespike.export write a model"
        )
    if not isinstance(x, Tensor):
        raise InputError(
            f"input of graph {graph.name!r} is {shown(x)}; give a tensor: torch.from_numpy makes "
            "one from an array"
        )
    if x.requires_grad and torch.is_grad_enabled():
        raise InputError(
            f"input of graph {graph.name!r} asks for a gradient, and whole numbers have none; give "
            "x.detach(), or call the graph under torch.no_grad()"
        )
    if x.is_complex() or x.is_quantized or x.layout is not torch.strided:
        raise InputError(
            f"input of graph {graph.name!r} is a tensor of {x.dtype} and {x.layout}; give a dense "
            "one of integers or reals"
        )
    if x.is_floating_point():
        reals = _values(graph, x.double())  # numpy has no bfloat16
        to_whole = as_integers if graph.scaling is None else _scaled
        return as_samples(graph, to_whole(reals, graph))
    return as_samples(graph, _values(graph, x.byte() if x.dtype is torch.bool else x))


def _scaled(measured: NDArray[Any], graph: Graph) -> NDArray[Any]:
    return as_whole(graph, measured)


def _values(graph: Graph, x: Tensor) -> NDArray[Any]:
    """Return a tensor's values; those of ``meta``, ``vmap`` and ``torch.export`` have none."""
    try:
        return x.detach().cpu().numpy()
    except RuntimeError as error:
        raise InputError(
            f"input of graph {graph.name!r} has no values that can be read: {error}; call the "
            "module with a tensor, outside of torch's transformations"
        ) from error


def as_answers(graph: Graph, accumulators: NDArray[np.int64], device: torch.device) -> Tensor:
    """Return the answers to accumulators ``(samples, members * classes)`` as a float64 tensor.

    They are the logits ``(samples, classes)``; of an ensemble, the logarithms of the mean
    probabilities. The largest is that of :func:`edgespike.trace.predictions`.
    """
    of = logits if graph.readout_op.members == 1 else log_probabilities
    return torch.from_numpy(of(graph, accumulators)).to(device)
