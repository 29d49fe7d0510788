"""NIR files (HDF5), the exchange format of simulators of spiking nets, in and out."""

from __future__ import annotations

from pathlib import Path

from edgespike.converters.base import Converter, ConvertOptions
from edgespike.quantise.result import Quantised
from edgespike.storage.hdf5 import SIGNATURE

OPTIONS = (
    "input_shape",
    "input_range",
    "input_scale",
    "bits",
    "calibrate",
    "labels",
    "steps",
    "dt",
    "reset",
    "producer",
    "readout",
    "name",
)


def _convert(path: Path, options: ConvertOptions) -> Quantised:
    from edgespike.converters.nir.convert import quantised

    return quantised(path, options)


def _recognises(head: bytes, path: Path) -> bool:
    if not head.startswith(SIGNATURE):
        return False
    from edgespike.converters.nir.hdf5 import has_group

    return has_group(path, "node")


CONVERTER = Converter(
    name="nir",
    summary="NIR files of snnTorch, norse, sinabs, SpikingJelly, Rockpool and others",
    convert=_convert,
    options=OPTIONS,
    recognises=_recognises,
)
