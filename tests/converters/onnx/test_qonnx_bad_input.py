"""Whatever a file says, it becomes a graph or is refused: no other error, no endless work."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgespike.errors import EdgespikeError, UnsupportedError
from tests.converters.onnx.qonnx_nets import Net, converted, different, samples_for

SHAPES = [(4,), (2, 4), (2, 3, 3)]

odd_numbers = st.sampled_from(
    [1.0, 1.0, 0.5, 0.5, 2.0, 0.1, 0.0, -1.0, 1e-45, 3e38, np.inf, np.nan, 2.0**20, -3.7, 8.0]
)
arrays = st.sampled_from(
    [(), (), (1,), (2,), (4,), (1, 4), (4, 4), (4, 3), (2, 1, 1), (2, 2, 2), (2, 2, 3, 3), (1, 3)]
)
whole = st.sampled_from([[1, 1, 1, 1], [2, 2], [0, 0, 0, 0], [1], [1, 1], [3, 3], [-1, 2], [0]])
flags = st.sampled_from([0, 1, -1, 2])
modes = st.sampled_from(["ROUND", "FLOOR", "up", "ODD", 3, [1.0]])
floats = odd_numbers.map(float)
layouts = st.sampled_from(["NC", "NCHW", "NHWC", "", "X", 1])
perms = st.sampled_from([[0, 1], [1, 0], [0, 2, 1], [0, 2, 3, 1], [0, 3, 1, 2]])
WINDOW = {"kernel_shape": whole, "strides": whole, "pads": whole}

OPERATORS: dict[str, tuple[int, dict[str, st.SearchStrategy[Any]]]] = {
    "Quant": (3, {"signed": flags, "narrow": flags, "rounding_mode": modes}),
    "IntQuant": (3, {"signed": flags, "narrow": flags, "rounding_mode": modes}),
    "BipolarQuant": (1, {}),
    "Trunc": (4, {"rounding_mode": modes, "signed": flags}),
    "MultiThreshold": (
        1,
        {"out_scale": floats | flags, "out_bias": floats, "data_layout": layouts},
    ),
    "Mul": (1, {}),
    "Add": (1, {}),
    "Sub": (1, {}),
    "Div": (1, {}),
    "BatchNormalization": (4, {"epsilon": floats}),
    "Gemm": (2, {"alpha": floats, "beta": floats, "transB": flags, "transA": flags}),
    "MatMul": (1, {}),
    "Conv": (2, {**WINDOW, "group": flags, "dilations": whole}),
    "MaxPool": (0, {**WINDOW, "dilations": whole, "ceil_mode": flags}),
    "AveragePool": (0, {**WINDOW, "count_include_pad": flags}),
    "Clip": (2, {}),
    "Relu": (0, {}),
    "Neg": (0, {}),
    "Flatten": (0, {"axis": flags}),
    "Concat": (1, {"axis": flags}),
    "Transpose": (0, {"perm": perms}),
    "GlobalAveragePool": (0, {}),
    "ReduceMean": (0, {"axes": whole, "keepdims": flags}),
    "Softmax": (0, {}),
}
QUANTISERS = list(OPERATORS)[:5]


@st.composite
def nets(draw: st.DrawFn) -> tuple[Net, str]:
    """Draw operators in a row, whose constants and attributes need not make sense."""
    version = draw(st.integers(1, 2))
    net = Net(*draw(st.sampled_from(SHAPES)), version=version)
    values = ["x"]
    if draw(st.booleans()):
        values.append(net.quant("x", draw(odd_numbers), draw(odd_numbers)))
    for _ in range(draw(st.integers(1, 4))):
        op = draw(st.sampled_from([*OPERATORS, *QUANTISERS]))
        count, choices = OPERATORS[op]
        inputs: list[Any] = [values[-1]]
        for _ in range(count):
            array = np.full(draw(arrays), draw(odd_numbers))
            inputs.append(draw(st.sampled_from([array, array, array, values[0]])))
        attributes = {name: draw(some) for name, some in choices.items() if draw(st.booleans())}
        if op in ("Quant", "IntQuant"):
            attributes.setdefault("signed", 1)
        domain = net.domain if op in QUANTISERS else ""
        values.append(net.node(op, *inputs, domain=domain, **attributes))
    return net, values[-1]


@given(nets())
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_odd_nets(drawn: tuple[Net, str]) -> None:
    with TemporaryDirectory() as folder, suppress(EdgespikeError):
        converted(Path(folder), *drawn)


@pytest.mark.parametrize("exponent", [-126, 100, 127])
@pytest.mark.parametrize("bits", [1, 8, 32])
def test_scales_at_the_ends_of_float32(tmp_path: Path, exponent: int, bits: int) -> None:
    """Numbers far beyond float64 occur on the way, as fractions."""
    net = Net(4)
    x = net.quant("x")
    for _ in range(12):
        x = net.node("Mul", x, np.ldexp(np.float32(1), exponent))
    x = net.quant(x, 0.3, bits=bits)
    x = net.node("Gemm", x, np.eye(4), np.ldexp(np.float32(1), 127))
    with suppress(EdgespikeError):
        converted(tmp_path, net, x)


def test_a_file_that_qonnx_does_not_run(tmp_path: Path) -> None:
    """It computes what no answer needs, too: a Gemm that must have a bias in this version."""
    pytest.importorskip("qonnx")
    net = Net(4, opset=9)
    x = net.quant("x")
    net.node("Gemm", x, np.ones((4, 3)))
    found = converted(tmp_path, net, net.node("MatMul", x, np.ones((4, 3))))
    with pytest.raises(UnsupportedError, match=r"qonnx does not run .*leave --check out"):
        different(found, samples_for(found))
