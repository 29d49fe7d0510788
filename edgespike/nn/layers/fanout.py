"""Which layers receive spikes, and how many of their synapses each spike reaches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.grad import conv2d_input

from edgespike.errors import UnsupportedError
from edgespike.graph.ops.weighted import window_counts
from edgespike.nn.layers.activation import EventActivation
from edgespike.nn.layers.quant_rnn import QuantRNN
from edgespike.nn.layers.recurrent import LastStep
from edgespike.nn.layers.residual import EventSum
from edgespike.nn.layers.weighted import SumPool2d

Weighted: TypeAlias = nn.Conv2d | nn.Linear

Hook: TypeAlias = Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]


@dataclass(frozen=True)
class Events:
    """What enters a layer in one forward pass.

    Parameters
    ----------
    layer
        The layer's path.
    values
        Whole numbers (samples, ...), differentiable: spikes, or levels.
    numbers
        Of events that arrive, in the shape of ``values``. Each spike is one. A level of more than
        two states is one event, which carries a number, if it is not 0. Where pools or residual
        blocks add, several may arrive at once.
    """

    layer: str
    values: Tensor
    numbers: Tensor


class SpikeInputs:
    """Record what enters the weighted layers that run after a model's first activation.

    Which layers these are is seen while the model runs: the order in which its modules are
    registered decides nothing. Each forward pass of the model starts anew. A recurrent layer
    receives its own states a step later; behind `LastStep` the events of every step arrive, as they
    do in a graph.

    Parameters
    ----------
    model
        Carries hooks until `close`.

    Attributes
    ----------
    layers
        All weighted layers of the model by path, those that receive no spikes among them.
    """

    def __init__(self, model: nn.Module) -> None:
        self.layers: dict[str, Weighted] = {}
        self._refused: list[str] = []
        self._entered: list[Events] | None = None
        self._activation: EventActivation | None = None
        self._hooks = [
            model.register_forward_pre_hook(self._begin),
            model.register_forward_hook(self._end),
        ]
        for name, module in model.named_modules():
            if isinstance(module, EventActivation):
                self._hooks.append(module.register_forward_hook(self._see_spikes))
            elif isinstance(module, QuantRNN):
                initial = module.initial.register_forward_hook(_noting(module.activation))
                states = module.register_forward_hook(_noting(module.activation, module.step))
                self._hooks += [initial, states]
            elif isinstance(module, LastStep):
                self._hooks.append(module.register_forward_hook(_every_step))
            elif isinstance(module, SumPool2d | EventSum | nn.Flatten | nn.MaxPool2d):
                self._hooks.append(module.register_forward_hook(_pass_on))
            elif (why := _why_uncounted(module)) is not None:
                refuse = self._refuser(f"{name} ({type(module).__name__}): {why}")
                self._hooks.append(module.register_forward_pre_hook(refuse))
            elif isinstance(module, nn.Conv2d | nn.Linear):
                self.layers[name] = module
                self._hooks.append(module.register_forward_pre_hook(self._recorder(name)))

    def latest(self) -> list[Events]:
        """Return what entered each layer, in the order of the latest forward pass.

        A layer that ran several times appears as often.

        Raises
        ------
        UnsupportedError
            No forward pass was seen, none of its weighted layers ran after an activation of few
            levels, or events entered weights whose synapses cannot be counted.
        """
        if self._refused:
            raise UnsupportedError("synaptic operations cannot be counted", self._refused)
        if not self._entered:
            reason = (
                "no forward pass of the model was seen; run the model after hooking it and before "
                "closing"
                if self._entered is None
                else "no Conv2d or Linear ran after a SpikeActivation or RoundClip in the latest "
                "forward pass; give a spiking net, and call its modules rather than functions on "
                "their weights"
            )
            raise UnsupportedError("synaptic operations cannot be counted", [reason])
        return self._entered

    def close(self) -> None:
        """Take the hooks off the model, and forget its latest forward pass."""
        for hook in self._hooks:
            hook.remove()
        self._entered, self._refused = None, []

    def _begin(self, _model: nn.Module, _inputs: tuple[Tensor, ...]) -> None:
        self._entered, self._activation, self._refused = [], None, []

    def _end(self, _model: nn.Module, _inputs: tuple[Tensor, ...], _output: Tensor) -> None:
        # A layer that is called on its own afterwards is no part of the pass.
        self._activation = None

    def _see_spikes(self, module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(module, EventActivation):
            self._activation = module
            setattr(output, _NOTE, _note_of(module, output))

    def _recorder(self, name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def record(_layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            entering = inputs[0]
            note = self._note(entering)
            if note is None or self._entered is None:
                return
            values = note.levels(entering)
            numbers = values.detach() if note.numbers is None else note.numbers
            self._entered.append(Events(name, values, numbers))

        return record

    def _refuser(self, line: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def refuse(_layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            if inputs and self._note(inputs[0]) is not None and line not in self._refused:
                self._refused.append(line)

        return refuse

    def _note(self, entering: Tensor) -> _Note | None:
        note: _Note | None = getattr(entering, _NOTE, None)
        if note is None and self._activation is not None:
            # Functions leave no note; then it is taken to come from the last activation.
            note = _note_of(self._activation, entering)
        return note


def _why_uncounted(module: nn.Module) -> str | None:
    """Say why a module's synapses cannot be counted, if it has any."""
    if isinstance(module, nn.Conv2d):
        if isinstance(module.padding, str):
            return f"padding is {module.padding!r}; give it as numbers"
        if module.padding_mode != "zeros":
            return f"padding_mode is {module.padding_mode!r}; use zeros"
        return None
    if isinstance(module, nn.Linear):
        return None
    if any(parameter.ndim > 1 for parameter in module.parameters(recurse=False)):
        return "events enter its weights; use Conv2d or Linear"
    return None


_NOTE = "edgespike_note"
"""The attribute of a tensor of events that holds its `_Note`."""


@dataclass(frozen=True)
class _Note:
    """What a tensor of events stands for; it goes with the tensor, whatever runs in between.

    ``scale`` is the real value of one level, and ``zero`` the level that stands for 0. ``numbers``
    is how many events each value stands for; None for spikes, where the levels say it. ``arriving``
    holds the levels where more arrive than the tensor shows.
    """

    scale: float
    zero: int
    numbers: Tensor | None
    arriving: Tensor | None = None

    def levels(self, values: Tensor) -> Tensor:
        """Return the levels that arrive with the tensor, differentiable."""
        if self.arriving is not None:
            return self.arriving
        values = values if self.scale == 1 else values / self.scale
        return values if self.zero == 0 else values + self.zero


def _note_of(activation: EventActivation, values: Tensor, step: float = 1.0) -> _Note:
    """Make the note of values that an activation gave, times ``step``."""
    note = _Note(activation.scale * step, activation.zero, None)
    if activation.states == 2:
        return note
    # The level 0 is sent by sending nothing, whatever value it stands for.
    shown = values if note.zero == 0 else note.levels(values.detach()).round()
    return replace(note, numbers=_not_zero(shown))


def _noting(activation: EventActivation, step: float = 1.0) -> Hook:
    def note(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        setattr(output, _NOTE, _note_of(activation, output, step))

    return note


def _every_step(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    """Let the events of all steps arrive: a layer behind it computes at every step of a graph."""
    note: _Note | None = getattr(inputs[0], _NOTE, None)
    if note is not None:
        numbers = None if note.numbers is None else note.numbers.sum(dim=1)
        arriving = note.levels(inputs[0]).sum(dim=1)
        setattr(output, _NOTE, replace(note, numbers=numbers, arriving=arriving))


def _not_zero(values: Tensor) -> Tensor:
    return (values.detach() != 0).to(values.dtype)


def _pass_on(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    """Let numbers of events go the way of the levels."""
    notes = [note for values in inputs if (note := getattr(values, _NOTE, None)) is not None]
    if len(notes) < len(inputs) or not isinstance(output, Tensor):
        return
    numbers = None
    if any(note.numbers is not None for note in notes):
        # A max pool emits the largest level, as one event.
        numbers = _not_zero(output) if isinstance(module, nn.MaxPool2d) else _add(module, inputs)
    setattr(output, _NOTE, replace(notes[0], numbers=numbers))


def _add(module: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
    """Let numbers of events through a module that adds or reshapes."""
    total: Tensor = module.forward(*(_numbers(getattr(x, _NOTE), x) for x in inputs))
    return total


def _numbers(note: _Note, values: Tensor) -> Tensor:
    return note.levels(values.detach()) if note.numbers is None else note.numbers


def fan_out(layer: Weighted, input_shape: torch.Size, mask: Tensor) -> Tensor:
    """Count the synapses that leave each neuron of a layer's input, exactly.

    For a convolution it is the transposed convolution of an all-ones output with the mask: a
    neuron near a border or between strides reaches fewer synapses than one in the middle.

    Parameters
    ----------
    layer
        The layer that the neurons feed.
    input_shape
        Shape of one sample at the layer's input, without the batch.
    mask
        In the shape of the layer's weight: 1 where a synapse exists, else 0.

    Returns
    -------
    Tensor
        float64 whole numbers, ``input_shape``.
    """
    mask = mask.double()
    if isinstance(layer, nn.Linear):
        return mask.sum(dim=0).expand(input_shape)
    padding = [int(size) for size in layer.padding]
    sizes = window_counts(input_shape, layer.kernel_size, layer.stride, padding, layer.dilation)
    ones = mask.new_ones((1, layer.out_channels, *sizes))
    counts: Tensor = conv2d_input(  # type: ignore[no-untyped-call]
        (1, *input_shape), mask, ones, layer.stride, layer.padding, layer.dilation, layer.groups
    )
    # Whatever algorithm the convolution uses: these are sums of ones.
    return counts[0].round()
