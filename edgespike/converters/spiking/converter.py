"""The converter of a simulator of spiking neurons in torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from edgespike.converters.base import Converter, ConvertOptions, class_distance
from edgespike.converters.torch.kinds import parts

if TYPE_CHECKING:
    from edgespike.converters.spiking.simulator import Simulator
    from edgespike.quantise.result import Quantised

OPTIONS = (
    "input_shape",
    "input_range",
    "input_scale",
    "bits",
    "calibrate",
    "labels",
    "steps",
    "readout",
    "name",
)
"""What is used: to read the module, and to quantise what was read."""


def spiking_converter(
    name: str, summary: str, package: str, simulator: Callable[[], Simulator]
) -> Converter:
    """Return a converter that takes every torch module that contains a simulator's neurons.

    Parameters
    ----------
    package
        Where the classes of the simulator's neurons are: ``snntorch._neurons``.
    simulator
        Returns how neurons are read; called only for such a module.
    """

    def accepts(model: Any) -> float | None:
        distance = class_distance(model, "torch.nn.modules.module.Module")
        if distance is None or not any(is_of(part, package) for part in parts(model)):
            return None
        return distance - 0.5

    def convert(module: Any, options: ConvertOptions) -> Quantised:
        from edgespike.converters.spiking.activity import run_module
        from edgespike.converters.spiking.reading import read
        from edgespike.quantise import quantise
        from edgespike.quantise.result import Source

        found = read(module, options, simulator())
        source = Source(found.net, partial(run_module, module, found, simulator()))
        return replace(quantise(found.net, options, options.graph_name()), source=source)

    return Converter(name=name, summary=summary, convert=convert, options=OPTIONS, accepts=accepts)


def is_of(module: Any, package: str) -> bool:
    """Return whether a module's class, or one of its bases, is of a package."""
    return any(f"{base.__module__}.".startswith(f"{package}.") for base in type(module).__mro__)
