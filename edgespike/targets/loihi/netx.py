"""Intel's network exchange file (``.net``), which lava-dl's netx reads for simulator and chip.

It is HDF5 with one group for each layer: convolutions and dense layers in a row, each with its
neurons; netx has no pooling, so a max pool is written as the convolution that computes its OR.
Weights are cross-correlation kernels (output, input, height, width), biases are in units of the
accumulator, and a neuron fires strictly above ``vThMant``.

Lava 0.10 keeps a convolution's ``groups`` in 8 signed bits: with 128 of them it computes nothing.
Above 127, groups are joined to fewer and larger ones, with weights of 0 between them.

``tests/targets/loihi/test_netx.py`` runs files in netx and compares every layer.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_never

from edgespike.errors import EdgespikeError
from edgespike.extras import install_command
from edgespike.graph import (
    Conv2d,
    Delay,
    Dense,
    Graph,
    Input,
    MaxPool2d,
    Membrane,
    Node,
    Readout,
    Reshape,
    Threshold,
)
from edgespike.graph.tensor import per_channel
from edgespike.targets.loihi.neurons import Arriving, NeuronKind, Neurons, beyond_stock, neurons_of
from edgespike.targets.loihi.rules import is_maximum
from edgespike.targets.loihi.sums import Sums, arriving, sums_of

WHOLE_DECAY = 4096
"""With this ``iDecay`` the current is the present step's input alone: netx counts the part that
decays in 1/4096. Lava's own ``du`` is lower by 1, see ``simulator/run_lava.py``."""


DENSE_LOW, DENSE_HIGH = -256, 254
"""Range of weights that netx keeps in dense layers: 8 bits with sign, in steps of 2."""


COUNT_HIGH = 127
"""What Lava can count of a convolution: its groups, strides, and elements along a kernel and in
both paddings. All of these have 8 bits with sign (``lava/proc/conv/models.py``), unchecked."""


class NetxError(EdgespikeError):
    """A netx file cannot hold the graph, or h5py is missing."""


@dataclass(frozen=True)
class Layer:
    """One group of the file.

    Parameters
    ----------
    kind
        ``input``, ``conv``, ``dense`` or ``flatten``.
    fields
        Its data sets.
    neuron
        Data sets of its neurons; empty if it has none.
    """

    kind: str
    fields: dict[str, Any]
    neuron: dict[str, Any]


def netx_bytes(graph: Graph) -> bytes:
    """Return the content of a netx file for a graph without violations.

    Raises
    ------
    NetxError
        The graph is more than a row of convolutions and dense layers, or needs neurons or weights
        that netx does not offer, or h5py is not installed.
    """
    h5py = _h5py()
    content = io.BytesIO()
    layers = netx_layers(graph)
    with h5py.File(content, "w") as file:
        for index, layer in enumerate(layers):
            group = file.create_group(f"layer/{index}")
            _put(group, "type", np.array([layer.kind], "S10"))
            for name, value in layer.fields.items():
                _put(group, name, value)
            neuron = group.create_group("neuron") if layer.neuron else group
            for name, value in layer.neuron.items():
                _put(neuron, name, value)
        file["simulation/Ts"] = 1
        file["simulation/tSample"] = graph.steps
    return content.getvalue()


def _put(group: Any, name: str, value: Any) -> None:
    """Add a data set to a group, compressed if it has several axes.

    For small ones, what h5py does around HDF5's own functions takes longer than these.
    """
    from h5py import h5d, h5s, h5t  # type: ignore[import-untyped,unused-ignore]

    array = np.asarray(value)
    if array.ndim > 1:
        group.create_dataset(name, data=array, compression="gzip")
        return
    space = h5s.create_simple(array.shape) if array.ndim else h5s.create(h5s.SCALAR)
    created = h5d.create(group.id, name.encode(), h5t.py_create(array.dtype), space)
    created.write(h5s.ALL, h5s.ALL, np.require(array, requirements="C"))


def obstacle(graph: Graph) -> str:
    """Return why :func:`netx_bytes` cannot write a graph; empty if it can."""
    try:
        _h5py()
        netx_layers(graph)
    except NetxError as error:
        return str(error)
    return ""


def _h5py() -> Any:
    try:
        import h5py  # type: ignore[import-untyped,unused-ignore]
    except ImportError as error:
        raise NetxError(f"h5py is missing: run {install_command('loihi')}") from error
    return h5py


def netx_layers(graph: Graph) -> list[Layer]:
    """Return the layers of the file, see :func:`netx_bytes`."""
    for node, _ in graph.of_type(Delay):
        raise NetxError(
            f"{node.name} is a delay; netx reads loops (dense_rec), but lava-dl 0.6.0 has no "
            "process model that runs them, and their spikes would outlast the sample; run the "
            "network with run_lava.py"
        )
    layers, sums = _layers_of(graph, graph.input, None, {}), sums_of(graph)
    for before, node in pairwise(graph.nodes):
        if node.inputs != (before.name,):
            raise NetxError(
                f"{node.name} takes from {', '.join(node.inputs)}; netx connects each layer to the "
                "one before it"
            )
        layers += _layers_of(graph, node, before, sums)
    return layers


def _layers_of(graph: Graph, node: Node, before: Node | None, sums: Sums) -> list[Layer]:
    """Return the layers of one node; the weights before neurons are in these neurons' layer."""
    match node.op:
        case Input() as op:
            return [Layer("input", {"shape": np.array(op.shape)}, {})]
        case Dense() | Conv2d():
            return []
        case Reshape():
            return _flatten(graph, node)
        case MaxPool2d() as op:
            return [_or_pool(graph, node, op)]
        case Threshold() | Membrane() | Readout() as op:
            return [_layer(graph, node, op, before, sums)]
        case _:
            raise NetxError(f"{node.name} is a {node.op.kind}, which netx does not offer")


def _flatten(graph: Graph, node: Node) -> list[Layer]:
    tensor = graph.tensors[node.inputs[0]]
    if not tensor.signal.is_event or len(graph.tensors[node.name].shape) != 1:
        raise NetxError(f"{node.name} reshapes; netx only flattens spikes")
    return [Layer("flatten", {}, {})] if len(tensor.shape) == 3 else []


def _layer(
    graph: Graph,
    node: Node,
    op: Threshold | Membrane | Readout,
    before: Node | None,
    sums: Sums,
) -> Layer:
    if before is None or not isinstance(before.op, (Dense, Conv2d)):
        raise NetxError(f"{node.name} does not follow a weighted layer")
    received = arriving(graph, node, sums)
    neurons = neurons_of(op, received, graph.steps)
    problem = _problem(op, received, neurons, graph.steps)
    if problem:
        raise NetxError(f"{node.name} {problem}")
    shape, weighted = graph.tensors[before.name].shape, before.op
    sign = per_channel(_channels(neurons.sign, shape), weighted.weight.ndim)
    fields: dict[str, Any] = {
        "shape": np.array(shape),
        "bias": _channels(neurons.bias, shape).astype(np.float32),
    }
    neuron = _neuron(neurons.decay, neurons.vth)
    match weighted:
        case Dense():
            weight = (weighted.weight * sign).astype(np.float32)
            _check_dense(before.name, weight)
            return Layer("dense", {**fields, "weight": weight}, neuron)
        case Conv2d():
            placed = _placed(before, replace(weighted, weight=weighted.weight * sign))
            return Layer("conv", {**fields, **placed}, neuron)
        case _:
            assert_never(weighted)


def _joined_groups(weight: NDArray[np.float32], groups: int) -> dict[str, Any]:
    """Return weights and number of groups, joining groups where Lava would not take so many."""
    fewer = max(n for n in range(1, COUNT_HIGH + 1) if groups % n == 0)
    joined = groups // fewer
    outputs, inputs, *kernel = weight.shape
    parts = weight.reshape(fewer, joined, outputs // groups, inputs, *kernel)
    whole = np.zeros((fewer, joined, outputs // groups, joined, inputs, *kernel), np.float32)
    for each in range(joined):
        whole[:, each, :, each] = parts[:, each]
    return {"weight": whole.reshape(outputs, joined * inputs, *kernel), "groups": fewer}


def _check_dense(name: str, weight: NDArray[np.float32]) -> None:
    """Refuse weights that netx changes when it loads them as mantissas and an exponent."""
    low, high = int(weight.min()), int(weight.max())
    if low == high == 0:
        raise NetxError(
            f"all weights of {name} are 0, and netx divides by the largest; remove the layer, or "
            "quantise it more finely"
        )
    if low < DENSE_LOW or high > DENSE_HIGH:
        raise NetxError(
            f"weights of {name} are {low}..{high}; the limit of netx is {DENSE_LOW}..{DENSE_HIGH} "
            "in dense layers, use smaller weights"
        )
    if high <= 0 and -low & (-low - 1) == 0:
        raise NetxError(
            f"{name} has no weight above 0 and the lowest is {low}, a power of 2, which netx makes "
            f"-255 of 256 times as strong; quantise it so that the lowest is {low + 1}"
        )


def _or_pool(graph: Graph, node: Node, op: MaxPool2d) -> Layer:
    """Build the OR of each window from synapses of weight 1 onto neurons that one spike fires.

    Such a neuron keeps nothing: any spike makes it fire and resets it.
    """
    if is_maximum(graph, node):
        raise NetxError(f"{node.name} takes the largest of graded spikes; netx only has their sum")
    channels = graph.tensors[node.name].shape[0]
    ones = np.ones((channels, 1, *op.kernel), np.int64)
    nothing = np.zeros(channels, np.int64)
    synapses = Conv2d(ones, nothing, None, op.stride, op.padding, groups=channels)
    fields = {
        "shape": np.array(graph.tensors[node.name].shape),
        "bias": nothing.astype(np.float32),
        **_placed(node, synapses),
    }
    return Layer("conv", fields, _neuron(decay=0, vth=0))


def _neuron(decay: int, vth: int) -> dict[str, Any]:
    return {
        "type": np.array(["CUBA"], "S10"),
        "iDecay": WHOLE_DECAY,
        "vDecay": decay,
        "vThMant": vth,
        "refDelay": 1,
    }


def _problem(
    op: Threshold | Membrane | Readout, received: Arriving, neurons: Neurons, steps: int
) -> str:
    problem = _not_stock(op, received, neurons.kind, steps)
    if problem:
        return problem
    if neurons.constant.any():
        return (
            "has biases or thresholds that do not fit 13 bits, which netx has for both; use "
            "smaller ones"
        )
    if steps > 1 and not neurons.memory:
        return (
            "forgets at each step; netx resets all neurons at once, with each sample, so use "
            "membranes in a graph of several steps"
        )
    return ""


def _not_stock(
    op: Threshold | Membrane | Readout, received: Arriving, kind: NeuronKind, steps: int
) -> str:
    """Return what stock neurons cannot do for an operation; empty if they compute it."""
    match kind:
        case NeuronKind.LIF | NeuronKind.READOUT:
            return ""
        case NeuronKind.MEMBRANE if isinstance(op, Membrane):
            causes = "; ".join(beyond_stock(op, received, steps))
            return f"is a membrane that stock neurons cannot compute: {causes}"
        case NeuronKind.LEVELS:
            return "has several levels, which stock neurons cannot send; export with --coding unary"
        case NeuronKind.MEMBRANE | NeuronKind.MAXIMUM:
            raise TypeError(f"{kind} is not computed by {op.kind} neurons")
        case _:
            assert_never(kind)


def _channels(values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return one value for each channel; neurons of a channel share theirs."""
    return values.reshape(shape[0], -1)[:, 0]


def _placed(node: Node, op: Conv2d) -> dict[str, Any]:
    """Return weights and geometry of a convolution; netx pads opposite sides alike.

    Where they differ, both sides get the larger padding, and zero weights at the kernel's other end
    move its windows back to their places.
    """
    widening, padding = [(0, 0), (0, 0)], []
    for (before, after), step in zip(op.sides, op.dilation, strict=True):
        if (after - before) % step:
            raise NetxError(
                f"{node.name} has padding {op.padding} and dilation {op.dilation}; netx pads "
                "opposite sides alike, so their difference must be a multiple of the dilation"
            )
        padding.append(max(before, after))
        widening.append((max(after - before, 0) // step, max(before - after, 0) // step))
    weight = np.pad(op.weight, widening)
    outputs, inputs, *kernel = weight.shape
    spans = [step * (size - 1) + 1 for step, size in zip(op.dilation, kernel, strict=True)]
    largest = max(*spans, *op.stride, *(2 * size for size in padding))
    if largest > COUNT_HIGH:
        raise NetxError(
            f"{node.name} has windows of {spans[0]} x {spans[1]}, stride {op.stride} and padding "
            f"{tuple(padding)} on each side; of windows, strides and both paddings together Lava "
            f"counts up to {COUNT_HIGH}, use smaller ones"
        )
    return {
        **_joined_groups(weight.astype(np.float32), op.groups),
        "inChannels": inputs * op.groups,
        "outChannels": outputs,
        "kernelSize": np.array(kernel),
        "stride": np.array(op.stride),
        "padding": np.array(padding),
        "dilation": np.array(op.dilation),
    }
