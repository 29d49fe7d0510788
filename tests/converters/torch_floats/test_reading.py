"""The net in real numbers computes what the module computes, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from edgespike.converters.torch.floats.reading import Reading, read_module  # noqa: E402
from edgespike.floats.fold import folded  # noqa: E402
from edgespike.floats.net import FloatAffine, FloatDense, FloatReshape  # noqa: E402
from edgespike.floats.run import answers  # noqa: E402
from tests.converters.torch_floats.nets import NETS, Functional, ResNet, Shape, scrambled  # noqa: E402


def samples(shape: Shape, count: int = 6) -> Any:
    return np.random.default_rng(3).normal(size=(count, *shape))


def as_stored(x: Any) -> Any:
    """Samples with a length are images of one row."""
    return x[:, :, None] if x.ndim == 3 else x


def expected(module: Any, x: Any) -> Any:
    module.eval()
    with torch.no_grad():
        return module(torch.from_numpy(x)).numpy().reshape(len(x), -1)


ENDINGS = {
    "log_softmax": lambda x: x.log_softmax(1),
    "softmax": lambda x: x.softmax(1),
    "sigmoid": torch.sigmoid,
}


def by_the_same_end(read: Reading, logits: Any) -> Any:
    """Apply what was left out at the end."""
    values = torch.from_numpy(logits)
    for word in read.left_out:
        values = ENDINGS[word](values)
    return values.numpy()


@pytest.mark.parametrize(("make", "shape"), NETS, ids=[make.__name__ for make, _ in NETS])
def test_the_net_computes_what_the_module_computes(make: Any, shape: Shape) -> None:
    module = scrambled(make())
    x = samples(shape)
    read = read_module(module, shape)
    assert module.training  # it is left as it was
    for each in (read.net, folded(read.net)):
        found = by_the_same_end(read, answers(each, as_stored(x)))
        np.testing.assert_allclose(found, expected(module, x), rtol=1e-9, atol=1e-12)


def test_paths_are_those_of_the_module_and_of_the_line() -> None:
    paths = [node.path for node in read_module(ResNet(), (2, 8, 8)).net.nodes]
    assert {"stem.0 (Conv2d)", "layers.1.downsample.0 (Conv2d)", "fc (Linear)"} <= set(paths)
    assert any(path.startswith("layers.0 (add, nets.py:") for path in paths)


def test_names_are_fit_for_a_graph_and_unique() -> None:
    names = [node.name for node in read_module(ResNet(), (2, 8, 8)).net.nodes]
    assert len(set(names)) == len(names)
    assert {"input", "layers.1.conv2.conv2d", "readout"} <= set(names)


def wrapped(kind: str, module: Any) -> Any:
    match kind:
        case "compiled":
            return torch.compile(module, backend="eager")
        case "compiled in place":
            module.compile(backend="eager")
            return module
        case "parallel":
            return nn.DataParallel(module)
        case "both":
            return nn.DataParallel(torch.compile(module, backend="eager"))
        case "compiled part":
            module.first = torch.compile(module.first, backend="eager")
            return module
    raise ValueError(kind)


@pytest.mark.parametrize(
    "kind", ["compiled", "compiled in place", "parallel", "both", "compiled part"]
)
def test_wrappers_are_looked_through(kind: str) -> None:
    module = scrambled(Functional())
    x = samples((2, 8, 8))
    right = expected(module, x)
    whole = wrapped(kind, module)
    read = read_module(whole, (2, 8, 8))
    found = by_the_same_end(read, answers(read.net, x))
    np.testing.assert_allclose(found, right, rtol=1e-9)
    if kind == "compiled part":
        assert type(module.first).__name__ == "OptimizedModule"


def test_half_precision_is_read_as_it_is() -> None:
    layer = nn.Linear(3, 2).bfloat16()
    net = read_module(nn.Sequential(layer), (3,)).net
    op = net.nodes[1].op
    assert isinstance(op, FloatDense)
    np.testing.assert_array_equal(op.weight, layer.weight.detach().double().numpy())


@pytest.mark.parametrize("make", [Functional, ResNet])
def test_all_normalisations_fold(make: Any) -> None:
    """But the offset of an input that is padded."""
    net = folded(read_module(scrambled(make()), (2, 8, 8)).net)
    assert sum(1 for _ in net.of_type(FloatAffine)) == (make is Functional)


def test_flattening_a_flat_sample_needs_no_node() -> None:
    net = read_module(nn.Sequential(nn.Flatten(), nn.Linear(3, 2)), (3,)).net
    assert not list(net.of_type(FloatReshape))
