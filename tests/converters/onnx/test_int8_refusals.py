"""What is not converted is refused by name, all at once, with the way out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgespike.converters.base import ConvertOptions
from edgespike.errors import EdgespikeError, UnsupportedError
from tests.converters.onnx.int8_models import MICROSOFT, Draft, converted, samples_for

Made = Callable[[Draft], str]
"""From a draft with an image of 2 x 6 x 6 as its input to the output's name."""


def start(draft: Draft) -> str:
    return draft.qdq("x", 0.02, 128)


def conv(draft: Draft, x: str, **more: Any) -> str:
    return draft.node("Conv", x, draft.weights(3, 2, 3, 3), **more)


def not_quantised(draft: Draft) -> str:
    return draft.qdq(conv(draft, "x"), 0.05, 128)


def float_weights(draft: Draft) -> str:
    weights = draft.constant(draft.rng.normal(size=(3, 2, 3, 3)))
    return draft.qdq(draft.node("Conv", start(draft), weights), 0.05, 128)


def unknown_operator(draft: Draft) -> str:
    return draft.qdq(draft.node("LeakyRelu", conv(draft, start(draft))), 0.05, 128)


def product(draft: Draft) -> str:
    x = start(draft)
    return draft.qdq(draft.node("Mul", x, x), 0.05, 128)


def normalised(draft: Draft) -> str:
    ones = [draft.constant(np.ones(3)) for _ in range(4)]
    made = draft.node("BatchNormalization", conv(draft, start(draft)), *ones)
    return draft.qdq(made, 0.05, 128)


def two_scales_for_an_activation(draft: Draft) -> str:
    scales = draft.scales([0.1, 0.2, 0.3], [0, 0, 0], "uint8")
    made = draft.node("QuantizeLinear", conv(draft, start(draft)), *scales, axis=1)
    return draft.node("DequantizeLinear", made, *scales, axis=1)


def sixteen_bits(draft: Draft) -> str:
    draft.opset = 21
    scales = draft.scales(0.001, 0, "uint16")
    made = draft.node("QuantizeLinear", conv(draft, start(draft)), *scales)
    return draft.node("DequantizeLinear", made, *scales)


def blocks(draft: Draft) -> str:
    draft.opset = 21
    numbers = draft.constant(draft.numbers(8, 72), "int8")
    scales = draft.scales(np.full((8, 2), 0.01), np.zeros((8, 2)), "int8")
    weights = draft.node("DequantizeLinear", numbers, *scales, axis=1, block_size=36)
    flat = draft.node("Flatten", start(draft))
    return draft.qdq(draft.node("Gemm", flat, weights, transB=1), 0.1, 128)


def scales_of_inputs(draft: Draft) -> str:
    numbers = draft.constant(draft.numbers(3, 2, 3, 3), "int8")
    weights = draft.real(numbers, [0.01, 0.02], [0, 0], "int8", axis=1)
    return draft.qdq(draft.node("Conv", start(draft), weights), 0.05, 128)


def scale_of_zero(draft: Draft) -> str:
    return draft.qdq(conv(draft, start(draft)), 0.0, 128)


def scale_that_is_no_number(draft: Draft) -> str:
    return draft.qdq(conv(draft, start(draft)), float("nan"), 128)


def input_of_two_scales(draft: Draft) -> str:
    first = draft.qdq(conv(draft, start(draft)), 0.05, 128)
    second = draft.qdq(conv(draft, draft.qdq("x", 0.03, 128)), 0.05, 128)
    return draft.qdq(draft.node("Add", first, second), 0.1, 128)


def turned_before_a_convolution(draft: Draft) -> str:
    turned = draft.node("Transpose", start(draft), perm=[0, 1, 3, 2])
    return draft.qdq(conv(draft, turned), 0.05, 128)


def turned_batch(draft: Draft) -> str:
    return draft.node("Transpose", start(draft), perm=[1, 0, 2, 3])


def rows_joined(draft: Draft) -> str:
    x = start(draft)
    return draft.qdq(draft.node("Concat", x, x, axis=2), 0.05, 128)


def pool_with_gaps(draft: Draft) -> str:
    x = start(draft)
    return draft.qdq(draft.node("MaxPool", x, kernel_shape=[2, 2], dilations=[2, 2]), 0.02, 128)


def pool_that_rounds_up(draft: Draft) -> str:
    pooled = draft.node("MaxPool", start(draft), kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    return draft.qdq(pooled, 0.02, 128)


def huge(draft: Draft) -> str:
    return draft.qdq(conv(draft, start(draft), pads=[1198] * 4), 0.05, 128)


def mean_of_channels(draft: Draft) -> str:
    return draft.qdq(draft.node("ReduceMean", start(draft), axes=[1]), 0.02, 128)


def softmax_inside(draft: Draft) -> str:
    flat = draft.node("Flatten", start(draft))
    x = draft.qdq(draft.node("Softmax", flat, axis=1), 0.004, 0)
    return draft.qdq(draft.node("Gemm", x, draft.weights(4, 72), transB=1), 0.05, 128)


def answer_for_each_place(draft: Draft) -> str:
    return draft.node("Softmax", draft.qdq(conv(draft, start(draft)), 0.05, 128), axis=1)


def argmax_of_equal_answers(draft: Draft) -> str:
    flat = draft.node("Flatten", start(draft))
    return draft.node("ArgMax", flat, axis=1, select_last_index=1)


def bias_of_another_scale(draft: Draft) -> str:
    bias = draft.real(draft.constant([1, 2, 3], "int32"), 0.5, 0, "int32")
    made = draft.node("Conv", start(draft), draft.weights(3, 2, 3, 3), bias)
    return draft.qdq(made, 0.05, 128)


def constant_added(draft: Draft) -> str:
    other = draft.constant(np.ones((1, 2, 1, 1)))
    return draft.qdq(draft.node("Add", start(draft), other), 0.05, 128)


def bias_along_the_width(draft: Draft) -> str:
    """Add as many numbers as there are channels, which ONNX spreads along another axis."""
    made = draft.node("Conv", start(draft), draft.weights(4, 2, 3, 3))
    return draft.qdq(draft.node("Add", made, draft.constant([1, -2, 3, 0.5])), 0.05, 128)


def bias_for_each_row(draft: Draft) -> str:
    made = draft.node("Gemm", draft.node("Flatten", start(draft)), draft.weights(4, 72), transB=1)
    return draft.qdq(draft.node("Add", made, draft.constant(np.ones((4, 1)))), 0.05, 128)


def argmax_of_the_batch(draft: Draft) -> str:
    return draft.node("ArgMax", draft.qdq(draft.node("Flatten", start(draft)), 0.05, 128))


def softmax_of_one_number_each(draft: Draft) -> str:
    made = draft.node("Conv", start(draft), draft.weights(4, 2, 6, 6))
    return draft.node("Softmax", draft.qdq(made, 0.05, 128))


def windows_with_gaps(draft: Draft) -> str:
    made = conv(draft, start(draft))
    more: dict[str, Any] = {"kernel_shape": [1, 1], "strides": [4, 4], "auto_pad": "SAME_UPPER"}
    return draft.node("MaxPool", draft.qdq(made, 0.05, 128), **more)


def nothing_computed(draft: Draft) -> str:
    return draft.node("Flatten", start(draft))


def gemm_with_a_factor(draft: Draft) -> str:
    flat = draft.node("Flatten", start(draft))
    made = draft.node("Gemm", flat, draft.weights(4, 72), transB=1, alpha=2.0)
    return draft.qdq(made, 0.05, 128)


def several_rows(draft: Draft) -> str:
    rows = draft.node("Reshape", start(draft), draft.constant([0, 12, 6], "int64"))
    weights = draft.real(draft.constant(draft.numbers(6, 4), "int8"), 0.01, 0, "int8")
    return draft.qdq(draft.node("MatMul", rows, weights), 0.05, 128)


def padded_with_ones(draft: Draft) -> str:
    ends = draft.constant([0, 0, 1, 1, 0, 0, 1, 1], "int64")
    padded = draft.node("Pad", start(draft), ends, draft.constant(1.0))
    return draft.qdq(conv(draft, padded), 0.05, 128)


def rectified_answers(draft: Draft) -> str:
    flat = draft.node("Flatten", start(draft))
    return draft.node("Relu", draft.node("Gemm", flat, draft.weights(4, 72), transB=1))


def scale_for_each_sample(draft: Draft) -> str:
    stored = draft.node("DynamicQuantizeLinear", "x", outputs=3)
    return draft.qdq(draft.node("Relu", draft.node("Cast", stored, to=1)), 0.05, 128)


def too_few_inputs(draft: Draft) -> str:
    scales = draft.scales(0.02, 0, "uint8")
    stored = draft.node("QuantizeLinear", "x", *scales)
    made = draft.node("QLinearAdd", stored, *scales, stored, *scales, domain=MICROSOFT)
    return draft.node("DequantizeLinear", made, *scales)


REFUSED: dict[Made, tuple[str, ...]] = {
    not_quantised: ("its input x is the model's input", "put QuantizeLinear"),
    float_weights: ("are real numbers", "quantise them"),
    unknown_operator: ("(LeakyRelu): this operator is not read", "train with ReLU"),
    product: ("(Mul): this operator is not read", "not multiplied"),
    normalised: ("(BatchNormalization): this operator is not read", "fold it"),
    two_scales_for_an_activation: ("its scale has 3 values", "per tensor"),
    sixteen_bits: ("in uint16", "8 bits or fewer"),
    blocks: ("a scale for each block", "per channel"),
    scales_of_inputs: ("along another axis than the outputs", "per output channel"),
    scale_of_zero: ("its scale is 0.0", "positive"),
    scale_that_is_no_number: ("its scale is nan", "positive"),
    input_of_two_scales: ("with scale 0.03", "quantise the input once"),
    turned_before_a_convolution: ("axes in another order", "right after the input"),
    turned_batch: ("its perm is (1, 0, 2, 3)", "leave the batch first"),
    rows_joined: ("it joins axis 2", "only channels"),
    pool_with_gaps: ("its dilations are (2, 2)", "must be 1"),
    pool_that_rounds_up: ("whole windows give (2, 2)", "leave ceil_mode out"),
    huge: ("17280000 elements", "the limit is 16777216"),
    mean_of_channels: ("it averages axes (1,)", "only height and width"),
    answer_for_each_place: ("must be one number for each class",),
    softmax_inside: ("it follows a softmax, sigmoid or argmax", "only be at the end"),
    argmax_of_equal_answers: ("the last of equal values", "a graph takes the first"),
    bias_of_another_scale: ("its bias has scale 0.5", "must be equal"),
    constant_added: ("it adds the constant", "only a weighted layer"),
    bias_along_the_width: ("a constant of shape (4,) to values of shape (1, 4, 4, 4)", "axis 1"),
    bias_for_each_row: ("a constant of shape (4, 1) to values of shape (1, 4)", "axis 1"),
    argmax_of_the_batch: ("it is over axis 0 of values of shape (1, 72)", "all classes"),
    softmax_of_one_number_each: ("it is over axis -1 of values of shape (1, 4, 1, 1)",),
    windows_with_gaps: ("it has auto_pad SAME_UPPER and leaves out values", "give pads"),
    nothing_computed: ("it is the model's input; nothing is computed",),
    gemm_with_a_factor: ("its alpha is 2.0", "must be 1"),
    several_rows: ("12 rows", "flatten it"),
    padded_with_ones: ("it pads with constant 1", "what stands for 0"),
    rectified_answers: ("which nothing has quantised", "or the sums of a layer"),
    scale_for_each_sample: ("its scale depends on the sample", "quantize_static"),
    too_few_inputs: ("it has 6 inputs", "it needs 7"),
}


@pytest.mark.parametrize("make", REFUSED, ids=lambda make: make.__name__)
def test_refused(make: Made, tmp_path: Path) -> None:
    draft = Draft((2, 6, 6))
    path = draft.save(tmp_path, make(draft))
    with pytest.raises(UnsupportedError) as refused:
        converted(path)
    message = str(refused.value)
    for part in REFUSED[make]:
        assert part in message
    assert len(message.splitlines()) <= 3, message


def test_all_at_once(tmp_path: Path) -> None:
    """What follows from a refused node is not blamed; other nodes are."""
    draft = Draft((2, 6, 6))
    x = start(draft)
    first = draft.qdq(draft.node("LeakyRelu", x), 0.02, 128)
    second = draft.qdq(draft.node("MaxPool", x, kernel_shape=[1, 1], dilations=[2, 2]), 0.02, 128)
    path = draft.save(tmp_path, draft.qdq(draft.node("Add", first, second), 0.04, 128))
    with pytest.raises(UnsupportedError) as refused:
        converted(path, ConvertOptions(bits=4))
    assert len(str(refused.value).splitlines()) == 4
    for part in ("bits is given", "LeakyRelu_", "MaxPool_"):
        assert part in str(refused.value)


def test_check_finds_another_net(tmp_path: Path) -> None:
    """A file that changed after it was converted has other numbers."""
    draft = Draft((2, 6, 6))
    path = draft.save(tmp_path, draft.qdq(conv(draft, start(draft)), 0.05, 128))
    found = converted(path)
    assert found.check is not None
    other = Draft((2, 6, 6), rng=np.random.default_rng(7))
    other.save(tmp_path, other.qdq(conv(other, start(other)), 0.05, 128))
    (part,) = found.check(samples_for(found.graph))
    assert part.different > part.values / 2


def test_damaged_files(tmp_path: Path) -> None:
    """A byte that changed gives another net or a named error, and no other."""
    draft = Draft((2, 6, 6))
    x = start(draft)
    y = draft.qdq(draft.node("Relu", conv(draft, x, pads=[1] * 4)), 0.05, 0)
    y = draft.qdq(draft.node("AveragePool", y, kernel_shape=[2, 2], strides=[2, 2]), 0.05, 0)
    y = draft.qdq(
        draft.node("Gemm", draft.node("Flatten", y), draft.weights(4, 27), transB=1), 0.2, 128
    )
    whole = draft.save(tmp_path, y).read_bytes()
    rng = np.random.default_rng(0)
    path = tmp_path / "damaged.onnx"
    for _ in range(150):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), rng.integers(1, 4)):
            damaged[place] = rng.integers(0, 256)
        path.write_bytes(damaged)
        try:
            converted(path)
        except EdgespikeError:
            continue
