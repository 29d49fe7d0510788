"""What cannot be converted is refused by name, with its value and the way out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgespike.converters.tflite.support import AT_THE_END, SUPPORTED, WAYS_OUT
from edgespike.errors import FileFormatError, UnsupportedError
from tests.converters.tflite.files import File, convert, schema

Change = Callable[[File, "Net"], None]


class Net:
    """A convolution, a flatten and a dense layer; tests change parts of it."""

    def __init__(self, file: File) -> None:
        draw = np.random.default_rng(0)
        self.file = file
        self.x = file.tensor((1, 4, 4, 2), 0.05, -3)
        self.y = file.tensor((1, 4, 4, 3), 0.1, 4)
        weight = draw.integers(-127, 128, (3, 3, 3, 2))
        file.conv(self.x, weight, [0.01, 0.02, 0.03], draw.integers(-9, 9, 3), self.y)
        self.conv = file.graph.operators[-1]
        self.flat = file.tensor((1, 48), 0.1, 4)
        shape = file.tensor((2,), None, kind="INT32", values=[-1, 48])
        file.add("RESHAPE", [self.y, shape], self.flat, version=1)
        self.out = file.tensor((1, 2), 0.3, 5)
        file.conv(
            self.flat, draw.integers(-127, 128, (2, 48)), 0.01, draw.integers(-9, 9, 2), self.out,
            "FULLY_CONNECTED",
        )  # fmt: skip
        self.dense = file.graph.operators[-1]
        self.inputs, self.outputs = [self.x], [self.out]

    def tensor(self, number: int) -> Any:
        return self.file.graph.tensors[number]

    def content(self) -> bytes:
        return self.file.content(self.inputs, self.outputs)


@pytest.fixture
def net() -> Net:
    return Net(File())


def refused(net: Net, folder: Path, rounding: str = "tflm") -> str:
    with pytest.raises(UnsupportedError) as error:
        convert(net.content(), folder, rounding)
    return str(error.value)


def test_the_intact_net_is_converted(net: Net, tmp_path: Path) -> None:
    assert convert(net.content(), tmp_path).graph.readout_op.classes == 2


@pytest.mark.parametrize("kind", sorted({*WAYS_OUT, "GATHER"} - set(AT_THE_END)))
def test_other_operators(kind: str, net: Net, tmp_path: Path) -> None:
    other = net.file.tensor((1, 2), 0.3, 5)
    net.outputs = [net.file.add(kind, [net.out], other)]
    message = refused(net, tmp_path)
    assert f"operator 3 ({kind}): it is not supported; {WAYS_OUT.get(kind, 'use op')}" in message


def test_everything_is_refused_at_once(net: Net, tmp_path: Path) -> None:
    for kind in ("TANH", "Flex Op\n", "LSTM"):
        net.file.add(kind, [net.flat], net.file.tensor((1, 48), 0.1, 4))
    net.conv.builtinOptions.strideW = 0
    message = refused(net, tmp_path)
    for part in (
        "operator 0 (CONV_2D): its stride is (1, 0); it must be at least 1",
        "operator 3 (TANH)",
        "operator 4 (CUSTOM 'Flex Op\\n'): it is not supported; it is no operator of TFLite",
        "operator 5 (LSTM): it is not supported; recurrent layers keep states of 16 bits",
    ):
        assert part in message
    # What follows from the convolution is not said again.
    assert "FULLY_CONNECTED" not in message


@pytest.mark.parametrize("kind", ["SOFTMAX", "LOGISTIC", "DEQUANTIZE"])
def test_ends_in_the_middle(kind: str, net: Net, tmp_path: Path) -> None:
    other = net.file.tensor((1, 48), 0.1, 4)
    net.file.add(kind, [net.flat], other)
    net.dense.inputs[0] = other
    assert f"operator 3 ({kind}): it is not supported; it can be the last" in refused(net, tmp_path)


@pytest.mark.parametrize(
    ("shape", "beta"), [((1, 3), -1.0), ((1, 3), 0.0), ((1, 3), float("nan")), ((1, 3, 1), 1.0)]
)
def test_softmax_that_changes_the_class(
    shape: tuple[int, ...], beta: float, net: Net, tmp_path: Path
) -> None:
    last = net.file.reshape(net.out, shape)
    answer = net.file.tensor(shape, 1 / 256, -128)
    net.file.add("SOFTMAX", [last], answer, version=2, beta=beta)
    net.outputs = [answer]
    assert "(SOFTMAX): it is not supported; it can be the last operator only, over all" in refused(
        net, tmp_path
    )


def test_nothing_computed(tmp_path: Path) -> None:
    file = File()
    x = file.tensor((1, 2, 2, 1), 0.1)
    with pytest.raises(UnsupportedError, match="is the input; no operator computes anything"):
        convert(file.content([x], [file.reshape(x, (1, 4))]), tmp_path)


def test_multiplier_that_is_not_that_of_the_weights(tmp_path: Path) -> None:
    """TFLite Micro believes the one, other runtimes the other."""
    file = File()
    x, y = file.tensor((1, 4, 4, 2), 0.1), file.tensor((1, 4, 4, 2), 0.1)
    weight, bias = np.ones((1, 3, 3, 2), int), np.zeros(2, int)
    file.conv(x, weight, 0.01, bias, y, "DEPTHWISE_CONV_2D", depthMultiplier=7)
    with pytest.raises(UnsupportedError, match=r"its multiplier is 7, its weights .* make 2 of 2"):
        convert(file.content([x], [y]), tmp_path)


def all_of_kind(kind: str) -> Change:
    def change(file: File, net: Net) -> None:
        for number in (net.x, net.y, net.flat, net.out):
            net.tensor(number).type = getattr(schema.TensorType, kind)

    return change


def no_weights(file: File, net: Net) -> None:
    all_of_kind("FLOAT32")(file, net)
    for tensor in file.graph.tensors:
        tensor.quantization = None
        tensor.type = schema.TensorType.FLOAT32


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (no_weights, "it is a model of real numbers; convert it with full integer quantisation"),
        (all_of_kind("FLOAT32"), "it has int8 weights and real activations (dynamic range"),
        (all_of_kind("INT16"), "it has 16-bit activations (16x8 quantisation); convert it with"),
        (all_of_kind("UINT8"), "it is uint8, the quantisation of TensorFlow 1; convert the model"),
    ],
)
def test_models_of_other_numbers(change: Change, message: str, net: Net, tmp_path: Path) -> None:
    net.file.add("LSTM", [net.flat], net.out)
    change(net.file, net)
    found = refused(net, tmp_path).splitlines()
    assert message in found[1]
    assert "operator 3 (LSTM)" in found[2]
    assert len(found) == 3


def option(name: str, value: int, operator: str = "conv") -> Change:
    return lambda file, net: setattr(getattr(net, operator).builtinOptions, name, value)


def tensor(which: str, name: str, value: Any) -> Change:
    return lambda file, net: setattr(net.tensor(getattr(net, which)), name, value)


def quantisation(which: Callable[[Net], int], name: str, value: Any) -> Change:
    return lambda file, net: setattr(net.tensor(which(net)).quantization, name, value)


def conv_weight(net: Net) -> int:
    return int(net.conv.inputs[1])


def weight_is(name: str, value: Any) -> Change:
    return lambda file, net: setattr(net.tensor(conv_weight(net)), name, value)


def no_input(file: File, net: Net) -> None:
    net.conv.inputs[0] = -1


def computed_weights(file: File, net: Net) -> None:
    net.conv.inputs[1] = net.x


def constant_input(file: File, net: Net) -> None:
    net.dense.inputs[0] = file.tensor((1, 48), 0.1, 4, values=np.zeros(48))


def two_inputs(file: File, net: Net) -> None:
    net.inputs.append(file.tensor((1, 3), 0.1))


def no_outputs(file: File, net: Net) -> None:
    net.outputs = []


def an_image_answers(file: File, net: Net) -> None:
    del file.graph.operators[1:]
    net.outputs = [net.y]


def unused(file: File, net: Net) -> None:
    net.file.add("RELU", [net.flat], net.file.tensor((1, 48), 0.1, 4))


def never_computed(file: File, net: Net) -> None:
    net.outputs = [net.file.tensor((1, 2), 0.3, 5)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (option("fusedActivationFunction", 4), "its fused activation is TANH; use RELU, RELU6 or"),
        (option("fusedActivationFunction", 77), "its fused activation is 77; use RELU"),
        (option("padding", 3), "its padding is 3; SAME (0) or VALID (1) is expected"),
        (option("dilationHFactor", -1), "its dilation is (-1, 1); it must be at least 1"),
        (option("strideH", 2), "has shape (1, 4, 4, 3), its inputs make (1, 2, 4, 3) of it"),
        (option("weightsFormat", 1, "dense"), "its weights are shuffled"),
        (option("keepNumDims", 1, "dense"), ""),
        (tensor("x", "shape", [2, 4, 4, 2]), "has shape (2, 4, 4, 2); its batch must be 1"),
        (tensor("x", "shape", [1, 4, 4, 2, 1]), "input: tensor 0 (tensor/0) has shape (1, 4, 4, 2"),
        (tensor("x", "shape", []), "has shape (); its batch must be 1"),
        (tensor("x", "shape", [1, 4, 4, 0]), "every size must be at least 1"),
        (tensor("x", "shape", [1, 4, 4, 3]), "its weights (3, 3, 3, 2) do not fit an input of 3"),
        (tensor("x", "shapeSignature", [-1, -1, 4, 2]), "(-1, -1, 4, 2) is open beyond the batch"),
        (tensor("y", "isVariable", True), "tensor 1 (tensor/1): it is a variable"),
        (tensor("y", "type", 7), "tensor 1 (tensor/1) has 16 bits; convert it with full"),
        (tensor("y", "quantization", None), "tensor/1) has 0 scales; an activation must have one"),
        (tensor("flat", "shape", [1, 47]), "tensor/4) has 47 elements of 48"),
        (tensor("flat", "shape", [1, 24, 2]), "it asks for [-1, 48]; convert the model again with"),
        (tensor("out", "shape", [1, 3]), "has shape (1, 3), its inputs make (1, 2) of it"),
        (quantisation(lambda net: net.y, "scale", [0.0]), "has a scale of 0; it must be in 1e-30"),
        (quantisation(lambda net: net.y, "scale", [np.nan]), "has a scale of nan; it must be in"),
        (quantisation(lambda net: net.y, "zeroPoint", [400]), "zero point 400; it must be in -128"),
        (quantisation(lambda net: net.y, "scale", [1e-9]), "output scale is 1.5e+06; it must be b"),
        (quantisation(lambda net: net.flat, "scale", [0.2]), "another scale or zero point than"),
        (quantisation(conv_weight, "scale", [0.1, 0.2]), "has 2 scales and 3 zero points; 1 or 3"),
        (quantisation(conv_weight, "zeroPoint", [0, 7, 0]), "has the zero point 7; 8-bit weights"),
        (quantisation(conv_weight, "quantizedDimension", 3), "of axis 3; axis 0 is expected"),
        (weight_is("type", 17), "its weights tensor 2 (tensor/2) has 4 bits; convert the model w"),
        (weight_is("shape", [3, 18]), "its weights must be (outputs, height, width, inputs)"),
        (weight_is("sparsity", schema.SparsityParametersT()), "it is sparse; convert the model"),
        (weight_is("externalBuffer", 1), "its bytes are in another file; convert the model again"),
        (no_input, "operator 0 (CONV_2D): its input 0 is missing"),
        (computed_weights, "its weights tensor 0 (tensor/0) is computed; it must be a constant"),
        (constant_input, "is a constant; fold it into the layer before"),
        (two_inputs, "it has 2 inputs (tensor 0 (tensor/0), tensor 9 (tensor/9)); one is"),
        (no_outputs, "it has 0 outputs (none); one is expected"),
        (an_image_answers, "output: tensor 1 (tensor/1) has shape (1, 4, 4, 3); one number"),
        (unused, "operator 3 (RELU): nothing uses its output"),
        (never_computed, "output: tensor 9 (tensor/9) is not computed"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(change: Change, message: str, net: Net, tmp_path: Path) -> None:
    change(net.file, net)
    if not message:  # this is right
        assert convert(net.content(), tmp_path).graph
        return
    assert message in refused(net, tmp_path)


def test_several_graphs(net: Net, tmp_path: Path) -> None:
    net.file.model.subgraphs *= 2
    assert "it has 2 graphs, as control flow (IF, WHILE, CALL)" in refused(net, tmp_path)


def test_a_constant_of_another_size(net: Net, tmp_path: Path) -> None:
    net.tensor(conv_weight(net)).shape = [3, 3, 3, 1]
    net.tensor(net.x).shape = [1, 4, 4, 1]
    with pytest.raises(FileFormatError, match=r"has 54 bytes; INT8 needs 27"):
        convert(net.content(), tmp_path)


def image_file() -> tuple[File, int, int]:
    file = File()
    x = file.tensor((1, 4, 6, 2), 0.05, -3)
    return file, x, file.tensor((1, 48), 0.05, -3)


@pytest.mark.parametrize(
    ("kind", "options", "shape", "message"),
    [
        ("MAX_POOL_2D", {"filterWidth": 7}, (1, 4, 6, 2), "its kernel (4, 7) is larger than its"),
        ("MAX_POOL_2D", {"filterWidth": 0}, (1, 4, 6, 2), "its filter is (4, 0); it must be at"),
        ("ADD", {}, (1, 4, 6, 2), "have the shapes (1, 4, 6, 2) and (1, 48); they must be equal"),
        ("CONCATENATION", {"axis": 1}, (1, 8, 6, 2), "it joins along axis 1; only channels, the"),
        ("CONCATENATION", {"axis": 3}, (1, 4, 6, 4), "only channels, the last axis, can be joined"),
        (
            "CONCATENATION",
            {"fusedActivationFunction": 1},
            (1, 4, 6, 4),
            "it has a fused activation",
        ),
        ("MEAN", {}, (1, 1, 1, 2), "it takes the mean over the axes [3]; 1 and 2 are expected"),
        ("PAD", {}, (1, 4, 6, 4), "only height and width can be padded"),
        ("PADV2", {}, (1, 5, 7, 2), "it pads with a number that is not the zero point -3"),
        ("RESHAPE", {}, (1, 6, 4, 2), ""),
        ("QUANTIZE", {}, (1, 4, 7, 2), "has shape (1, 4, 7, 2), its inputs make (1, 4, 6, 2)"),
    ],
)
def test_what_is_wrong_with_other_operators(
    kind: str, options: dict[str, int], shape: tuple[int, ...], message: str, tmp_path: Path
) -> None:
    file, x, flat = image_file()
    y = file.tensor(shape, 0.05, -3)
    more: list[int] = []
    defaults: dict[str, int] = {}
    match kind:
        case "MAX_POOL_2D":
            names = ("strideW", "strideH", "filterWidth", "filterHeight")
            defaults = {**dict.fromkeys(names, 4), "padding": 1}
        case "ADD" | "CONCATENATION":
            file.add("RESHAPE", [x], flat, version=1)
            more = [flat]
        case "MEAN":
            more = [file.tensor((1,), None, kind="INT32", values=[3])]
        case "PAD":
            amounts = [[0, 0], [0, 0], [0, 0], [0, 2]]
            more = [file.tensor((4, 2), None, kind="INT32", values=amounts)]
        case "PADV2":
            amounts = [[0, 0], [0, 1], [0, 1], [0, 0]]
            value = file.tensor((1,), 0.05, -3, values=[0])
            more = [file.tensor((4, 2), None, kind="INT32", values=amounts), value]
    file.add(kind, [x, *more], y, **{**defaults, **options})
    out = file.tensor((1, 2), 0.3, 5)
    size = int(np.prod(shape))
    row = file.tensor((1, size), 0.05, -3)
    file.add("RESHAPE", [y], row, version=1)
    file.conv(row, np.ones((2, size), int), 0.01, np.zeros(2, int), out, "FULLY_CONNECTED")
    if message:
        with pytest.raises(UnsupportedError) as error:
            convert(file.content([x], [out]), tmp_path)
        assert message in str(error.value)
    else:  # a dense layer takes any order
        assert convert(file.content([x], [out]), tmp_path).graph


def test_a_reshape_that_mixes_the_axes(tmp_path: Path) -> None:
    file, x, _ = image_file()
    relu, y, z = (
        file.tensor((1, 4, 6, 2), 0.05, -3),
        file.tensor((1, 3, 4, 4), 0.05, -3),
        file.tensor((1, 3, 4, 1), 0.3, 5),
    )
    # The input itself would only get other axes.
    file.add("RELU", [x], relu, version=2)
    file.add("RESHAPE", [relu], y, version=1)
    file.conv(y, np.ones((1, 1, 1, 4), int), 0.01, np.zeros(1, int), z)
    with pytest.raises(UnsupportedError, match="is a reshape that mixes channels with height"):
        convert(file.content([x], [z]), tmp_path)


def test_every_operator_is_read_or_refused_once() -> None:
    assert not set(SUPPORTED) & set(WAYS_OUT)
    assert set(AT_THE_END) <= set(WAYS_OUT)
