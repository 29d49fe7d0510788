"""Names of classes and the scaling of the input: checked, kept in files, and part of the hash."""

from __future__ import annotations

import math
import pickle
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgespike.errors import GraphError, InputError
from edgespike.graph import Graph, Scaling, load_graph, save_graph
from edgespike.graph.graph import check_class_names
from edgespike.models import shipped_model

NAMES = tuple(f"class {number}" for number in range(10))


@pytest.fixture(scope="module")
def graph() -> Graph:
    return shipped_model("fashion_rnn")


@pytest.mark.parametrize("channels", [1, 28])
def test_a_file_keeps_names_and_scaling(graph: Graph, channels: int, tmp_path: Path) -> None:
    scaling = Scaling((0.1,) * channels, (1 / 3,) * channels)
    labelled = replace(graph, class_names=NAMES, scaling=scaling)
    save_graph(labelled, tmp_path / "graph.safetensors")
    found = load_graph(tmp_path / "graph.safetensors")
    assert found == labelled
    assert found.hash == labelled.hash != graph.hash
    assert pickle.loads(pickle.dumps(labelled)) == labelled


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"class_names": NAMES[:9]}, "9 class names for 10 classes"),
        ({"class_names": (*NAMES[:9], "class 0")}, "'class 0' is used 2 times"),
        ({"class_names": (*NAMES[:9], "a\nb")}, "printable"),
        ({"class_names": (*NAMES[:9], "")}, "1 to 100"),
        ({"class_names": (*NAMES[:9], 3)}, "give a tuple of strings"),
        ({"scaling": Scaling((0.0,) * 3, (1.0,) * 3)}, "needs 1 or 28"),
        ({"scaling": 3}, "give a Scaling or None"),
    ],
)
def test_labels_that_do_not_fit_are_refused(
    graph: Graph, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(GraphError, match=message):
        replace(graph, **fields)


@pytest.mark.parametrize(
    ("offset", "step", "message"),
    [
        ((0.0,), (0.0,), "above 0"),
        ((0.0,), (-1.0,), "above 0"),
        ((math.nan,), (1.0,), "finite"),
        ((0.0,), (math.inf,), "finite"),
        ((0.0, 1.0), (1.0,), "2 offsets and 1 steps"),
        ((), (), "at least one number"),
        (("a",), (1.0,), "finite"),
    ],
)
def test_a_scaling_that_means_nothing_is_refused(offset: Any, step: Any, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        Scaling(offset, step)


@given(
    st.floats(-1e6, 1e6),
    st.integers(-1000, 1000),
    st.sampled_from([0.25, 0.5, 1.0, 2.0]),
)
def test_a_scaling_rounds_halves_up_and_clips(value: float, offset: int, step: float) -> None:
    value = round(value * 8) / 8  # dyadic, so that float64 is exact
    found = Scaling((float(offset),), (step,)).apply(np.array([[value]]), (1,), -127, 127)
    exact = math.floor((Fraction(value) - offset) / Fraction(step) + Fraction(1, 2))
    assert found.item() == min(max(exact, -127), 127)


def test_channels_are_scaled_apart_on_the_first_axis_of_a_sample() -> None:
    values = np.array([[[[10.0]], [[10.0]]]])
    scaling = Scaling((0.0, 10.0), (1.0, 5.0))
    assert scaling.apply(values, (2, 1, 1), 0, 255).ravel().tolist() == [10, 0]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_numbers_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(InputError, match="1 of 2 measured numbers are not finite"):
        Scaling((0.0,), (1.0,)).apply(np.array([[1.0, bad]]), (2,), 0, 255)


@pytest.mark.parametrize("name", ["a", "\n"])
def test_millions_of_names_are_refused_at_once(name: str) -> None:
    found = list(check_class_names((name,) * 1_000_000))
    assert 1 <= len(found) <= 20
    assert "is used 1000000 times" in found[-1]


def test_many_names_may_be_twice() -> None:
    found = list(check_class_names(tuple(map(str, range(10_000))) * 2))
    assert len(found) == 10
    assert found[0].startswith("class name '0' is used 2 times")


@pytest.mark.parametrize("word", ["offset", "step"])
def test_a_whole_number_that_no_float_holds_is_refused(word: str) -> None:
    with pytest.raises(GraphError, match=rf"{word} holds 1000.*give finite numbers"):
        Scaling(**{"offset": (0.0,), "step": (1.0,), word: (10**400,)})
