"""Graphs so small that their counts can be checked by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.counting import Counts, count
from edgespike.graph import (
    Dense,
    Graph,
    Input,
    MaxPool2d,
    Membrane,
    Node,
    Readout,
    Reshape,
    Threshold,
)
from edgespike.interpreter import interpret


def dense(weight: list[list[int]]) -> Dense:
    return Dense(np.array(weight), np.zeros(len(weight), np.int64))


def counts_of(graph: Graph, samples: NDArray[Any]) -> Counts:
    return count(graph, samples, interpret(graph, samples))


TWO_LAYERS = Graph(
    "two_layers",
    (
        Node("pixels", Input((2,), 0, 255, 1 / 255)),
        Node("first", dense([[1, 0], [2, 3]]), ("pixels",)),
        Node("spikes", Threshold(np.array([[1], [5]]), np.zeros(2, np.bool_)), ("first",)),
        Node("second", dense([[1, -1], [0, 2]]), ("spikes",)),
        Node("answer", Readout(np.ones(2)), ("second",)),
    ),
)
TWO_SAMPLES = np.array([[1, 0], [1, 1]])
# Pixel events: 2 from the first pixel, 1 from the second.
# Multiply-accumulates: every synapse 2 * 2 + 1 * 2 = 6, non-zero 2 * 2 + 1 * 1 = 5.
# Accumulators (1, 2) and (1, 5): 3 spikes, 2 of the first neuron and 1 of the second.
# Synaptic operations: every synapse 3 * 2 = 6, non-zero 2 * 1 + 1 * 2 = 4.
# Neuron updates: 2 samples * (2 neurons + 2 classes) = 8; 3 of them end in a spike.
# Events: 3 pixels + 3 spikes = 6.
# Weight reads 4 + 5 = 9; potential reads, and writes, 9 + 8 = 17 each.

OR = Graph(
    "or",
    (
        Node("pixels", Input((1, 2, 2), 0, 1, 1.0)),
        Node("pool", MaxPool2d((2, 2), (2, 2)), ("pixels",)),
        Node("flat", Reshape((1,)), ("pool",)),
        Node("weights", dense([[7]]), ("flat",)),
        Node("answer", Readout(np.ones(1)), ("weights",)),
    ),
)
OR_SAMPLES = np.array([[[[1, 1], [0, 0]]]])
# 2 events enter the pool and 1 leaves it: 2 pool operations, 1 synaptic operation, 3 events.
# One neuron of the pool, which fires, and one of the readout, which does not.

THREE_STEPS = Graph(
    "three_steps",
    (
        Node("pixels", Input((1,), 0, 1, 1.0)),
        Node("first", dense([[1], [1]]), ("pixels",)),
        Node("spikes", Membrane(np.array([1, 2])), ("first",)),
        Node("second", dense([[1, 1]]), ("spikes",)),
        Node("answer", Readout(np.ones(1)), ("second",)),
    ),
    steps=3,
)
THREE_STEP_SAMPLES = np.array([[1]])
# Dense: 2 + 2 connections. 3 input spikes on 2 synapses; the neurons fire 3 times and once.
