"""What quantising changed in a spiking net: spikes and answers, on samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.blas import one_blas_thread
from edgespike.floats.net import FloatNet, FloatNeurons
from edgespike.floats.run import AT_ONCE, run_steps
from edgespike.graph import Delay, Graph, Membrane
from edgespike.graph.tensor import Integers
from edgespike.interpreter import delay, evaluate
from edgespike.quantise.result import LayerLoss

LAYER_SAMPLES = 256
"""Samples on which layers are compared; answers are compared on all."""

SATURATED = 0.001
"""Share of potentials that may saturate without a warning."""


@dataclass
class Count:
    """What was counted of one layer's values: see :class:`LayerLoss`."""

    values: int = 0
    different: int = 0
    alone: int = 0
    saturated: int = 0
    active: int = 0


@dataclass
class SpikeLoss:
    """What quantising changed on samples.

    Parameters
    ----------
    counts
        By the layer's name.
    before, after
        The class of each sample, of the float net and of the graph.
    """

    counts: dict[str, Count] = field(default_factory=dict)
    before: list[int] = field(default_factory=list)
    after: list[int] = field(default_factory=list)

    def layers(self, net: FloatNet) -> tuple[LayerLoss, ...]:
        """Return the loss of each layer, in the net's order."""
        paths = {node.name: node.title for node in net.nodes}
        return tuple(
            LayerLoss(
                paths[name],
                name,
                count.values,
                count.different,
                count.alone,
                count.saturated,
                count.active,
            )
            for name, count in self.counts.items()
        )

    @property
    def flipped(self) -> int:
        """How many answers differ."""
        return int((np.array(self.before) != np.array(self.after)).sum())

    def accuracies(self, labels: NDArray[Any] | None) -> tuple[float | None, float | None]:
        """Return the share of right classes before and after, if there are labels."""
        if labels is None:
            return None, None
        before, after = (np.array(found) == labels for found in (self.before, self.after))
        return float(before.mean()), float(after.mean())

    def warnings(self, net: FloatNet) -> Iterator[str]:
        """Name layers that never or always fire, and those whose potentials saturate."""
        paths = {node.name: node.title for node in net.nodes}
        for name, count in self.counts.items():
            if count.active == 0:
                yield (
                    f"{paths[name]} never fires on these samples; check the samples' scale and "
                    "the thresholds"
                )
            elif count.active == count.values:
                yield (
                    f"{paths[name]} fires at every step on these samples; check the samples' "
                    "scale and the thresholds"
                )
            if count.saturated > SATURATED * count.values:
                yield (
                    f"{paths[name]}: {count.saturated} of {count.values} potentials saturate on "
                    "these samples; use fewer bits of weights or fewer input levels"
                )


def spike_loss(
    net: FloatNet, graph: Graph, real: NDArray[np.float64], whole: NDArray[np.int64]
) -> SpikeLoss:
    """Run the float net and its graph side by side.

    A layer's own share is what differs if all events that reach it are those of the float net.
    Layers are compared on the first :data:`LAYER_SAMPLES` samples.

    Parameters
    ----------
    real, whole
        The samples for the float net and for the graph, ``(samples, *shape)`` or with an axis of
        steps behind the first.
    """
    neurons = [
        node.name
        for node in net.of_type(FloatNeurons)
        if node.name in graph.tensors and not getattr(node.op, "emits_potential", False)
    ]
    loss = SpikeLoss({name: Count() for name in neurons})
    for start in range(0, len(real), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        _compare(net, graph, real[part], whole[part], loss, layers=start < LAYER_SAMPLES)
    return loss


def _compare(
    net: FloatNet,
    graph: Graph,
    real: NDArray[Any],
    whole: NDArray[Any],
    loss: SpikeLoss,
    *,
    layers: bool,
) -> None:
    own: dict[str, Any] = {}
    forced: dict[str, Any] = {}
    values: dict[str, Integers] | None = None
    given: dict[str, Integers] | None = None
    floats: Mapping[str, NDArray[Any]] = {}
    first, counts = _before_events(graph), loss.counts if layers else {}
    stepped = whole.ndim > len(graph.input_op.shape) + 1
    for t, floats in enumerate(run_steps(net, real)):
        x = whole[:, t] if stepped else whole
        spikes = {name: floats[name].astype(np.int64) for name in counts}
        with one_blas_thread():
            values, found = _step(graph, x, own, values, {}, {})
            if not layers:
                continue
            same = {name: found[name] for name in first}
            given, alone = _step(graph, x, forced, given, spikes, same)
        for name, count in counts.items():
            count.values += found[name].size
            count.different += int((found[name] != spikes[name]).sum())
            count.alone += int((alone[name] != spikes[name]).sum())
            count.active += int((found[name] > 0).sum())
            count.saturated += _saturated(graph, name, own)
    if values is not None:
        answer = floats[net.nodes[-1].name].reshape(len(whole), -1)
        loss.before += answer.argmax(axis=1).tolist()
        loss.after += _classes(graph, values[graph.readout.name])


def _before_events(graph: Graph) -> list[str]:
    """Name the nodes that no neuron's spikes reach: their own share is all that differs."""
    silent, found = {graph.input.name}, []
    for node in graph.nodes[1:]:
        if node.inputs and not isinstance(node.op, Delay) and silent.issuperset(node.inputs):
            found.append(node.name)
            if not isinstance(node.op, Membrane):
                silent.add(node.name)
    return found


def _classes(graph: Graph, accumulators: Integers) -> list[int]:
    logits = accumulators * graph.readout_op.scale
    classes: list[int] = logits.argmax(axis=1).tolist()
    return classes


def _saturated(graph: Graph, name: str, state: Mapping[str, Any]) -> int:
    op = graph[name].op
    if not isinstance(op, Membrane):
        return 0
    return int((np.abs(state[name].v) >= op.saturation).sum())


def _step(
    graph: Graph,
    x: Integers,
    state: dict[str, Any],
    before: Mapping[str, Integers] | None,
    given: Mapping[str, Integers],
    computed: Mapping[str, Integers],
) -> tuple[dict[str, Integers], dict[str, Integers]]:
    """Compute one step, but for what is computed already; given values then replace some.

    Returns
    -------
    values, found
        The values that others receive, and those that were computed.
    """
    values: dict[str, Integers] = {graph.input.name: x}
    found = dict(values)
    for node in graph.nodes[1:]:
        if node.name in computed:
            value = computed[node.name]
        elif isinstance(node.op, Delay):
            source = None if before is None else before[node.inputs[0]]
            value = delay(node.op, source, len(x))
        else:
            inputs = [values[name] for name in node.inputs]
            value, state[node.name] = evaluate(node.op, inputs, state.get(node.name))
        found[node.name] = value
        values[node.name] = given.get(node.name, value)
    return values, found
