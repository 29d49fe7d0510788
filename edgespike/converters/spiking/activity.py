"""The spikes and answers of a torch module itself, to compare a graph with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.base import ConvertOptions
from edgespike.converters.names import plain_name
from edgespike.converters.spiking import readouts
from edgespike.converters.spiking.checks import inner_module
from edgespike.converters.spiking.probe import run, zeros
from edgespike.converters.spiking.reading import Reading, read
from edgespike.converters.spiking.simulator import Simulator
from edgespike.converters.spiking.steps import Steps
from edgespike.converters.spiking.values import SPIKES
from edgespike.errors import InputError
from edgespike.floats.run import AT_ONCE, input_shape
from edgespike.graph import ReadoutMode

if TYPE_CHECKING:
    from edgespike.floats.net import Reals


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
        By the name of the layer's node in the net: ``(samples, steps, *shape)``, 0 or 1.

    Raises
    ------
    UnsupportedError
        The module cannot be converted.
    InputError
        The samples do not fit.
    """
    found = read(model, options, simulator)
    return _run(inner_module(model), found, simulator, samples)[0]


def run_module(
    model: Any, found: Reading, simulator: Simulator, samples: Reals
) -> Mapping[str, Reals]:
    """Return what a module computes: the spikes of its neurons, and its answers.

    Parameters
    ----------
    model, found
        The module, and how it was understood. It runs in its own precision, and is left unchanged.
    samples
        As for :func:`activity`.

    Returns
    -------
    values
        Spikes as :func:`activity` returns them, and under the readout's name the answers,
        ``(samples, classes)``, in the net's units.

    Raises
    ------
    InputError
        The samples do not fit.
    """
    net, inner = found.net, inner_module(model)
    known = {node.name for node in net.nodes}
    parts: dict[str, list[Reals]] = {}
    for start in range(0, len(samples), AT_ONCE):
        spikes, answers = _run(inner, found, simulator, samples[start : start + AT_ONCE])
        for name, values in {**spikes, net.nodes[-1].name: answers}.items():
            parts.setdefault(name, []).append(values)
    return {name: np.concatenate(some) for name, some in parts.items() if name in known}


def _run(
    model: Any, found: Reading, simulator: Simulator, samples: NDArray[Any]
) -> tuple[dict[str, Reals], Reals]:
    """Return the spikes of each layer, and the answers."""
    ran = run(model, simulator, _inputs(model, found, samples))
    steps = Steps(ran.calls, found.layout.axis, found.stepwise, simulator.reset_names)
    spikes = {
        plain_name(chain.name): np.stack(
            # A graded spike counts more or less than 1 in the layers behind it.
            [_array(call.after[SPIKES].tensor != 0) for call in chain.calls],
            axis=1,
        )
        for chain in steps.chains
    }
    answer = readouts.find(steps, ran.returned, found.readout)
    record = np.stack([_array(value.tensor) for value in answer.values])
    combined = {
        ReadoutMode.SUM: record.sum(axis=0),
        ReadoutMode.LAST: record[-1],
        ReadoutMode.MAX: record.max(axis=0),
    }[answer.mode]
    return spikes, combined.reshape(len(samples), -1) / found.factor


def _inputs(model: Any, found: Reading, samples: NDArray[Any]) -> list[Any]:
    """Return what each call of a module is given: one of all steps, or one a step.

    Raises
    ------
    InputError
        The samples do not fit.
    """
    import torch

    shape, count = input_shape(found.net), found.net.steps
    if samples.shape[1:] not in (shape, (count, *shape)):
        raise InputError(
            f"samples have shape {samples.shape}; give (samples, {', '.join(map(str, shape))}), or "
            f"with an axis of {count} steps before the rest"
        )
    x = torch.from_numpy(np.ascontiguousarray(samples)).to(zeros(model, ()))
    stepped = samples.ndim == len(shape) + 2
    if found.stepwise:
        return [x[:, t].clone() if stepped else x.clone() for t in range(count)]
    if found.layout.axis is None:
        if stepped:
            raise InputError("samples have steps, but the module shows its input at every step")
        return [x]
    x = x if stepped else x[:, None].expand(-1, count, *shape)
    return [(x if found.layout.axis else x.transpose(0, 1)).contiguous()]


def _array(tensor: Any) -> Reals:
    return np.array(tensor.detach().double().cpu().numpy())
