"""What one pass of a dense network of the same shape takes: every connection, no zero skipped."""

from __future__ import annotations

import math

from edgespike.counting import Counts, dense_connections
from edgespike.energy.quantities import Accesses, Quantity
from edgespike.energy.shapes import (
    WORD_BYTES,
    activation_bits,
    neurons,
    parameter_bytes,
    weighted,
)
from edgespike.graph import Conv2d, Graph, Multiply, Signal


def dense_pass(graph: Graph, samples: int) -> dict[Quantity, int]:
    """Return the operations of one pass per sample, and of a run: a recurrent net takes every step.

    The bits and bytes of activations are those of a quantised net whose activations distinguish as
    many values as the graph's neurons do, see
    :func:`edgespike.energy.shapes.activation_bits`. A product of two values is one
    multiply-accumulate, with a factor of 8 bits.
    """
    bits = activation_bits(graph)
    spiking = graded = multiplied = read = addresses = 0
    for node, op in weighted(graph):
        tensor = graph.input_tensors(node)[0]
        connections = dense_connections(op, tensor.shape)
        if tensor.signal is Signal.SPIKES:
            spiking += connections
        else:
            graded += connections
        multiplied += connections * bits[node.name]
        read += samples * (-(-connections * bits[node.name] // 8))
        places = math.prod(op.weight.shape[2:]) * len(op.weight) if isinstance(op, Conv2d) else 0
        addresses += tensor.size + graph.tensors[node.name].size + places
    passes = graph.steps if graph.is_recurrent else 1
    products = sum(graph.tensors[node.name].size for node, _ in graph.of_type(Multiply))
    graded += products
    return {
        Quantity.DENSE_SPIKING_MACS: samples * spiking,
        Quantity.DENSE_MACS: samples * (spiking + graded),
        Quantity.DENSE_UPDATES: samples * neurons(graph),
        Quantity.DENSE_RUN: samples * (spiking + graded) * passes,
        Quantity.DENSE_MULTIPLIED_BITS: samples * (multiplied + 8 * products),
        Quantity.DENSE_ACTIVATION_BYTES: read + samples * products,
        Quantity.DENSE_ADDRESS_ADDITIONS: samples * addresses,
    }


def dense_accesses(graph: Graph, counts: Counts) -> dict[Quantity, tuple[Accesses, ...]]:
    """Return the accesses of one pass per sample where each layer has memories of its own.

    A convolution reads an input for each product, a dense layer reads each input once, and both
    read a weight for each product and a bias and write a value for each output (Lemaire et al., as
    in SpikingJelly 2.0 and Qualia).
    """
    samples = counts.samples
    weights, biases, inputs, outputs = [], [], [], []
    for node, op in weighted(graph):
        tensor, size = graph.input_tensors(node)[0], graph.tensors[node.name].size
        connections = dense_connections(op, tensor.shape)
        stored, biased = parameter_bytes(op), bool(op.bias.any())
        weights.append(Accesses(samples * connections, stored))
        biases.append(Accesses(samples * size if biased else 0, stored))
        read = connections if isinstance(op, Conv2d) else tensor.size
        inputs.append(Accesses(samples * read, tensor.size * WORD_BYTES))
        outputs.append(Accesses(samples * size, size * WORD_BYTES))
    return {
        Quantity.DENSE_WEIGHT_READS: tuple(weights),
        Quantity.DENSE_BIAS_READS: tuple(biases),
        Quantity.DENSE_INPUT_READS: tuple(inputs),
        Quantity.DENSE_OUTPUT_WRITES: tuple(outputs),
    }
