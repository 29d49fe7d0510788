"""Descriptions of nets: what a recipe says of the net that it trains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

from edgespike.nn.layers import weight_quantiser
from edgespike.nn.normalise import Reading
from edgespike.nn.tables import read_table

Normalisation = Literal["batch", "layer_batch", "layer", "group"]


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(f"{message} is needed")


def _check_weights(bits: int, states: int) -> None:
    weight_quantiser(bits, states or None)


@dataclass(frozen=True)
class ConvSpec:
    """Convolution, normalisation, pooling (if ``pool > 1``), activation.

    With ``pooling`` "max", the pool stands before the neuron: it is cheap there, and equal to an
    OR of the spikes of a channel whatever the sign of its normalisation, since the spike is
    monotone in what is pooled. With "sum" it stands behind the neuron and lets every spike pass;
    the float ReLU net takes the mean there, which differs by a factor alone.

    ``bits`` is for nets of spikes; ``states`` for nets of levels, 0 stands for the net's
    ``weight_states``.
    """

    channels: int
    kernel: int = 3
    stride: int = 1
    padding: int = 1
    dilation: int = 1
    groups: int = 1
    pool: int = 1
    bits: int = 8
    states: int = 0
    pooling: Literal["max", "sum"] = "max"
    kind: Literal["conv"] = "conv"

    def __post_init__(self) -> None:
        _check_weights(self.bits, self.states)
        _require(self.pooling in ("max", "sum"), f"pooling is {self.pooling!r}, max or sum")
        for name in ("channels", "kernel", "stride", "dilation", "groups", "pool"):
            _require(getattr(self, name) >= 1, f"{name} is {getattr(self, name)}, at least 1")
        _require(self.padding >= 0, f"padding is {self.padding}, at least 0")

    def output_size(self, size: int) -> int:
        """Give the height (width) after convolution and pooling of an input's height (width)."""
        reach = self.dilation * (self.kernel - 1) + 1
        return ((size + 2 * self.padding - reach) // self.stride + 1) // self.pool


@dataclass(frozen=True)
class ResidualSpec:
    """Two 3x3 convolutions, each normalised and with an activation, whose events are added.

    What they are added to is the block's input, or, where the block changes its shape, a 1x1
    convolution of it with normalisation and activation. The first convolution has the stride.
    """

    channels: int
    stride: int = 1
    bits: int = 8
    states: int = 0
    kind: Literal["residual"] = "residual"

    def __post_init__(self) -> None:
        _check_weights(self.bits, self.states)
        for name in ("channels", "stride"):
            _require(getattr(self, name) >= 1, f"{name} is {getattr(self, name)}, at least 1")

    def convolutions(self) -> tuple[ConvSpec, ConvSpec, ConvSpec]:
        """Give those of the body, and that of the shortcut."""
        second = ConvSpec(self.channels, bits=self.bits, states=self.states)
        first = replace(second, stride=self.stride)
        return first, second, replace(first, kernel=1, padding=0)

    def output_size(self, size: int) -> int:
        """Give the height (width) of the output from that of the input."""
        return (size - 1) // self.stride + 1


@dataclass(frozen=True)
class DenseSpec:
    """Dense layer, normalisation, activation; ``bits`` and ``states`` as for `ConvSpec`."""

    features: int
    bits: int = 8
    states: int = 0
    kind: Literal["dense"] = "dense"

    def __post_init__(self) -> None:
        _check_weights(self.bits, self.states)
        _require(self.features >= 1, f"features is {self.features}, at least 1")


LayerSpec: TypeAlias = ConvSpec | ResidualSpec | DenseSpec


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
        Convolutions and residual blocks first, then dense layers.
    activation
        "spike": S3NN with integer weights; "levels": MaQD; "relu": the same shape with float
        weights.
    threshold, alpha, beta
        See `SpikeActivation`; with levels, alpha and beta are for the surrogate "bumps".
    readout_bits
        Width of the readout's weights, for nets of spikes.
    activation_states, weight_states
        Of nets of levels: see `RoundClip` and `StandardisedQuantiser`.
    readout_states
        The same for the readout's weights; 0 stands for ``weight_states``.
    surrogate
        Of nets of levels: "straight_through" or "bumps", one bump at each threshold.
    normalisation
        "batch", "layer_batch", or, to compare with, "layer" and "group" (8 groups, or as many as
        divide the channels); these two depend on the sample at inference too and cannot be
        converted.
    reading
        Of "layer_batch": see `LayerBatchNorm`.
    """

    input_shape: tuple[int, int, int]
    classes: int
    layers: tuple[LayerSpec, ...]
    activation: Literal["spike", "levels", "relu"] = "spike"
    threshold: float = 1.0
    alpha: float = 4.0
    beta: float = 1.0
    readout_bits: int = 8
    activation_states: int = 4
    weight_states: int = 3
    readout_states: int = 0
    surrogate: Literal["straight_through", "bumps"] = "straight_through"
    normalisation: Normalisation = "batch"
    reading: Reading = "averaged"

    def __post_init__(self) -> None:
        _check_weights(self.readout_bits, self.readout_states)
        _check_weights(8, self.weight_states)
        _require(
            2 <= self.activation_states <= 256,
            f"activation_states is {self.activation_states}, 2 to 256",
        )
        for name, words in (
            ("activation", ("spike", "levels", "relu")),
            ("surrogate", ("straight_through", "bumps")),
            ("normalisation", get_args(Normalisation)),
            ("reading", get_args(Reading)),
        ):
            value = getattr(self, name)
            _require(value in words, f"{name} is {value!r}; one of {', '.join(words)}")
        _require(self.classes >= 1, f"classes is {self.classes}, at least 1")
        shape = self.input_shape
        _require(
            len(shape) == 3 and all(isinstance(size, int) and size >= 1 for size in shape),
            f"input_shape is {shape}; channels, height and width",
        )
        stated = [i for i, layer in enumerate(self.layers) if layer.states]
        _require(
            self.activation != "spike" or not (stated or self.readout_states),
            f"layers {stated} or the readout have states, which a net of spikes does not use; bits",
        )
        dense = [layer.kind == "dense" for layer in self.layers]
        kinds = [layer.kind for layer in self.layers]
        _require(dense == sorted(dense), f"layers are {kinds}; convolutions before dense layers")
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
            if isinstance(layer, ResidualSpec):
                _require(i > 0, "a convolution before the first residual block")
            if not isinstance(layer, DenseSpec):
                channels = layer.channels
                height, width = layer.output_size(height), layer.output_size(width)
                _require(
                    height >= 1 and width >= 1,
                    f"layer {i} gives {height}x{width}; a larger image or less pooling",
                )

    @property
    def spiking(self) -> bool:
        """Whether any layer, the readout among them, receives spikes or levels."""
        return self.activation != "relu" and len(self.layers) > 0

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


def _read_layer(table: object, where: str, faults: list[str]) -> LayerSpec | None:
    kind = table.get("kind") if isinstance(table, Mapping) else None
    if kind == "conv":
        return read_table(ConvSpec, table, where, faults)
    if kind == "residual":
        return read_table(ResidualSpec, table, where, faults)
    if kind == "dense":
        return read_table(DenseSpec, table, where, faults)
    faults.append(f"{where}.kind is {kind!r}; 'conv', 'residual' and 'dense' are known")
    return None
