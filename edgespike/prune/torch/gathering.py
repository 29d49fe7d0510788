"""Gather the covariances of a model's hidden units while it runs over data once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from edgespike.errors import InputError
from edgespike.evaluation_mode import evaluating
from edgespike.prune.choosing.covariance import Covariance
from edgespike.prune.torch.feedforward import HiddenLayer
from edgespike.prune.torch.recurrent import RecurrentLayer, single_layers
from edgespike.prune.torch.structure import Names, find
from edgespike.prune.torch.thinning import ThinnedCovariance

Inputs = Callable[[Any], Any]
"""Takes a batch of a data loader and returns the argument of the model."""


@dataclass(frozen=True)
class Gathered:
    """Gathered covariances. Two of them can be added, so parts of the data can be gathered apart.

    Attributes
    ----------
    covariances
        For each layer and each of its directions, e.g. ``rnn.l0`` and ``rnn.l0_reverse``.
    steps
        Number of steps of the longest sequence; 0 without recurrent layers.
    example
        The argument of the model's first call.
    """

    covariances: dict[str, Covariance]
    steps: int
    example: Any

    def __add__(self, other: Gathered) -> Gathered:
        if not isinstance(other, Gathered):
            return NotImplemented
        if self.covariances.keys() != other.covariances.keys():
            raise InputError(
                f"the layers differ: {', '.join(self.covariances)} and "
                f"{', '.join(other.covariances)}; gather both from the same model"
            )
        merged = {name: own + other.covariances[name] for name, own in self.covariances.items()}
        return Gathered(merged, max(self.steps, other.steps), self.example)


def gather(
    model: nn.Module,
    loader: Iterable[Any],
    layers: Names | None = None,
    inputs: Inputs | None = None,
    thin: int = 32,
) -> Gathered:
    """Run a model over data once, and gather the covariances of what can be pruned.

    The model runs in evaluation mode and is left unchanged. In packed sequences only existing steps
    count; the initial state of a recurrent layer does not count.

    On a CPU the covariance of every state would take about as long as the forward pass of a vanilla
    layer, since both multiply a square matrix by each state. States of neighbouring steps and
    positions are similar, however. Therefore the first 4,096 states of a layer are all used, and
    one in ``thin`` of those that follow, drawn at random from each batch, which leaves the mean
    unbiased. On other devices all states are used.

    Parameters
    ----------
    model
        The model.
    loader
        Iterable of batches; it is iterated over once.
    layers
        See `edgespike.prune.torch.structure.find`; all layers if None.
    inputs
        Takes a batch and returns the argument of the model. If None, a batch is that argument
        itself (a tensor or a packed sequence), or begins with it (a tuple or list); the rest of a
        batch, such as labels, is ignored.
    thin
        One of so many states is used, at least 1; with 1 the covariance is exact.

    Raises
    ------
    UnsupportedError
        The model has nothing that can be pruned.
    InputError
        There are no batches, a batch is of an unknown type or does not fit the model, a state that
        is used holds NaN or infinity, the model returns NaN, or ``thin`` is out of range.
    """
    if not isinstance(thin, Integral) or thin < 1:
        raise InputError(
            f"thin is {thin}; it must be a whole number of at least 1; 1 uses every state"
        )
    structure = find(model, layers)
    watch, example = _Watch(thin), None
    device = next(model.parameters()).device
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.inference_mode())
        stack.enter_context(evaluating(model))
        for rnn in {id(layer.rnn): layer.rnn for layer in structure.recurrent}.values():
            levels = [layer for layer in structure.recurrent if layer.rnn is rnn]
            stack.enter_context(_watching_recurrent(levels, watch))
        for hidden in structure.hidden:
            stack.enter_context(_watching_hidden(hidden, watch))
        for batch in _batches(loader):
            arguments = _moved((inputs or _first)(batch), device)
            example = arguments if example is None else example
            _run(model, arguments, watch)
    if example is None:
        raise InputError("the data has no batches; it needs at least 1")
    return Gathered(watch.covariances(), watch.steps, example)


def _batches(loader: Iterable[Any]) -> Iterable[Any]:
    """Refuse data that is not an iterable of batches; a tensor would yield single samples."""
    if isinstance(loader, (Tensor, PackedSequence)) or not isinstance(loader, Iterable):
        raise InputError(
            f"the data is a {type(loader).__name__}, not a loader of batches; pass a list of "
            "batches, [batch] for one, or a torch.utils.data.DataLoader"
        )
    return loader


def _first(batch: Any) -> Any:
    if isinstance(batch, (list, tuple)) and not isinstance(batch, PackedSequence) and batch:
        batch = batch[0]
    if not isinstance(batch, (Tensor, PackedSequence)):
        raise InputError(
            f"a batch is a {type(batch).__name__}; expected a tensor or packed sequence, or a "
            "tuple that begins with one; for other batches pass 'inputs'"
        )
    return batch


def _moved(arguments: Any, device: torch.device) -> Any:
    if not hasattr(arguments, "to"):
        raise InputError(
            f"'inputs' returns a {type(arguments).__name__}; expected a tensor, a packed sequence "
            "or another single value with a method 'to'"
        )
    return arguments.to(device)


def _run(model: nn.Module, arguments: Any, watch: _Watch) -> None:
    try:
        answer = model(arguments)
    except (RuntimeError, ValueError, IndexError) as error:
        raise InputError(
            f"the model cannot run {_text(arguments)}: {error}; pass batches that fit its first "
            "layer, or convert them with 'inputs'"
        ) from error
    # Not every state is used, but NaN spreads to the output of the model.
    if isinstance(answer, Tensor) and answer.isnan().any():
        watch.covariances()  # if a state that is used is NaN, this names its layer
        raise InputError(
            f"the model returns NaN for {_text(arguments)}; remove NaN and infinity from the data "
            "and from the model's weights"
        )


def _text(arguments: Any) -> str:
    values = arguments.data if isinstance(arguments, PackedSequence) else arguments
    if not isinstance(values, Tensor):
        return f"a batch of type {type(arguments).__name__}"
    return f"a batch of {values.dtype} and shape {tuple(values.shape)}"


@dataclass
class _Watch:
    """What is recorded while the model runs."""

    thin: int
    sums: dict[str, ThinnedCovariance] = field(default_factory=dict)
    steps: int = 0

    def take(self, name: str, states: Tensor, units: int) -> None:
        if name not in self.sums:
            self.sums[name] = ThinnedCovariance(name, units, self.thin)
        self.sums[name].add(states)

    def covariances(self) -> dict[str, Covariance]:
        return {name: sums.result() for name, sums in self.sums.items()}


@contextlib.contextmanager
def _watching_recurrent(levels: list[RecurrentLayer], watch: _Watch) -> Iterator[None]:
    """Record the outputs of the stacked layers of one module."""
    rnn = levels[0].rnn

    def take(level: int, output: Tensor | PackedSequence) -> None:
        layer = levels[level]
        watch.steps = max(watch.steps, _steps(output, rnn.batch_first))
        values = output.data if isinstance(output, PackedSequence) else output
        for name, states in zip(layer.groups, torch.split(values, layer.size, -1), strict=True):
            watch.take(name, states, layer.size)

    if rnn.num_layers == 1:
        handle = rnn.register_forward_hook(lambda module, args, result: take(0, result[0]))
        try:
            yield
        finally:
            handle.remove()
        return
    # torch does not return what lies between stacked layers, so they run one by one meanwhile.
    rnn.forward = _one_by_one(rnn, take)
    try:
        yield
    finally:
        del rnn.forward


def _one_by_one(
    rnn: nn.RNNBase, take: Callable[[int, Tensor | PackedSequence], None]
) -> Callable[..., Any]:
    singles = list(single_layers(rnn))
    directions = 2 if rnn.bidirectional else 1

    def forward(values: Any, state: Any = None) -> tuple[Any, Any]:
        states = []
        for level, single in enumerate(singles):
            part = slice(level * directions, (level + 1) * directions)
            own = tuple(s[part] for s in state) if isinstance(state, tuple) else state
            own = own[part] if isinstance(own, Tensor) else own
            values, after = single(values, own)
            take(level, values)
            states.append(after)
        if isinstance(states[0], tuple):
            return values, tuple(torch.cat(each) for each in zip(*states, strict=True))
        return values, torch.cat(states)

    return forward


@contextlib.contextmanager
def _watching_hidden(layer: HiddenLayer, watch: _Watch) -> Iterator[None]:
    """Record the input of the layer that follows a hidden one."""

    def take(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        watch.take(layer.name, layer.states(arguments[0]), layer.size)

    handle = layer.taker.register_forward_pre_hook(take)
    try:
        yield
    finally:
        handle.remove()


def _steps(output: Tensor | PackedSequence, batch_first: bool) -> int:
    if isinstance(output, PackedSequence):
        return len(output.batch_sizes)
    return output.shape[1 if batch_first and output.ndim == 3 else 0]
