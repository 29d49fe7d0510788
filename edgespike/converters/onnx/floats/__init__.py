"""ONNX nets of real numbers, quantised after training."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.base import ConvertOptions
from edgespike.converters.onnx.floats.reading import Reading, read_net
from edgespike.converters.onnx.floats.running import run_file
from edgespike.converters.onnx.model import OnnxModel
from edgespike.floats.fold import folded
from edgespike.floats.run import input_shape
from edgespike.quantise import quantise
from edgespike.quantise.result import Quantised, Source


def convert_floats(model: OnnxModel, options: ConvertOptions) -> Quantised:
    """Read a net of floats, and quantise it.

    Raises
    ------
    UnsupportedError
        Lists everything that cannot be converted, or samples for calibration that do not fit.
    """
    read = read_net(model)
    as_net = partial(_as_net, read)
    if options.calibrate is not None:
        options = replace(options, calibrate=as_net(options.calibrate))
    found = quantise(folded(read.net), options, options.graph_name())
    assumed = tuple(dict.fromkeys((*read.net.assumed, *found.assumed)))
    source = Source(read.net, partial(run_file, read), not read.left_out, as_net=as_net)
    return replace(found, assumed=assumed, source=source)


def _as_net(read: Reading, samples: NDArray[Any]) -> NDArray[Any]:
    """Return samples in the float net's shape, if they have the file's."""
    shape, taken = input_shape(read.net), read.input.shape[1:]
    if samples.shape[1:] == shape or samples.shape[1:] != taken:
        return samples
    kept = np.empty((len(samples), read.input.elements.size), samples.dtype)
    kept[:, read.input.elements.reshape(-1)] = samples.reshape(len(samples), -1)
    steps = (read.net.steps,) if read.input.steps > 1 else ()
    return kept.reshape(len(samples), *steps, *shape)
