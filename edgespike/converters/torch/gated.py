"""From gated recurrent layers of torch nets to products of events and a delay."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from edgespike.converters.builder import ConvertedActivation, GraphBuilder
from edgespike.converters.sums import ConversionStoppedError
from edgespike.converters.torch.constants import floats
from edgespike.converters.torch.recurrent import check_input_step, integer_dense
from edgespike.errors import UnsupportedError
from edgespike.graph import Add, Delay, Multiply, Signal, Tensor, Threshold
from edgespike.passes.folding import Normalisation, fold


def gated_layer(builder: GraphBuilder, leaf: Any, path: str) -> None:
    """Add the nodes of a `QuantGRU`.

    The update gate has its neurons twice: thresholds give its levels ``z``, and the same thresholds
    flipped give ``K - z``.
    """
    for name in ("update", "reset", "candidate"):
        check_input_step(builder, getattr(leaf, name), f"{path}.{name}")
    source, hidden, half = builder.last, len(leaf.update.bias), leaf.state.zero
    delay = Delay((hidden,), -half, half, Signal.GRADED)
    builder.append_delay(path, delay, builder.upcoming("state"))
    state = builder.last
    _add_sums(builder, leaf.update, path, source, state)
    sums = builder.last
    update = _fire(builder, leaf.update, f"{path}.update", "update")
    flipped = replace(_threshold(builder, update), flipped=np.ones(hidden, np.bool_))
    builder.last = sums
    builder.append(path, "renewal", flipped)
    renewal = builder.last
    _add_sums(builder, leaf.reset, path, source, state)
    reset = _fire(builder, leaf.reset, f"{path}.reset", "reset")
    _multiply(builder, path, reset, state)
    remembered = _round(builder, leaf.remembered, f"{path}.remembered", "remembered", leaf.open)
    _add_sums(builder, leaf.candidate, path, source, remembered)
    candidate = _fire(builder, leaf.candidate, f"{path}.candidate", "candidate")
    kept = _multiply(builder, path, update, state)
    _multiply(builder, path, renewal, candidate)
    builder.append(path, "add", Add(), (kept,))
    _round(builder, leaf.state, f"{path}.state", "state", leaf.open)
    builder.event_scale, builder.event_zero = Fraction(leaf.step), 0


def _add_sums(builder: GraphBuilder, gate: Any, path: str, source: str, state: str) -> None:
    """Add the sums of a layer's input and of what is fed back, and their sum."""
    builder.last = source
    builder.append(path, "dense", integer_dense(gate.input, builder.event_zero))
    drive, builder.last = builder.last, state
    builder.append(path, "dense", integer_dense(gate.recurrent, 0))
    builder.append(path, "add", Add(), (drive,))


def _fire(builder: GraphBuilder, gate: Any, path: str, label: str) -> str:
    """Add the levels of a gate's sums; return their name."""
    scale, bias = Fraction(gate.unit().item()), floats(gate.bias)
    same, levels = Normalisation.identity(len(bias)), gate.activation.thresholds()
    try:
        op = fold(scale, bias.tolist(), same, levels, builder.tensor)
    except UnsupportedError as error:
        builder.violations += [f"{path}: {violation}" for violation in error.violations]
        raise ConversionStoppedError(f"what follows {path} was not examined") from error
    return _append(builder, f"{path}.activation", label, op, gate.activation)


def _round(builder: GraphBuilder, activation: Any, path: str, label: str, parts: int) -> str:
    """Add the levels of products that come in parts of one level; return their name.

    All channels have the same thresholds, which are found once.
    """
    products = builder.tensor
    low, high = (np.array([end]) for end in products.bounds)
    one, levels = Tensor((1,), low, high, products.signal), activation.thresholds()
    op = fold(Fraction(1, parts), [0.0], Normalisation.identity(1), levels, one)
    channels = products.shape[0]
    theta, flipped = op.theta.repeat(channels, axis=0), op.flipped.repeat(channels)
    return _append(builder, path, label, replace(op, theta=theta, flipped=flipped), activation)


def _append(builder: GraphBuilder, path: str, label: str, op: Threshold, activation: Any) -> str:
    """Add the neurons of an activation, whose levels may have signs; return their name."""
    builder.append(path, label, replace(op, offset=activation.offset))
    builder.activations.append(ConvertedActivation(path, builder.last, builder.steps))
    return builder.last


def _multiply(builder: GraphBuilder, path: str, left: str, right: str) -> str:
    """Add a product of two nodes; return its name."""
    builder.last = left
    builder.append(path, "product", Multiply(), (right,))
    return builder.last


def _threshold(builder: GraphBuilder, name: str) -> Threshold:
    (op,) = (node.op for node in builder.nodes if node.name == name)
    if not isinstance(op, Threshold):
        raise TypeError(f"{name} is a {op.kind}, expected a threshold")
    return op
