"""From torch modules of :mod:`edgespike.nn` to a graph.

A net is a sequence, however nested, of input scaling, then blocks of a quantised layer, an
optional normalisation, an optional max pool and a spike activation, then a quantised readout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.base import Converter
from edgespike.errors import UnsupportedError
from edgespike.graph import Conv2d, Dense, Graph, Input, MaxPool2d, Node, Op, Readout, Reshape
from edgespike.graph.folding import Normalisation, fold
from edgespike.graph.tensor import Tensor

if TYPE_CHECKING:
    from torch import nn


@dataclass
class _Sums:
    """A weighted layer whose sums wait for their activation."""

    node: str
    scale: Fraction
    bias: NDArray[np.float64]
    normalisation: Normalisation | None = None
    pool: MaxPool2d | None = None


@dataclass
class _Progress:
    """The graph so far, and what is known of the values at its end."""

    nodes: list[Node]
    tensors: dict[str, Tensor]
    event_scale: Fraction
    sums: _Sums | None = None
    violations: list[str] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)

    @property
    def tensor(self) -> Tensor:
        return self.tensors[self.nodes[-1].name]

    def append(self, label: str, op: Op) -> bool:
        """Add a node behind the last one; report what does not fit."""
        inputs = [self.tensor]
        found = [f"{label}: {violation}" for violation in op.check(inputs)]
        self.violations += found
        if not found:
            number = self.numbers[label] = self.numbers.get(label, 0) + 1
            name = f"{label}{number}"
            source = self.nodes[-1].name
            self.nodes.append(Node(name, op, (source,)))
            self.tensors[name] = op.infer(inputs, 1)
        return not found


class _CannotGoOnError(Exception):
    """What follows cannot be looked at, because an earlier part is missing."""


def convert_module(module: nn.Module, input_shape: tuple[int, ...], name: str) -> Graph:
    """Turn a torch module into a graph.

    Integer weights, and normalisation folded into thresholds, are exact. The readout's bias is
    rounded half up to whole units of its accumulator, so a logit may differ from the module's
    by half a weight's step. The module is read as in evaluation mode.

    Raises
    ------
    UnsupportedError
        Lists every module that cannot be converted, by its path, and what is supported.
    """
    leaves = list(_leaves(module))
    unknown = [
        f"{path or 'the model'} is a {type(leaf).__qualname__}"
        for path, leaf in leaves
        if _handler(leaf) is None
    ]
    if unknown:
        supported = f"supported are {', '.join(sorted(_handlers()))} in a Sequential"
        raise UnsupportedError(f"model {name!r} cannot be converted", [*unknown, supported])
    progress = _start(leaves, input_shape)
    try:
        for path, leaf in leaves:
            handler = _handler(leaf)
            if handler is not None:
                handler(progress, leaf, path)
        _finish(progress)
    except _CannotGoOnError as stop:
        progress.violations.append(str(stop))
    if progress.violations:
        raise UnsupportedError(f"model {name!r} cannot be converted", progress.violations)
    return Graph(name, tuple(progress.nodes))


def _leaves(module: nn.Module, path: str = "") -> Iterator[tuple[str, nn.Module]]:
    from torch import nn

    if not isinstance(module, nn.Sequential):
        yield path, module
        return
    for key, child in module.named_children():
        yield from _leaves(child, f"{path}.{key}" if path else key)


def _start(leaves: list[tuple[str, nn.Module]], shape: tuple[int, ...]) -> _Progress:
    """Make the input: 8-bit if the net begins with a scaling, else single spikes."""
    from edgespike.nn.layers import InputScale

    first = leaves[0][1] if leaves else None
    high = int(first.maximum) if isinstance(first, InputScale) else 1
    op = Input(shape, 0, high, 1 / high)
    faults = list(op.check([]))
    if faults:
        raise UnsupportedError("input cannot be converted", faults)
    return _Progress([Node("input", op)], {"input": op.infer([], 1)}, Fraction(1, high))


def _input_scale(progress: _Progress, leaf: Any, path: str) -> None:
    if len(progress.nodes) > 1 or progress.sums is not None:
        progress.violations.append(f"{path} scales values inside the net; it must come first")


def _nothing(progress: _Progress, leaf: Any, path: str) -> None:
    """Leave out a module that does nothing in evaluation mode."""


def _conv(progress: _Progress, leaf: Any, path: str) -> None:
    if leaf.padding_mode != "zeros" or isinstance(leaf.padding, str):
        progress.violations.append(
            f"{path} pads with {leaf.padding_mode}, {leaf.padding!r}; give zeros and a number"
        )
        return
    _weighted(
        progress,
        leaf,
        path,
        "conv",
        lambda arrays: Conv2d(
            **arrays,
            stride=tuple(leaf.stride),
            padding=tuple(leaf.padding),
            dilation=tuple(leaf.dilation),
            groups=leaf.groups,
        ),
    )


def _linear(progress: _Progress, leaf: Any, path: str) -> None:
    _weighted(progress, leaf, path, "dense", lambda arrays: Dense(**arrays))


def _weighted(
    progress: _Progress, leaf: Any, path: str, label: str, make: Callable[[dict[str, Any]], Op]
) -> None:
    if progress.sums is not None:
        raise _CannotGoOnError(
            f"{path} follows a weighted layer without a SpikeActivation between them; add one"
        )
    weight = leaf.integer_weight().cpu().numpy().astype(np.int64)
    trained = leaf.weight.detach().cpu().numpy()
    if not np.isfinite(trained).all():
        raise _CannotGoOnError(
            f"{path} has {int((~np.isfinite(trained)).sum())} weights that are not finite; "
            "train again from a state before they were lost"
        )
    bias = np.zeros(len(weight)) if leaf.bias is None else _floats(leaf.bias)
    arrays = {
        "weight": weight,
        "bias": np.zeros(len(weight), np.int64),
        "float_nonzero": trained != 0,
    }
    if not progress.append(label, make(arrays)):
        raise _CannotGoOnError(f"what follows {path} was not looked at")
    scale = Fraction(float(leaf.weight_scale())) * progress.event_scale
    progress.sums = _Sums(progress.nodes[-1].name, scale, bias)


def _normalise(progress: _Progress, leaf: Any, path: str) -> None:
    sums = progress.sums
    if sums is None or sums.normalisation is not None or sums.pool is not None:
        progress.violations.append(
            f"{path} must stand right behind a weighted layer, before pool and activation"
        )
    elif leaf.running_mean is None:
        progress.violations.append(
            f"{path} keeps no running statistics; set track_running_stats=True"
        )
    else:
        mean, variance = _floats(leaf.running_mean), _floats(leaf.running_var)
        ones = np.ones_like(mean)
        gamma = _floats(leaf.weight) if leaf.affine else ones
        beta = _floats(leaf.bias) if leaf.affine else ones * 0
        sums.normalisation = Normalisation(gamma, beta, mean, variance, float(leaf.eps))


def _max_pool(progress: _Progress, leaf: Any, path: str) -> None:
    """Remember the pool: behind the activation it is the same, since that is monotone.

    That holds for either sign of gamma, because the pool stands behind the normalisation.
    """
    if leaf.ceil_mode or _pair(leaf.dilation) != (1, 1) or leaf.return_indices:
        progress.violations.append(
            f"{path} has ceil_mode, dilation or return_indices; only plain windows are supported"
        )
        return
    op = MaxPool2d(_pair(leaf.kernel_size), _pair(leaf.stride), _pair(leaf.padding))
    if progress.sums is None:
        progress.append("pool", op)
    elif progress.sums.pool is None:
        progress.sums.pool = op
    else:
        progress.violations.append(f"{path} follows another pool; put the activation between")


def _spike(progress: _Progress, leaf: Any, path: str) -> None:
    sums = progress.sums
    if sums is None:
        progress.violations.append(f"{path} follows no weighted layer, so there is nothing to sum")
        return
    normalisation = sums.normalisation or Normalisation.identity(len(sums.bias))
    levels = [Fraction(float(leaf.threshold))]
    progress.append(
        "spikes", fold(sums.scale, sums.bias.tolist(), normalisation, levels, progress.tensor)
    )
    if sums.pool is not None:
        progress.append("pool", sums.pool)
    progress.sums, progress.event_scale = None, Fraction(1)


def _flatten(progress: _Progress, leaf: Any, path: str) -> None:
    if (leaf.start_dim, leaf.end_dim) != (1, -1):
        progress.violations.append(f"{path} must flatten everything behind the sample axis")
    elif progress.sums is not None:
        progress.violations.append(f"{path} stands before an activation; put it behind")
    else:
        progress.append("flatten", Reshape((progress.tensor.size,)))


def _finish(progress: _Progress) -> None:
    sums = progress.sums
    if sums is None:
        raise _CannotGoOnError(
            "the net ends in spikes; end it with a quantised layer, whose sums are the logits"
        )
    if sums.normalisation is not None or sums.pool is not None:
        progress.violations.append("the readout is normalised or pooled; end with the plain layer")
    node = progress.nodes[-1]
    if not isinstance(node.op, Dense):
        raise _CannotGoOnError("the net ends in a convolution; end it with a quantised dense layer")
    unit = float(sums.scale)
    if not np.isfinite(sums.bias).all():
        raise _CannotGoOnError("the readout's bias is not finite; train again")
    bias = np.array([_round_half_up(Fraction(float(b)) / sums.scale) for b in sums.bias])
    op = Dense(node.op.weight, bias.astype(np.int64), node.op.float_nonzero)
    progress.nodes[-1] = Node(node.name, op, node.inputs)
    progress.tensors[node.name] = op.infer([progress.tensors[node.inputs[0]]], 1)
    progress.append("readout", Readout(np.full(len(bias), unit)))


def _round_half_up(value: Fraction) -> int:
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)


def _floats(tensor: Any) -> NDArray[np.float64]:
    return np.asarray(tensor.detach().cpu().numpy(), np.float64)


def _pair(value: Any) -> tuple[int, int]:
    vertical, horizontal = value if isinstance(value, tuple) else (value, value)
    return int(vertical), int(horizontal)


Handler = Callable[[_Progress, Any, str], None]


def _handlers() -> dict[str, tuple[type, Handler]]:
    """Give each supported module type with what converts it; torch is imported by now."""
    from torch import nn

    from edgespike.nn.layers import InputScale, QuantConv2d, QuantLinear
    from edgespike.nn.spike import SpikeActivation

    handlers: dict[type, Handler] = {
        InputScale: _input_scale,
        QuantConv2d: _conv,
        QuantLinear: _linear,
        nn.BatchNorm1d: _normalise,
        nn.BatchNorm2d: _normalise,
        nn.MaxPool2d: _max_pool,
        SpikeActivation: _spike,
        nn.Flatten: _flatten,
        nn.Dropout: _nothing,
        nn.Identity: _nothing,
    }
    return {kind.__name__: (kind, handler) for kind, handler in handlers.items()}


def _handler(leaf: nn.Module) -> Handler | None:
    kind, handler = _handlers().get(type(leaf).__name__, (None, None))
    return handler if type(leaf) is kind else None


def _is_module(model: Any) -> bool:
    """Say whether it is a torch module, without importing torch for models of other kinds."""
    return any(
        f"{base.__module__}.{base.__name__}" == "torch.nn.modules.module.Module"
        for base in type(model).__mro__
    )


CONVERTER = Converter(
    "torch", "torch modules built of the layers in edgespike.nn", _is_module, convert_module
)
