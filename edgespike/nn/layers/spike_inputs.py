"""Which layers of a model receive events, and which events, recorded while the model runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from edgespike.errors import UnsupportedError
from edgespike.evaluation_mode import untouched
from edgespike.nn.layers.activation import EventActivation
from edgespike.nn.layers.event_functions import FunctionFollower
from edgespike.nn.layers.event_notes import Note, Notes, note_of
from edgespike.nn.layers.event_pools import averaged
from edgespike.nn.layers.fanout import CountedPart
from edgespike.nn.layers.product import EventProduct
from edgespike.nn.layers.quant_gru import QuantGRU
from edgespike.nn.layers.quant_rnn import QuantRNN
from edgespike.nn.layers.recurrent import LastStep
from edgespike.nn.layers.residual import EventSum
from edgespike.nn.layers.weighted import SumPool2d
from edgespike.simulator_neurons import is_one_to_one, is_simulator_neuron

Hook: TypeAlias = Callable[[nn.Module, tuple[Any, ...], Any], None]

Neurons: TypeAlias = Sequence[type[nn.Module] | nn.Module]
"""Modules, or classes of modules, that return spikes."""

WHOLE = 1e-3
"""How far a level may be from a whole number: dividing by a scale is not exact."""


@dataclass(frozen=True)
class ArrivingEvents:
    """The events that enter a layer in one forward pass.

    Parameters
    ----------
    layer
        The layer's path.
    values
        Whole numbers (samples, ...), differentiable: spikes, levels, or magnitudes of levels that
        have signs. For a product, those that leave it. Where a layer takes the last of several
        steps, the others are here too, on the second axis.
    powers
        The values raised to the power that was asked for, and divided by it; where pools or
        residual blocks add events, each was raised before.
    note
        What the values mean.
    """

    layer: str
    values: Tensor
    powers: Tensor
    note: Note

    @property
    def numbers(self) -> Tensor:
        """How many events arrive, in the shape of ``values``.

        Each spike is one event. A non-zero level of an activation with more than two states is one
        event that carries a number. Where pools or residual blocks add events, several may arrive
        at once.
        """
        return self.note.numbers_in(self.values)


@dataclass(frozen=True)
class SentEvents:
    """The events that the neurons of a layer send in one call.

    Parameters
    ----------
    neurons
        Path of the module.
    powers
        Spikes or levels raised to the power that was asked for and divided by it, differentiable.
    axes
        How many axes in front are those of samples and steps.
    """

    neurons: str
    powers: Tensor
    axes: int


class SpikeInputs:
    """Record the events that neurons send, and those that enter weighted layers.

    Neurons are the activations of few levels of `edgespike.nn`, the neurons of snnTorch and
    SpikingJelly, and modules that are named. The model is run once on an example, in evaluation
    mode and without changing it, to find which layers receive their events, also through functions
    of torch; the order in which modules are registered does not matter. Each forward pass of the
    model starts a new record. A recurrent layer receives its own states one step later; after
    `LastStep` the events of every step arrive, as they do in a graph.

    Parameters
    ----------
    model
        Carries hooks until `close` is called.
    example
        Input of the model: a tensor, or a tuple of the arguments of ``forward``.
    neurons
        Further modules or classes whose output, or the first of several, is spikes: 0 or 1.
    power
        1 or 2, that of `ArrivingEvents.powers` and `SentEvents.powers`.
    passes
        How often the model runs on the example; twice where a pass is one step, so that neurons
        receive what they sent in the step before.

    Attributes
    ----------
    layers
        All weighted layers of the model by path, including those that receive no events.
    feeding
        Paths of the neurons whose events enter weighted layers.
    shapes
        Shape of what entered each layer in the example.

    Raises
    ------
    UnsupportedError
        No weighted layer receives events, or events enter weights whose synapses cannot be counted.
    """

    def __init__(
        self,
        model: nn.Module,
        example: Tensor | tuple[Any, ...],
        neurons: Neurons = (),
        power: int = 1,
        passes: int = 1,
    ) -> None:
        self.layers: dict[str, CountedPart] = {}
        self.feeding: set[str] = set()
        self.shapes: dict[str, torch.Size] = {}
        self._neurons, self._power = tuple(neurons), power
        self._notes, self._fed = Notes(), dict[str, Note]()
        self._refused: list[str] = []
        self._entered: list[ArrivingEvents] | None = None
        self._sent: list[SentEvents] = []
        self._recording, self._looking, self._inside = False, False, 0
        self._latest_entering: dict[str, Tensor] = {}
        self._plain: set[str] = set()
        self._in_neurons: set[str] = set()
        # First, so that hooks on the model itself, where it is one layer, find a record.
        self._hooks = [model.register_forward_pre_hook(self._begin)]
        for name, module in model.named_modules():
            self._hook(name, module)
            if self._is_neuron(module):
                self._in_neurons |= {_joined(name, part) for part, _ in module.named_modules()}
        self._hooks.append(model.register_forward_hook(self._end, always_call=True))
        try:
            self._look(model, example, passes)
        except BaseException:
            self.close()
            raise

    def latest(self) -> list[ArrivingEvents]:
        """Return what entered each layer, in the order of the latest forward pass.

        A layer that ran several times appears as many times.

        Raises
        ------
        UnsupportedError
            There was no forward pass, or no layer received events in it.
        """
        if not self._entered:
            reason = (
                "no forward pass of the model was seen; run the model after hooking it and before "
                "closing"
                if self._entered is None
                else "no Conv2d or Linear received events in the latest forward pass, as some did "
                "in that of the example; use an example that runs the same layers"
            )
            raise UnsupportedError("synaptic operations cannot be counted", [reason])
        return self._entered

    def sent(self) -> list[SentEvents]:
        """Return what neurons of `feeding` sent in the latest forward pass, call by call.

        Raises
        ------
        UnsupportedError
            As for `latest`.
        """
        self.latest()
        return self._sent

    def close(self) -> None:
        """Remove the hooks from the model, and forget its latest forward pass."""
        for hook in self._hooks:
            hook.remove()
        self._forget()

    def _forget(self) -> None:
        self._entered, self._sent = None, []
        self._latest_entering = {}

    def _hook(self, name: str, module: nn.Module) -> None:
        if self._is_neuron(module):
            self._hooks.append(module.register_forward_hook(self._sender(name, module)))
        elif isinstance(module, QuantRNN):
            self._hook_states(name, module, module.activation, "activation")
        elif isinstance(module, QuantGRU):
            self._hook_states(name, module, module.state, "state")
        elif isinstance(module, EventProduct):
            self.layers[name] = module
            self._hooks.append(module.register_forward_hook(self._multiplier(name)))
        elif isinstance(module, LastStep):
            self._hooks.append(module.register_forward_hook(self._every_step))
        elif _passes_on(module):
            self._hooks.append(module.register_forward_hook(self._pass_on))
        elif (why := _why_uncounted(module)) is not None:
            refuse = self._refuser(f"{name} ({type(module).__name__}): {why}")
            self._hooks.append(module.register_forward_pre_hook(refuse))
        elif isinstance(module, nn.Conv2d | nn.Linear):
            self.layers[name] = module
            self._hooks.append(module.register_forward_pre_hook(self._recorder(name)))

    def _is_neuron(self, module: nn.Module) -> bool:
        if isinstance(module, EventActivation) or is_simulator_neuron(module):
            return True
        return any(
            isinstance(module, given) if isinstance(given, type) else module is given
            for given in self._neurons
        )

    def _hook_states(
        self, name: str, layer: QuantRNN | QuantGRU, state: EventActivation, part: str
    ) -> None:
        """Let a recurrent layer's states, and those before its first step, be events."""
        source = _joined(name, part)
        for module, step in ((layer.initial, 1.0), (layer, layer.step)):
            note = note_of(state, source, step)
            self._hooks.append(module.register_forward_hook(self._noting(note)))

    def _look(self, model: nn.Module, example: Tensor | tuple[Any, ...], passes: int) -> None:
        """Run the model on the example, and keep which layers receive which events."""
        arguments = example if isinstance(example, tuple) else (example,)
        closed = [
            hook
            for module in model.modules()
            if self._is_closed(module)
            for hook in (
                module.register_forward_pre_hook(self._enter),
                module.register_forward_hook(self._leave),
            )
        ]
        follower = FunctionFollower(
            self._notes, lambda: self._inside > 0, self._refuse, self._power
        )
        self._looking = True
        try:
            with untouched(model), torch.random.fork_rng(devices=[]), torch.no_grad(), follower:
                for _ in range(passes):
                    model(*arguments)
        finally:
            self._looking = False
            for hook in closed:
                hook.remove()
        entered = self._entered
        self._forget()
        for name in sorted(self._plain & self._fed.keys()):
            self._refuse(
                f"layer {name} receives both events and other values; use a layer for each"
            )
        if self._refused:
            raise UnsupportedError("synaptic operations cannot be counted", self._refused)
        if not entered:
            raise UnsupportedError("synaptic operations cannot be counted", [_no_events(model)])

    def _is_closed(self, module: nn.Module) -> bool:
        """Return whether the functions that a module calls are its own affair."""
        if self._is_neuron(module) or isinstance(module, QuantRNN | QuantGRU):
            return True
        return isinstance(module, nn.Conv2d | nn.Linear) or _why_uncounted(module) is not None

    def _enter(self, _module: nn.Module, _inputs: tuple[Any, ...]) -> None:
        self._inside += 1

    def _leave(self, _module: nn.Module, _inputs: tuple[Any, ...], _output: Any) -> None:
        self._inside -= 1

    def _refuse(self, line: str) -> None:
        if line not in self._refused:
            self._refused.append(line)

    def _begin(self, _model: nn.Module, _inputs: tuple[Any, ...]) -> None:
        self._forget()
        self._entered, self._recording = [], True

    def _end(self, _model: nn.Module, _inputs: tuple[Any, ...], _output: Any) -> None:
        # A layer that is called on its own afterwards is not part of the pass.
        self._recording = False

    def _sender(self, name: str, module: nn.Module) -> Hook:
        given = (
            note_of(module, name)
            if isinstance(module, EventActivation)
            else Note(frozenset({name}))
        )
        axes = _axes_of_calls(module)

        def send(module: nn.Module, _inputs: tuple[Any, ...], output: Any) -> None:
            spikes: Tensor = output[0] if isinstance(output, tuple | list) else output
            note = given
            if (factor := getattr(module, "graded_spikes_factor", None)) is not None:
                note = replace(given, scale=float(factor))
            self._notes.put(spikes, note)
            if self._looking:
                self._check_whole(name, note.levels(spikes), "sends")
            elif self._recording and name in self.feeding:
                self._sent.append(SentEvents(name, note.powers(spikes, self._power), axes))

        return send

    def _recorder(self, name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def record(_layer: nn.Module, inputs: tuple[Any, ...]) -> None:
            if self._recording and inputs and isinstance(inputs[0], Tensor):
                self._record(name, inputs[0])

        return record

    def _record(self, name: str, entering: Tensor) -> None:
        note = self._notes.on(entering)
        if note is None and self._looking and bool(entering.any()):
            self._plain.add(name)
        note = note or self._fed.get(name)
        if note is None:
            return
        if name in self._in_neurons:
            # snnTorch's recurrent neurons may run their layer twice in a step on the same spikes.
            if self._latest_entering.get(name) is entering:
                return
            self._latest_entering[name] = entering
        if self._looking:
            self._learn(name, note, entering)
        values, powers = note.levels(entering), note.powers(entering, self._power)
        assert self._entered is not None
        self._entered.append(ArrivingEvents(name, values, powers, note))

    def _learn(self, name: str, note: Note, entering: Tensor) -> None:
        self.feeding |= note.sources
        self.shapes[name] = entering.shape
        if note.changed_by:
            self._refuse(
                f"layer {name} receives what {note.changed_by} made of events, which is no whole "
                "number of them; let events pass only pools, residual sums and changes of shape"
            )
            return
        self._fed[name] = note.without_tensors()
        self._check_whole(f"layer {name}", note.levels(entering), "receives")

    def _check_whole(self, what: str, levels: Tensor, verb: str) -> None:
        if bool(((levels - levels.round()).abs() > WHOLE).any()):
            self._refuse(
                f"{what} {verb} fractions of spikes in the example; spikes are 0 or 1, and pools "
                "of spikes AvgPool2d, MaxPool2d or SumPool2d"
            )

    def _multiplier(self, name: str) -> Hook:
        def record(_module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
            sources = frozenset[str]().union(
                *(note.sources for values in inputs if (note := self._notes.on(values)) is not None)
            )
            note = Note(sources, spikes=False, signed=True)
            self._notes.put(output, note)
            if self._looking:
                self.feeding |= sources
                self.shapes[name] = output.shape
            if self._recording and self._entered is not None:
                powers = note.powers(output, self._power)
                self._entered.append(ArrivingEvents(name, note.levels(output), powers, note))

        return record

    def _refuser(self, line: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def refuse(_layer: nn.Module, inputs: tuple[Any, ...]) -> None:
            if self._looking and inputs and self._notes.on(inputs[0]) is not None:
                self._refuse(line)

        return refuse

    def _pass_on(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        """Pass numbers of events on in the same way as the levels."""
        notes = [note for values in inputs if (note := self._notes.on(values)) is not None]
        if len(notes) < len(inputs) or not isinstance(output, Tensor):
            return
        sources = frozenset[str]().union(*(note.sources for note in notes))
        changed_by = next((note.changed_by for note in notes if note.changed_by), "")
        scales = {note.scale for note in notes}
        if len(scales) > 1:
            low, high = min(scales), max(scales)
            changed_by = (
                f"{type(module).__name__}, which adds events of the scales {low} and {high},"
            )
        note = replace(notes[0].without_tensors(), sources=sources, changed_by=changed_by)
        window = 1
        if isinstance(module, nn.AvgPool2d | nn.AdaptiveAvgPool2d):
            found = averaged(module, inputs[0].shape[-2:])
            if isinstance(found, str):
                self._notes.put(
                    output, replace(note, changed_by=f"{type(module).__name__}: {found}")
                )
                return
            window = found
            note = replace(note, scale=note.scale / window)
        # A max pool emits the largest level, as one event; without sums the values say it all.
        summed = [each for each in notes if each.numbers is not None or each.powered is not None]
        if not isinstance(module, nn.MaxPool2d) and (summed or _adds(module)):
            arriving = list(zip(notes, inputs, strict=True))
            if not note.spikes:
                numbers = module.forward(*(n.numbers_in(n.levels(x)) for n, x in arriving)) * window
                note = replace(note, numbers=numbers)
            if self._power != 1:
                powered = module.forward(*(n.powers(x, self._power) for n, x in arriving))
                note = replace(note, powered=powered * window)
        self._notes.put(output, note)

    def _noting(self, note: Note) -> Hook:
        def put(_module: nn.Module, _inputs: tuple[Any, ...], output: Tensor) -> None:
            self._notes.put(output, note)

        return put

    def _every_step(self, _module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Let the events of all steps arrive: in a graph, the next layer computes at every step."""
        note = self._notes.on(inputs[0])
        if note is not None:
            self._notes.put(output, replace(note, arriving=note.levels(inputs[0])))


def _joined(name: str, part: str) -> str:
    return f"{name}.{part}" if name else part


def _axes_of_calls(module: nn.Module) -> int:
    """Return how many axes of a module's tensors are samples and steps."""
    return 2 if getattr(module, "step_mode", "s") == "m" else 1


def _adds(module: nn.Module) -> bool:
    return isinstance(module, SumPool2d | EventSum | nn.AvgPool2d | nn.AdaptiveAvgPool2d)


def _passes_on(module: nn.Module) -> bool:
    """Return whether a module only adds up, regroups or pads events with zeros."""
    if isinstance(module, nn.ConstantPad2d):
        return module.value == 0
    return _adds(module) or isinstance(module, nn.Flatten | nn.MaxPool2d)


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
    if is_one_to_one(module):
        return "each spike returns to its own neuron only; use all_to_all=True"
    if any(parameter.ndim > 1 for parameter in module.parameters(recurse=False)):
        return "events enter its weights; use Conv2d or Linear"
    return None


def _no_events(model: nn.Module) -> str:
    return (
        f"no Conv2d or Linear of the {type(model).__name__} ran after neurons that send spikes; "
        "use a net with SpikeActivation, RoundClip, or neurons of snnTorch or SpikingJelly, name "
        "neurons of your own (neurons=[MyNeuron]), and call modules rather than functions on their "
        "weights"
    )
