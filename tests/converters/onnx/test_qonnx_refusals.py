"""What QONNX nets hold that has no exact form is refused by name, all of it at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgespike.errors import UnsupportedError
from tests.converters.onnx.qonnx_nets import Net, converted

WEIGHTS = np.arange(12).reshape(4, 3) - 6


def dense(net: Net, x: str) -> str:
    return net.node("MatMul", x, WEIGHTS)


def image(net: Net, x: str = "x") -> str:
    """Return the levels of a 3 x 3 image of 2 channels."""
    return net.quant(net.reshape(x, 1, 2, 3, 3), 0.25)


def conv(net: Net, x: str, **attributes: Any) -> str:
    kernel = np.ones((2, 2, 3, 3))
    return net.node("Conv", x, kernel, **attributes)


def flat(net: Net, x: str, features: int) -> str:
    return net.node("MatMul", net.reshape(x, 1, features), np.ones((features, 3)))


def normalised(net: Net, x: str, **attributes: Any) -> str:
    ones = np.ones(3)
    return net.node("BatchNormalization", x, ones, ones, ones, 2 * ones, **attributes)


def smallest(net: Net, x: str) -> str:
    net.node("TopK", x, net.constant([1], np.int64), largest=0)
    net.nodes[-1].output.append("indices")
    return "indices"


Build = Callable[[Net], str]

BUILDS: list[tuple[int, Build, str]] = [
    (4, lambda n: n.node("Erf", dense(n, n.quant("x"))), "Erf_2 is a Erf; read are Add"),
    (4, lambda n: n.node("Mul", n.quant("x"), n.quant("x")), "give one of them as a constant"),
    (4, lambda n: n.node("Div", 1.0, n.quant("x")), "divides a constant by a value, or by 0"),
    (4, lambda n: n.node("Div", n.quant("x"), 0.0), "divides a constant by a value, or by 0"),
    (4, lambda n: dense(n, n.quant("x", 0.0)), "has scale 0.0; it must be positive and finite"),
    (4, lambda n: dense(n, n.quant("x", -1.0)), "has scale -1.0; it must be positive"),
    (4, lambda n: dense(n, n.quant("x", np.nan)), "has scale nan; it must be positive"),
    (4, lambda n: dense(n, n.quant("x", 1.0, np.inf)), "has zero point of shape .*finite number"),
    (4, lambda n: dense(n, n.quant("x", 1.0, [0.0, 1.0, 0.0, 0.0])), "give one finite number"),
    (4, lambda n: dense(n, n.quant("x", bits=2.5)), "bit width 2.5; give a whole number in 1..32"),
    (4, lambda n: dense(n, n.quant("x", bits=33)), "bit width 33.0; give a whole number in 1..32"),
    (4, lambda n: dense(n, n.quant("x", bits=24)), "gives the input 24 bits; .* may have 16; give"),
    (4, lambda n: dense(n, n.quant("x", mode="CLOSEST")), "rounding_mode 'CLOSEST'; give one of"),
    (
        4,
        lambda n: n.node("MatMul", n.quant("x"), np.random.default_rng(0).normal(size=(4, 3))),
        "weights that are no small multiples of one number; quantise them",
    ),
    (
        4,
        lambda n: n.node("MatMul", n.quant("x"), n.quant(WEIGHTS, [[0.1], [0.2], [0.3], [0.4]])),
        "scales differ within an output",
    ),
    (
        4,
        lambda n: dense(n, n.quant("x", [[0.1, 0.2, 0.3, 0.7]])),
        r"adds up values of the scales .* no multiples, up to 4096, of one unit",
    ),
    (
        4,
        lambda n: n.node("Add", n.quant("x", 0.1), n.quant("x", 0.7)),
        r"adds up values of the scales 0.1\d*, 0.69\d*",
    ),
    (4, lambda n: n.node("Relu", dense(n, n.quant("x"))), "ends the net with a clip or a pool"),
    (
        4,
        lambda n: n.node("MatMul", normalised(n, dense(n, n.quant("x"))), np.ones((3, 3))),
        "nothing has quantised since they were normalised or clipped",
    ),
    (
        4,
        lambda n: n.node("MatMul", n.node("MatMul", n.quant("x", bits=12), WEIGHTS), np.eye(3)),
        "takes sums that nothing has quantised, of .* possible values",
    ),
    (
        4,
        lambda n: n.quant(normalised(n, normalised(n, dense(n, n.quant("x")), epsilon=1e-3))),
        "two normalisations with different square roots",
    ),
    (
        4,
        lambda n: n.quant(normalised(n, dense(n, n.quant("x")), epsilon=-3.0)),
        "variance plus epsilon of -1.0",
    ),
    (
        4,
        lambda n: n.quant(n.node("Mul", dense(n, n.quant("x")), np.inf)),
        "constants that are not finite",
    ),
    (4, lambda n: n.thresholds(n.quant("x"), [0.0, 1.0]), "thresholds of shape"),
    (4, lambda n: n.thresholds(n.quant("x"), [[0.0], [1.0]]), "thresholds of shape"),
    (4, lambda n: n.thresholds(n.quant("x"), [[np.nan]]), "some that are not finite"),
    (4, lambda n: n.thresholds(n.quant("x"), [[0.0]], out_scale=-1.0), "out_scale -1.0"),
    (4, lambda n: n.trunc(n.quant("x"), 1.0, 0.0, 8.0, 4.0, 4.0), "has 6 inputs; version 1"),
    (4, lambda n: n.trunc(n.quant("x"), 1.0, 0.0, 80.0, 4.0), r"divides by 2\*\*76"),
    (4, lambda n: dense(n, n.node("Softmax", n.quant("x"))), "a Softmax inside the net"),
    (4, lambda n: n.node("ArgMax", dense(n, n.quant("x"))), "a ArgMax, is over axis 0 of values"),
    (
        4,
        lambda n: n.node("ArgMax", dense(n, n.quant("x")), axis=1, select_last_index=1),
        "a ArgMax, takes the last of equal values",
    ),
    (
        4,
        lambda n: smallest(n, dense(n, n.quant("x"))),
        "a TopK, takes the smallest values",
    ),
    (
        4,
        lambda n: n.node("Clip", dense(n, n.quant("x")), n.constant(np.finfo(np.float32).max), 0.0),
        "clips to 3.4",
    ),
    (
        18,
        lambda n: flat(n, n.quant(conv(n, n.node("Add", image(n), 0.1), pads=[1] * 4)), 18),
        "pads with zeros, which no level of its input stands for",
    ),
    (
        18,
        lambda n: flat(
            n,
            n.quant(
                n.node(
                    "Neg", n.node("MaxPool", conv(n, image(n), pads=[1] * 4), kernel_shape=[3, 3])
                )
            ),
            2,
        ),
        "follows a MaxPool and a negative factor",
    ),
    (
        18,
        lambda n: n.quant(
            n.reshape(n.node("MaxPool", conv(n, image(n)), kernel_shape=[1, 1]), 1, 2)
        ),
        "reshapes pooled values that nothing has quantised",
    ),
    (
        18,
        lambda n: flat(n, n.node("MaxPool", n.node("Neg", image(n)), kernel_shape=[3, 3]), 2),
        "gives the smallest of each window",
    ),
    (
        18,
        lambda n: flat(n, n.node("AveragePool", image(n), kernel_shape=[3, 3], pads=[1] * 4), 18),
        "divides by fewer places at a padded border",
    ),
    (
        18,
        lambda n: flat(
            n,
            n.node("MaxPool", image(n), kernel_shape=[1, 1], strides=[3, 3], auto_pad="SAME_UPPER"),
            2,
        ),
        "leaves out values between its windows, where runtimes disagree",
    ),
    (
        18,
        lambda n: flat(n, n.node("MaxPool", image(n), kernel_shape=[2, 2], dilations=[2, 2]), 2),
        "has dilations",
    ),
    (
        18,
        lambda n: flat(
            n, n.node("MaxPool", image(n), kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1), 8
        ),
        "has ceil_mode and windows that reach beyond",
    ),
    *(
        (
            18,
            lambda n, op=op, sizes=sizes: flat(
                n, n.node(op, n.node("Transpose", image(n), perm=[0, 2, 3, 1]), **sizes), 3
            ),
            "pools an input whose channels are not on axis 1",
        )
        for op, sizes in (("MaxPool", {"kernel_shape": [3, 2]}), ("GlobalAveragePool", {}))
    ),
    (
        18,
        lambda n: flat(n, n.node("ReduceMean", image(n), axes=[1], keepdims=0), 9),
        "takes the mean over axes",
    ),
    (
        18,
        lambda n: flat(n, n.node("Concat", image(n), image(n), axis=2), 36),
        "concatenates along axis 2",
    ),
    (18, lambda n: flat(n, n.node("Add", image(n), np.ones((3, 3))), 18), "one a channel"),
    (
        18,
        lambda n: flat(n, n.node("Transpose", image(n), perm=[1, 0, 2, 3]), 18),
        "moves the axis of the batch",
    ),
]


@pytest.mark.parametrize(("inputs", "build", "said"), BUILDS, ids=[said for _, _, said in BUILDS])
def test_what_is_refused(tmp_path: Path, inputs: int, build: Build, said: str) -> None:
    net = Net(inputs)
    with pytest.raises(UnsupportedError, match=said):
        converted(tmp_path, net, build(net))


def test_work_is_bounded(tmp_path: Path) -> None:
    net = Net(2**17 + 1)
    with pytest.raises(UnsupportedError, match="131073 channels or features; the limit is 131072"):
        converted(tmp_path, net, net.quant("x"))
    net = Net(4)
    x = net.quant("x")
    for _ in range(65):
        x = net.node("Mul", x, 0.7)
    with pytest.raises(UnsupportedError, match="the end of 65 operations of arithmetic in a row"):
        converted(tmp_path, net, net.quant(x))
    net = Net(2**12, 1, 1)
    x = net.node("Conv", net.quant("x", bits=11), np.ones((2**12, 1, 1, 1)), group=2**12)
    with pytest.raises(UnsupportedError, match="4096 channels; the limit is 4194304 thresholds"):
        converted(tmp_path, net, net.node("Conv", x, np.ones((2, 2**12, 1, 1))))


def test_everything_is_said_at_once(tmp_path: Path) -> None:
    net = Net(4)
    x, y = net.quant("x", bits=40), net.quant("x", 0.0)
    z = net.quant("x", mode="NEAREST")
    total = net.node("Add", net.node("Add", x, y), z)
    with pytest.raises(UnsupportedError) as caught:
        converted(tmp_path, net, dense(net, total))
    assert len(caught.value.violations) == 3


def test_unknown_operators_are_all_named(tmp_path: Path) -> None:
    net = Net(4)
    x = net.node("Erf", net.node("Tanh", net.quant("x")))
    with pytest.raises(UnsupportedError) as caught:
        converted(tmp_path, net, dense(net, x))
    assert [v.split(";")[0] for v in caught.value.violations] == [
        "Tanh_1 is a Tanh",
        "Erf_2 is a Erf",
    ]
