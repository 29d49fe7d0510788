"""From torch modules with snnTorch's neurons to graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgespike.converters.spiking.converter import spiking_converter
from edgespike.converters.spiking.frameworks import Framework
from edgespike.simulator_neurons import is_snntorch_neuron

if TYPE_CHECKING:
    from edgespike.converters.spiking.simulator import Simulator


def simulator() -> Simulator:
    """Return how snnTorch's neurons are read."""
    from edgespike.converters.snntorch import neurons
    from edgespike.converters.spiking.simulator import Simulator

    return Simulator(
        name="snnTorch",
        is_neuron=is_snntorch_neuron,
        state_names=neurons.state_names,
        clear=neurons.clear,
        check=neurons.check,
        read=neurons.read,
        reset_names="utils.reset or reset_mem",
    )


_FRAMEWORK = Framework(simulator)
float_net, activity = _FRAMEWORK.float_net, _FRAMEWORK.activity

CONVERTER = spiking_converter(
    "snntorch", "torch modules with neurons of snnTorch", "snntorch._neurons", simulator
)
"""Takes any torch module that has neurons of snnTorch, before the converter for torch modules."""
