"""Each operator computes what it computes in ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgespike.floats.net import FloatConv2d, FloatDense, FloatNet, FloatReshape
from tests.converters.onnx.nets import (
    compare,
    model,
    numbers,
    onnx,
    reading,
    saved,
    skip_if_newer,
    whole,
)

Constants = dict[str, Any]

IMAGE = (1, 4, 9, 8)
END = "f = Flatten (h) y = MatMul (f, out)"


def image_net(node: str, features: int, **constants: Any) -> tuple[tuple[int, ...], str, Constants]:
    """Return a net of a node from an image ``x`` to ``h``, and a dense layer behind it."""
    return IMAGE, f"{node} {END}", {"out": numbers(features, 3), **constants}


def flat_net(node: str, **constants: Any) -> tuple[tuple[int, ...], str, Constants]:
    """Return a net of a node from six features ``x`` to five, ``y``."""
    return (1, 6), node, constants


W = numbers(6, 4, 3, 2)
BIAS = numbers(6, seed=2)
SEVEN_BY_SEVEN = 6 * 7 * 7

NETS: dict[str, tuple[tuple[int, ...], str, Constants]] = {
    "conv": image_net("h = Conv (x, w, b)", SEVEN_BY_SEVEN, w=W, b=BIAS),
    "conv, no bias": image_net("h = Conv (x, w)", SEVEN_BY_SEVEN, w=W),
    "conv, pads on each side": image_net("h = Conv <pads = [1, 0, 2, 3]> (x, w)", 6 * 10 * 10, w=W),
    "conv, strides": image_net("h = Conv <strides = [2, 3]> (x, w)", 6 * 4 * 3, w=W),
    "conv, dilations": image_net("h = Conv <dilations = [2, 3]> (x, w)", 6 * 5 * 5, w=W),
    "conv, groups": image_net("h = Conv <group = 2> (x, w)", SEVEN_BY_SEVEN, w=numbers(6, 2, 3, 2)),
    "conv, depthwise": image_net("h = Conv <group = 4> (x, w)", 4 * 7 * 7, w=numbers(4, 1, 3, 2)),
    "conv, SAME_UPPER": image_net(
        'h = Conv <auto_pad = "SAME_UPPER", strides = [2, 2]> (x, w)', 6 * 5 * 4, w=W
    ),
    "conv, SAME_LOWER": image_net(
        'h = Conv <auto_pad = "SAME_LOWER", strides = [2, 1]> (x, w)', 6 * 5 * 8, w=W
    ),
    "conv, VALID": image_net('h = Conv <auto_pad = "VALID"> (x, w)', SEVEN_BY_SEVEN, w=W),
    "conv of a length": (
        (1, 4, 12),
        f"h = Conv <pads = [2, 1], strides = [2], dilations = [2]> (x, w, b) {END}",
        {"w": numbers(6, 4, 3), "b": BIAS, "out": numbers(6 * 6, 3)},
    ),
    "gemm": flat_net("y = Gemm (x, w, b)", w=numbers(6, 5), b=numbers(5)),
    "gemm, transB": flat_net("y = Gemm <transB = 1> (x, w)", w=numbers(5, 6)),
    "gemm, alpha and beta": flat_net(
        "y = Gemm <alpha = 0.5, beta = -2.0> (x, w, b)", w=numbers(6, 5), b=numbers(1, 5)
    ),
    "gemm, one bias for all": flat_net(
        "y = Gemm (x, w, b)", w=numbers(6, 5), b=np.array([2], np.float32)
    ),
    "gemm of several rows": (
        (1, 4),
        "h = Gemm <transA = 1> (x, w, b) f = Flatten <axis = 0> (h) y = MatMul (f, out)",
        {"w": numbers(1, 3), "b": numbers(3), "out": numbers(12, 3)},
    ),
    "gemm, transA": flat_net("t = Transpose (x) y = Gemm <transA = 1> (t, w)", w=numbers(6, 5)),
    "matmul": flat_net("y = MatMul (x, w)", w=numbers(6, 5)),
    "matmul, axes before the matrix": flat_net(
        "h = MatMul (x, w) y = Flatten (h)", w=numbers(6, 5)[None]
    ),
    "matmul, constant first": flat_net(
        "t = Transpose (x) h = MatMul (w, t) y = Transpose (h)", w=numbers(5, 6)
    ),
    "matmul, a Transpose of the weights": flat_net(
        "t = Transpose (w) y = MatMul (x, t)", w=numbers(5, 6)
    ),
    "matmul at each place of an image": (
        (1, 4, 3, 5),
        f"t = Transpose <perm = [0, 2, 3, 1]> (x) h = MatMul (t, w) {END}",
        {"w": numbers(4, 6), "out": numbers(90, 3)},
    ),
    "batch normalisation": image_net(
        "h = BatchNormalization <epsilon = 0.1> (x, s, b, m, v)",
        4 * 9 * 8,
        s=numbers(4, seed=2),
        b=numbers(4, seed=3),
        m=numbers(4, seed=4),
        v=np.abs(numbers(4, seed=5)),
    ),
    "batch normalisation as Sub, Mul, Add": image_net(
        "a = Sub (x, m) n = Mul (a, s) h = Add (n, b)",
        4 * 9 * 8,
        m=numbers(4, 1, 1),
        s=numbers(4, 1, 1, seed=3),
        b=numbers(1, 4, 1, 1, seed=4),
    ),
    "a constant minus x": flat_net("y = Sub (c, x)", c=numbers(6)),
    "x / constant": flat_net("y = Div (x, c)", c=numbers(1, 6)),
    "-x": flat_net("y = Neg (x)"),
    "constants with more axes": flat_net("h = Add (x, c) y = Flatten (h)", c=numbers(1, 1, 6)),
    "x + y": image_net("a = Relu (x) h = Add (a, x)", 4 * 9 * 8),
    "x - y": image_net("a = Relu (x) h = Sub (a, x)", 4 * 9 * 8),
    "sum of three": image_net("a = Relu (x) h = Sum (a, x, x)", 4 * 9 * 8),
    "sum of turned values": image_net(
        "a = Transpose <perm = [0, 2, 3, 1]> (x) b = Relu (a) h = Add (a, b)", 4 * 9 * 8
    ),
    "relu": flat_net("y = Relu (x)"),
    "clip": flat_net("y = Clip (x, low, high)", low=np.float32(0), high=np.float32(0.5)),
    "clip from below": flat_net("y = Clip (x, low)", low=np.float32(0)),
    "max with 0": flat_net("y = Max (x, zero)", zero=np.array([0], np.float32)),
    "max of one": flat_net("y = Max (x)"),
    "sum of one": flat_net("y = Sum (x)"),
    "max pool": image_net("h = MaxPool <kernel_shape = [2, 3]> (x)", 4 * 8 * 6),
    "max pool, pads and strides": image_net(
        "h = MaxPool <kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 0, 1]> (x)", 4 * 4 * 4
    ),
    "max pool, ceil_mode": image_net(
        "h = MaxPool <kernel_shape = [2, 3], strides = [2, 2], ceil_mode = 1> (x)", 4 * 5 * 4
    ),
    "max pool, SAME_UPPER": image_net(
        'h = MaxPool <kernel_shape = [3, 3], strides = [2, 2], auto_pad = "SAME_UPPER"> (x)',
        4 * 5 * 4,
    ),
    "max pool of a length": (
        (1, 4, 12),
        f"h = MaxPool <kernel_shape = [3], strides = [2], pads = [1, 0]> (x) {END}",
        {"out": numbers(4 * 6, 3)},
    ),
    "average pool": image_net("h = AveragePool <kernel_shape = [2, 3]> (x)", 4 * 8 * 6),
    "average pool, count_include_pad": image_net(
        "h = AveragePool <kernel_shape = [3, 3], pads = [1, 1, 1, 1], count_include_pad = 1> (x)",
        4 * 9 * 8,
    ),
    "average pool, padding that no window reaches": image_net(
        "h = AveragePool <kernel_shape = [9, 4], strides = [9, 4], pads = [0, 0, 1, 1]> (x)", 4 * 2
    ),
    "average pool behind a Pad": image_net(
        "p = Pad (x, pads) h = AveragePool <kernel_shape = [3, 3]> (p)",
        4 * 9 * 8,
        pads=whole(0, 0, 1, 1, 0, 0, 1, 1),
    ),
    "global average pool": image_net("h = GlobalAveragePool (x)", 4),
    "global max pool": image_net("h = GlobalMaxPool (x)", 4),
    "mean over height and width": image_net("h = ReduceMean <axes = [-1, 2]> (x)", 4),
    "mean over the width": image_net("h = ReduceMean <axes = [3], keepdims = 0> (x)", 4 * 9),
    "mean with the channels last": image_net(
        "t = Transpose <perm = [0, 2, 3, 1]> (x) h = ReduceMean <axes = [1, 2]> (t)", 4
    ),
    "sum over height and width": image_net("h = ReduceSum (x, axes)", 4, axes=whole(2, 3)),
    "largest over the height": image_net("h = ReduceMax <axes = [2], keepdims = 0> (x)", 4 * 8),
    "concat": image_net("a = Relu (x) h = Concat <axis = 1> (a, x)", 8 * 9 * 8),
    "concat of features": flat_net("a = Relu (x) y = Concat <axis = -1> (a, x)"),
    "concat along the height": image_net("a = Relu (x) h = Concat <axis = 2> (a, x)", 8 * 9 * 8),
    "concat of different images": image_net(
        "p = GlobalMaxPool (x) a = Flatten (p) b = Flatten (x) h = Concat <axis = 1> (a, b)",
        4 + 4 * 9 * 8,
    ),
    "reshape": image_net("h = Reshape (x, to)", 288, to=whole(1, -1)),
    "flatten with the channels last": image_net(
        "h = Transpose <perm = [0, 2, 3, 1]> (x)", 4 * 9 * 8
    ),
    "squeeze and unsqueeze": image_net(
        "p = GlobalMaxPool (x) s = Squeeze (p, two) h = Unsqueeze (s, one)",
        4,
        two=whole(2, 3),
        one=whole(2),
    ),
    "pad before a convolution": image_net(
        "p = Pad (x, pads) h = Conv <pads = [1, 1, 1, 1]> (p, w)",
        6 * 11 * 11,
        pads=whole(0, 0, 1, 0, 0, 0, 1, 2),
        w=W,
    ),
    "softmax": flat_net("y = Softmax (x)"),
    "log softmax": flat_net("y = LogSoftmax <axis = 1> (x)"),
    "softmax of features on all axes": (
        (1, 6, 1),
        "y = Softmax <axis = -2> (x)",
        {},
    ),
    "sigmoid": flat_net("y = Sigmoid (x)"),
    "tanh": flat_net("y = Tanh (x)"),
    "a sigmoid inside": flat_net("s = Sigmoid (x) y = Neg (s)"),
    "a tanh inside": flat_net("t = Tanh (x) y = Neg (t)"),
    "a tanh before a tanh at the end": flat_net("t = Tanh (x) r = Relu (t) y = Tanh (r)"),
    "all places and their turn": (
        (1, 6),
        "a = Gather <axis = 1> (x, p) b = Slice (a, s, e, axes, steps) y = MatMul (b, w)",
        {
            "p": whole(5, 3, 4, 0, 1, 2),
            "s": whole(-1),
            "e": whole(-99),
            "axes": whole(1),
            "steps": whole(-1),
            "w": numbers(6, 4),
        },
    ),
    "argmax": flat_net("y = ArgMax <axis = 1> (x)"),
    "argmax of softmax": flat_net("s = Softmax (x) y = ArgMax <axis = 1, keepdims = 0> (s)"),
    "dropout and identity": flat_net("i = Identity (x) r = Relu (i) y = Dropout (r)"),
    "cast to double and back": flat_net(
        "a = Cast <to = 11> (x) b = Cast <to = 1> (a) y = Relu (b)"
    ),
}


@pytest.mark.parametrize("name", NETS)
def test_values_are_those_of_onnx_runtime(name: str, tmp_path: Path) -> None:
    read = reading(saved(model(*NETS[name]), tmp_path))
    assert compare(read)


@pytest.mark.parametrize("axes", [(2, 3), (1, 2)])
def test_channels_last_throughout(axes: tuple[int, int], tmp_path: Path) -> None:
    """As tf2onnx writes a net of Keras: the input is turned once, the features are turned back."""
    last = axes == (1, 2)
    nodes = (
        "t = Transpose <perm = [0, 3, 1, 2]> (x) c = Conv <pads = [1, 1, 1, 1]> (t, w, b) "
        "r = Relu (c) m = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (r) "
    )
    nodes += "u = Transpose <perm = [0, 2, 3, 1]> (m)" if last else "u = Identity (m)"
    flat = f"{nodes} f = Reshape (u, to) y = MatMul (f, out)"
    constants = {
        "w": numbers(5, 3, 3, 3),
        "b": numbers(5),
        "to": whole(-1, 60),
        "out": numbers(60, 4),
    }
    read = reading(saved(model(("N", 8, 6, 3), flat, constants), tmp_path))
    assert read.net.nodes[0].op.shape == (3, 8, 6)  # type: ignore[union-attr]
    assert read.input.shape == (1, 8, 6, 3)
    assert read.net.assumed == (
        "the file takes samples of shape (8, 6, 3), with the channels last; the graph takes them "
        "as (3, 8, 6)",
    )
    assert len(compare(read)) == 5


def test_a_length_with_the_channels_last(tmp_path: Path) -> None:
    nodes = (
        "t = Transpose <perm = [0, 2, 1]> (x) c = Conv (t, w) r = Relu (c) "
        "u = Transpose <perm = [0, 2, 1]> (r) d = MatMul (u, m) f = Flatten (d) y = MatMul (f, out)"
    )
    constants = {"w": numbers(4, 3, 5), "m": numbers(4, 2), "out": numbers(16, 3)}
    read = reading(saved(model((1, 12, 3), nodes, constants), tmp_path))
    assert read.net.nodes[0].op.shape == (3, 1, 12)  # type: ignore[union-attr]
    assert len(compare(read)) == 5


@pytest.mark.parametrize("kind", ["uint8", "int8", "int32"])
def test_an_input_of_whole_numbers(kind: str, tmp_path: Path) -> None:
    nodes = "f = Cast <to = 1> (x) s = Div (f, top) h = Conv (s, w) y = GlobalMaxPool (h)"
    constants = {"top": np.array(100, np.float32), "w": W}
    read = reading(saved(model(IMAGE, nodes, constants, kind=kind, answer="float"), tmp_path))
    samples = np.random.default_rng(3).integers(0, 100, (3, *IMAGE[1:])).astype(np.float64)
    assert len(compare(read, samples)) == 4


def test_moving_axes_costs_no_node(tmp_path: Path) -> None:
    nodes = (
        "a = Transpose <perm = [0, 2, 3, 1]> (x) b = Relu (a) c = Transpose <perm = [0, 3, 1, 2]> "
        "(b) h = Conv (c, w)"
    )
    shape, text, constants = image_net(nodes, SEVEN_BY_SEVEN, w=W)
    net = reading(saved(model(shape, text, constants), tmp_path)).net
    kinds = [type(node.op).__name__ for node in net.nodes]
    assert kinds == [
        *("FloatInput", "FloatRelu", "FloatConv2d"),
        *("FloatReshape", "FloatDense", "FloatReadout"),
    ]


def test_functions_of_the_file(tmp_path: Path) -> None:
    made = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["": 17, "local": 1]> net (float[1, 6] x) => (float[] y) '
        '{ h = local.Twice (x) y = local.Twice (h) } <domain: "local", opset_import: ["": 17]> '
        "Twice (a) => (b) { c = Relu (a) b = Add (c, a) }"
    )
    assert len(compare(reading(saved(made, tmp_path)))) == 5


def ops_of(net: FloatNet, kind: type) -> list[Any]:
    return [node.op for node in net.of_type(kind)]


def test_a_length_is_an_image_of_one_row(tmp_path: Path) -> None:
    shape, text, constants = NETS["conv of a length"]
    net = reading(saved(model(shape, text, constants), tmp_path)).net
    (conv,) = ops_of(net, FloatConv2d)
    assert conv.weight.shape == (6, 4, 1, 3)
    assert (conv.stride, conv.dilation, conv.padding) == ((1, 2), (1, 2), (0, 0, 2, 1))


def test_weights_follow_features_that_were_flattened_with_the_channels_last(
    tmp_path: Path,
) -> None:
    made = model(*NETS["flatten with the channels last"])
    net = reading(saved(made, tmp_path)).net
    (dense,) = ops_of(net, FloatDense)
    last = np.arange(288).reshape(4, 9, 8).transpose(1, 2, 0).reshape(-1)
    weight = NETS["flatten with the channels last"][2]["out"].T
    np.testing.assert_array_equal(dense.weight[:, last], weight)
    assert len(ops_of(net, FloatReshape)) == 1


@pytest.mark.parametrize("opset", [*range(7, 26)])
def test_versions_of_the_operators(opset: int, tmp_path: Path) -> None:
    """Attributes became inputs over the years: limits of Clip, axes, pads."""
    skip_if_newer(opset, than=23)
    constants: Constants = {
        "w": W,
        "out": numbers(6 * 4 * 4, 3),
        "low": np.float32(0),
        "high": np.float32(6),
        "axes": whole(1),
        "pads": whole(0, 0, 1, 1, 0, 0, 1, 1),
        **{name: numbers(6, seed=n) for n, name in enumerate("sbm")},
        "v": np.abs(numbers(6)),
    }
    pad = "p = Pad (x, pads)" if opset > 10 else "p = Pad <pads = [0, 0, 1, 1, 0, 0, 1, 1]> (x)"
    clip = "l = Clip (r, low, high)" if opset > 10 else "l = Clip <min = 0.0, max = 6.0> (r)"
    back = "g = Unsqueeze (f, axes)" if opset > 12 else "g = Unsqueeze <axes = [1]> (f)"
    mean = (
        "k = ReduceMean <keepdims = 0> (g, axes)"
        if opset > 17
        else "k = ReduceMean <axes = [1], keepdims = 0> (g)"
    )
    nodes = (
        f"{pad} c = Conv (p, w) n = BatchNormalization (c, s, b, m, v) r = Relu (n) {clip} "
        f"h = AveragePool <kernel_shape = [2, 2], strides = [2, 2]> (l) f = Flatten (h) {back} "
        f"{mean} d = Dropout (k) o = MatMul (d, out) y = Softmax (o)"
    )
    made = model(IMAGE, nodes, constants, opset=opset)
    read = reading(saved(made, tmp_path))
    assert compare(read)
    assert read.left_out == ("Softmax",)
