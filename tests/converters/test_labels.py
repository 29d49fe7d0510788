"""Names of classes and standardised data: any converter's graph may have them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgespike
from edgespike.converters import conversion
from edgespike.converters.base import ConvertOptions
from edgespike.errors import GraphError, UnsupportedError
from edgespike.graph import Graph, Input, Scaling, save_graph
from edgespike.passes.unary import unary
from tests.example_graphs import membrane_graph, recurrent_graph, residual_graph
from tests.targets.labelled import GRAPHS


@pytest.fixture
def graph_file(tmp_path: Path) -> Path:
    save_graph(residual_graph(), tmp_path / "g.safetensors")
    return tmp_path / "g.safetensors"


def test_nothing_given_changes_nothing(graph_file: Path) -> None:
    assert edgespike.convert(graph_file).hash == residual_graph().hash


def test_names_and_scaling_are_added_to_a_graph_file(graph_file: Path) -> None:
    found = edgespike.convert(graph_file, class_names=["a", "b", "c"], mean=0.25, std=[0.5])
    assert found == replace(
        residual_graph(), class_names=("a", "b", "c"), scaling=Scaling((0.25,), (0.5 / 15,))
    )


def test_what_a_graph_has_is_kept_or_replaced(tmp_path: Path) -> None:
    before = replace(residual_graph(), class_names=("a", "b", "c"), scaling=Scaling((1.0,), (2.0,)))
    path = tmp_path / "g.safetensors"
    save_graph(before, path)
    assert edgespike.convert(path) == before
    assert edgespike.convert(path, class_names=("x", "y", "z")).scaling == before.scaling
    assert edgespike.convert(path, std=30).scaling == Scaling((0.0,), (30 * (1 / 15),))
    assert edgespike.convert(path, mean=7).scaling == Scaling((7.0,), (1 / 15,))


@pytest.mark.parametrize(
    ("mean", "std", "offset", "step"),
    [
        ((1.0, 2.0, 3.0, 4.0, 5.0), None, (1.0, 2.0, 3.0, 4.0, 5.0), (1 / 15,) * 5),
        (
            None,
            np.arange(1, 6, dtype=np.float32),
            (0.0,) * 5,
            tuple(n * (1 / 15) for n in range(1, 6)),
        ),
        (np.float64(3), 2, (3.0,), (2 / 15,)),
    ],
)
def test_one_number_or_one_for_each_feature(
    tmp_path: Path, mean: Any, std: Any, offset: tuple[float, ...], step: tuple[float, ...]
) -> None:
    save_graph(recurrent_graph(), tmp_path / "g.safetensors")
    found = edgespike.convert(tmp_path / "g.safetensors", mean=mean, std=std)
    assert found.scaling == Scaling(offset, step)


def test_measured_numbers_become_what_the_source_is_given(tmp_path: Path) -> None:
    """The graph's whole number is the nearest of ((x - mean) / std) / scale."""
    save_graph(recurrent_graph(), tmp_path / "g.safetensors")
    mean, std = np.array([0.5, -3.0, 100.0, 0.0, 1e-3]), np.array([0.2, 4.0, 25.0, 1.0, 1e-4])
    graph = edgespike.convert(tmp_path / "g.safetensors", mean=mean, std=std)
    op = graph.input_op
    assert graph.scaling is not None
    standard = np.random.default_rng(0).uniform(-0.2, 1.2, (200, 4, 5))
    away = np.abs(standard / op.scale % 1 - 0.5) > 1e-6  # from ties, which rounding may move
    found = graph.scaling.apply(standard * std + mean, op.shape, op.low, op.high)
    wanted = np.clip(np.floor(standard / op.scale + 0.5), op.low, op.high)
    assert away.mean() > 0.99
    np.testing.assert_array_equal(found[away], wanted[away])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_names": ("a", "b")}, "there are 2 class names, and the model has 3 classes"),
        ({"class_names": ("a", "b", "a")}, "class name 'a' is used 2 times"),
        ({"class_names": ("a", "b", "")}, "class name '' must be 1 to 100 printable"),
        ({"class_names": ()}, "class_names is empty; give a name for each class"),
        ({"class_names": "abc"}, "class_names is 'abc'; give a tuple of strings"),
        ({"mean": (1.0, 2.0)}, "mean has 2 numbers; the input of shape"),
        ({"std": (1.0, 2.0)}, r"std has 2 numbers; the input of shape \(1, 6, 6\) needs 1 or 1"),
        ({"std": 0}, "std holds 0; a standard deviation must be above 0"),
        ({"std": -1.5}, "std holds -1.5; a standard deviation must be above 0"),
        ({"mean": np.nan}, "mean is .* give a tuple of finite numbers"),
        ({"mean": [10**400]}, "mean is .* give a tuple of finite numbers"),
        ({"mean": "0.5"}, "mean is '0.5'; give a tuple of finite numbers"),
        ({"mean": []}, "mean is .* give a tuple of finite numbers"),
        ({"mean": [True]}, "mean is .* give a tuple of finite numbers"),
    ],
)
def test_what_is_not_valid_is_refused(
    graph_file: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UnsupportedError, match=message):
        edgespike.convert(graph_file, **options)


def test_all_faults_are_listed(graph_file: Path) -> None:
    with pytest.raises(UnsupportedError) as caught:
        edgespike.convert(graph_file, class_names=("a",), mean=[1, 2], std=[1, 2, 3])
    assert [line.split()[1] for line in str(caught.value).splitlines()[1:]] == [
        "there",
        "mean",
        "std",
    ]


def test_a_step_that_no_double_holds_is_refused(graph_file: Path) -> None:
    with pytest.raises(GraphError, match="a step must be above 0"):
        edgespike.convert(graph_file, std=1e-308)


def test_labels_stay_on_the_way_to_single_spikes() -> None:
    named = GRAPHS["signed"]()
    spikes = unary(named)
    assert (spikes.class_names, spikes.scaling) == (named.class_names, named.scaling)


@pytest.mark.torch
def test_a_torch_module_that_was_trained_on_standardised_data() -> None:
    """Measured numbers through the graph's scaling, and standardised ones through its units."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(4, 12), torch.nn.ReLU(), torch.nn.Linear(12, 3))
    rng = np.random.default_rng(1)
    mean, std = np.array([10.0, -5.0, 0.1, 1e4]), np.array([2.0, 0.5, 0.01, 3e3])
    measured = rng.normal(mean, std, (300, 4))
    standard = (measured - mean) / std
    graph = edgespike.convert(
        net, input_shape=(4,), calibrate=standard, class_names=("a", "b", "c"), mean=mean, std=std
    )
    op = graph.input_op
    assert isinstance(graph, Graph)
    assert isinstance(op, Input)
    assert graph.scaling == Scaling(tuple(mean), tuple(std * op.scale))
    whole = graph.scaling.apply(measured, op.shape, op.low, op.high)
    classes = edgespike.run(graph, whole).classes(graph)
    with torch.no_grad():
        source = net(torch.from_numpy(standard).float()).argmax(1).numpy()
    assert (classes == source).mean() > 0.9


def test_the_conversion_says_them_too(tmp_path: Path) -> None:
    save_graph(membrane_graph(), tmp_path / "g.safetensors")
    found = conversion(tmp_path / "g.safetensors", ConvertOptions(class_names=("no", "yes")))
    assert found.graph.class_names == ("no", "yes")
