"""From torch modules with snnTorch's neurons to graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgespike.converters.base import Converter, ConvertOptions, class_distance

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgespike.converters.spiking.simulator import Simulator
    from edgespike.floats.net import FloatNet
    from edgespike.graph import Graph


def simulator() -> Simulator:
    """Return how snnTorch's neurons are read."""
    from edgespike.converters.snntorch import neurons
    from edgespike.converters.spiking.simulator import Simulator

    return Simulator(
        name="snnTorch",
        is_neuron=neurons.is_neuron,
        is_layer=lambda _: False,
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


def activity(module: Any, options: ConvertOptions, samples: NDArray[Any]) -> dict[str, Any]:
    """Run the module itself, and return the spikes of each layer of neurons.

    See :func:`edgespike.converters.spiking.reading.activity`.
    """
    from edgespike.converters.spiking import reading

    return reading.activity(module, options, simulator(), samples)


def _accepts(model: Any) -> float | None:
    distance = class_distance(model, "torch.nn.modules.module.Module")
    if distance is None or not _has_neurons(model):
        return None
    return distance - 0.5


def _has_neurons(model: Any) -> bool:
    from edgespike.converters.snntorch.neurons import is_neuron

    return any(is_neuron(module) for module in model.modules())


def _convert(module: Any, options: ConvertOptions) -> Graph:
    from edgespike.quantise import quantise

    return quantise(float_net(module, options), options, options.graph_name()).graph


CONVERTER = Converter(
    name="snntorch",
    summary="torch modules with neurons of snnTorch",
    convert=_convert,
    options=(
        "input_shape",
        "input_range",
        "input_scale",
        "bits",
        "calibrate",
        "labels",
        "steps",
        "readout",
        "name",
    ),
    accepts=_accepts,
)
"""Takes any torch module that has neurons of snnTorch, before the converter for torch modules."""
