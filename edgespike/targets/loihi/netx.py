"""Intel's network exchange file (``.net``), which lava-dl's netx reads for simulator and chip.

It is HDF5 with one group for each layer: convolutions and dense layers in a row, each with its
neurons; netx has no pooling, so a max pool is written as the convolution that computes its OR.
Weights are cross-correlation kernels (output, input, height, width), biases are in units of the
accumulator, and a neuron fires strictly above ``vThMant``.

``tests/targets/loihi/test_netx.py`` runs files in netx and compares every layer.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from typing_extensions import assert_never

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
from edgespike.targets.loihi.choosing import neurons_of
from edgespike.targets.loihi.netx_neurons import neuron_fields, neuron_problem, of_channels
from edgespike.targets.loihi.netx_weights import NetxError, check_dense, placed
from edgespike.targets.loihi.rules import is_maximum, leak_of
from edgespike.targets.loihi.sums import Biases, arriving, biases_of

__all__ = ["NetxError", "netx_bytes", "netx_layers", "obstacle"]


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
        import h5py
    except ImportError as error:
        raise NetxError(f"h5py is missing: run {install_command('loihi')}") from error
    return h5py


def netx_layers(graph: Graph) -> list[Layer]:
    """Return the layers of a netx file for a graph without violations.

    Raises
    ------
    NetxError
        The graph is more than a row of convolutions and dense layers, or needs neurons or weights
        that netx does not offer.
    """
    for node, _ in graph.of_type(Delay):
        raise NetxError(
            f"{node.name} is a delay; netx reads loops (dense_rec), but lava-dl 0.6.0 has no "
            "process model that runs them, and their spikes would outlast the sample; run the "
            "network with run_lava.py"
        )
    layers, biases = _layers_of(graph, graph.input, None, {}), biases_of(graph)
    for before, node in pairwise(graph.nodes):
        if node.inputs != (before.name,):
            raise NetxError(
                f"{node.name} takes from {', '.join(node.inputs)}; netx connects each layer to the "
                "one before it"
            )
        layers += _layers_of(graph, node, before, biases)
    return layers


def _layers_of(graph: Graph, node: Node, before: Node | None, biases: Biases) -> list[Layer]:
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
        case Membrane() if not node.op.emits_events:
            return []
        case Threshold() | Membrane() | Readout() as op:
            return [_layer(graph, node, op, before, biases)]
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
    biases: Biases,
) -> Layer:
    leak = leak_of(graph, node) if isinstance(op, Readout) else None
    if leak is not None:
        before = graph[leak.inputs[0]]
    if before is None or not isinstance(before.op, (Dense, Conv2d)):
        raise NetxError(f"{node.name} does not follow a weighted layer")
    received = arriving(graph, node, biases)
    neurons = neurons_of(op, received, graph.steps)
    problem = neuron_problem(op, received, neurons, graph.steps)
    if problem:
        raise NetxError(f"{node.name} {problem}")
    shape, weighted = graph.tensors[before.name].shape, before.op
    sign = per_channel(of_channels(neurons.sign, shape), weighted.weight.ndim)
    fields: dict[str, Any] = {
        "shape": np.array(shape),
        "bias": of_channels(neurons.bias, shape).astype(np.float32),
    }
    neuron = neuron_fields(neurons.decay, neurons.vth, neurons.current_decay)
    match weighted:
        case Dense():
            weight = (weighted.weight * sign).astype(np.float32)
            check_dense(before.name, weight)
            return Layer("dense", {**fields, "weight": weight}, neuron)
        case Conv2d():
            arrays = placed(before, replace(weighted, weight=weighted.weight * sign))
            return Layer("conv", {**fields, **arrays}, neuron)
        case _:
            assert_never(weighted)


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
        **placed(node, synapses),
    }
    return Layer("conv", fields, neuron_fields(decay=0, vth=0))
