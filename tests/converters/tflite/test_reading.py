"""What is read of a file: its format, its layout, and where its net begins and ends."""

from __future__ import annotations

import math
import platform
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import edgespike
from edgespike.converters import load
from edgespike.converters.tflite import agreement, codes, kernels
from edgespike.converters.tflite.layout import joined, places, plain
from edgespike.converters.tflite.reading import read_model
from edgespike.converters.tflite.schema import OPTIONS, Activation, Padding
from edgespike.errors import EnvironmentMissingError, UnsupportedError
from edgespike.interpreter import interpret
from tests.converters.tflite.files import (
    ROUNDINGS,
    File,
    convert,
    equal,
    random_samples,
    schema,
)


def numbers_of(kind: Any) -> dict[str, int]:
    return {
        name: value
        for name, value in vars(kind).items()
        if name[0] != "_" and isinstance(value, int)
    }


def test_codes_are_those_of_the_schema() -> None:
    for names, kind in (
        (codes.TYPES, schema.TensorType),
        (codes.OPERATORS, schema.BuiltinOperator),
    ):
        assert numbers_of(kind) == {name: place for place, name in enumerate(names)}
    assert numbers_of(schema.ActivationFunctionType) == {x.name: x.value for x in Activation}
    assert numbers_of(schema.Padding) == {x.name: x.value for x in Padding}


NAMES = {
    "activation": "FusedActivationFunction",
    "dilation_h": "DilationHFactor",
    "dilation_w": "DilationWFactor",
    "filter_h": "FilterHeight",
    "filter_w": "FilterWidth",
}
TABLES = {
    "ADD": "Add",
    "AVERAGE_POOL_2D": "Pool2D",
    "CONCATENATION": "Concatenation",
    "CONV_2D": "Conv2D",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2D",
    "FULLY_CONNECTED": "FullyConnected",
    "MAX_POOL_2D": "Pool2D",
    "MEAN": "Reducer",
    "SOFTMAX": "Softmax",
}


@pytest.mark.parametrize("kind", OPTIONS)
def test_options_are_those_of_the_schema(kind: str) -> None:
    number, fields = OPTIONS[kind]
    table = f"{TABLES[kind]}Options"
    assert number == getattr(schema.BuiltinOptions, table)
    for place, option in enumerate(fields):
        file = File()
        x = file.tensor((1, 2))
        camel = NAMES.get(option, "".join(word.capitalize() for word in option.split("_")))
        name = camel[0].lower() + camel[1:]
        file.add(kind, [x], x)
        empty = read_model(file.content([x], [x]), "file").operators[0].options
        assert empty == {name: default for name, (*_, default) in fields.items()}
        value = 1 if fields[option][1] == "<?" else 2 + place
        setattr(file.graph.operators[0].builtinOptions, name, value)
        found = read_model(file.content([x], [x]), "file").operators[0].options
        assert found == {**empty, option: value}


def test_buffers_behind_the_tables(tmp_path: Path) -> None:
    """Large files keep constants behind everything else, and say where."""
    file = File()
    x, y = file.tensor((1, 3), 0.1), file.tensor((1, 2), 0.2)
    weight = np.array([[1, 2, 3], [-4, 5, -6]])
    file.conv(x, weight, 0.1, np.zeros(2, int), y, "FULLY_CONNECTED")
    inside = convert(file.content([x], [y]), tmp_path).graph
    buffer = file.model.buffers[1]
    data, buffer.data = buffer.data.tobytes(), None
    buffer.size, buffer.offset = len(data), 10_000
    content = file.content([x], [y])
    behind = convert(content.ljust(10_000, b"\0") + data, tmp_path).graph
    assert behind == inside or behind.hash == inside.hash
    with pytest.raises(edgespike.errors.FileFormatError, match="is truncated, get it again"):
        convert(content, tmp_path)


def test_names_and_rounding_are_the_users(tmp_path: Path) -> None:
    found = convert(small(), tmp_path, name="mine", rounding="xnnpack")
    assert found.graph.name == "mine"
    assert found.graph.origin == (
        "a TFLite file, computed as LiteRT's XNNPACK kernels do (rounding xnnpack)"
    )


def test_any_function_that_loads_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "named.anything"
    path.write_bytes(small())
    assert load(path).origin.endswith("(rounding tflm)")
    assert edgespike.convert(path, rounding="builtin-x86").origin.endswith("builtin-x86)")
    with pytest.raises(UnsupportedError, match="rounding is 'x'; give one of tflm, xnnpack"):
        edgespike.convert(path, rounding="x")


def small() -> bytes:
    file = File()
    x, y = file.tensor((1, 3), 0.1, 7), file.tensor((1, 2), 0.2, -3)
    file.conv(x, np.array([[1, 2, 3], [-4, 5, -6]]), 0.1, np.ones(2, int), y, "FULLY_CONNECTED")
    return file.content([x], [y])


@given(st.lists(st.tuples(*[st.integers(1, 4)] * 3), min_size=1, max_size=3))
def test_places_undo_the_order_of_the_file(shapes: list[tuple[int, int, int]]) -> None:
    images = [
        np.arange(math.prod(shape)).reshape(shape) + 1000 * number
        for number, shape in enumerate(shapes)
    ]
    flat_file = np.concatenate([image.reshape(-1) for image in images])
    flat_net = np.concatenate([image.transpose(2, 0, 1).reshape(-1) for image in images])
    orders = []
    for shape in shapes:
        found = plain(shape)
        assert found is not None
        orders.append(found[1])
    order = joined(orders)
    np.testing.assert_array_equal(flat_file[places(order)], flat_net)


def draw_dense(file: File, source: int, inputs: int) -> int:
    row = file.reshape(source, (1, inputs))
    out = file.tensor((1, 2), 0.9, -3)
    weight = np.random.default_rng(1).integers(-127, 128, (2, inputs))
    return file.conv(row, weight, 0.01, np.zeros(2, int), out, "FULLY_CONNECTED")


def test_a_row_becomes_an_image_again(tmp_path: Path) -> None:
    """Flattened and put back; and a convolution over time, whose height is added and removed."""
    file = File()
    x = file.tensor((1, 6, 3), 0.1, 5)
    tall, relu = file.tensor((1, 1, 6, 3), 0.1, 5), file.tensor((1, 1, 6, 3), 0.1, 5)
    axis = file.tensor((), None, kind="INT32", values=1)
    file.add("EXPAND_DIMS", [x, axis], tall, version=1)
    file.add("RELU", [tall], relu, version=2)
    back = file.reshape(file.reshape(relu, (1, 18)), (1, 1, 6, 3))
    y, low = file.tensor((1, 1, 6, 4), 0.2, 1), file.tensor((1, 6, 4), 0.2, 1)
    weight = np.random.default_rng(2).integers(-127, 128, (4, 1, 3, 3))
    file.conv(back, weight, 0.01, np.zeros(4, int), y)
    file.add("SQUEEZE", [y], low, version=1)
    found = convert(file.content([x], [draw_dense(file, low, 24)]), tmp_path, "xnnpack")
    assert found.graph.input_op.shape == (3, 1, 6)
    assert "a sample has shape (3, 1, 6), channels first" in found.said[1]
    equal(found)


def test_rows_of_two_images_are_joined(tmp_path: Path) -> None:
    file = File()
    x = file.tensor((1, 4, 3, 2), 0.1, 5)
    a, b = file.tensor((1, 4, 3, 3), 0.2, 1), file.tensor((1, 4, 3, 2), 0.2, 1)
    draw = np.random.default_rng(2)
    file.conv(x, draw.integers(-127, 128, (3, 1, 1, 2)), 0.01, np.zeros(3, int), a)
    file.conv(x, draw.integers(-127, 128, (2, 3, 3, 2)), 0.01, np.zeros(2, int), b)
    rows = [file.reshape(a, (1, 36)), file.reshape(b, (1, 24))]
    both = file.tensor((1, 60), 0.2, 1)
    file.add("CONCATENATION", rows, both, version=2, axis=1)
    equal(convert(file.content([x], [draw_dense(file, both, 60)]), tmp_path, "xnnpack"))


def test_a_shape_that_is_computed(tmp_path: Path) -> None:
    """Where the batch is open, converters compute the shape of a flatten from that of its input."""
    file = File()
    x, relu = file.tensor((1, 4, 3, 2), 0.1, 5), file.tensor((1, 4, 3, 2), 0.1, 5)
    file.add("RELU", [x], relu, version=2)
    sizes = file.tensor((4,), None, kind="INT32")
    file.add("SHAPE", [relu], sizes, version=1)
    ends = [file.tensor((1,), None, kind="INT32", values=[v]) for v in (0, 1, 1)]
    first = file.tensor((), None, kind="INT32")
    file.add("STRIDED_SLICE", [sizes, *ends], first, version=1)
    rest = file.tensor((), None, kind="INT32", values=24)
    shape = file.tensor((2,), None, kind="INT32")
    file.add("PACK", [first, rest], shape, version=1)
    row, out = file.tensor((1, 24), 0.1, 5), file.tensor((1, 2), 0.9, -3)
    file.add("RESHAPE", [relu, shape], row, version=1)
    weight = np.random.default_rng(1).integers(-127, 128, (2, 24))
    file.conv(row, weight, 0.01, np.zeros(2, int), out, "FULLY_CONNECTED")
    assert convert(file.content([x], [out]), tmp_path).graph.readout_op.classes == 2


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("kind", ["FLOAT32", "UINT8"])
def test_other_inputs_and_outputs(kind: str, rounding: str, tmp_path: Path) -> None:
    """A file may take real numbers or uint8, and give them; the graph has neither."""
    file = File()
    real = kind == "FLOAT32"
    outside = file.tensor((1, 4, 3, 2), *((None,) if real else (0.1, 133)), kind=kind)
    x = file.tensor((1, 4, 3, 2), 0.1, 5)
    file.add("QUANTIZE", [outside], x, version=2)
    y = draw_dense(file, x, 24)
    answer = file.tensor((1, 2), *((None,) if real else (0.9, 125)), kind=kind)
    file.add("DEQUANTIZE" if real else "QUANTIZE", [y], answer, version=2)
    found = convert(file.content([outside], [answer]), tmp_path, rounding)
    assert (found.graph.input_op.low, found.graph.input_op.high) == (-133, 122)
    numbers = "real" if real else "uint8"
    change = "divided by 0.1 and rounded" if real else "minus the zero point 133"
    said = f"holds -133..122: the file's {numbers} input of shape (1, 4, 3, 2) {change}"
    assert said in found.said[1]
    assert "operator 3 " in found.said[2]
    equal(found, 50)


def test_the_answer_is_real(tmp_path: Path) -> None:
    found = convert(small(), tmp_path)
    samples = random_samples(found, 20)
    logits = interpret(found.graph, samples).values[found.graph.readout.name][:, -1]
    assert set(found.graph.readout_op.scale.tolist()) == {float(np.float32(0.2))}
    by_hand: NDArray[Any] = samples @ np.array([[1, 2, 3], [-4, 5, -6]]).T + 1
    assert np.abs(20 * logits - by_hand).max() <= 10  # 0.1 * 0.1 / 0.2 is 1/20


def test_each_kernels_need_their_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = read_model(small(), "file")
    tflm, xnnpack, builtin = kernels.KERNELS.values()
    monkeypatch.setattr(agreement, "find_spec", lambda name: None)
    for each in (xnnpack, builtin):
        with pytest.raises(EnvironmentMissingError, match="ai-edge-litert is not installed"):
            agreement.runtime_of(each, model)
    for operators in (model.operators, ()):
        with pytest.raises(EnvironmentMissingError, match="tflite-micro is not installed"):
            agreement.runtime_of(tflm, replace(model, operators=operators))
    monkeypatch.setattr(agreement, "find_spec", lambda name: name == "ai_edge_litert")
    with pytest.raises(EnvironmentMissingError, match="round dense layers and RELU differently"):
        agreement.runtime_of(tflm, model)
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(UnsupportedError, match="this computer is a aarch64"):
        agreement.runtime_of(builtin, model)
