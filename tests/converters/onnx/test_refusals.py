"""What is not read is named: all of it at once, with a way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgespike.converters.onnx import folding
from edgespike.converters.onnx.loading import ELEMENT_LIMIT
from edgespike.converters.onnx.structure import OPSETS
from edgespike.errors import FileFormatError, UnsupportedError
from tests.converters.onnx.nets import model, numbers, onnx, reading, saved, whole

W = numbers(6, 5)
KERNEL = numbers(6, 4, 3, 2)
IMAGE = (1, 4, 9, 8)


def refused(made: Any, folder: Path) -> tuple[str, ...]:
    with pytest.raises(UnsupportedError) as caught:
        reading(saved(made, folder))
    return caught.value.violations


def only(made: Any, folder: Path) -> str:
    (violation,) = refused(made, folder)
    return violation


def first_of_two(made: Any, folder: Path) -> str:
    """Return the violation of one node, behind which stands what is supported."""
    violation, supported = refused(made, folder)
    assert supported.startswith("supported are Conv, Gemm, ")
    return violation


@pytest.mark.parametrize("opset", [6, 26])
def test_versions_of_the_operators(opset: int, tmp_path: Path) -> None:
    message = only(model((1, 6), "y = Relu (x)", opset=opset), tmp_path)
    assert message == (
        f"ONNX's operators are of version {opset}; read are {OPSETS[0]}..{OPSETS[-1]}; export with "
        "opset_version=17, or call onnx.version_converter.convert_version(model, 17)"
    )


def test_everything_at_once(tmp_path: Path) -> None:
    nodes = "a = Relu (x) b = our.own.Op (a) c = If (a) y = Add (b, missing)"
    made = model((1, "width", 6), nodes, opset=30)
    branch = onnx.parser.parse_graph("g () => (float[1] z) { z = Constant <value_float = 1.0> () }")
    made.graph.node[2].attribute.append(onnx.helper.make_attribute("then_branch", branch))
    second = onnx.helper.make_tensor_value_info("a", onnx.TensorProto.STRING, [1])
    made.graph.input.append(second)
    made.graph.initializer.append(onnx.helper.make_tensor("words", 8, [1], [b"x"]))
    found = refused(made, tmp_path)
    starts = (
        "ONNX's operators are of version 30",
        "1 nodes are of domain our.own, which nothing here knows; the first is Op of b, a Op",
        "the model has 2 inputs (x, a); give one",
        "a is a tensor of strings; give numbers",
        "input x leaves the sizes of axes 1 (width) open; only the batch, axis 0, may be",
        "input a has 1 axes; give (batch, features) or more",
        "tensor words holds strings",
        "If of c is a If, which holds graphs of its own",
        "values a are defined more than once",
        "Add of y takes missing, which nothing defines",
    )
    for start, line in zip(starts, found, strict=True):
        assert line.startswith(start)


def test_two_answers(tmp_path: Path) -> None:
    made = model((1, 6), "y = Relu (x)")
    made.graph.output.append(onnx.helper.make_tensor_value_info("x", 1, [1, 6]))
    assert only(made, tmp_path).startswith("the model has 2 outputs (y, x); give one")


def test_an_answer_that_nothing_defines(tmp_path: Path) -> None:
    assert only(model((1, 6), "z = Relu (x)"), tmp_path) == (
        "outputs y are not defined by any node"
    )


def test_an_attribute_of_no_function(tmp_path: Path) -> None:
    made = model((1, 6), "y = Gemm (x, w)", {"w": W})
    made.graph.node[0].attribute.add(name="alpha", ref_attr_name="factor", type=1)
    assert only(made, tmp_path) == ("Gemm of y, a Gemm, has attributes of a function it is not in")


@pytest.mark.parametrize("domain", ["", "ai.onnx"])
def test_two_versions_of_the_operators(domain: str, tmp_path: Path) -> None:
    made = model((1, 6), "y = Relu (x)")
    made.opset_import.add(domain=domain, version=9)
    assert only(made, tmp_path) == (
        "the versions of ai.onnx are given more than once; give each one version"
    )


def test_an_answer_without_the_sample(tmp_path: Path) -> None:
    made = model((1, 6), "y = Neg (c)", {"c": W})
    assert "output y does not depend on the input" in only(made, tmp_path)


def test_a_batch_of_several(tmp_path: Path) -> None:
    assert only(model((8, 6), "y = Relu (x)"), tmp_path) == (
        "input x takes batches of 8; export with a batch of 1, or with an open axis 0"
    )


def test_an_input_without_a_shape(tmp_path: Path) -> None:
    made = model((1, 6), "y = Relu (x)")
    made.graph.input[0].type.tensor_type.ClearField("shape")
    assert only(made, tmp_path).startswith("input x has no shape; set it: python -m onnxruntime")


@pytest.mark.parametrize("size", [0, -3, 2**40])
def test_impossible_sizes(size: int, tmp_path: Path) -> None:
    made = model((1, 6), "y = Relu (x)")
    made.graph.input[0].type.tensor_type.shape.dim[1].dim_value = size
    assert only(made, tmp_path).startswith(f"input x has the sizes [1, {size}]; each must be")


def test_types_of_the_input(tmp_path: Path) -> None:
    made = model((1, 6), "y = Relu (x)", kind="float16")
    assert only(made, tmp_path) == "input x is of type float16; export in float32"
    made = model((1, 6), "y = Relu (x)")
    sequence = onnx.helper.make_tensor_sequence_value_info("x", 1, [1, 6])
    made.graph.input[0].CopyFrom(sequence)
    assert only(made, tmp_path) == "x is of sequence type; give a tensor"


def test_sparse_constants(tmp_path: Path) -> None:
    made = model((1, 6), "y = Relu (x)")
    values = onnx.helper.make_tensor("w", 1, [1], [1.0])
    places = onnx.helper.make_tensor("places", 7, [1], [0])
    made.graph.sparse_initializer.append(onnx.helper.make_sparse_tensor(values, places, [5]))
    assert only(made, tmp_path) == "constants w are stored sparsely; store them densely"


def with_functions(*bodies: str, call: str = "F0") -> Any:
    """Return a model that calls one of its functions, F0, F1, ..., of a value ``a``."""
    functions = " ".join(
        f'<domain: "local", opset_import: ["": 17, "local": 1]> F{n} (a) => (b) {{ {body} }}'
        for n, body in enumerate(bodies)
    )
    return onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["": 17, "local": 1]> net (float[1, 6] x) => (float[] y) '
        f"{{ y = local.{call} (x) }} {functions}"
    )


def test_functions_that_call_each_other(tmp_path: Path) -> None:
    made = with_functions("b = local.F1 (a)", "b = local.F0 (a)")
    assert refused(made, tmp_path)[0] == "functions F0, F1 call each other"


def test_functions_that_grow(tmp_path: Path) -> None:
    """Each calls the next one ten times."""
    ten = [
        " ".join(f"{'b' if n == 9 else f'v{n}'} = local.F{k} (a)" for n in range(10))
        for k in range(1, 9)
    ]
    message = refused(with_functions(*ten, "b = Relu (a)"), tmp_path)[0]
    assert message == (
        f"functions F0, F1, F2, F3, F4 and 4 more make {10**8} nodes; the limit is 20000"
    )


def test_functions_in_a_long_row(tmp_path: Path) -> None:
    row = [f"b = local.F{n} (a)" for n in range(1, 200)]
    message = refused(with_functions(*row, "b = Relu (a)"), tmp_path)[0]
    assert message == "functions call each other deeper than 100, the limit"


def test_a_circle(tmp_path: Path) -> None:
    made = model((1, 6), "a = Add (x, b) b = Neg (a) y = Relu (b)")
    message = only(made, tmp_path)
    assert "Add of a" in message
    assert "Neg of b" in message
    assert message.endswith("take each other's values in a circle")


def test_sizes_that_depend_on_values(tmp_path: Path) -> None:
    made = model((1, 6), "n = NonZero (x) y = Cast <to = 1> (n)")
    assert only(made, tmp_path) == (
        "NonZero of n, a NonZero, gives values (n) of a size that is not known before it runs; "
        "export with fixed sizes"
    )


def test_operators_that_a_runtime_made(tmp_path: Path) -> None:
    nodes = "h = com.microsoft.FusedConv (x, w) y = Relu (h)"
    made = model(IMAGE, nodes, {"w": KERNEL}, domains=', "com.microsoft": 1')
    assert refused(made, tmp_path)[0] == (
        "FusedConv of h is a FusedConv of com.microsoft, which is not read; export the net before "
        "a runtime optimises it"
    )


def test_shapes_that_do_not_fit(tmp_path: Path) -> None:
    made = model((1, 6), "y = MatMul (x, w)", {"w": numbers(7, 5)})
    assert only(made, tmp_path).startswith("its shapes do not fit together: ")


def test_operators_that_onnx_does_not_have(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="does not follow ONNX's specification"):
        reading(saved(model((1, 6), "y = Nonsense (x)"), tmp_path))


@pytest.mark.parametrize(
    ("nodes", "constants"),
    [
        ("c = ConstantOfShape (s) y = Add (x, c)", {"s": whole(2**20, 2**20)}),
        ("c = Expand (one, s) y = Add (x, c)", {"one": numbers(1, 1), "s": whole(2**30, 6)}),
        ("c = Mul (a, b) y = Add (x, c)", {"a": numbers(20_000, 1), "b": numbers(1, 20_000)}),
        ("c = Range (zero, n, one) y = Add (x, c)", {"zero": 0.0, "n": 1e12, "one": 1.0}),
        ("c = Tile (a, s) y = Add (x, c)", {"a": numbers(6), "s": whole(2**40)}),
    ],
)  # fmt: skip
def test_constants_that_are_too_large(nodes: str, constants: Any, tmp_path: Path) -> None:
    found = refused(model((1, 6), nodes, constants), tmp_path)
    assert "cannot be computed (constants would have more than" in found[0]
    assert str(ELEMENT_LIMIT) in found[0]


def test_constants_that_take_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = "a = ReduceMax <keepdims = 0> (w) b = ReduceMean <keepdims = 0> (w) c = Add (a, b)"
    made = model((1, 6), f"{nodes} y = Add (x, c)", {"w": W})
    assert reading(saved(made, tmp_path))
    monkeypatch.setattr(folding, "WORK_LIMIT", 59)
    assert "b, a ReduceMean of constants, cannot be computed (it and those before" in only(
        made, tmp_path
    )


@pytest.mark.parametrize(
    ("above", "below", "why"),
    [
        (whole(-7), whole(2), "runtimes round a quotient below 0 in two ways"),
        (whole(7), whole(-2), "runtimes round a quotient below 0 in two ways"),
        (whole(7), whole(0), "it divides a whole number by 0"),
    ],
)
def test_quotients_that_runtimes_round_in_two_ways(
    above: Any, below: Any, why: str, tmp_path: Path
) -> None:
    nodes = "q = Div (a, b) s = Concat <axis = 0> (one, q) y = Reshape (x, s)"
    made = model((1, 6), nodes, {"a": above, "b": below, "one": whole(1)})
    assert f"q, a Div of constants, cannot be computed ({why})" in refused(made, tmp_path)[0]


def test_constants_of_text(tmp_path: Path) -> None:
    nodes = 'c = Constant <value_string = "word"> () d = Cast <to = 1> (c) y = Add (x, d)'
    message = refused(model((1, 6), nodes), tmp_path)[0]
    assert "c, a Constant of constants, cannot be computed (it gives text" in message


def test_constants_that_are_not_finite(tmp_path: Path) -> None:
    made = model((1, 6), "y = MatMul (x, w)", {"w": np.full((6, 5), np.nan, np.float32)})
    assert "has constants that are not finite" in first_of_two(made, tmp_path)


NODES: dict[str, tuple[tuple[int, ...], str, dict[str, Any], str]] = {
    "LeakyRelu": ((1, 6), "y = LeakyRelu (x)", {}, "is not read: use ReLU or ReLU6"),
    "Elu": ((1, 6), "y = Elu (x)", {}, "is not read: use ReLU or ReLU6"),
    "Gelu": ((1, 6), "y = HardSwish (x)", {}, "is not read: use ReLU or ReLU6"),
    "GRU": (
        (1, 1, 6),
        "y = GRU <hidden_size = 2> (x, w, r)",
        {"w": numbers(1, 6, 6), "r": numbers(1, 6, 2)},
        "is not read: its states round at every step",
    ),
    "LSTM": (
        (1, 1, 6),
        "y = LSTM <hidden_size = 2> (x, w, r)",
        {"w": numbers(1, 8, 6), "r": numbers(1, 8, 2)},
        "is not read: its states round at every step",
    ),
    "the last state of an LSTM": (
        (1, 1, 6),
        "a, y = LSTM <hidden_size = 2> (x, w, r)",
        {"w": numbers(1, 8, 6), "r": numbers(1, 8, 2)},
        "is not read: its states round at every step",
    ),
    "ConvTranspose": (
        IMAGE,
        "y = ConvTranspose (x, w)",
        {"w": numbers(4, 6, 3, 2)},
        "is not read: a graph makes no image larger",
    ),
    "Resize": (
        IMAGE,
        "y = Resize (x, , s)",
        {"s": np.array([1, 1, 2, 2], np.float32)},
        "is not read: a graph makes no image larger",
    ),
    "Split": (
        (1, 6),
        "a, b = Split <axis = 1> (x, s) y = Add (a, b)",
        {"s": whole(3, 3)},
        "is not read: a graph passes on all of a value",
    ),
    "Slice": (
        (1, 6),
        "y = Slice (x, a, b, c)",
        {"a": whole(0), "b": whole(3), "c": whole(1)},
        "takes a part of a value; a graph passes on all of it",
    ),
    "Gather": (
        (1, 6),
        "y = Gather <axis = 1> (x, a)",
        {"a": whole(0, 0, 1, 2, 3, 4)},
        "takes a part of a value; a graph passes on all of it",
    ),
    "Gather beyond": (
        (1, 6),
        "y = Gather <axis = 1> (x, a)",
        {"a": whole(7)},
        "takes places that are not there",
    ),
    "InstanceNormalization": (
        IMAGE,
        "y = InstanceNormalization (x, s, b)",
        {"s": numbers(4), "b": numbers(4)},
        "is not read: its factor depends on each sample: use BatchNorm",
    ),
    "Exp": ((1, 6), "y = Exp (x)", {}, "is not read: use ReLU, pools, sums and constant factors"),
    "x * y": ((1, 6), "a = Relu (x) y = Mul (a, x)", {}, "multiplies two values of the net"),
    "x / y": ((1, 6), "a = Relu (x) y = Div (x, a)", {}, "divides by a value of the net"),
    "x / 0": ((1, 6), "y = Div (x, c)", {"c": np.float32(0)}, "divides by 0"),
    "x @ y": (
        (1, 6), "a = Transpose (x) y = MatMul (x, a)", {}, "multiplies two values of the net",
    ),
    "weights of the sample": (
        (1, 6), "a = Relu (x) y = Gemm <transB = 1> (x, a)", {},
        "has a matrix (a) that depends on the sample",
    ),
    "a constant for each place": (
        IMAGE, "y = Add (x, c)", {"c": numbers(9, 8)},
        "combines values of shape (1, 4, 9, 8) with constants that differ within a channel",
    ),
    "a constant that enlarges": (
        (1, 6), "y = Add (x, c)", {"c": numbers(4, 6)},
        "combines values of shape (1, 6) with constants of shape (4, 6)",
    ),
    "a sum that repeats": (
        IMAGE, "p = GlobalMaxPool (x) y = Add (x, p)", {},
        "adds values of shapes (1, 4, 9, 8) and (1, 4, 1, 1)",
    ),
    "Clip from -1": (
        (1, 6), "y = Clip (x, low)", {"low": np.float32(-1)}, "limits values to -1.0..None",
    ),
    "Clip up to less than 0": (
        (1, 6), "y = Clip (x, low, high)",
        {"low": np.float32(0), "high": np.float32(-np.inf)}, "limits values to 0.0..-inf",
    ),
    "Clip up to no number": (
        (1, 6), "y = Clip (x, low, high)",
        {"low": np.float32(0), "high": np.float32(np.nan)}, "limits values to 0.0..nan",
    ),
    "Max with 1": ((1, 6), "y = Max (x, c)", {"c": np.float32(1)}, "takes the largest of several"),
    "Softmax inside": (
        (1, 6), "s = Softmax (x) y = MatMul (s, w)", {"w": W}, "follows Softmax, which no graph",
    ),
    "Softmax of another axis": (
        IMAGE, "y = Softmax <axis = 1> (x)", {}, "is over axis 1 of values of shape (1, 4, 9, 8)",
    ),
    "the last of the largest": (
        (1, 6), "y = ArgMax <axis = 1, select_last_index = 1> (x)", {},
        "takes the last of equal values",
    ),
    "ArgMax of another axis": (
        (1, 6), "y = ArgMax <axis = 0> (x)", {}, "is over axis 0 of values of shape (1, 6)",
    ),
    "Softmax of one value": (
        (1, 6, 1), "y = Softmax (x)", {}, "is over axis -1 of values of shape (1, 6, 1)",
    ),
    "ArgMax of moved probabilities": (
        (1, 6), "s = Softmax (x) r = Reshape (s, to) y = ArgMax <axis = 1> (r)",
        {"to": whole(6, 1)}, "is over axis 1 of values of shape (6, 1)",
    ),
    "rounded probabilities": (
        (1, 6), "s = Softmax (x) i = Cast <to = 7> (s) y = Cast <to = 1> (i)", {},
        "casts to int64, which rounds",
    ),
    "a bias for each row": (
        (1, 5), "y = Gemm <transA = 1> (x, w, b)", {"w": numbers(1, 5), "b": numbers(5, 1)},
        "has a bias of shape (5, 1); give (5,)",
    ),
    "average of fewer": (
        IMAGE, "y = AveragePool <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (x)", {},
        "divides windows at the border by fewer values; set count_include_pad to 1",
    ),
    "average beyond the border": (
        IMAGE, "y = AveragePool <kernel_shape = [2, 3], strides = [2, 3], ceil_mode = 1> (x)", {},
        "has ceil_mode, which makes windows that reach beyond the border",
    ),
    "max pool with gaps": (
        IMAGE, "y = MaxPool <kernel_shape = [2, 2], dilations = [2, 2]> (x)", {},
        "has windows with gaps; use dilation 1",
    ),
    "places of the largest": (
        IMAGE, "h, p = MaxPool <kernel_shape = [2, 2]> (x) q = Cast <to = 1> (p) y = Add (h, q)",
        {}, "gives values (p) that no graph computes",
    ),
    "max pool of zeros": (
        IMAGE, "p = Pad (x, pads) y = MaxPool <kernel_shape = [2, 2]> (p)",
        {"pads": whole(0, 0, 1, 1, 0, 0, 1, 1)}, "is a max pool of padded values",
    ),
    "padding with ones": (
        IMAGE, "p = Pad (x, pads, v) y = Conv (p, w)",
        {"pads": whole(0, 0, 1, 1, 0, 0, 1, 1), "v": np.float32(1), "w": KERNEL},
        "pads with other values than zeros",
    ),
    "padding by reflection": (
        IMAGE, 'p = Pad <mode = "reflect"> (x, pads) y = Conv (p, w)',
        {"pads": whole(0, 0, 1, 1, 0, 0, 1, 1), "w": KERNEL}, "pads with other values than zeros",
    ),
    "cutting off": (
        IMAGE, "p = Pad (x, pads) y = Conv (p, w)",
        {"pads": whole(0, 0, -1, 0, 0, 0, 0, 0), "w": KERNEL}, "cuts off 1 values",
    ),
    "padded channels": (
        IMAGE, "p = Pad (x, pads) y = Conv (p, w)",
        {"pads": whole(0, 1, 0, 0, 0, 1, 0, 0), "w": numbers(6, 6, 3, 2)},
        "receives padded channels",
    ),
    "padding at the end": (
        IMAGE, "p = Pad (x, pads) y = Relu (p)", {"pads": whole(0, 0, 1, 1, 0, 0, 1, 1)},
        "receives padded values",
    ),
    "a volume": (
        (1, 250), "h = Reshape (x, to) y = Conv (h, w)",
        {"to": whole(1, 2, 5, 5, 5), "w": numbers(3, 2, 3, 3, 3)},
        "is a convolution over 3 axes",
    ),
    "statistics of the batch": (
        IMAGE,
        "h, m, v = BatchNormalization <training_mode = 1> (x, s, s, s, s) y = Relu (h)",
        {"s": np.ones(4, np.float32)}, "normalises by the statistics of each batch",
    ),
    "a mean of everything": (
        (1, 6), "y = ReduceMean (x)", {}, "goes over all axes of values of shape (1, 6)",
    ),
    "a cast that rounds": (
        (1, 6), "a = Cast <to = 6> (x) y = Cast <to = 1> (a)", {}, "casts to int32, which rounds",
    ),
    "rows and columns turned": (
        IMAGE, "t = Transpose <perm = [0, 1, 3, 2]> (x) y = Conv (t, w)", {"w": KERNEL},
        "receives elements that were moved: (1, 4, 8, 9) in ONNX are kept as (4, 9, 8)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NODES)
def test_nodes_that_are_not_read(name: str, tmp_path: Path) -> None:
    shape, nodes, constants, message = NODES[name]
    made = model(shape, nodes, constants)
    made.graph.output[0].name = made.graph.node[-1].output[-1]
    if name == "the last state of an LSTM":
        made.graph.node[0].output[0] = ""
    violation = first_of_two(made, tmp_path)
    title, kind, said = violation.split(", ", 2) if ", a " in violation else ("", "", violation)
    assert title
    assert kind.startswith("a ")
    assert said.startswith(message), violation


def test_every_node_that_is_not_read(tmp_path: Path) -> None:
    made = model((1, 6), "a = Selu (x) b = Elu (x) c = Add (a, b) d = Exp (c) y = Relu (d)")
    *found, _ = refused(made, tmp_path)
    assert [line.split(" is not read")[0] for line in found] == [
        "Selu of a, a Selu,",
        "Elu of b, a Elu,",
    ]


@pytest.mark.parametrize(
    ("shape", "nodes", "constants", "message"),
    [
        (IMAGE, "y = Conv (x, w)", {"w": KERNEL}, "the net gives values of shape (1, 6, 7, 7)"),
        (
            (1, 3, 1, 4),
            "t = Transpose <perm = [0, 2, 3, 1]> (x) y = Flatten (t)",
            {},
            "the net gives classes in another order than its last layer",
        ),
    ],
)
def test_answers_that_are_no_classes(
    shape: tuple[int, ...], nodes: str, constants: Any, message: str, tmp_path: Path
) -> None:
    assert only(model(shape, nodes, constants), tmp_path).startswith(message)
