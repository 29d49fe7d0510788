"""From torch modules with snnTorch's neurons to graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgespike.converters.spiking.converter import spiking_converter

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edgespike.converters.base import ConvertOptions
    from edgespike.converters.spiking.simulator import Simulator
    from edgespike.floats.net import FloatNet


def simulator() -> Simulator:
    """Return how snnTorch's neurons are read."""
    from edgespike.converters.snntorch import neurons
    from edgespike.converters.spiking.simulator import Simulator

    return Simulator(
        name="snnTorch",
        is_neuron=neurons.is_neuron,
        state_names=neurons.state_names,
        clear=neurons.clear,
        check=neurons.check,
        read=neurons.read,
        reset_names="utils.reset or reset_mem",
    )


def float_net(module: Any, options: ConvertOptions) -> FloatNet:
    """Return a torch module with snnTorch's neurons as a net in real numbers.

    Raises
    ------
    UnsupportedError
        Lists all that cannot be converted, by path.
    """
    from edgespike.converters.spiking import reading

    return reading.read(module, options, simulator()).net


def activity(
    module: Any, options: ConvertOptions, samples: NDArray[Any]
) -> dict[str, NDArray[np.float64]]:
    """Run the module itself, and return the spikes of each layer of neurons.

    See :func:`edgespike.converters.spiking.activity.activity`.
    """
    from edgespike.converters.spiking.activity import activity

    return activity(module, options, simulator(), samples)


CONVERTER = spiking_converter(
    "snntorch", "torch modules with neurons of snnTorch", "snntorch._neurons", simulator
)
"""Takes any torch module that has neurons of snnTorch, before the converter for torch modules."""
