"""From Votes to a graph. Only a Votes that exists already has imported torch."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgespike.converters.base import Converter, ConvertOptions, class_distance
from edgespike.graph import Dense, Graph, Input, Node, Readout


def accepts(model: Any) -> int | None:
    return class_distance(model, "edgespike_toy.votes.Votes")


def convert(model: Any, options: ConvertOptions) -> Graph:
    weight = model.get_buffer("weight").numpy()
    classes, features = weight.shape
    nodes = (
        Node("input", Input((features,), *(options.input_range or (0, 1)), 1.0)),
        Node("votes", Dense(weight, np.zeros(classes, np.int64)), ("input",)),
        Node("readout", Readout(np.ones(classes)), ("votes",)),
    )
    return Graph(options.graph_name("votes"), nodes)


CONVERTER = Converter(
    name="votes",
    summary="edgespike_toy.votes.Votes",
    convert=convert,
    options=("input_range", "name"),
    accepts=accepts,
)
