"""Nets from a small description, as spiking nets or as the float ReLU nets to compare them with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from torch import nn

from edgespike.nn.layers import InputScale, QuantConv2d, QuantLinear, SumPool2d
from edgespike.nn.quantise import SymmetricQuantiser
from edgespike.nn.spike import SpikeActivation
from edgespike.nn.tables import read_table


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(f"{message} is needed")


@dataclass(frozen=True)
class ConvSpec:
    """Convolution, batch normalisation, pooling (if ``pool > 1``), activation.

    With ``pooling`` "max", the pool stands before the neuron: it is cheap there, and equal to an
    OR of the spikes of a channel whatever the sign of its normalisation, since the spike is
    monotone in what is pooled. With "sum" it stands behind the neuron and lets every spike pass;
    the float ReLU net takes the mean there, which differs by a factor alone.
    """

    channels: int
    kernel: int = 3
    stride: int = 1
    padding: int = 1
    dilation: int = 1
    groups: int = 1
    pool: int = 1
    bits: int = 8
    pooling: Literal["max", "sum"] = "max"
    kind: Literal["conv"] = "conv"

    def __post_init__(self) -> None:
        SymmetricQuantiser(self.bits)
        _require(self.pooling in ("max", "sum"), f"pooling is {self.pooling!r}, max or sum")
        for name in ("channels", "kernel", "stride", "dilation", "groups", "pool"):
            _require(getattr(self, name) >= 1, f"{name} is {getattr(self, name)}, at least 1")
        _require(self.padding >= 0, f"padding is {self.padding}, at least 0")

    def output_size(self, size: int) -> int:
        """Give the height (width) after convolution and pooling of an input's height (width)."""
        reach = self.dilation * (self.kernel - 1) + 1
        return ((size + 2 * self.padding - reach) // self.stride + 1) // self.pool


@dataclass(frozen=True)
class DenseSpec:
    """Dense layer, batch normalisation, activation."""

    features: int
    bits: int = 8
    kind: Literal["dense"] = "dense"

    def __post_init__(self) -> None:
        SymmetricQuantiser(self.bits)
        _require(self.features >= 1, f"features is {self.features}, at least 1")


@dataclass(frozen=True)
class NetSpec:
    """A feed-forward net on 8-bit images.

    Parameters
    ----------
    input_shape
        Channels, height, width.
    classes
        Number of real-valued outputs of the readout.
    layers
        Convolutions first, then dense layers.
    activation
        "spike": S3NN with integer weights; "relu": the same shape with float weights.
    threshold, alpha, beta
        See `SpikeActivation`.
    readout_bits
        Width of the readout's weights.
    """

    input_shape: tuple[int, int, int]
    classes: int
    layers: tuple[ConvSpec | DenseSpec, ...]
    activation: Literal["spike", "relu"] = "spike"
    threshold: float = 1.0
    alpha: float = 4.0
    beta: float = 1.0
    readout_bits: int = 8

    def __post_init__(self) -> None:
        SymmetricQuantiser(self.readout_bits)
        _require(
            self.activation in ("spike", "relu"),
            f"activation is {self.activation!r}; 'spike' or 'relu'",
        )
        _require(self.classes >= 1, f"classes is {self.classes}, at least 1")
        shape = self.input_shape
        _require(
            len(shape) == 3 and all(isinstance(size, int) and size >= 1 for size in shape),
            f"input_shape is {shape}; channels, height and width",
        )
        kinds = [layer.kind for layer in self.layers]
        _require(kinds == sorted(kinds), f"layers are {kinds}; convolutions before dense layers")
        self._check_sizes()

    def _check_sizes(self) -> None:
        channels, height, width = self.input_shape
        for i, layer in enumerate(self.layers):
            if isinstance(layer, ConvSpec):
                _require(
                    channels % layer.groups == 0 and layer.channels % layer.groups == 0,
                    f"layer {i} has {layer.groups} groups of {channels} inputs and "
                    f"{layer.channels} outputs; groups that divide both",
                )
                channels = layer.channels
                height, width = layer.output_size(height), layer.output_size(width)
                _require(
                    height >= 1 and width >= 1,
                    f"layer {i} gives {height}x{width}; a larger image or less pooling",
                )

    @property
    def spiking(self) -> bool:
        """Whether any layer, the readout among them, receives spikes."""
        return self.activation == "spike" and len(self.layers) > 0

    def to_table(self) -> dict[str, Any]:
        """Give the description as plain tables, lists, numbers and text."""
        return asdict(self)


def read_spec(table: object, where: str, faults: list[str]) -> NetSpec | None:
    """Build a description from plain tables; see `read_table` for the parameters."""
    if not isinstance(table, Mapping):
        faults.append(f"{where} is {table!r}, a table is needed")
        return None
    layers = table.get("layers")
    if not isinstance(layers, list):
        faults.append(f"{where}.layers is {layers!r}; a list of tables is needed")
        return None
    specs = [_read_layer(layer, f"{where}.layers[{i}]", faults) for i, layer in enumerate(layers)]
    if None in specs:
        return None
    whole = {**table, "layers": tuple(specs)}
    if isinstance(table.get("input_shape"), list):
        whole["input_shape"] = tuple(table["input_shape"])
    return read_table(NetSpec, whole, where, faults)


def _read_layer(table: object, where: str, faults: list[str]) -> ConvSpec | DenseSpec | None:
    kind = table.get("kind") if isinstance(table, Mapping) else None
    if kind == "conv":
        return read_table(ConvSpec, table, where, faults)
    if kind == "dense":
        return read_table(DenseSpec, table, where, faults)
    faults.append(f"{where}.kind is {kind!r}; 'conv' and 'dense' are known")
    return None


def build(spec: NetSpec) -> nn.Sequential:
    """Build the net; its weights are drawn from torch's global random generator.

    Returns
    -------
    torch.nn.Sequential
        Takes (samples, channels, height, width), uint8 or any other number from 0 to 255, and
        gives float logits (samples, classes).
    """
    modules: list[nn.Module] = [InputScale(255)]
    channels, height, width = spec.input_shape
    for layer in spec.layers:
        if isinstance(layer, ConvSpec):
            modules += [_convolution(spec, layer, channels), nn.BatchNorm2d(layer.channels)]
            modules += _pool_and_activation(spec, layer)
            channels = layer.channels
            height, width = layer.output_size(height), layer.output_size(width)
    modules.append(nn.Flatten())
    features = channels * height * width
    for layer in spec.layers:
        if isinstance(layer, DenseSpec):
            modules.append(_dense(spec, features, layer.features, layer.bits, bias=False))
            modules += [nn.BatchNorm1d(layer.features), _activation(spec)]
            features = layer.features
    modules.append(_dense(spec, features, spec.classes, spec.readout_bits, bias=True))
    return nn.Sequential(*modules)


def _pool_and_activation(spec: NetSpec, layer: ConvSpec) -> list[nn.Module]:
    if layer.pool == 1:
        return [_activation(spec)]
    if layer.pooling == "max":
        return [nn.MaxPool2d(layer.pool), _activation(spec)]
    mean = spec.activation == "relu"
    return [_activation(spec), nn.AvgPool2d(layer.pool) if mean else SumPool2d(layer.pool)]


def _activation(spec: NetSpec) -> nn.Module:
    if spec.activation == "relu":
        return nn.ReLU()
    return SpikeActivation(spec.threshold, spec.alpha, spec.beta)


def _convolution(spec: NetSpec, layer: ConvSpec, channels: int) -> nn.Conv2d:
    shape = (channels, layer.channels, layer.kernel, layer.stride, layer.padding, layer.dilation)
    if spec.activation == "relu":
        return nn.Conv2d(*shape, groups=layer.groups, bias=False)
    return QuantConv2d(*shape, groups=layer.groups, bits=layer.bits)


def _dense(spec: NetSpec, inputs: int, outputs: int, bits: int, *, bias: bool) -> nn.Linear:
    if spec.activation == "relu":
        return nn.Linear(inputs, outputs, bias)
    return QuantLinear(inputs, outputs, bias, bits)
