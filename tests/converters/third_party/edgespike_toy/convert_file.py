"""From a toy file to a graph: eight letters, then the weights of a dense layer in JSON."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np

from edgespike.converters.base import Converter, ConvertOptions
from edgespike.converters.builder import GraphBuilder
from edgespike.converters.sums import Sums
from edgespike.errors import FileFormatError
from edgespike.graph import Dense, Graph

MAGIC = b"TOYNET1\n"


def recognises(head: bytes, path: Path) -> bool:
    return head.startswith(MAGIC)


def convert(path: Path, options: ConvertOptions) -> Graph:
    try:
        net = json.loads(path.read_bytes()[len(MAGIC) :])
    except ValueError as error:
        raise FileFormatError(f"{path} is damaged: {error}; write it again") from None
    shape = (net["features"],) if "features" in net else options.required_shape(str(path))
    weight = np.array(net["weight"], np.float64).reshape(-1, *shape)
    unit = float(np.abs(weight).max()) / (2 ** ((options.bits or 8) - 1) - 1)
    whole = np.rint(weight / unit).astype(np.int64)
    name = options.graph_name()
    builder = GraphBuilder.start(
        shape, limits=options.input_range or (0, 1), scale=options.input_scale or 1.0
    )
    with builder.collecting(f"model {name!r} cannot be converted"):
        builder.append("weight", "dense", Dense(whole, np.zeros(len(whole), np.int64)))
        scale = Fraction(unit) * builder.event_scale
        bias = np.zeros(len(whole))
        if options.calibrate is not None:  # center the logits
            bias = -(options.calibrate @ whole.T).mean(axis=0) * float(scale)
        builder.sums = Sums(scale, bias)
        builder.finish()
    return builder.graph(name)


CONVERTER = Converter(
    name="toy",
    summary="files that begin with TOYNET1",
    convert=convert,
    options=("input_shape", "input_range", "input_scale", "bits", "calibrate", "name"),
    recognises=recognises,
)
