"""Whether a net can run on a target, from its description alone, before it is trained.

The net is built and converted three times, with different integer weights: the smallest that
training can end with, random ones, and the largest that the number of bits allows. The target then
checks each graph, so no limit of a target is repeated here.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, cast

import torch
from torch import Tensor, nn

from edgespike.converters import convert
from edgespike.errors import ViolationsError
from edgespike.graph import Conv2d, Dense, Graph, Multiply
from edgespike.nn.layers.quant_gru import Gate
from edgespike.nn.layers.quant_rnn import QuantRNN
from edgespike.nn.layers.quantise import StandardisedQuantiser, SymmetricQuantiser, WeightQuantiser
from edgespike.nn.layers.residual import Residual
from edgespike.nn.layers.weighted import QuantConv2d, QuantLinear
from edgespike.nn.nets.models import build
from edgespike.nn.nets.recurrent_spec import RecurrentSpec
from edgespike.nn.nets.spec import AnySpec, NetSpec
from edgespike.targets import get_target

FEW_INPUTS = 128
"""With at most this many inputs, a neuron's trained sums can be as large as with random weights.

With many inputs, trained sums are far smaller. In fashion_s3nn, the sums of the first layer (9
inputs) reach 29 % of what the largest weights would give, those of the dense layer (1,728 inputs)
10 %. Random weights give 25 % and more.
"""

Fill = Callable[[tuple[int, ...], int], Tensor]
"""Takes a shape and the largest magnitude, and returns integer weights."""


@dataclass(frozen=True)
class TargetForecast:
    """What a target refuses in nets of one description, one line per violation.

    Each line names the layer, the value, the limit and the way out.

    Parameters
    ----------
    certain
        Refused whatever the trained weights will be.
    likely
        Refused with random weights, as before training, in a layer of at most `FEW_INPUTS` inputs.
    possible
        Refused with the largest weights of their number of bits, and not in the other two. Training
        seldom ends with such weights where a layer has many inputs.
    """

    certain: tuple[str, ...]
    likely: tuple[str, ...]
    possible: tuple[str, ...]


def forecast(net: AnySpec, target: str) -> TargetForecast:
    """Say what a target would refuse in a net, before it is trained.

    Example::

        recipe = edgespike.nn.load_recipe("recipe.toml")
        print(edgespike.nn.forecast(recipe.net, "loihi").likely)

    Parameters
    ----------
    net
        Description of the net.
    target
        Name of the target.

    Raises
    ------
    UnknownTargetError, DuplicateTargetError
        As for :func:`edgespike.targets.get_target`.
    """
    violations = get_target(target).violations
    if net.activation in ("relu", "float"):
        fault = (
            f"activation is {net.activation!r}, a net of floats, which no graph computes; train a "
            "net with activation 'spike' or 'levels'"
        )
        return TargetForecast((fault,), (), ())
    try:
        least, untrained, most = (_graph(net, fill) for fill in (_one_largest, None, _all_largest))
    except ViolationsError as error:
        return TargetForecast(error.violations, (), ())
    certain = _by_node(violations(least), least)
    likely = {
        node: lines
        for node, lines in _by_node(violations(untrained), untrained).items()
        if _inputs(untrained, node) <= FEW_INPUTS
    }
    possible = _by_node(violations(most), most)

    def fits(changed: AnySpec, node: str) -> bool:
        graph = _graph(changed, _all_largest)
        return node not in _by_node(violations(graph), graph)

    choices = _choices(net)

    def lines(found: Mapping[str, list[str]], *before: Mapping[str, list[str]]) -> tuple[str, ...]:
        return tuple(
            f"{line}{_way_out(least, node, choices, fits)}"
            for node, texts in found.items()
            if not any(node in other for other in before)
            for line in texts
        )

    return TargetForecast(lines(certain), lines(likely, certain), lines(possible, certain, likely))


@lru_cache(maxsize=3)  # several targets are asked about one net
def _graph(net: AnySpec, fill: Fill | None) -> Graph:
    """Return the graph of a net with the weights of ``fill``; with random ones for ``None``."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build(net)
    for module in model.modules():
        if fill is not None and isinstance(module, QuantConv2d | QuantLinear):
            module.quantiser = _Fixed(module.quantiser, fill)
        elif fill is not None and isinstance(module, QuantRNN | Gate):
            for layer in (module.input, module.recurrent):
                weights = fill(tuple(layer.weight.shape), 1) / layer.input_step
                layer.weight.data = weights.float()
    return convert(model, net.input_shape)


def _all_largest(shape: tuple[int, ...], largest: int) -> Tensor:
    return torch.full(shape, largest)


def _one_largest(shape: tuple[int, ...], largest: int) -> Tensor:
    weights = torch.zeros(shape, dtype=torch.int64)
    weights.view(-1)[0] = largest
    return weights


class _Fixed:
    """Integer weights that do not depend on the trained ones."""

    def __init__(self, quantiser: WeightQuantiser, fill: Fill) -> None:
        self._quantiser, self._fill = quantiser, fill

    def scale(self, weight: Tensor) -> Tensor:
        """Return the float value of one integer step."""
        return self._quantiser.scale(weight)

    def nonzero_before_rounding(self, weight: Tensor) -> Tensor:
        """Return which integers are not zero."""
        return self.integers(weight) != 0

    def integers(self, weight: Tensor) -> Tensor:
        """Return the integer weights."""
        return self._fill(tuple(weight.shape), self._largest)

    def __call__(self, weight: Tensor) -> Tensor:
        """Return ``integers * scale``."""
        return self.integers(weight) * self.scale(weight)

    @property
    def _largest(self) -> int:
        if isinstance(self._quantiser, SymmetricQuantiser):
            return self._quantiser.limit
        if not isinstance(self._quantiser, StandardisedQuantiser):
            raise TypeError(f"{type(self._quantiser).__name__} has no largest weight here")
        states = self._quantiser.states
        if self._fill is _one_largest:
            return 1  # standardised weights need not reach the last state
        return states // 2 if states % 2 else states - 1


def _by_node(violations: Sequence[str], graph: Graph) -> dict[str, list[str]]:
    """Group violations by the node whose name they begin with; "" if they begin otherwise."""
    found: dict[str, list[str]] = {}
    for line in violations:
        node = line.partition(" ")[0]
        found.setdefault(node if node in graph.tensors else "", []).append(line)
    return found


def _weighted_before(graph: Graph, node: str) -> str:
    """Return the weighted node whose sums a node takes, or the node itself; "" if there is none."""
    while node and not isinstance(graph[node].op, Dense | Conv2d):
        node = next(iter(graph[node].inputs), "")
    return node


def _inputs(graph: Graph, node: str) -> int:
    """Return how many synapses end at a neuron of the weighted node before a node."""
    name = _weighted_before(graph, node)
    op = graph[name].op if name else None
    return int(op.weight[0].size) if isinstance(op, Dense | Conv2d) else 0


@dataclass(frozen=True)
class _Choice:
    """The entry of a description that limits the integer weights of a layer."""

    where: str
    entry: str
    smaller: Sequence[int]
    change: Callable[[int], AnySpec]


def _way_out(
    graph: Graph,
    node: str,
    choices: Sequence[_Choice | None],
    fits: Callable[[AnySpec, str], bool],
) -> str:
    """Return which change makes a node fit whatever the weights become; "" if none is known."""
    if node and isinstance(graph[node].op, Multiply):
        return ""  # what is refused is the operation, not its numbers
    weighted = [each.name for each in graph.nodes if isinstance(each.op, Dense | Conv2d)]
    name = _weighted_before(graph, node)
    choice = choices[weighted.index(name)] if name else None
    if choice is None:
        return ""
    number = bisect_left(
        choice.smaller, True, key=lambda value: not fits(choice.change(value), node)
    )
    if number == 0:
        return f"; it belongs to {choice.where}"
    return (
        f"; in {choice.where}, {choice.entry}={choice.smaller[number - 1]} is small enough for any "
        "weights"
    )


def _choices(net: AnySpec) -> list[_Choice | None]:
    """Return the choice that limits the weights of each weighted node, in the graph's order."""
    if isinstance(net, RecurrentSpec):
        first: list[_Choice | None] = [None] * (net.input_states > 0)
        pairs = 3 if net.cell == "gru" else 1
        return [
            *first,
            *[_choice("net", "bits", net.bits, net)] * (pairs * 2 * net.layers),
            _choice("net", "readout_bits", net.readout_bits, net),
        ]
    numbers = [_weighted_nodes(module) for module in _without_memory(net)]
    found: list[_Choice | None] = []
    for place, number in enumerate(number for number in numbers if number):
        found += [_choice_of_layer(net, place)] * number
    return found


def _without_memory(net: AnySpec) -> nn.Sequential:
    """Build a net whose parameters hold no values."""
    with torch.device("meta"):
        return build(net)


def _weighted_nodes(module: nn.Module) -> int:
    if isinstance(module, Residual):
        return sum(isinstance(part, QuantConv2d) for part in module.modules())
    return int(isinstance(module, QuantConv2d | QuantLinear))


def _choice_of_layer(net: NetSpec, place: int) -> _Choice:
    entry = "bits" if net.activation == "spike" else "states"
    if place == len(net.layers):
        value = getattr(net, f"readout_{entry}") or net.weight_states
        return _choice("net", f"readout_{entry}", value, net)
    layer = net.layers[place]

    def change(value: int) -> AnySpec:
        changed = replace(cast(Any, layer), **{entry: value})
        return replace(net, layers=(*net.layers[:place], changed, *net.layers[place + 1 :]))

    value = getattr(layer, entry) or net.weight_states
    return _Choice(f"net.layers[{place}]", entry, _smaller(entry, value), change)


def _choice(where: str, entry: str, value: int, net: AnySpec) -> _Choice:
    return _Choice(
        where, entry, _smaller(entry, value), lambda number: _changed(net, entry, number)
    )


def _changed(net: Any, entry: str, number: int) -> AnySpec:
    changed: AnySpec = replace(net, **{entry: number})
    return changed


def _smaller(entry: str, value: int) -> Sequence[int]:
    """Return smaller values; only odd numbers of states, as even ones need larger integers."""
    return range(3, value, 2) if entry.endswith("states") else range(2, value)
