"""The file, as the official schema reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgespike.graph import Graph, Threshold
from edgespike.targets.tflite.lower import lower
from edgespike.targets.tflite.planning.planner import make_plan
from edgespike.targets.tflite.planning.storage import activation_scale
from edgespike.targets.tflite.writing.schema import OPERATORS
from tests.targets.tflite.networks import NETWORKS

schema = pytest.importorskip("ai_edge_litert.schema_py_generated")


def read(content: bytes) -> Any:
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))


def tensor_named(model: Any, name: str) -> Any:
    (found,) = [t for t in model.subgraphs[0].tensors if t.name == name.encode()]
    return found


@pytest.mark.parametrize("name", ["graded input in int8", "membrane decay 410", "fifteen levels"])
def test_operators_are_those_that_were_written(name: str) -> None:
    lowered = lower(make_plan(NETWORKS[name]()))
    model = read(lowered.content)
    codes = {code.builtinCode: code for code in model.operatorCodes}
    assert sorted(codes) == sorted(OPERATORS[operator].code for operator in lowered.operators)
    for operator in lowered.operators:
        expected = OPERATORS[operator]
        assert codes[expected.code].version == expected.version
        assert codes[expected.code].deprecatedBuiltinCode == expected.code
    used = {operator.opcodeIndex for operator in model.subgraphs[0].operators}
    assert used == set(range(len(codes)))


@pytest.mark.parametrize("operator", OPERATORS)
def test_operator_numbers_are_those_of_the_schema(operator: str) -> None:
    assert getattr(schema.BuiltinOperator, operator) == OPERATORS[operator].code


def test_every_options_table_is_read_as_what_it_is() -> None:
    seen = set()
    for build in NETWORKS.values():
        model = read(lower(make_plan(build())).content)
        for call in model.subgraphs[0].operators:
            code = model.operatorCodes[call.opcodeIndex].builtinCode
            seen.add((code, type(call.builtinOptions).__name__))
    names = {value: name for name, value in vars(schema.BuiltinOperator).items()}
    assert {(names[code], options) for code, options in seen} == {
        ("ABS", "AbsOptionsT"),
        ("ADD", "AddOptionsT"),
        ("CAST", "CastOptionsT"),
        ("CONCATENATION", "ConcatenationOptionsT"),
        ("CONV_2D", "Conv2DOptionsT"),
        ("DEPTHWISE_CONV_2D", "DepthwiseConv2DOptionsT"),
        ("DEQUANTIZE", "DequantizeOptionsT"),
        ("FLOOR", "NoneType"),
        ("FULLY_CONNECTED", "FullyConnectedOptionsT"),
        ("GATHER", "GatherOptionsT"),
        ("MAXIMUM", "MaximumMinimumOptionsT"),
        ("MAX_POOL_2D", "Pool2DOptionsT"),
        ("MINIMUM", "MaximumMinimumOptionsT"),
        ("MUL", "MulOptionsT"),
        ("PAD", "PadOptionsT"),
        ("QUANTIZE", "QuantizeOptionsT"),
        ("RESHAPE", "ReshapeOptionsT"),
        ("SPLIT", "SplitOptionsT"),
        ("SUB", "SubOptionsT"),
        ("SUM", "ReducerOptionsT"),
        ("TRANSPOSE", "TransposeOptionsT"),
    }


@pytest.mark.parametrize(
    ("name", "saturates"),
    [
        ("membrane decay 410", False),
        ("membrane decay 4096", False),
        ("membrane decay 410, at most 325/64", True),
        ("recurrent membranes, decay 410", False),
        ("recurrent membranes that saturate", True),
    ],
)
def test_potentials_are_clipped_only_where_they_may_saturate(name: str, saturates: bool) -> None:
    operators = lower(make_plan(NETWORKS[name]())).operators
    assert ("MAXIMUM" in operators) == saturates


@pytest.mark.parametrize(("name", "rows"), [("levels near a line", 3), ("levels near one line", 1)])
def test_levels_near_a_line_look_up_one_threshold(name: str, rows: int) -> None:
    model = read(lower(make_plan(NETWORKS[name]())).content)
    (table,) = [t for t in model.subgraphs[0].tensors if t.name.endswith(b".following")]
    assert table.shape == [rows * 31]


def test_options_of_a_convolution() -> None:
    name = "convolution dilation and stride, multiplied, weights to 3"
    model = read(lower(make_plan(NETWORKS[name]())).content)
    (options,) = [
        call.builtinOptions
        for call in model.subgraphs[0].operators
        if isinstance(call.builtinOptions, schema.DepthwiseConv2DOptionsT)
    ]
    assert (options.strideH, options.strideW) == (2, 3)
    assert (options.dilationHFactor, options.dilationWFactor) == (2, 2)
    assert options.depthMultiplier == 2
    assert options.padding == schema.Padding.VALID
    assert options.fusedActivationFunction == schema.ActivationFunctionType.RELU6


@pytest.mark.parametrize(
    ("name", "same", "paddings"),
    [
        ("convolution SAME of TensorFlow, dense, weights to 3", True, []),
        ("convolution SAME of TensorFlow, depthwise, weights to 3", True, []),
        ("max_pool2d SAME of TensorFlow, 1 levels", True, []),
        ("sum_pool2d SAME of TensorFlow, 1 levels", True, []),
        ("convolution padding of one side, dense, weights to 3", False, [[0, 2], [1, 0]]),
        ("max_pool2d padding of one side, 1 levels", False, [[0, 2], [1, 0]]),
        ("one-sided input in int8", False, [[0, 2], [2, 0]]),
    ],
)
def test_padding_is_same_of_tensorflow_or_an_operator_of_its_own(
    name: str, same: bool, paddings: list[list[int]]
) -> None:
    model = read(lower(make_plan(NETWORKS[name]())).content)
    (graph,) = model.subgraphs
    codes = [model.operatorCodes[call.opcodeIndex].builtinCode for call in graph.operators]
    pads = [
        call
        for call, code in zip(graph.operators, codes, strict=True)
        if code == schema.BuiltinOperator.PAD
    ]
    modes = [
        call.builtinOptions.padding
        for call in graph.operators
        if hasattr(call.builtinOptions, "padding")
    ]
    assert modes[-1] == (schema.Padding.SAME if same else schema.Padding.VALID)
    assert len(pads) == (0 if same else 1)
    for call in pads:
        stored = model.buffers[graph.tensors[call.inputs[1]].buffer].data
        found = np.frombuffer(bytes(stored), np.int32).reshape(4, 2)
        assert found.tolist() == [[0, 0], *paddings, [0, 0]]
        before, after = (graph.tensors[i].quantization for i in (call.inputs[0], call.outputs[0]))
        if before is not None and before.zeroPoint is not None:  # what pads is the zero point
            assert np.array_equal(before.zeroPoint, after.zeroPoint)
            assert np.array_equal(before.scale, after.scale)


def integer_layers(build: Callable[[], Graph]) -> Iterator[list[NDArray[np.float32]]]:
    """Return the scales of input, weight, bias and output of each layer with integer weights."""
    (graph,) = read(lower(make_plan(build())).content).subgraphs
    for call in graph.operators:
        tensors = [graph.tensors[index] for index in [*call.inputs, *call.outputs]]
        if len(tensors) == 4 and tensors[-1].type in (
            schema.TensorType.INT8,
            schema.TensorType.INT16,
        ):
            yield [tensor.quantization.scale for tensor in tensors]


def test_the_multiplier_of_spikes_and_sums_is_exactly_one() -> None:
    for build in NETWORKS.values():
        if all(op.levels == 1 for _, op in build().of_type(Threshold)):
            for source, weight, bias, output in integer_layers(build):
                assert source * weight / output == 1
                assert bias == source * weight


def test_levels_have_a_multiplier_for_each_channel() -> None:
    first, *_ = integer_layers(NETWORKS["two levels"])
    source, weight, bias, output = first
    assert weight.shape == bias.shape == (3,)
    assert len(set(weight.tolist())) == 3
    assert np.array_equal(bias, source * weight)
    assert output == 3


@pytest.mark.parametrize("levels", range(1, 256))
def test_relu6_clamps_to_the_levels_and_whole_numbers_come_back(levels: int) -> None:
    scale = np.float32(activation_scale(levels))
    assert np.rint(np.float32(6) / scale) == levels
    values = np.arange(256, dtype=np.float32)
    assert np.array_equal(values * scale * np.float32(1 / scale), values)


def test_the_batch_is_dynamic_and_stored_as_one() -> None:
    model = read(lower(make_plan(NETWORKS["membrane decay 0"]())).content)
    source = tensor_named(model, "input")
    assert source.shape.tolist() == [1, 4, 4, 3, 3]
    assert source.shapeSignature.tolist() == [-1, 4, 4, 3, 3]
    names = [tensor.name for tensor in model.subgraphs[0].tensors]
    assert len(names) == len(set(names))


def test_constants_are_aligned_and_stored_once() -> None:
    content = lower(make_plan(NETWORKS["membrane decay 410"]())).content
    model = schema.Model.GetRootAs(content, 0)
    assert schema.Model.ModelBufferHasIdentifier(content, 0)
    stored = []
    for index in range(model.BuffersLength()):
        buffer = model.Buffers(index)
        if buffer.DataLength():
            data = buffer.DataAsNumpy()
            start = np.frombuffer(content, np.uint8).ctypes.data
            assert (data.ctypes.data - start) % 16 == 0
            stored.append(data.tobytes())
    assert len(stored) == len(set(stored)) > 5


def test_the_same_graph_gives_the_same_bytes() -> None:
    build = NETWORKS["residual of spikes"]
    assert lower(make_plan(build())).content == lower(make_plan(build())).content
