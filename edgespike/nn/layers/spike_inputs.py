"""Which layers of a model receive events, and which events, recorded while the model runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from edgespike.errors import UnsupportedError
from edgespike.nn.layers.activation import EventActivation
from edgespike.nn.layers.fanout import CountedPart
from edgespike.nn.layers.product import EventProduct
from edgespike.nn.layers.quant_gru import QuantGRU
from edgespike.nn.layers.quant_rnn import QuantRNN
from edgespike.nn.layers.recurrent import LastStep
from edgespike.nn.layers.residual import EventSum
from edgespike.nn.layers.weighted import SumPool2d

Hook: TypeAlias = Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]


@dataclass(frozen=True)
class ArrivingEvents:
    """The events that enter a layer in one forward pass.

    Parameters
    ----------
    layer
        The layer's path.
    values
        Whole numbers (samples, ...), differentiable: spikes, levels, or magnitudes of levels that
        have signs. For a product, those that leave it.
    numbers
        How many events arrive, in the shape of ``values``. Each spike is one event. A non-zero
        level of an activation with more than two states is one event that carries a number. Where
        pools or residual blocks add events, several may arrive at once.
    """

    layer: str
    values: Tensor
    numbers: Tensor


class SpikeInputs:
    """Record what enters the weighted layers that run after a model's first activation.

    These layers are determined while the model runs; the order in which its modules are registered
    does not matter. Each forward pass of the model starts a new record. A recurrent layer receives
    its own states one step later; after `LastStep` the events of every step arrive, as they do in
    a graph.

    Parameters
    ----------
    model
        Carries hooks until `close` is called.

    Attributes
    ----------
    layers
        All weighted layers of the model by path, including those that receive no spikes.
    """

    def __init__(self, model: nn.Module) -> None:
        self.layers: dict[str, CountedPart] = {}
        self._refused: list[str] = []
        self._entered: list[ArrivingEvents] | None = None
        self._activation: EventActivation | None = None
        self._hooks = [
            model.register_forward_pre_hook(self._begin),
            model.register_forward_hook(self._end),
        ]
        for name, module in model.named_modules():
            if isinstance(module, EventActivation):
                self._hooks.append(module.register_forward_hook(self._see_spikes))
            elif isinstance(module, QuantRNN):
                self._hooks += _hook_states(module, module.activation)
            elif isinstance(module, QuantGRU):
                self._hooks += _hook_states(module, module.state)
            elif isinstance(module, EventProduct):
                self.layers[name] = module
                self._hooks.append(module.register_forward_hook(self._multiplier(name)))
            elif isinstance(module, LastStep):
                self._hooks.append(module.register_forward_hook(_every_step))
            elif _passes_on(module):
                self._hooks.append(module.register_forward_hook(_pass_on))
            elif (why := _why_uncounted(module)) is not None:
                refuse = self._refuser(f"{name} ({type(module).__name__}): {why}")
                self._hooks.append(module.register_forward_pre_hook(refuse))
            elif isinstance(module, nn.Conv2d | nn.Linear):
                self.layers[name] = module
                self._hooks.append(module.register_forward_pre_hook(self._recorder(name)))

    def latest(self) -> list[ArrivingEvents]:
        """Return what entered each layer, in the order of the latest forward pass.

        A layer that ran several times appears as many times.

        Raises
        ------
        UnsupportedError
            There was no forward pass, no weighted layer ran after an activation of few levels in
            it, or events entered weights whose synapses cannot be counted.
        """
        if self._refused:
            raise UnsupportedError("synaptic operations cannot be counted", self._refused)
        if not self._entered:
            reason = (
                "no forward pass of the model was seen; run the model after hooking it and before "
                "closing"
                if self._entered is None
                else "no Conv2d or Linear ran after a SpikeActivation or RoundClip in the latest "
                "forward pass; use a spiking net, and call its modules rather than functions on "
                "their weights"
            )
            raise UnsupportedError("synaptic operations cannot be counted", [reason])
        return self._entered

    def close(self) -> None:
        """Remove the hooks from the model, and forget its latest forward pass."""
        for hook in self._hooks:
            hook.remove()
        self._entered, self._refused = None, []

    def _begin(self, _model: nn.Module, _inputs: tuple[Tensor, ...]) -> None:
        self._entered, self._activation, self._refused = [], None, []

    def _end(self, _model: nn.Module, _inputs: tuple[Tensor, ...], _output: Tensor) -> None:
        # A layer that is called on its own afterwards is not part of the pass.
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
            self._entered.append(ArrivingEvents(name, values, numbers))

        return record

    def _multiplier(self, name: str) -> Hook:
        def record(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
            numbers = _not_zero(output)
            note = _Note(1.0, 0, numbers, signed=True)
            setattr(output, _NOTE, note)
            if self._entered is not None:
                self._entered.append(ArrivingEvents(name, note.levels(output), numbers))

        return record

    def _refuser(self, line: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def refuse(_layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            if inputs and self._note(inputs[0]) is not None and line not in self._refused:
                self._refused.append(line)

        return refuse

    def _note(self, entering: Tensor) -> _Note | None:
        note: _Note | None = getattr(entering, _NOTE, None)
        if note is None and self._activation is not None:
            # Functions leave no note: the tensor is taken to come from the last activation.
            note = _note_of(self._activation, entering)
        return note


def _passes_on(module: nn.Module) -> bool:
    """Return whether a module only adds up, regroups or pads events with zeros."""
    if isinstance(module, nn.ConstantPad2d):
        return module.value == 0
    return isinstance(module, SumPool2d | EventSum | nn.Flatten | nn.MaxPool2d)


def _why_uncounted(module: nn.Module) -> str | None:
    """Return why a module's synapses cannot be counted; None if they can, or if it has none."""
    if isinstance(module, nn.Conv2d):
        if module.padding_mode != "zeros":
            return f"padding_mode is {module.padding_mode!r}; use zeros"
        return None
    if isinstance(module, nn.Linear):
        return None
    if isinstance(module, nn.ConstantPad2d):
        return f"pads with {module.value}; use zeros"
    if isinstance(module, nn.ReflectionPad2d | nn.ReplicationPad2d | nn.CircularPad2d):
        return "repeats events at the border; use ZeroPad2d"
    if isinstance(module, nn.AvgPool2d | nn.AdaptiveAvgPool2d):
        return "a mean is not a number of events; use edgespike.nn.SumPool2d"
    if any(parameter.ndim > 1 for parameter in module.parameters(recurse=False)):
        return "events enter its weights; use Conv2d or Linear"
    return None


_NOTE = "edgespike_note"
"""The attribute of a tensor of events that holds its `_Note`."""


@dataclass(frozen=True)
class _Note:
    """What a tensor of events stands for; it travels with the tensor from module to module.

    ``scale`` is the real value of one level, and ``zero`` the level that stands for 0. ``numbers``
    is how many events each value stands for; None for spikes, where the levels say so. ``arriving``
    holds the levels if more of them arrive than the tensor shows. With ``signed``, magnitudes stand
    for the levels.
    """

    scale: float
    zero: int
    numbers: Tensor | None
    arriving: Tensor | None = None
    signed: bool = False

    def levels(self, values: Tensor) -> Tensor:
        """Return the levels that arrive with the tensor, differentiable."""
        if self.arriving is not None:
            return self.arriving
        values = values if self.scale == 1 else values / self.scale
        if self.signed:
            return values.abs()
        return values if self.zero == 0 else values + self.zero


def _note_of(activation: EventActivation, values: Tensor, step: float = 1.0) -> _Note:
    """Return the note for values that an activation returned, times ``step``."""
    scale, signed = activation.scale * step, activation.signed
    note = _Note(scale, activation.event_zero, None, signed=signed)
    if activation.states == 2:
        return note
    # The level 0 is sent by sending nothing, whatever value it stands for.
    shown = values if note.zero == 0 else note.levels(values.detach()).round()
    return replace(note, numbers=_not_zero(shown))


def _hook_states(layer: QuantRNN | QuantGRU, state: EventActivation) -> list[RemovableHandle]:
    """Let a recurrent layer's states, and those before its first step, be events of ``state``."""
    return [
        layer.initial.register_forward_hook(_noting(state)),
        layer.register_forward_hook(_noting(state, layer.step)),
    ]


def _noting(activation: EventActivation, step: float = 1.0) -> Hook:
    def note(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        setattr(output, _NOTE, _note_of(activation, output, step))

    return note


def _every_step(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    """Let the events of all steps arrive: in a graph, the next layer computes at every step."""
    note: _Note | None = getattr(inputs[0], _NOTE, None)
    if note is not None:
        numbers = None if note.numbers is None else note.numbers.sum(dim=1)
        arriving = note.levels(inputs[0]).sum(dim=1)
        setattr(output, _NOTE, replace(note, numbers=numbers, arriving=arriving))


def _not_zero(values: Tensor) -> Tensor:
    return (values.detach() != 0).to(values.dtype)


def _pass_on(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    """Pass numbers of events on in the same way as the levels."""
    notes = [note for values in inputs if (note := getattr(values, _NOTE, None)) is not None]
    if len(notes) < len(inputs) or not isinstance(output, Tensor):
        return
    numbers = None
    if any(note.numbers is not None for note in notes):
        # A max pool emits the largest level, as one event.
        numbers = _not_zero(output) if isinstance(module, nn.MaxPool2d) else _add(module, inputs)
    setattr(output, _NOTE, replace(notes[0], numbers=numbers))


def _add(module: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
    """Pass numbers of events through a module that adds, reshapes or pads."""
    total: Tensor = module.forward(*(_numbers(getattr(x, _NOTE), x) for x in inputs))
    return total


def _numbers(note: _Note, values: Tensor) -> Tensor:
    return note.levels(values.detach()) if note.numbers is None else note.numbers
