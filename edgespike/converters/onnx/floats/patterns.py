"""What to do instead of operators that are not read, in the words of the converter of torch."""

from __future__ import annotations

import re

from edgespike.converters.torch.floats import patterns

_IN_TORCH = {
    "Resize": "interpolate",
    "DepthToSpace": "pixel_shuffle",
    "SpaceToDepth": "pixel_unshuffle",
    "HardSwish": "hardswish",
    "HardSigmoid": "hardsigmoid",
    "LayerNormalization": "layer_norm",
    "GroupNormalization": "group_norm",
    "InstanceNormalization": "instance_norm",
    "RMSNormalization": "layer_norm",
    "LpNormalization": "layer_norm",
    "MeanVarianceNormalization": "layer_norm",
    "LRN": "layer_norm",
    "Attention": "scaled_dot_product_attention",
    "Swish": "silu",
    "ThresholdedRelu": "elu",
    "Tile": "repeat",
    "GatherND": "gather",
    "ScatterND": "index_put",
    "ScatterElements": "index_put",
    "RandomNormalLike": "randn_like",
    "RandomUniformLike": "rand_like",
    "Greater": "gt",
    "Less": "lt",
    "GreaterOrEqual": "ge",
    "LessOrEqual": "le",
    "Equal": "eq",
    "NonZero": "nonzero",
    "Slice": "select",
    "Min": "min",
    "Reciprocal": "pow",
    "Einsum": "einsum",
}
"""Operators whose name in torch is not theirs in small letters."""


def instead_of(operator: str) -> str:
    """Return the nearest supported pattern for an operator that is not read."""
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operator).lower()
    names = (_IN_TORCH.get(operator, snake), snake.replace("_", ""), operator.lower())
    unknown = patterns.instead_of("")
    return next((way for way in map(patterns.instead_of, names) if way != unknown), unknown)
