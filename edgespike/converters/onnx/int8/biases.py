"""Biases of weighted layers: stored in units of the sums, or real numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.onnx.int8.arithmetic import of_sums
from edgespike.converters.onnx.int8.values import Made, Pending, RefusedError, Sums, Weights
from edgespike.converters.onnx.int8.walk import Walk
from edgespike.int8.net import Stored

NEAR = 2.0**-20
"""How far, as a share, a bias's scale may be from that of the sums, both rounded to float32."""


def with_bias(walk: Walk, pending: Pending, name: str) -> Pending:
    """Add a bias, a constant of real numbers or of stored ones."""
    sums = pending.sums
    assert sums is not None
    value = walk.constants[name] if name in walk.constants else walk.value(name)
    if isinstance(value, Weights) and value.kind == "int32":
        unit = _each(value.scale, sums)
        if (np.abs(unit - sums.factor) > NEAR * sums.factor).any():
            raise RefusedError(
                f"its bias has scale {unit[0]:g}, where input and weights have {sums.factor[0]:g}; "
                "they must be equal, since ONNX Runtime adds the bias as it is stored"
            )
        return with_whole(pending, value.numbers)
    if not isinstance(value, Weights | np.ndarray):
        raise RefusedError(f"its bias {name} is no constant; add it with quantisers around")
    real_bias = value.real if isinstance(value, Weights) else value
    offset = _each(np.asarray(real_bias, np.float64), sums)
    if not np.isfinite(offset).all():
        raise RefusedError(f"its bias {name} is not finite; replace it")
    return replace(_of(pending, replace(sums, offset=offset)), certain=False)


def with_whole(pending: Pending, bias: NDArray[Any]) -> Pending:
    """Add a bias in units of the sums."""
    sums = pending.sums
    assert sums is not None
    return _of(pending, replace(sums, bias=sums.bias + _each(bias.astype(np.int64), sums)))


def _each(bias: NDArray[Any], sums: Sums) -> NDArray[Any]:
    """Return a bias of each output, which may be one of all."""
    if bias.size not in (1, len(sums.bias)):
        raise RefusedError(f"its bias has {bias.size} numbers for {len(sums.bias)} outputs")
    return np.broadcast_to(bias.reshape(-1), sums.bias.shape)


def _of(pending: Pending, sums: Sums) -> Pending:
    return replace(pending, sums=sums, make=maker(sums))


def maker(sums: Sums) -> Callable[[Stored], Made]:
    """Return what makes a layer of how its result is stored."""
    return lambda stored: (sums.build(sums.bias, of_sums(sums, stored)), (sums.source,))
