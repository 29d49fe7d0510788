"""From the values of one recorded step to the nodes of a net in real numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgespike.converters.spiking.functions import FUNCTIONS
from edgespike.converters.spiking.layers import torch_layers
from edgespike.converters.spiking.simulator import Neurons, RefusedError, Simulator
from edgespike.converters.spiking.steps import Chain, Steps
from edgespike.converters.spiking.values import BATCH, SPIKES, Call, Value, leaves
from edgespike.floats.net import (
    FloatAdd,
    FloatAffine,
    FloatConcatenate,
    FloatConv2d,
    FloatDelay,
    FloatDense,
    FloatInput,
    FloatNode,
    FloatOp,
    FloatPool2d,
    FloatReshape,
    Pooling,
)

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Made:
    """A node of the net, and what is known of its values.

    Parameters
    ----------
    name
        Of the node.
    shape
        Of its values, without samples.
    factor
        What they must be multiplied by: what a graded spike counts, for example.
    """

    name: str
    shape: Shape
    factor: float = 1.0


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
    faults
        What cannot be converted, so far: sentences that begin with a path.
    """

    def __init__(self, simulator: Simulator, steps: Steps, shape: Shape) -> None:
        self.simulator, self.steps = simulator, steps
        self.nodes: list[FloatNode] = [FloatNode("input", FloatInput(shape), (), "input")]
        self.faults: list[str] = []
        self._input = Made("input", shape)
        self._names = {"input", *(plain_name(chain.name) for chain in steps.chains)}
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

    def add(self, op: FloatOp, inputs: Sequence[Made], shape: Shape, path: str) -> Made:
        """Add a node under a name that is made of its path."""
        base = plain_name(path)
        name, count = base, 1
        while name in self._names:
            count += 1
            name = f"{base}_{count}"
        self._names.add(name)
        self.nodes.append(FloatNode(name, op, tuple(made.name for made in inputs), path))
        return Made(name, shape)

    def plain(self, made: Made, path: str) -> Made:
        """Return a node whose values need no factor."""
        if made.factor == 1:
            return made
        channels = made.shape[0]
        op = FloatAffine(np.full(channels, made.factor), np.zeros(channels))
        return self.add(op, [made], made.shape, f"{path}.factor")

    def layer(self, op: FloatOp, made: Made, shape: Shape, path: str) -> Made:
        """Add an operation on one node, into which the node's factor is folded where it can be."""
        factor = made.factor
        match op:
            case FloatDense() | FloatConv2d():
                return self.add(replace(op, weight=op.weight * factor), [made], shape, path)
            case FloatAffine():
                return self.add(replace(op, scale=op.scale * factor), [made], shape, path)
            case FloatPool2d(Pooling.MAX) if factor < 0:
                return self.add(op, [self.plain(made, path)], shape, path)
            case FloatReshape() | FloatPool2d():
                return replace(self.add(op, [made], shape, path), factor=factor)
            case _:
                return self.add(op, [self.plain(made, path)], shape, path)

    def join(
        self, op: FloatAdd | FloatConcatenate, inputs: Sequence[Made], shape: Shape, path: str
    ) -> Made:
        """Add an operation on several nodes."""
        if len({made.factor for made in inputs}) == 1:
            return replace(self.add(op, inputs, shape, path), factor=inputs[0].factor)
        return self.add(op, [self.plain(made, path) for made in inputs], shape, path)

    def refuse(self, path: str, refused: RefusedError) -> None:
        """Note what is wrong with a part."""
        self.faults += [
            fault for reason in refused.reasons if (fault := f"{path} {reason}") not in self.faults
        ]

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
                self.refuse(
                    "the model",
                    RefusedError(
                        f"reads step {step + 1} of its input at step {self.steps.count}; read "
                        "each step's own"
                    ),
                )
            return self._input
        if value.call is None:
            what = (
                f"a constant of shape {tuple(value.tensor.shape)} as a value of the step"
                if value.is_constant
                else "all steps of its input at once; take one at each step"
            )
            self.refuse("the model", RefusedError(f"uses {what}"))
            return Made("input", value.shape)
        if value.tensor.shape[:1] != (BATCH,):
            self.refuse(
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
            self.refuse(path, refused)
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
        return source if op is None else self.layer(op, source, value.shape, path)

    def _neuron(self, chain: Chain, role: str) -> Made:
        """Return the node of a layer's spikes, or of its potential."""
        key = (id(chain), role)
        if key in self._neurons:
            return self._neurons[key]
        potential = self.simulator.state_names(chain.module)[-1]
        shape = chain.calls[-1].after[SPIKES].shape
        read = self._read_neurons(chain, shape)
        if role not in (SPIKES, potential):
            self.refuse(chain.name, RefusedError(f"gives its {role} away; use its spikes"))
        if read is None:
            self.build(chain.calls[-1].input)  # for its faults
            self._neurons[key] = Made("input", shape)
            return self._neurons[key]
        source = self.plain(self.build(chain.calls[-1].input), chain.name)
        source = self._with_recurrent(chain, read, source)
        op, name = read.op, plain_name(chain.name)
        if role != SPIKES:
            op, name = replace(op, emits_potential=True), f"{name}.{role}"
        self.nodes.append(FloatNode(name, op, (source.name,), chain.name))
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
                self.refuse(chain.name, RefusedError(reason))
                return None
            try:
                self._read[id(chain)] = self.simulator.read(chain.module, shape)
            except RefusedError as refused:
                self.refuse(chain.name, refused)
        return self._read[id(chain)]

    def _with_recurrent(self, chain: Chain, read: Neurons, source: Made) -> Made:
        """Add what the previous step's spikes bring to the input."""
        if read.recurrent is None:
            return source
        key = (id(chain), -1)
        if key not in self._delays:
            path = f"{chain.name}.recurrent"
            before = replace(self._delayed(chain, 1, SPIKES), factor=read.factor)
            weighted = self.layer(read.recurrent, before, source.shape, path)
            self._delays[key] = self.add(
                FloatAdd(), [source, weighted], source.shape, f"{chain.name}.sum"
            )
        return self._delays[key]

    def _delayed(self, chain: Chain, lag: int, role: str) -> Made:
        """Return the node of the spikes of some steps before."""
        shape = chain.calls[-1].after[SPIKES].shape
        if role != SPIKES:
            self.refuse(
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
            made = self.add(FloatDelay(shape), [before], shape, f"{chain.name}.delay")
            self._delays[key] = replace(made, factor=before.factor)
        return self._delays[key]


def plain_name(path: str) -> str:
    """Return a path as a node's name: letters, digits, ``_``, ``.`` and ``-``."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", path)
    return name if re.match(r"[A-Za-z0-9_]", name) else f"_{name}"


def _path(value: Value) -> str:
    """Return what the user calls the part that made a value."""
    if value.call is None:
        return "the model"
    return value.call.path or value.call.name
