"""The graph of a net of stored numbers computes them all."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings

from edgespike.graph.tensor import Integers
from edgespike.int8.lowering import Lowered, lower
from edgespike.int8.net import Int8Net
from edgespike.int8.run import run_int8
from edgespike.interpreter import interpret
from tests.int8.nets import int8_nets


def found(lowered: Lowered, net: Int8Net, samples: Integers) -> dict[str, Integers]:
    """Return the stored numbers of all nodes that are in a graph."""
    events = samples - net.nodes[0].stored.zero_point
    trace = interpret(lowered.graph, events, set(lowered.nodes.values()))
    return {
        name: trace.values[node][:, 0] + lowered.offsets[name]
        for name, node in lowered.nodes.items()
    }


@given(int8_nets())
@settings(max_examples=200)
def test_every_node_has_the_numbers_of_the_net(drawn: tuple[Int8Net, Integers]) -> None:
    net, samples = drawn
    lowered, expected = lower(net, "net"), run_int8(net, samples)
    for name, values in found(lowered, net, samples).items():
        wanted = expected[name]
        assert np.array_equal(values.reshape(wanted.shape), wanted), name
