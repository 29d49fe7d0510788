"""Running a module on samples, to compare it with the net that was read from it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from edgespike.converters.torch.floats.exporting import as_its_own
from edgespike.converters.torch.floats.reading import Reading
from edgespike.converters.torch.floats.wrappers import parts_unwrapped
from edgespike.evaluation_mode import evaluating
from edgespike.floats.net import (
    FloatAffine,
    FloatConv2d,
    FloatDense,
    FloatNet,
    FloatPool2d,
    FloatRelu,
    FloatTanh,
    Reals,
)
from edgespike.floats.run import input_shape

if TYPE_CHECKING:
    from torch import nn

AT_ONCE = 64
"""How many samples a module runs on at once."""

_SHOWN = (FloatConv2d, FloatDense, FloatAffine, FloatRelu, FloatTanh, FloatPool2d)
"""Operations that a single module of torch may compute."""


def run_module(
    module: nn.Module, read: Reading, shape: tuple[int, ...], samples: Reals
) -> Mapping[str, Reals]:
    """Return what a module computes, by the name of the node that was read from it.

    Parameters
    ----------
    module
        It runs in its own precision, in evaluation mode, and is left unchanged.
    read
        What was read from it.
    shape
        Of one sample, as the module takes it.
    samples
        ``(samples, *shape)`` or ``(samples, steps, *shape)``, as the net takes them.

    Returns
    -------
    values
        ``(samples, 1, *shape)`` of each node that is one module of torch, called once; the
        readout's are the module's own answers, ``(samples, classes)``.
    """
    import torch

    net = read.net
    if samples.shape[1:] == input_shape(net) and net.steps > 1:
        samples = np.repeat(samples[:, None], net.steps, axis=1)
    places = _places(module, net)
    found: dict[str, list[Reals]] = {}
    with evaluating(module), parts_unwrapped(module), torch.no_grad(), _watched(places, found):
        for start in range(0, len(samples), AT_ONCE):
            part = samples[start : start + AT_ONCE].reshape(-1, *shape)
            answer = module(as_its_own(module, torch.tensor(part)))
            found.setdefault(net.nodes[-1].name, []).append(_array(answer))
    values = {name: np.concatenate(parts) for name, parts in found.items()}
    answers = values.pop(net.nodes[-1].name).reshape(len(samples), -1)
    if "argmax" in read.left_out:  # classes, of which the last is not beyond the largest
        answers = (answers == np.arange(answers.max() + 1)).astype(np.float64)
    return {
        **{name: value[:, None] for name, value in values.items()},
        net.nodes[-1].name: answers,
    }


def _places(module: nn.Module, net: FloatNet) -> dict[str, Any]:
    """Return the modules whose results are the values of nodes, by the nodes' names.

    A module behind a recurrent one sees the last step alone, so its values are not those of a node.
    """
    if net.steps > 1:
        return {}
    parts = dict(module.named_modules())
    by_path: dict[str, list[str]] = {}
    for node in net.nodes:
        path, _, kind = node.path.partition(" (")
        part = parts.get(path)
        if isinstance(node.op, _SHOWN) and part and type(part).__name__ == kind.rstrip(")"):
            by_path.setdefault(path, []).append(node.name)
    return {names[0]: parts[path] for path, names in by_path.items() if len(names) == 1}


@contextlib.contextmanager
def _watched(places: Mapping[str, Any], found: dict[str, list[Reals]]) -> Iterator[None]:
    """Collect what modules return, until the end of the block."""

    def watch(name: str, part: Any) -> Any:
        def keep(_: Any, inputs: Any, output: Any) -> None:
            found.setdefault(name, []).append(_array(output))

        return part.register_forward_hook(keep)

    hooks = [watch(name, part) for name, part in places.items()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _array(tensor: Any) -> Reals:
    # A copy: a ReLU that works in place may change the tensor.
    return np.array(tensor.detach().double().cpu().numpy())
