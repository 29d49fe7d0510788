"""The spikes of a torch module itself, to compare a graph with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.base import ConvertOptions
from edgespike.converters.names import plain_name
from edgespike.converters.spiking.checks import inner_module
from edgespike.converters.spiking.probe import run, zeros
from edgespike.converters.spiking.reading import read
from edgespike.converters.spiking.simulator import Simulator
from edgespike.converters.spiking.steps import Steps
from edgespike.converters.spiking.values import SPIKES
from edgespike.errors import InputError


def activity(
    model: Any, options: ConvertOptions, simulator: Simulator, samples: NDArray[Any]
) -> dict[str, NDArray[np.float64]]:
    """Run the module itself, and return the spikes of each layer of neurons.

    Parameters
    ----------
    samples
        Real numbers ``(samples, *input_shape)`` or, with an axis of steps, ``(samples, steps,
        *input_shape)``; cast to the type of the module's parameters.

    Returns
    -------
    spikes
        By the name of the layer's node in the net: ``(samples, steps, *shape)``.

    Raises
    ------
    UnsupportedError
        The module cannot be converted.
    InputError
        The samples do not fit.
    """
    import torch

    found = read(model, options, simulator)
    model, count = inner_module(model), found.net.steps
    shape = options.required_shape("a torch module")
    if samples.shape[1:] not in (shape, (count, *shape)):
        raise InputError(
            f"samples have shape {samples.shape}; give (samples, {', '.join(map(str, shape))}), or "
            f"with an axis of {count} steps before the rest"
        )
    x = torch.from_numpy(np.ascontiguousarray(samples)).to(zeros(model, ()))
    stepped = samples.ndim == len(shape) + 2
    if found.stepwise:
        inputs = [x[:, t].clone() if stepped else x.clone() for t in range(count)]
    elif found.layout.axis is None:
        if stepped:
            raise InputError("samples have steps, but the module shows its input at every step")
        inputs = [x]
    else:
        x = x if stepped else x[:, None].expand(-1, count, *shape)
        inputs = [(x if found.layout.axis else x.transpose(0, 1)).contiguous()]
    ran = run(model, simulator, inputs)
    steps = Steps(ran.calls, found.layout.axis, found.stepwise, simulator.reset_names)
    return {
        plain_name(chain.name): np.stack(
            [call.after[SPIKES].tensor.double().cpu().numpy() for call in chain.calls], axis=1
        )
        for chain in steps.chains
    }
