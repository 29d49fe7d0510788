"""From torch modules with SpikingJelly's neurons to graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgespike.converters.spiking.converter import spiking_converter
from edgespike.converters.spiking.frameworks import Framework
from edgespike.simulator_neurons import SPIKINGJELLY, is_spikingjelly_neuron

if TYPE_CHECKING:
    from edgespike.converters.spiking.simulator import Simulator


def simulator() -> Simulator:
    """Return how SpikingJelly's neurons are read."""
    from edgespike.converters.spiking.simulator import Simulator
    from edgespike.converters.spikingjelly import layers, neurons

    return Simulator(
        name="SpikingJelly",
        is_neuron=is_spikingjelly_neuron,
        is_layer=layers.is_layer,
        layer_type=layers.layer_type,
        state_names=neurons.state_names,
        clear=neurons.clear,
        check=neurons.check,
        read=neurons.read,
        reset_names="functional.reset_net",
        prepared=layers.single_steps,
    )


_FRAMEWORK = Framework(simulator)
float_net, activity = _FRAMEWORK.float_net, _FRAMEWORK.activity

CONVERTER = spiking_converter(
    "spikingjelly",
    "torch modules with neurons of SpikingJelly",
    SPIKINGJELLY,
    simulator,
)
"""Takes any torch module that has SpikingJelly's neurons, before the one for torch modules."""
