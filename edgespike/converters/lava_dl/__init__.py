"""lava-dl's network exchange files (``.net``, HDF5), as its netx runs them on Lava: exactly."""

from __future__ import annotations

from pathlib import Path

from edgespike.converters.base import Converter, ConvertOptions
from edgespike.converters.lava_dl.hdf5 import SIGNATURE, holds_layers
from edgespike.graph import Graph


def _recognises(head: bytes, path: Path) -> bool:
    return head.startswith(SIGNATURE) and holds_layers(path)


def _convert(path: Path, options: ConvertOptions) -> Graph:
    from edgespike.converters.lava_dl.reading import read_graph

    return read_graph(path, options).graph


CONVERTER = Converter(
    name="lava-dl",
    summary="network exchange files of lava-dl (.net)",
    convert=_convert,
    options=("name", "steps", "input_shape", "input_range", "input_scale", "readout"),
    recognises=_recognises,
)
