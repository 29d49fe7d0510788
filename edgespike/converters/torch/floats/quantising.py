"""From a torch module to a graph, by way of a net in real numbers."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from edgespike.converters.base import ConvertOptions
from edgespike.converters.torch.floats.reading import read_module
from edgespike.converters.torch.floats.running import run_module
from edgespike.converters.torch.floats.trial import try_module
from edgespike.converters.torch.floats.wrappers import unwrapped
from edgespike.floats.fold import folded
from edgespike.floats.run import input_shape
from edgespike.quantise import quantise
from edgespike.quantise.result import Quantised, Source

if TYPE_CHECKING:
    from torch import nn


def convert_float_module(module: nn.Module, options: ConvertOptions) -> Quantised:
    """Read a module in evaluation mode, and quantise it.

    Raises
    ------
    UnsupportedError
        Lists everything that cannot be converted, or samples for calibration that do not fit.
    """
    shape = options.required_shape("a torch module")
    read = read_module(module, shape)
    inner = unwrapped(module)
    try_module(inner, read, shape)
    if len(input_shape(read.net)) == 3:
        options = _for_a_length(options, shape)
    found = quantise(folded(read.net), options, options.graph_name())
    source = Source(read.net, partial(run_module, inner, read, shape), not read.left_out)
    return replace(found, assumed=_once(read.net.assumed, found.assumed), source=source)


def _for_a_length(options: ConvertOptions, shape: tuple[int, ...]) -> ConvertOptions:
    """Return the options with samples of a length as images of one row."""
    samples = options.calibrate
    if samples is None or len(shape) != 2 or samples.shape[1:] != shape:
        return options
    return replace(options, calibrate=samples[:, :, None])


def _once(*sentences: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(sentence for some in sentences for sentence in some))
