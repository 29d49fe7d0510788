"""From the values of one recorded step to the nodes of a net in real numbers."""

from __future__ import annotations

from dataclasses import replace

from edgespike.converters.names import plain_name
from edgespike.converters.spiking.functions import FUNCTIONS
from edgespike.converters.spiking.layers import torch_layers
from edgespike.converters.spiking.nodes import Made, Nodes, Shape
from edgespike.converters.spiking.simulator import Neurons, RefusedError, Simulator
from edgespike.converters.spiking.steps import Chain, Steps
from edgespike.converters.spiking.values import BATCH, SPIKES, Call, Value, leaves
from edgespike.floats.net import FloatAdd, FloatDelay, FloatNode, FloatOp


class NetBuilder:
    """A net under construction, of the values of the last recorded step.

    Parameters
    ----------
    simulator
        Reads the neurons.
    steps
        The recorded steps.
    shape
        Of the input of a step.

    Attributes
    ----------
    nodes
        The net so far.
    """

    def __init__(self, simulator: Simulator, steps: Steps, shape: Shape) -> None:
        self.simulator, self.steps = simulator, steps
        self.nodes = Nodes(shape, [plain_name(chain.name) for chain in steps.chains])
        self._made: dict[int, Made] = {}
        self._neurons: dict[tuple[int, str], Made] = {}
        self._delays: dict[tuple[int, int], Made] = {}
        self._read: dict[int, Neurons | None] = {}
        self._waiting: list[Chain] = []

    def build(self, value: Value) -> Made:
        """Return the node of a value, after adding it and all that it needs."""
        value = self.steps.resolved(value)
        if id(value) not in self._made:
            made = self._build(value)
            self._made[id(value)] = made
        return self._made[id(value)]

    def build_layers(self) -> None:
        """Add all layers of neurons, for their faults."""
        for chain in self.steps.chains:
            self._neuron(chain, SPIKES)

    def finish(self) -> None:
        """Add the neurons whose spikes only a later step uses."""
        while self._waiting:
            self._neuron(self._waiting.pop(), SPIKES)

    def keeps_compared(self, chain: Chain) -> bool:
        """Return whether neurons return the potential that they compared with the threshold."""
        read = self._read.get(id(chain))
        return read is None or read.keeps_compared

    def _build(self, value: Value) -> Made:
        path = _path(value)
        if (neuron := self.steps.neuron(value)) is not None:
            chain, made_at, role = neuron
            lag = self.steps.count - 1 - made_at
            return self._delayed(chain, lag, role) if lag else self._neuron(chain, role)
        if (step := self.steps.input_step(value)) is not None:
            if step not in (-1, self.steps.count - 1):
                self.nodes.refuse(
                    "the model",
                    RefusedError(
                        f"reads step {step + 1} of its input at step {self.steps.count}; read "
                        "each step's own"
                    ),
                )
            return self.nodes.input
        if value.call is None:
            what = (
                f"a constant of shape {tuple(value.tensor.shape)} as a value of the step"
                if value.is_constant
                else "all steps of its input at once; take one at each step"
            )
            self.nodes.refuse("the model", RefusedError(f"uses {what}"))
            return Made("input", value.shape)
        if value.tensor.shape[:1] != (BATCH,):
            self.nodes.refuse(
                path,
                RefusedError(
                    f"makes values of shape {tuple(value.tensor.shape)} of {BATCH} samples; keep "
                    "the samples on the first axis"
                ),
            )
            return Made("input", value.shape)
        try:
            return self._call(value, value.call, path)
        except RefusedError as refused:
            self.nodes.refuse(path, refused)
            for each in leaves((value.call.args, dict(value.call.kwargs))):
                if not each.is_constant:
                    self.build(each)  # for its faults
            return Made("input", value.shape)

    def _call(self, value: Value, call: Call, path: str) -> Made:
        if call.module is None:
            convert = FUNCTIONS.get(call.name)
            if convert is None:
                raise RefusedError(
                    "is a torch function that is not supported; supported are "
                    f"{', '.join(sorted(FUNCTIONS))}"
                )
            return convert(self, call, value)
        if self.simulator.is_neuron(call.module):
            self.simulator.check(call.module)
        layer = torch_layers().get(self.simulator.layer_type(call.module))
        if layer is None:
            raise RefusedError(f"is a {call.name}, which is not supported")
        source = self.build(call.input)
        op = layer(call.module, source.shape, value.shape)
        return source if op is None else self.nodes.layer(op, source, value.shape, path)

    def _neuron(self, chain: Chain, role: str) -> Made:
        """Return the node of a layer's spikes, or of its potential."""
        key = (id(chain), role)
        if key in self._neurons:
            return self._neurons[key]
        potential = self.simulator.state_names(chain.module)[-1]
        shape = chain.calls[-1].after[SPIKES].shape
        read = self._read_neurons(chain, shape)
        if role not in (SPIKES, potential):
            self.nodes.refuse(chain.name, RefusedError(f"gives its {role} away; use its spikes"))
        if read is None:
            self.build(chain.calls[-1].input)  # for its faults
            self._neurons[key] = Made("input", shape)
            return self._neurons[key]
        source = self.nodes.plain(self.build(chain.calls[-1].input), chain.name)
        source = self._with_recurrent(chain, read, source)
        op: FloatOp = read.op
        name = plain_name(chain.name)
        if role != SPIKES:
            if read.is_late:
                self.nodes.refuse(
                    chain.name, RefusedError(f"gives its {role} away; use its spikes")
                )
            op, name = replace(read.op, emits_potential=True), f"{name}.{role}"
        elif read.is_late:
            early = self.nodes.add(read.op, [source], shape, f"{chain.name}.early")
            self.nodes.all[-1] = replace(self.nodes.all[-1], path=chain.name)
            op, source = FloatDelay(shape), early
        self.nodes.all.append(FloatNode(name, op, (source.name,), chain.name))
        self._neurons[key] = Made(name, shape, read.factor if role == SPIKES else 1.0)
        return self._neurons[key]

    def _read_neurons(self, chain: Chain, shape: Shape) -> Neurons | None:
        if id(chain) not in self._read:
            self._read[id(chain)] = None
            tensor = chain.calls[-1].after[SPIKES].tensor
            if tensor.shape[:1] != (BATCH,) or tensor.ndim not in (2, 4):
                reason = (
                    f"gives spikes of shape {tuple(tensor.shape)} of {BATCH} samples; it must be "
                    "(samples, features) or (samples, channels, height, width)"
                )
                self.nodes.refuse(chain.name, RefusedError(reason))
                return None
            try:
                self._read[id(chain)] = self.simulator.read(chain.module, shape)
            except RefusedError as refused:
                self.nodes.refuse(chain.name, refused)
        return self._read[id(chain)]

    def _with_recurrent(self, chain: Chain, read: Neurons, source: Made) -> Made:
        """Add what the previous step's spikes bring to the input."""
        if read.recurrent is None:
            return source
        key = (id(chain), -1)
        if key not in self._delays:
            path = f"{chain.name}.recurrent"
            before = replace(self._delayed(chain, 1, SPIKES), factor=read.factor)
            weighted = self.nodes.layer(read.recurrent, before, source.shape, path)
            self._delays[key] = self.nodes.add(
                FloatAdd(), [source, weighted], source.shape, f"{chain.name}.sum"
            )
        return self._delays[key]

    def _delayed(self, chain: Chain, lag: int, role: str) -> Made:
        """Return the node of the spikes of some steps before."""
        shape = chain.calls[-1].after[SPIKES].shape
        if role != SPIKES:
            self.nodes.refuse(
                chain.name,
                RefusedError(f"gives its {role} of an earlier step to a layer; use its spikes"),
            )
            return Made("input", shape)
        if lag == 0:
            read = self._read_neurons(chain, shape)
            factor = 1.0 if read is None else read.factor
            return Made(plain_name(chain.name), shape, factor)
        key = (id(chain), lag)
        if key not in self._delays:
            self._waiting.append(chain)
            before = self._delayed(chain, lag - 1, role)
            made = self.nodes.add(FloatDelay(shape), [before], shape, f"{chain.name}.delay")
            self._delays[key] = replace(made, factor=before.factor)
        return self._delays[key]


def _path(value: Value) -> str:
    """Return what the user calls the part that made a value."""
    if value.call is None:
        return "the model"
    return value.call.path or value.call.name
