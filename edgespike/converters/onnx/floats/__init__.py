"""ONNX nets of real numbers, quantised after training."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

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
    found = quantise(folded(read.net), _as_stored(options, read), options.graph_name())
    assumed = tuple(dict.fromkeys((*read.net.assumed, *found.assumed)))
    source = Source(read.net, partial(run_file, read), not read.left_out)
    return replace(found, assumed=assumed, source=source)


def _as_stored(options: ConvertOptions, read: Reading) -> ConvertOptions:
    """Return the options with samples in the float net's shape, if they have the file's."""
    samples, shape = options.calibrate, input_shape(read.net)
    taken = read.input.shape[1:]
    if samples is None or samples.shape[1:] == shape or samples.shape[1:] != taken:
        return options
    kept = np.empty((len(samples), read.input.elements.size), samples.dtype)
    kept[:, read.input.elements.reshape(-1)] = samples.reshape(len(samples), -1)
    return replace(options, calibrate=kept.reshape(len(samples), *shape))
