"""Descriptions of nets: what a recipe says about the net that it trains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from math import isfinite
from typing import Any, Literal, TypeAlias, get_args

from edgespike.errors import shown
from edgespike.graph.ops.windows import GEOMETRY_LIMIT, window_count
from edgespike.graph.tensor import CHANNEL_LIMIT, ELEMENT_LIMIT
from edgespike.nn.layers.normalise import Reading
from edgespike.nn.layers.quantise import MOST_STATES, is_whole
from edgespike.nn.layers.surrogates import BUMPS, Bump
from edgespike.nn.nets.checks import outside, refuse, unknown, without_absent
from edgespike.nn.nets.recurrent_spec import RecurrentSpec
from edgespike.nn.nets.tables import read_table

_MOST_PIXELS = 2**31 - 1

NormalisationKind = Literal["batch", "layer_batch", "layer", "group"]


def _states_outside(spec: object, name: str) -> Iterator[str]:
    """Yield a fault of a number of states, where 0 stands for that of the net."""
    value = getattr(spec, name)
    if not (is_whole(value, 0, 0) or is_whole(value, 2, MOST_STATES)):
        yield (
            f"{name} is {shown(value)}; it must be a whole number from 2 to {MOST_STATES}, or 0 "
            "for weight_states"
        )


def _weights_outside(spec: object) -> Iterator[str]:
    yield from outside(spec, 2, 8, "bits")
    yield from _states_outside(spec, "states")


@dataclass(frozen=True)
class ConvSpec:
    """Convolution, normalisation, pooling (if ``pool > 1``) and activation.

    With ``pooling`` "max" the pool precedes the neuron: it is cheap there, and equal to an OR of
    the channel's spikes for either sign of its normalisation, since the spike is monotone in what
    is pooled. With "sum" it follows the neuron and every spike passes; the float ReLU net takes
    the mean there, which differs only by a factor.

    ``bits`` is for spiking nets, ``states`` for nets of levels, where 0 stands for the net's
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
        refuse(self._faults())

    def _faults(self) -> Iterator[str]:
        yield from outside(self, 1, CHANNEL_LIMIT, "channels", "groups")
        yield from outside(self, 1, GEOMETRY_LIMIT, "kernel", "stride", "dilation", "pool")
        yield from outside(self, 0, GEOMETRY_LIMIT, "padding")
        yield from _weights_outside(self)
        yield from unknown(self, ("max", "sum"), "pooling")

    def fan_in(self, channels: int) -> int:
        """Return the number of weights of an output channel for a number of input channels."""
        return channels // self.groups * self.kernel**2

    def output_size(self, size: int) -> int:
        """Return the height (width) after convolution and pooling, from that of the input."""
        fitting = window_count(size + 2 * self.padding, self.kernel, self.stride, self.dilation)
        return fitting // self.pool


@dataclass(frozen=True)
class ResidualSpec:
    """Two 3x3 convolutions, each with normalisation and activation, added to a shortcut.

    The shortcut is the block's input or, where the block changes the shape, a 1x1 convolution of
    the input with normalisation and activation. The first convolution has the stride.

    If ``pool > 1``, a pool of that size follows the block, over the whole image for instance, as
    in a ResNet before its readout. It is as `ConvSpec`'s pool with ``pooling`` "sum": it adds up
    spikes or levels, and every one of them passes; the float ReLU net takes the mean.
    """

    channels: int
    stride: int = 1
    bits: int = 8
    states: int = 0
    pool: int = 1
    kind: Literal["residual"] = "residual"

    def __post_init__(self) -> None:
        refuse(self._faults())

    def _faults(self) -> Iterator[str]:
        yield from outside(self, 1, CHANNEL_LIMIT, "channels")
        yield from outside(self, 1, GEOMETRY_LIMIT, "stride", "pool")
        yield from _weights_outside(self)

    def convolutions(self) -> tuple[ConvSpec, ConvSpec, ConvSpec]:
        """Return the two convolutions of the body, and that of the shortcut."""
        second = ConvSpec(self.channels, bits=self.bits, states=self.states)
        first = replace(second, stride=self.stride)
        return first, second, replace(first, kernel=1, padding=0)

    def fan_in(self, channels: int) -> int:
        """Return the number of weights of an output channel of the largest convolution."""
        return max(channels, self.channels) * 9

    def output_size(self, size: int) -> int:
        """Return the height (width) of the output from that of the input."""
        return self.convolutions()[0].output_size(size) // self.pool


@dataclass(frozen=True)
class DenseSpec:
    """Dense layer, normalisation and activation; ``bits`` and ``states`` as for `ConvSpec`."""

    features: int
    bits: int = 8
    states: int = 0
    kind: Literal["dense"] = "dense"

    def __post_init__(self) -> None:
        refuse(self._faults())

    def _faults(self) -> Iterator[str]:
        yield from outside(self, 1, CHANNEL_LIMIT, "features")
        yield from _weights_outside(self)


LayerSpec: TypeAlias = ConvSpec | ResidualSpec | DenseSpec


@dataclass(frozen=True)
class NetSpec:
    """A feed-forward net on images of 8-bit numbers.

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
        See `SpikeActivation`; with levels, alpha and beta are those of the surrogate "bumps".
    readout_bits
        Width of the readout's weights, for spiking nets.
    activation_states, weight_states
        For nets of levels: see `RoundClip` and `StandardisedQuantiser`.
    readout_states
        The same for the readout's weights; 0 stands for ``weight_states``.
    surrogate
        For nets of levels: "straight_through", or "bumps" for one bump at each threshold.
    normalisation
        "batch" or "layer_batch"; or, for comparison, "layer" and "group" (8 groups, or as many as
        divide the channels), which depend on the sample at inference too and cannot be converted.
    reading
        For "layer_batch": see `LayerBatchNorm`.
    signed
        Whether the image's numbers are -127 to 127 instead of 0 to 255.
    bump
        Shape of a spike's surrogate, or of the surrogate "bumps": "asymmetric", "sigmoid",
        "rectangle" or "arctangent"; see `edgespike.nn.layers.surrogates.SumOfBumps`.
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
    normalisation: NormalisationKind = "batch"
    reading: Reading = "averaged"
    signed: bool = False
    bump: Bump = "asymmetric"

    def __post_init__(self) -> None:
        faults = list(self._faults())
        # Sizes are followed through the layers only if each of them is valid.
        refuse(faults or self._size_faults())

    def _faults(self) -> Iterator[str]:
        shape = self.input_shape
        if not (len(shape) == 3 and all(is_whole(size, 1, _MOST_PIXELS) for size in shape)):
            yield f"input_shape is {shape}; channels, height and width are needed"
        yield from outside(self, 1, CHANNEL_LIMIT, "classes")
        yield from outside(self, 2, 8, "readout_bits")
        yield from outside(self, 2, MOST_STATES, "activation_states", "weight_states")
        yield from _states_outside(self, "readout_states")
        for name in ("threshold", "alpha", "beta"):
            if not isfinite(getattr(self, name)):
                yield f"{name} is {getattr(self, name)}; it must be finite"
        yield from unknown(self, ("spike", "levels", "relu"), "activation")
        yield from unknown(self, ("straight_through", "bumps"), "surrogate")
        yield from unknown(self, BUMPS, "bump")
        if self.bump != "asymmetric" and self.alpha <= 0:
            yield f"alpha is {self.alpha}; a bump {self.bump!r} needs one above 0"
        yield from unknown(self, get_args(NormalisationKind), "normalisation")
        yield from unknown(self, get_args(Reading), "reading")
        stated = [i for i, layer in enumerate(self.layers) if layer.states]
        if self.activation == "spike" and (stated or self.readout_states):
            yield (
                f"layers {stated} or the readout have states, which a spiking net does not use; "
                "bits are needed"
            )
        kinds = [layer.kind for layer in self.layers]
        if "dense" in kinds and set(kinds[kinds.index("dense") :]) != {"dense"}:
            yield f"layers are {kinds}; convolutions must come before dense layers"
        if kinds[:1] == ["residual"]:
            yield "layer 0 is residual; a convolution must come before the first residual block"

    def _size_faults(self) -> Iterator[str]:
        channels, height, width = self.input_shape
        for i, layer in enumerate(self.layers):
            if isinstance(layer, DenseSpec):
                inputs, channels, height, width = channels * height * width, layer.features, 1, 1
            else:
                if isinstance(layer, ConvSpec) and (
                    channels % layer.groups or layer.channels % layer.groups
                ):
                    yield (
                        f"layer {i} has {layer.groups} groups of {channels} inputs and "
                        f"{layer.channels} outputs; a number that divides both is needed"
                    )
                inputs, channels = layer.fan_in(channels), layer.channels
                height, width = layer.output_size(height), layer.output_size(width)
            if inputs * channels > ELEMENT_LIMIT:
                weights = inputs * channels
                yield f"layer {i} has {weights} weights, at most {ELEMENT_LIMIT} are possible"
            if height < 1 or width < 1:
                yield f"layer {i} gives {height}x{width}; a larger image or less pooling is needed"
                return

    @property
    def spiking(self) -> bool:
        """Whether any layer, including the readout, receives spikes or levels."""
        return self.activation != "relu" and len(self.layers) > 0

    @property
    def bumps(self) -> bool:
        """Whether its surrogate consists of bumps, whose steepness is ``alpha``."""
        if self.activation == "levels":
            return self.surrogate == "bumps"
        return self.activation == "spike"

    def to_table(self) -> dict[str, Any]:
        """Return the description as plain tables, lists, numbers and text."""
        return {**without_absent(asdict(self)), "layers": tuple(map(_layer_table, self.layers))}


def _layer_table(layer: LayerSpec) -> dict[str, Any]:
    table = asdict(layer)
    if isinstance(layer, ResidualSpec) and layer.pool == 1:
        del table["pool"]  # as in files of older versions, whose blocks had none
    return table


AnySpec: TypeAlias = NetSpec | RecurrentSpec
"""The description of a net of either kind."""


def read_spec(table: object, where: str, faults: list[str]) -> AnySpec | None:
    """Build a description from plain tables; parameters are those of `read_table`.

    A table whose ``kind`` is "recurrent" describes a recurrent net.
    """
    if not isinstance(table, Mapping):
        faults.append(f"{where} is {shown(table)}, expected a table")
        return None
    whole = dict(table)
    if isinstance(table.get("input_shape"), list):
        whole["input_shape"] = tuple(table["input_shape"])
    if table.get("kind") == "recurrent":
        return read_table(RecurrentSpec, whole, where, faults)
    if "kind" in table:
        faults.append(
            f"{where}.kind is {shown(table['kind'])}; 'recurrent' is known, or leave it out"
        )
        return None
    specs = read_layers(table.get("layers"), where, faults)
    if specs is None:
        return None
    # If layers have faults they are left out, so that the rest is checked too.
    whole["layers"] = () if None in specs else tuple(specs)
    net = read_table(NetSpec, whole, where, faults)
    return None if None in specs else net


def read_layers(layers: object, where: str, faults: list[str]) -> list[LayerSpec | None] | None:
    """Build the layers of a net from a list of tables; a layer with faults is None.

    Parameters are those of `read_table`; ``where`` is the name of the net's table. None if it is no
    list.
    """
    if not isinstance(layers, list):
        faults.append(f"{where}.layers is {shown(layers)}, expected a list of tables")
        return None
    return [_read_layer(layer, f"{where}.layers[{i}]", faults) for i, layer in enumerate(layers)]


def _read_layer(table: object, where: str, faults: list[str]) -> LayerSpec | None:
    kind = table.get("kind") if isinstance(table, Mapping) else None
    if kind == "conv":
        return read_table(ConvSpec, table, where, faults)
    if kind == "residual":
        return read_table(ResidualSpec, table, where, faults)
    if kind == "dense":
        return read_table(DenseSpec, table, where, faults)
    faults.append(f"{where}.kind is {shown(kind)}; 'conv', 'residual' and 'dense' are known")
    return None
