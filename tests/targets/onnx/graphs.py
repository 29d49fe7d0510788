"""Small graphs for what ONNX Runtime computes in several ways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgespike.graph import (
    Conv2d,
    Dense,
    Graph,
    Input,
    Node,
    Operation,
    Readout,
    ReadoutMode,
    Reshape,
    Tensor,
    Threshold,
)
from edgespike.graph.tensor import Integers
from tests.targets.tflite.networks import NETWORKS
from tests.targets.tflite.neurons import NEURONS

NETS = NETWORKS | NEURONS
"""Hand-written graphs of every operation, geometry and kind of neuron, by name."""


def chain(
    source: Input,
    *ops: Operation,
    steps: int = 1,
    mode: ReadoutMode = ReadoutMode.SUM,
    name: str = "chain",
) -> Graph:
    """Return a graph of one operation after the other; images are flattened at the end."""
    nodes = [Node("input", source)]
    tensors: list[Tensor] = [source.infer([], steps)]
    for op in ops:
        nodes.append(Node(f"{op.kind}{len(nodes)}", op, (nodes[-1].name,)))
        tensors.append(op.infer(tensors[-1:], steps))
    if len(tensors[-1].shape) == 3:
        nodes.append(Node("flat", Reshape((tensors[-1].size,)), (nodes[-1].name,)))
    readout = Readout(np.ones(tensors[-1].size), mode)
    return Graph(name, (*nodes, Node("readout", readout, (nodes[-1].name,))), steps)


def dense(weight: Any, bias: Any = 0) -> Dense:
    """Return a dense layer; the bias is one number for all outputs, or one for each."""
    weight = np.asarray(weight, np.int64)
    return Dense(weight, np.zeros(len(weight), np.int64) + bias)


def conv(weight: Any, bias: Any = 0, **geometry: Any) -> Conv2d:
    """Return a convolution; the bias is one number for all outputs, or one for each."""
    weight = np.asarray(weight, np.int64)
    return Conv2d(weight, np.zeros(len(weight), np.int64) + bias, **geometry)


def thresholds(theta: Any, flipped: Sequence[bool] | bool = False, **values: int) -> Threshold:
    """Return thresholds, sorted along each channel."""
    theta = np.sort(np.asarray(theta, np.int64), axis=1)
    return Threshold(theta, np.zeros(len(theta), bool) | flipped, **values)


def random_samples(graph: Graph, count: int = 20, seed: int = 0) -> Integers:
    """Draw samples, among them all lowest and all highest."""
    op = graph.input_op
    rng = np.random.default_rng(seed)
    shape = (count, graph.steps, *op.shape) if graph.steps > 1 else (count, *op.shape)
    samples = rng.integers(op.low, op.high + 1, shape)
    samples[0], samples[1] = op.low, op.high
    return samples
