"""What every kind of net has in common: order, constants, shapes, data beside the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgespike.converters.onnx import CONVERTER
from edgespike.converters.onnx.kinds import NetKind, kind_of_net
from edgespike.converters.onnx.reading import read_onnx
from edgespike.errors import UnsupportedError
from tests.converters.onnx.nets import model, numbers, onnx, public, saved, whole

W = numbers(6, 5)


def read(made: Any, folder: Path) -> Any:
    return read_onnx(saved(made, folder))


def test_a_node_keeps_its_name_type_attributes_and_values(tmp_path: Path) -> None:
    made = model((1, 6), "y = Gemm <alpha = 0.5, transB = 1> (x, w)", {"w": W.T.copy()})
    made.graph.node[0].name = "last"
    made.producer_name, made.producer_version = "somebody", "1.2"
    found = read(made, tmp_path)
    (node,) = found.nodes
    assert (node.title, node.op, node.domain, node.version) == ("last", "Gemm", "", 17)
    assert (node.inputs, node.outputs) == (("x", "w"), ("y",))
    assert node.attributes == {"alpha": 0.5, "transB": 1}
    np.testing.assert_array_equal(found.constants["w"], W.T)
    assert (found.input, found.output) == ("x", "y")
    assert found.shapes["y"] == (1, 5)
    assert found.types["y"] == "float"
    assert found.producer == "somebody 1.2"
    assert found.path == tmp_path / "net.onnx"


@pytest.mark.parametrize("batch", [1, "N", "?"])
def test_the_batch_is_one(batch: int | str, tmp_path: Path) -> None:
    found = read(model((batch, 6), "y = MatMul (x, w)", {"w": W}), tmp_path)
    assert found.shapes["x"] == (1, 6)
    assert found.shapes["y"] == (1, 5)


def test_sizes_that_a_file_computes_are_constants(tmp_path: Path) -> None:
    """As torch exports ``x.view(x.size(0), -1)``."""
    nodes = (
        "s = Shape (x) n = Gather (s, zero) m = Unsqueeze (n, axis) to = Concat <axis = 0> "
        "(m, rest) h = Reshape (x, to) y = MatMul (h, w)"
    )
    constants = {"zero": np.int64(0), "axis": whole(0), "rest": whole(-1), "w": numbers(12, 3)}
    found = read(model(("N", 3, 4), nodes, constants), tmp_path)
    assert [node.op for node in found.nodes] == ["Reshape", "MatMul"]
    assert found.constants["to"].tolist() == [1, -1]
    assert set(found.constants) == {"to", "w"}


def test_what_nodes_compute_of_constants_is_a_constant(tmp_path: Path) -> None:
    nodes = "t = Transpose (w) r = Sqrt (v) m = Div (t, r) y = MatMul (x, m)"
    constants = {"w": W.T.copy(), "v": np.full(5, 4, np.float32)}
    found = read(model((1, 6), nodes, constants), tmp_path)
    assert [node.op for node in found.nodes] == ["MatMul"]
    np.testing.assert_array_equal(found.constants["m"], W / 2)


def test_quantised_constants_stay_as_they_are_stored(tmp_path: Path) -> None:
    nodes = "w = DequantizeLinear (q, scale) t = Transpose (w) y = MatMul (x, t)"
    constants = {"q": np.ones((5, 6), np.int8), "scale": np.float32(0.5)}
    found = read(model((1, 6), nodes, constants), tmp_path)
    assert [node.op for node in found.nodes] == ["DequantizeLinear", "Transpose", "MatMul"]
    assert kind_of_net(found) is NetKind.INT8


def test_nodes_that_pass_a_value_on_are_left_out(tmp_path: Path) -> None:
    nodes = (
        "a = Identity (x) b = Dropout (a) c = Cast <to = 11> (b) d = Cast <to = 1> (c) "
        "e = Relu (d) y = Identity (e)"
    )
    found = read(model((1, 6), nodes), tmp_path)
    assert [(node.op, node.inputs) for node in found.nodes] == [("Relu", ("x",))]
    assert found.output == "e"


def test_a_dropout_that_draws_is_kept(tmp_path: Path) -> None:
    made = model((1, 6), "y = Dropout (x, , train)", {"train": np.array(True)})
    assert [node.op for node in read(made, tmp_path).nodes] == ["Dropout"]


def test_nodes_that_the_answer_does_not_need_are_left_out(tmp_path: Path) -> None:
    nodes = "y = Relu (x) p = SomethingUnknown (x) q = ConstantOfShape (huge)"
    made = model((1, 6), nodes, {"huge": whole(2**40)})
    assert [node.op for node in read(made, tmp_path).nodes] == ["Relu"]


def test_nodes_in_any_order(tmp_path: Path) -> None:
    made = model((1, 6), "y = Relu (b) b = Neg (a) a = Neg (x)")
    assert [node.outputs[0] for node in read(made, tmp_path).nodes] == ["a", "b", "y"]


def test_constants_that_are_listed_as_inputs(tmp_path: Path) -> None:
    made = model((1, 2, 3), "h = Reshape (x, to) y = MatMul (h, w)", {"to": whole(1, 6), "w": W})
    for name, kind, shape in (("to", 7, (2,)), ("w", 1, (6, 5))):
        made.graph.input.append(onnx.helper.make_tensor_value_info(name, kind, shape))
    made.ir_version = 3
    found = read(made, tmp_path)
    assert found.input == "x"
    assert found.shapes["y"] == (1, 5)


def test_shapes_of_nodes_of_qonnx(tmp_path: Path) -> None:
    nodes = (
        "q = onnx.brevitas.Quant (x, s, z, b) "
        "m = qonnx.custom_op.general.MultiThreshold (q, t) "
        "w = onnx.brevitas.BipolarQuant (c, s) y = MatMul (m, w)"
    )
    constants = {"c": W, "t": numbers(6, 3), **dict.fromkeys("szb", np.float32(1))}
    made = model((1, 6), nodes, constants, domains=', "qonnx.custom_op.general": 2')
    found = read(made, tmp_path)
    assert [node.version for node in found.nodes] == [1, 2, 1, 17]
    assert [found.shapes[node.outputs[0]] for node in found.nodes] == [
        *((1, 6), (1, 6)),
        *((6, 5), (1, 5)),
    ]
    assert kind_of_net(found) is NetKind.QONNX


@pytest.mark.parametrize(
    ("node", "shape"),
    [
        ("QLinearAdd (q, s, z, q, s, z, s, z)", (1, 2, 5, 4)),
        ("QLinearConcat <axis = 1> (s, z, q, s, z, q, s, z)", (1, 4, 5, 4)),
        ("QLinearGlobalAveragePool <channels_last = 0> (q, s, z, s, z)", (1, 2, 1, 1)),
        ("QLinearAveragePool <kernel_shape = [2, 2]> (q, s, z, s, z)", (1, 2, 4, 3)),
        ("QLinearSigmoid (q, s, z, s, z)", (1, 2, 5, 4)),
    ],
)
def test_shapes_of_nodes_of_onnx_runtime(node: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    nodes = f"q = QuantizeLinear (x, s, z) a = com.microsoft.{node} y = DequantizeLinear (a, s, z)"
    constants = {"s": np.float32(0.1), "z": np.uint8(3)}
    made = model((1, 2, 5, 4), nodes, constants, domains=', "com.microsoft": 1')
    found = read(made, tmp_path)
    assert found.shapes["a"] == shape
    assert kind_of_net(found) is NetKind.INT8


@pytest.mark.parametrize("name", ["TFC_1W1A.onnx", "TFC_1W2A.onnx", "mnist_conv.onnx"])
def test_public_files(name: str) -> None:
    found = read_onnx(public(name))
    kind = NetKind.FLOATS if name == "mnist_conv.onnx" else NetKind.QONNX
    assert kind_of_net(found) is kind
    assert found.shapes[found.input] == (1, 1, 28, 28)
    assert found.shapes[found.output] == (1, 10)
    assert all(name in found.shapes for node in found.nodes for name in node.outputs)


def external(folder: Path, **changed: str) -> Path:
    """Write a model whose weights are in a file beside it."""
    path = folder / "net.onnx"
    made = model((1, 6), "y = MatMul (x, w)", {"w": W})
    onnx.save(made, path, save_as_external_data=True, location="net.data", size_threshold=0)
    made = onnx.load(path, load_external_data=False)
    for entry in made.graph.initializer[0].external_data:
        entry.value = changed.get(entry.key, entry.value)
    path.write_bytes(made.SerializeToString())
    return path


def test_data_beside_the_file(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_onnx(external(tmp_path)).constants["w"], W)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"location": "other.data"}, "'other.data', which does not exist; copy it into the folder"),
        ({"location": "../net.data"}, "'../net.data', which is not in the folder of the model"),
        ({"location": "/etc/passwd"}, "'/etc/passwd', which is not in the folder of the model"),
        ({"location": "link"}, "'link', which is not in the folder of the model"),
        ({"location": "."}, "'.', which is not a regular file"),
        ({"location": ""}, "'', which is no name of a file"),
        ({"location": "x" * 5000}, "which cannot be opened"),
        ({"length": "10000"}, "at bytes '0' and '10000' more of 'net.data', which has 120"),
        ({"offset": "-8"}, "at bytes '-8' and '120' more of 'net.data'"),
        ({"offset": "many"}, "at bytes 'many' and '120' more of 'net.data'"),
    ],
)
def test_data_that_are_not_read(changed: dict[str, str], message: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "net.data").write_bytes(bytes(120))
    (folder / "link").symlink_to(tmp_path / "net.data")
    path = external(folder, **changed)
    with pytest.raises(UnsupportedError) as caught:
        read_onnx(path)
    assert caught.value.what == f"{path} cannot be read"
    (violation,) = caught.value.violations
    assert violation.startswith("tensor w has its data ")
    assert message in violation


def test_files_are_recognised_by_their_first_bytes(tmp_path: Path) -> None:
    assert CONVERTER.recognises is not None
    path = saved(model((1, 6), "y = Relu (x)"), tmp_path, "net")
    content = path.read_bytes()
    assert CONVERTER.recognises(content, path)
    assert CONVERTER.recognises(content[:10], path)
    for other in (b"", b"\x08", b"\x08\x08", b"\x08\x08hello world", b"\x08\x08\x12\x04abcd\xff"):
        assert not CONVERTER.recognises(other, path)
    assert not CONVERTER.recognises(content[1:], path)
