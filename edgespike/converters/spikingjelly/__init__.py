"""From torch modules with SpikingJelly's neurons to graphs."""

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
    """Return how SpikingJelly's neurons are read."""
    from edgespike.converters.spiking.simulator import Simulator
    from edgespike.converters.spikingjelly import layers, neurons

    return Simulator(
        name="SpikingJelly",
        is_neuron=neurons.is_neuron,
        is_layer=layers.is_layer,
        layer_type=layers.layer_type,
        state_names=neurons.state_names,
        clear=neurons.clear,
        check=neurons.check,
        read=neurons.read,
        reset_names="functional.reset_net",
        prepared=layers.single_steps,
    )


def float_net(module: Any, options: ConvertOptions) -> FloatNet:
    """Return a torch module with SpikingJelly's neurons as a net in real numbers.

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
    """Run the module itself, step by step, and return the spikes of each layer of neurons.

    See :func:`edgespike.converters.spiking.activity.activity`.
    """
    from edgespike.converters.spiking.activity import activity

    return activity(module, options, simulator(), samples)


CONVERTER = spiking_converter(
    "spikingjelly",
    "torch modules with neurons of SpikingJelly",
    "spikingjelly.activation_based.neuron",
    simulator,
)
"""Takes any torch module that has SpikingJelly's neurons, before the one for torch modules."""
