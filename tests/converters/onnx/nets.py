"""ONNX models as text, and their nets beside ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

onnx = pytest.importorskip("onnx", reason="ONNX files need onnx: pip install -e '.[onnx]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime: pip install -e '.[onnx]'")

from edgespike.converters.onnx.floats.reading import Reading, read_net  # noqa: E402
from edgespike.converters.onnx.floats.running import run_file  # noqa: E402
from edgespike.converters.onnx.reading import read_onnx  # noqa: E402
from edgespike.floats.net import Reals  # noqa: E402
from edgespike.floats.run import input_shape, run_steps  # noqa: E402
from tests.public_models import FOLDER  # noqa: E402

TOLERANCE = 2e-6
"""By which share of a node's largest magnitude ONNX Runtime's float32 differs from float64."""

PUBLIC = FOLDER / "qonnx"


def skip_if_newer(opset: int, *, than: int) -> None:
    """Skip a test whose operators ONNX Runtime 1.23, the last for Python 3.10, does not have.

    Parameters
    ----------
    than
        The newest version of ONNX's operators that it has of those in the test.
    """
    major, minor = (int(part) for part in onnxruntime.__version__.split(".")[:2])
    if opset > than and (major, minor) < (1, 24):
        pytest.skip(f"ONNX Runtime {onnxruntime.__version__} is older than these operators")


def public(name: str) -> Path:
    """Return a public file, or skip the test."""
    path = PUBLIC / name
    if not path.exists():
        pytest.skip(f"{path} is not here: public files of other projects")
    return path


def model(
    shape: tuple[Any, ...],
    nodes: str,
    constants: Mapping[str, Any] | None = None,
    *,
    opset: int = 17,
    kind: str = "float",
    answer: str = "",
    domains: str = "",
) -> Any:
    """Return a model whose input is ``x`` and whose output is ``y``.

    Parameters
    ----------
    shape
        Of the input, the batch first; a word leaves an axis open.
    nodes
        In onnx's language: ``y = Relu(x)``.
    constants
        The initialisers.
    """
    axes = ", ".join(map(str, shape))
    given = answer or ("int64" if "y = ArgMax" in nodes else kind)
    text = (
        f'<ir_version: 8, opset_import: ["": {opset}{domains}]> '
        f"net ({kind}[{axes}] x) => ({given}[] y) {{ {nodes} }}"
    )
    made = onnx.parser.parse_model(text)
    made.graph.initializer.extend(
        onnx.numpy_helper.from_array(np.asarray(value), name)
        for name, value in (constants or {}).items()
    )
    return made


def saved(made: Any, folder: Path, name: str = "net.onnx") -> Path:
    """Write a model into a folder."""
    path = folder / name
    onnx.save(made, path)
    return path


def reading(path: Path) -> Reading:
    """Return the net of floats of a file."""
    return read_net(read_onnx(path))


def samples_for(read: Reading, count: int = 4) -> Reals:
    """Return samples that float32 holds."""
    draw = np.random.default_rng(0)
    steps = (read.net.steps,) if read.net.steps > 1 else ()
    found = draw.normal(size=(count, *steps, *input_shape(read.net))).astype(np.float32)
    return found.astype(np.float64)


def compare(read: Reading, samples: Reals | None = None) -> list[str]:
    """Compare every value that the file shows with the net's, and return the nodes' titles."""
    samples = samples_for(read) if samples is None else samples
    theirs = run_file(read, samples)
    each = list(run_steps(read.net, samples))
    ours = {name: np.stack([step[name] for step in each], axis=1) for name in theirs}
    ours[read.net.nodes[-1].name] = each[-1][read.net.nodes[-1].name]
    for name, values in theirs.items():
        assert np.isfinite(values).all()
        if name == read.net.nodes[-1].name and read.left_out:
            np.testing.assert_array_equal(
                values.argmax(axis=1), ours[name].argmax(axis=1), err_msg=name
            )
            continue
        apart = np.abs(values.reshape(ours[name].shape) - ours[name]).max()
        assert apart <= TOLERANCE * max(float(np.abs(ours[name]).max()), 1e-30), name
    return [read.net.by_name[name].title for name in theirs]


def numbers(*shape: int, seed: int = 1) -> NDArray[np.float32]:
    """Return random weights of the size that a trained layer has."""
    inputs = max(1, prod(shape[1:]))
    draw = np.random.default_rng(seed)
    return np.asarray(draw.normal(size=shape) / np.sqrt(inputs), np.float32)


def whole(*found: int) -> NDArray[np.int64]:
    """Return whole numbers as ONNX takes sizes and axes."""
    return np.array(found, np.int64)


SMALL: tuple[tuple[Any, ...], str, dict[str, Any]] = (
    ("N", 2, 6, 5),
    "c = Conv <pads = [1, 1, 1, 1], strides = [2, 1]> (x, w, b) "
    "n = BatchNormalization (c, s, b, b, v) r = Relu (n) "
    "m = MaxPool <kernel_shape = [2, 2]> (r) t = Transpose <perm = [0, 2, 3, 1]> (m) "
    "f = Flatten (t) o = Gemm (f, out, o_b) y = Softmax (o)",
    {
        "w": numbers(3, 2, 3, 3),
        "b": numbers(3),
        "s": numbers(3),
        "v": np.ones(3, np.float32),
        "out": numbers(24, 4),
        "o_b": numbers(4),
    },
)
"""A net of images."""

WITH_SIZES: tuple[tuple[Any, ...], str, dict[str, Any]] = (
    ("N", 2, 6, 5),
    "s = Shape (x) n = Gather (s, zero) u = Unsqueeze (n, axis) to = Concat <axis = 0> (u, rest) "
    "h = Reshape (x, to) e = ConstantOfShape (five) a = Add (w, e) t = Transpose (a) "
    "y = MatMul (h, t)",
    {
        "zero": np.int64(0),
        "axis": whole(0),
        "rest": whole(-1),
        "five": whole(1, 60),
        "w": numbers(5, 60),
    },
)
"""A dense layer whose sizes and weights are computed."""

WITH_STEPS: tuple[tuple[Any, ...], str, dict[str, Any]] = (
    ("N", 5, 3),
    "t = Transpose <perm = [1, 0, 2]> (x) a, h = RNN <hidden_size = 4> (t, w, r, b) "
    "s = Squeeze (a, one) l = Gather <axis = 0> (s, last) f = Flatten (h) g = Reshape (f, flat) "
    "z = Add (g, l) y = MatMul (z, out)",
    {
        "w": numbers(1, 4, 3),
        "r": numbers(1, 4, 4),
        "b": numbers(1, 8),
        "one": whole(1),
        "last": np.int64(-1),
        "flat": whole(1, 4),
        "out": numbers(4, 3),
    },
)
"""A recurrent net, whose last step and last state are the same."""
