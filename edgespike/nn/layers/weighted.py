"""Layers with integer weights, sum pooling, and the scaling of 8-bit input."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from edgespike.nn.layers.quantise import StandardisedQuantiser, SymmetricQuantiser, WeightQuantiser


class InputScale(nn.Module):
    """Divide integer input by its largest value, so that the net sees 0 to 1, or -1 to 1.

    Parameters
    ----------
    maximum
        The largest input value, whole and at least 1; the input's scale is ``1 / maximum``.
    signed
        Whether the input's range is ``-maximum..maximum`` instead of ``0..maximum``. 0 stays 0 in
        either, so that it is no event and that padding with it means 0.
    """

    def __init__(self, maximum: int = 255, signed: bool = False) -> None:
        super().__init__()
        if not isinstance(maximum, int) or maximum < 1:
            raise ValueError(f"maximum is {maximum!r}; it must be a whole number of at least 1")
        self._maximum, self._signed = maximum, bool(signed)

    @property
    def minimum(self) -> int:
        """The smallest input value."""
        return -self._maximum if self._signed else 0

    @property
    def maximum(self) -> int:
        """The largest input value."""
        return self._maximum

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x / maximum``; integers become torch's default float type."""
        return x / self.maximum

    def extra_repr(self) -> str:
        """Return the parameters shown in the module's ``repr``."""
        return f"maximum={self.maximum}" + (", signed=True" if self._signed else "")


class SumPool2d(nn.Module):
    """Add up the spikes of each window, so that every spike travels on to the next layer.

    Windows touch and do not overlap; rows and columns that do not fill one at the lower and right
    border are left out. The sum, unlike the mean, keeps one spike at 1, so that the synaptic
    penalty counts it.

    Parameters
    ----------
    kernel_size
        Height and width of a window, at least 1.
    """

    def __init__(self, kernel_size: int) -> None:
        super().__init__()
        if kernel_size < 1:
            raise ValueError(f"kernel_size is {kernel_size}; it must be at least 1")
        self.kernel_size = kernel_size

    def forward(self, x: Tensor) -> Tensor:
        """Return the sums, (samples, channels, height // size, width // size)."""
        return nn.functional.avg_pool2d(x, self.kernel_size, divisor_override=1)

    def extra_repr(self) -> str:
        """Return the parameters shown in the module's ``repr``."""
        return f"kernel_size={self.kernel_size}"


def weight_quantiser(bits: int, states: int | None) -> WeightQuantiser:
    """Return the quantiser that turns a layer's weights into integers.

    Parameters
    ----------
    bits
        Width of a weight with its sign, 2 to 8 (see `SymmetricQuantiser`).
    states
        Number of states of a weight (see `StandardisedQuantiser`). If it is not None, ``bits`` is
        ignored.
    """
    return SymmetricQuantiser(bits) if states is None else StandardisedQuantiser(states)


class _IntegerWeights(nn.Module):
    """Methods of layers whose ``quantiser`` turns their float ``weight`` into integers."""

    weight: Tensor
    quantiser: WeightQuantiser

    def integer_weight(self) -> Tensor:
        """Return the integer weights, int64, in the shape of the float ones."""
        return self.quantiser.integers(self.weight)

    def float_nonzero(self) -> Tensor:
        """Return which weights are synapses before rounding, bool, in the shape of the integers."""
        return self.quantiser.nonzero_before_rounding(self.weight)

    def weight_scale(self) -> float:
        """Return the float value of one integer step."""
        return self.quantiser.scale(self.weight).item()

    def extra_repr(self) -> str:
        """Return the parameters shown in the module's ``repr``."""
        return f"{super().extra_repr()}, {self.quantiser}"


class QuantConv2d(_IntegerWeights, nn.Conv2d):
    """A convolution that computes with ``integer_weight() * weight_scale()``.

    Parameters are those of `torch.nn.Conv2d` with zero padding, and ``bits`` and ``states`` of
    `weight_quantiser`. With as many groups as channels it is a depthwise convolution.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | Literal["same", "valid"] = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = False,
        bits: int = 8,
        states: int | None = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias
        )
        self.quantiser = weight_quantiser(bits, states)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve ``x`` (samples, channels, height, width) with the quantised kernel."""
        weight = self.quantiser(self.weight)
        return nn.functional.conv2d(
            x, weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )


class QuantLinear(_IntegerWeights, nn.Linear):
    """A dense layer that computes with ``integer_weight() * weight_scale()``.

    Parameters are those of `torch.nn.Linear`, and ``bits`` and ``states`` of `weight_quantiser`.
    A bias is not quantised here; it belongs to the accumulator.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = False,
        bits: int = 8,
        states: int | None = None,
    ) -> None:
        super().__init__(in_features, out_features, bias)
        self.quantiser = weight_quantiser(bits, states)

    def forward(self, x: Tensor) -> Tensor:
        """Multiply ``x`` (samples, inputs) with the quantised matrix."""
        return nn.functional.linear(x, self.quantiser(self.weight), self.bias)
