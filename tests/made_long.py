"""Graphs that are long in every way: names, ranges, shapes, layers, steps."""

from __future__ import annotations

import numpy as np

from edgespike.graph import Dense, Graph, Input, Node, Readout, Threshold


def deep_graph(layers: int = 60, name: str = "layer", width: int = 3) -> Graph:
    """Return a chain of weighted layers and thresholds, each named ``name`` and a number."""
    nodes = [Node("input", Input((width,), 0, 1, 1.0))]
    for place in range(layers):
        weight = np.arange(width * width).reshape(width, width) - 2
        weighted, fires = f"{name}{place}.weight", f"{name}{place}.fire"
        nodes += [
            Node(weighted, Dense(weight, np.zeros(width, int)), (nodes[-1].name,)),
            Node(
                fires,
                Threshold(np.full((width, 1), 1), np.zeros(width, bool)),
                (weighted,),
            ),
        ]
    nodes += [
        Node(f"{name}.last", Dense(np.eye(width, dtype=int), np.zeros(width, int)), (fires,)),
        Node("out", Readout(np.ones(width)), (f"{name}.last",)),
    ]
    return Graph("deep", tuple(nodes))


def wide_graph() -> Graph:
    """Return a graph whose names, classes, origin and ranges are as long as they may be."""
    low, high = -(2**30), 2**30
    names = [letter * 900 for letter in "abc"]
    nodes = (
        Node(names[0], Input((4,), low, high, 1.0)),
        Node(names[1], Dense(np.full((9, 4), 127), np.zeros(9, int)), (names[0],)),
        Node(names[2], Readout(np.ones(9)), (names[1],)),
    )
    classes = tuple(f"class {place} ".ljust(100, "x") for place in range(9))
    return Graph("g" * 200, nodes, 1, "a file of many words " * 20, classes)
