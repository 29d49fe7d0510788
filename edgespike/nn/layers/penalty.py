"""Penalties on the events of a net, weighted by what they cost (arXiv 2302.01500)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite, prod
from types import TracebackType
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from edgespike.errors import shown
from edgespike.nn.layers.fanout import CountedPart, layer_fan_out
from edgespike.nn.layers.spike_inputs import Neurons, SpikeInputs

Kind = Literal["synaptic", "spike_count", "layer_balanced"]

KINDS: tuple[Kind, ...] = get_args(Kind)

POWERS = (1, 2)
"""Values of ``p``, as in the paper."""


class SpikePenalty:
    r"""The penalty ``(1/p) * sum_l sum_i c_{l,i} * s_{l,i} ** p`` of a net's events.

    It is summed over the steps, each with its own power, and is the mean over the samples. Two
    lines use it in a training loop::

        penalty = SpikePenalty(model, example_input)  # before the loop
        ...
        loss = loss + lam * penalty()  # after the forward pass

    The model is any torch module with neurons of `edgespike.nn`, of snnTorch or SpikingJelly, or
    neurons that are named. It is run once on the example, to find which layers of weights receive
    events, and is not changed by it. The penalty hooks the model until `close`.

    The kinds differ only in the weights ``c`` of the neurons whose events reach synapses; what the
    last neurons of a net send to nobody is in none of them.

    - "synaptic": the neuron's fan-out, the number of synapses that leave it. A neuron near a border
      or between strides has fewer. With ``p = 1`` and spikes the penalty is the mean number of
      synaptic operations, as they are counted on the deployed graph with every synapse. It is
      computed where events enter layers: what pools add up enters separately, and a max pool
      lets one event pass.
    - "spike_count": 1. The penalty is the mean number of spikes.
    - "layer_balanced": one over the number of neurons of the layer, so that layers of any size
      weigh the same. The penalty is the sum of the layers' firing rates.

    How the paper normalises the penalties that it compares with is not known: the sums over the
    steps and the mean over the samples are a choice, the same for all kinds.

    For activations of more than two states, ``s`` is the level: an event of level 3 is penalised
    three times as much as one of level 1 (nine times with ``p = 2``), though on a graph each event
    costs one multiply-accumulate a synapse whatever its level. A level of 0 is no event. Where
    levels have signs, ``s`` is the magnitude. `synaptic_operations` counts events.

    Parameters
    ----------
    model
        Its layers are Conv2d and Linear, with pools, sums of spikes and changes of shape between
        them. ``forward`` may have a loop over the steps, in which layers count each time.
    example_input
        What the model takes, a few samples: a tensor, or a tuple of the arguments of ``forward``.
        Its values do not matter.
    kind
        "synaptic", "spike_count" or "layer_balanced".
    p
        1 or 2. The gradient at a neuron is ``c``, or ``c * s``.
    neurons
        Modules of your own, or their classes, that return spikes, 0 or 1, alone or first.
    samples_axis
        The axis of the model's input that holds the samples; 1 for input (steps, samples, ...).
    steps_outside
        Whether a forward pass is only one step, and your loop calls the model at each. The record
        then begins anew with the first pass after the penalty was asked for.

    Raises
    ------
    ValueError
        An unknown kind or power, something in ``neurons`` that is no module or class of modules, or
        an axis that the example does not have.
    UnsupportedError
        No layer of weights receives events, or their synapses cannot be counted.
    """

    def __init__(
        self,
        model: nn.Module,
        example_input: Tensor | tuple[Any, ...],
        kind: Kind = "synaptic",
        p: int = 1,
        *,
        neurons: Neurons = (),
        samples_axis: int = 0,
        steps_outside: bool = False,
    ) -> None:
        faults = [*penalty_faults(kind, p), *_option_faults(example_input, neurons, samples_axis)]
        if faults:
            raise ValueError("; ".join(faults))
        self.kind: Kind = kind
        self.p = p
        self._axis, self._steps_outside = samples_axis, steps_outside
        self._samples = 0
        self._costs: dict[tuple[str, torch.Size, torch.device], Tensor | float] = {}
        self._steps: list[tuple[Tensor, Tensor]] = []
        self._asked = False
        self._counted: Tensor | None = None  # the operations of the latest pass, where known
        self._inputs = SpikeInputs(model, example_input, neurons, p, 2 if steps_outside else 1)
        self._hooks = [model.register_forward_pre_hook(self._begin, with_kwargs=True)]
        if steps_outside:
            self._hooks.append(model.register_forward_hook(self._end_step))

    def __call__(self) -> Tensor:
        """Return the penalty of the latest forward pass, a scalar that can be differentiated.

        Raises
        ------
        UnsupportedError
            There was no forward pass.
        """
        return self._sum(self._penalty, 0)

    def synaptic_operations(self) -> Tensor:
        """Return the mean number of synaptic operations a sample, for any kind and power.

        Raises
        ------
        UnsupportedError
            As for the penalty.
        """
        return self._sum(self._operations, 1).detach()

    def fan_out(self) -> dict[str, Tensor]:
        """Return the fan-out of each element that enters a layer of weights, by the layer's path.

        Whole numbers as float64, in the shape of what enters for one sample, (channels, height,
        width) or (features,). It is that of the neurons before the layer, or of what pools between
        them and the layer make of their events.
        """
        shapes = self._inputs.shapes
        return {
            name: layer_fan_out(layer, _of_one(layer, shapes[name]))
            for name, layer in self._inputs.layers.items()
            if name in shapes
        }

    def close(self) -> None:
        """Remove the hooks from the model."""
        self._inputs.close()
        for hook in self._hooks:
            hook.remove()
        self._steps, self._counted = [], None

    def __enter__(self) -> SpikePenalty:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _begin(self, _model: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        if self._asked:
            self._steps, self._asked = [], False
        self._counted = None
        tensors = [value for value in (*inputs, *named.values()) if isinstance(value, Tensor)]
        self._samples = tensors[0].shape[self._axis] if tensors else 1

    def _end_step(self, _model: nn.Module, _inputs: tuple[Any, ...], _output: Any) -> None:
        self._steps.append((self._penalty(), self._operations()))

    def _sum(self, measure: Any, place: int) -> Tensor:
        self._asked = True
        if self._steps:
            return torch.stack([step[place] for step in self._steps]).sum()
        found: Tensor = measure()
        return found

    def _penalty(self) -> Tensor:
        if self.kind != "synaptic":
            parts = [
                _weighed(events.powers, self._share(events.powers.shape[events.axes :]))
                for events in self._inputs.sent()
            ]
            return self._mean(parts)
        entered = self._inputs.latest()
        parts = [
            _weighed(events.powers, self._fan_out(events.layer, events.powers))
            for events in entered
        ]
        total = self._mean(parts)
        if self.p == 1 and all(events.note.spikes for events in entered):
            self._counted = total.detach()  # spikes are counted by their values
        return total

    def _operations(self) -> Tensor:
        if self._counted is not None:
            return self._counted
        with torch.no_grad():
            parts = [
                _weighed(events.numbers, self._fan_out(events.layer, events.values))
                for events in self._inputs.latest()
            ]
            return self._mean(parts)

    def _mean(self, parts: Sequence[Tensor]) -> Tensor:
        return torch.stack(list(parts)).sum() / self._samples

    def _share(self, shape: torch.Size) -> float:
        return 1 / prod(shape) if self.kind == "layer_balanced" else 1.0

    def _fan_out(self, name: str, values: Tensor) -> Tensor | float:
        """Return the fan-out of each element, or one number if it is the same for all."""
        layer = self._inputs.layers[name]
        shape = _of_one(layer, values.shape)
        key = (name, shape, values.device)
        if key not in self._costs:
            # Not an inference tensor even when called in inference mode: training uses it later.
            with torch.inference_mode(False), torch.no_grad():
                found = layer_fan_out(layer, shape)
                first = float(found.flatten()[0])
                same = bool((found == first).all())
                self._costs[key] = first if same else _laid_out(found, values)
        return self._costs[key]


def penalty_faults(kind: object, p: object) -> Iterator[str]:
    """Yield why there is no penalty of a kind and a power."""
    if kind not in KINDS:
        yield f"penalty is {shown(kind)}; it must be one of {', '.join(KINDS)}"
    if p not in POWERS or isinstance(p, bool):
        yield f"p is {shown(p)}; it must be 1 or 2"


def _option_faults(example: object, neurons: Neurons, axis: object) -> Iterator[str]:
    for given in neurons:
        if not (isinstance(given, type) and issubclass(given, nn.Module)) and not isinstance(
            given, nn.Module
        ):
            yield f"neurons has {shown(given)}; it must have modules or classes of modules"
    arguments = example if isinstance(example, tuple) else (example,)
    axes = next((value.ndim for value in arguments if isinstance(value, Tensor)), None)
    if not isinstance(axis, int) or (axes is not None and not -axes <= axis < axes):
        has = "" if axes is None else f", and the example's first tensor has {axes}"
        yield f"samples_axis is {shown(axis)}; it must be an axis{has}"


def penalty_weight(strength: float, epoch: int, epochs: int) -> float:
    """Return lambda of an epoch (from 0): it rises linearly to ``strength`` in the last epoch.

    Raises
    ------
    ValueError
        The strength is negative, infinite or NaN, or the epoch is none of ``0..epochs - 1``.
    """
    if not (isfinite(strength) and strength >= 0):
        raise ValueError(
            f"lambda is {strength}; it must be a finite number of at least 0, and 0 means no "
            "penalty"
        )
    if not 0 <= epoch < epochs:
        raise ValueError(
            f"the epoch is {epoch}, of {epochs}; epochs are counted from 0, and the last one is "
            "epochs - 1"
        )
    return strength * (epoch + 1) / epochs


def _of_one(layer: CountedPart, shape: torch.Size) -> torch.Size:
    """Return the shape of one sample and step that enters a layer."""
    if isinstance(layer, nn.Conv2d):
        return shape[-3:]
    return shape[-1:]


def _sum_dtype(values: Tensor) -> torch.dtype:
    """Return the type for sums of values: half precision ends at 65,504."""
    half = values.dtype in (torch.float16, torch.bfloat16)
    return torch.float32 if half else values.dtype


def _laid_out(costs: Tensor, values: Tensor) -> Tensor:
    """Return costs beside the values and in their layout; else their gradient is copied twice."""
    dtype = _sum_dtype(values)
    if values.ndim == costs.ndim + 1:
        return torch.empty_like(values[0], dtype=dtype, requires_grad=False).copy_(costs)
    return costs.to(values.device, dtype)


def _weighed(values: Tensor, costs: Tensor | float) -> Tensor:
    """Return the sum of values times costs, which have the shape of the values' last axes."""
    dtype = _sum_dtype(values)
    if isinstance(costs, float):
        return values.sum(dtype=dtype) * costs
    axes = tuple(range(values.ndim - costs.ndim))
    # Summing over samples and steps first leaves one small product.
    summed = values.sum(dim=axes, dtype=dtype) if axes else values.to(dtype)
    return (summed * costs).sum()
