"""Torch layers of whole numbers, each of which computes one node of a graph exactly.

NeuroBench counts with a copy of a weighted layer whose weights are all 0 or 1, so a layer computes
with its parameters. They are stored in the narrowest integers, which makes its footprint that of
the numbers and not that of torch's floats. Values are float64 tensors of whole numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from snntorch import SpikingNeuron
from torch import Tensor, nn
from torch.nn import functional

from edgespike import interpreter
from edgespike.graph import Conv2d, Dense, Membrane, Threshold


def narrow(values: NDArray[Any] | int) -> Tensor:
    """Return integers in the narrowest signed type of torch that holds them; booleans as such."""
    array = np.asarray(values)
    if array.dtype != np.bool_:
        low, high = int(array.min()), int(array.max())
        fitting = (
            kind
            for kind in (np.int8, np.int16, np.int32, np.int64)
            if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max
        )
        array = array.astype(next(fitting))
    return torch.from_numpy(array.copy())


def fixed(values: NDArray[Any] | int) -> nn.Parameter:
    """Return integers as a parameter that has no gradient."""
    return nn.Parameter(narrow(values), requires_grad=False)


class WholeLinear(nn.Linear):
    """A dense node."""

    bias: nn.Parameter

    def __init__(self, op: Dense) -> None:
        outputs, inputs = op.weight.shape
        super().__init__(inputs, outputs, device="meta")  # its own weights are never filled in
        self.weight, self.bias = fixed(op.weight), fixed(op.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return the accumulators of ``(samples, inputs)``."""
        return functional.linear(x, self.weight.double(), self.bias.double())


class WholeConv2d(nn.Conv2d):
    """A convolution node.

    It adds the padding itself, also where opposite sides differ: NeuroBench's dense count would
    take padding that a layer before it adds for inputs.
    """

    bias: nn.Parameter

    def __init__(self, op: Conv2d) -> None:
        outputs, per_group, *kernel = op.weight.shape
        super().__init__(
            per_group * op.groups,
            outputs,
            (kernel[0], kernel[1]),
            op.stride,
            dilation=op.dilation,
            groups=op.groups,
            device="meta",
        )
        self.weight, self.bias = fixed(op.weight), fixed(op.bias)
        (top, bottom), (left, right) = op.sides
        self.sides = (left, right, top, bottom)

    def forward(self, x: Tensor) -> Tensor:
        """Return the accumulators of ``(samples, channels, height, width)``."""
        weight, bias = self.weight.double(), self.bias.double()
        padded = functional.pad(x, self.sides)
        return functional.conv2d(padded, weight, bias, self.stride, 0, self.dilation, self.groups)


class Levels(nn.Module):
    """A threshold node: neurons without a state."""

    theta: Tensor
    flipped: Tensor

    def __init__(self, op: Threshold) -> None:
        super().__init__()
        self.offset, self.unit = op.offset, op.unit
        self.register_buffer("theta", narrow(op.theta))
        self.register_buffer("flipped", narrow(op.flipped))

    def forward(self, x: Tensor) -> Tensor:
        """Return the levels of accumulators ``(samples, *shape)``."""
        by_channel = x.long().movedim(0, -1).flatten(1).contiguous()
        reached = torch.searchsorted(self.theta.long(), by_channel, right=True)
        counted = torch.where(self.flipped[:, None], self.theta.shape[1] - reached, reached)
        values = (self.offset + self.unit * counted).double()
        return values.reshape(*x.shape[1:], len(x)).movedim(-1, 0)


class Neurons(SpikingNeuron):  # type: ignore[misc]
    """A membrane node: neurons with a potential, which NeuroBench reads as ``mem``.

    NeuroBench asks only members of this class of snnTorch for their potential, and takes their
    output as it is where ``init_hidden`` is true and ``output`` is not.
    """

    init_hidden, output = True, False

    def __init__(self, op: Membrane) -> None:
        nn.Module.__init__(self)  # that of the base adds float parameters that nothing here uses
        self.op = op
        stored = {
            "theta": op.theta,
            "decay": op.decay,
            "decay_syn": op.decay_syn,
            "bias": op.bias,
            "floor": op.floor,
        }
        for name, values in stored.items():
            if values is not None:
                self.register_buffer(name, narrow(values))
        self.mem = torch.zeros(())
        self._state: interpreter.Neurons | None = None

    def begin(self, shape: tuple[int, ...]) -> None:
        """Forget the last samples; ``shape`` is ``(samples, *shape)`` of the next ones."""
        self.mem, self._state = torch.zeros(shape, dtype=torch.int64), None

    def forward(self, x: Tensor) -> Tensor:
        """Return one step's spikes, or potentials, of accumulators ``(samples, *shape)``."""
        whole = x.long().cpu().numpy()
        values, self._state = interpreter.membrane(self.op, whole, self._state)
        self.mem = torch.from_numpy(self._state.v)
        return torch.from_numpy(values).double().to(x.device)
