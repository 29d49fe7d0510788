"""Layers with integer weights, and the scaling of 8-bit input."""

from __future__ import annotations

from torch import Tensor, nn

from edgespike.nn.layers.quantise import StandardisedQuantiser, SymmetricQuantiser, WeightQuantiser


class InputScale(nn.Module):
    """Divide integer input by its largest value, so that the net sees 0 to 1.

    Parameters
    ----------
    maximum
        The largest input value, whole and at least 1; the input's range is ``0..maximum``, its
        scale ``1 / maximum``.
    """

    def __init__(self, maximum: int = 255) -> None:
        super().__init__()
        if not isinstance(maximum, int) or maximum < 1:
            raise ValueError(f"maximum is {maximum!r}; it is a whole number of at least 1")
        self._maximum = maximum

    @property
    def maximum(self) -> int:
        """The largest input value."""
        return self._maximum

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x / maximum``: uint8 and other integers become torch's default float type."""
        return x / self.maximum

    def extra_repr(self) -> str:
        """Name the parameters in the module's text form."""
        return f"maximum={self.maximum}"


class SumPool2d(nn.Module):
    """Add up the spikes of each window, so that every spike passes on to the next layer.

    Windows touch and do not overlap; what does not fill one at the lower and right border is left
    out. The sum, unlike the mean, keeps one spike at 1, so that the synaptic penalty counts it.

    Parameters
    ----------
    kernel_size
        Height and width of a window, at least 1.
    """

    def __init__(self, kernel_size: int) -> None:
        super().__init__()
        if kernel_size < 1:
            raise ValueError(f"kernel_size is {kernel_size}; it is at least 1")
        self.kernel_size = kernel_size

    def forward(self, x: Tensor) -> Tensor:
        """Return the sums, (samples, channels, height // size, width // size)."""
        return nn.functional.avg_pool2d(x, self.kernel_size, divisor_override=1)

    def extra_repr(self) -> str:
        """Name the parameters in the module's text form."""
        return f"kernel_size={self.kernel_size}"


def weight_quantiser(bits: int, states: int | None) -> WeightQuantiser:
    """Choose how a layer makes integers of its weights.

    Parameters
    ----------
    bits
        Width of a weight with its sign, 2 to 8 (see `SymmetricQuantiser`).
    states
        If given, it decides, and not ``bits``: number of states of a weight (see
        `StandardisedQuantiser`).
    """
    return SymmetricQuantiser(bits) if states is None else StandardisedQuantiser(states)


class _IntegerWeights(nn.Module):
    """What layers share that make integers of their float ``weight`` by their ``quantiser``."""

    weight: Tensor
    quantiser: WeightQuantiser

    def integer_weight(self) -> Tensor:
        """Return the integer weights, int64, in the shape of the float ones."""
        return self.quantiser.integers(self.weight)

    def float_nonzero(self) -> Tensor:
        """Say which weights are synapses before rounding, bool, in the shape of the integers."""
        return self.quantiser.nonzero_before_rounding(self.weight)

    def weight_scale(self) -> float:
        """Return the float value of one integer step."""
        return self.quantiser.scale(self.weight).item()

    def extra_repr(self) -> str:
        """Name the parameters in the module's text form."""
        return f"{super().extra_repr()}, {self.quantiser}"


class QuantConv2d(_IntegerWeights, nn.Conv2d):
    """A convolution that computes with ``integer_weight() * weight_scale()``.

    As `torch.nn.Conv2d` with zero padding, besides ``bits`` and ``states``: see
    `weight_quantiser`. With as many groups as channels it is a depthwise convolution.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
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

    As `torch.nn.Linear`, besides ``bits`` and ``states``: see `weight_quantiser`. A bias is not
    quantised here; it belongs to the accumulator.
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
