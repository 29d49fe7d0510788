"""lava-dl's network exchange files (``.net``, HDF5), as its netx runs them on Lava: exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgespike.converters.base import Converter, ConvertOptions
from edgespike.converters.lava_dl.hdf5 import holds_layers
from edgespike.converters.result import Conversion, PartCheck
from edgespike.storage.hdf5 import SIGNATURE


def _recognises(head: bytes, path: Path) -> bool:
    return head.startswith(SIGNATURE) and holds_layers(path)


def _convert(path: Path, options: ConvertOptions) -> Conversion:
    from edgespike.converters.lava_dl.agreement import check_file
    from edgespike.converters.lava_dl.reading import read_graph

    net = read_graph(path, options)

    def check(samples: NDArray[Any]) -> list[PartCheck]:
        return check_file(path, samples, options)

    layers = (f"{layer.path}: {layer.text}" for layer in net.layers)
    return Conversion(net.graph, said=(net.summary, *layers, *net.assumed), check=check)


CONVERTER = Converter(
    name="lava-dl",
    summary="network exchange files of lava-dl (.net)",
    convert=_convert,
    options=("name", "steps", "input_shape", "input_range", "input_scale", "readout"),
    recognises=_recognises,
)
