"""What -i reads is number for number what training got, for every arrangement of a net's input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgespike.data.own import DataOptions, OwnData, read_data
from edgespike.data.own.layout import arranged_shape
from edgespike.data.own.order import natural
from edgespike.data.own.writing import write_data
from edgespike.errors import InputError
from edgespike.graph import Graph
from edgespike.samples import Inputs, read_inputs
from tests.data.own.files import faults, labels, pixels, read, write_csv, write_recordings
from tests.data.own.test_arrays import saved
from tests.data.own.test_inputs import a_graph

pytest.importorskip("torch", reason="training needs torch: pip install -e '.[train]'")

from edgespike.nn.training.own_task import arranged_scaling


def trained(data: OwnData, recurrent: bool) -> Graph:
    """A graph whose input is that of a net trained on the data."""
    sample = data.train.samples.shape[1:]
    shape, steps = arranged_shape(sample, recurrent), 1
    if recurrent:
        steps, shape = shape[0], shape[1:]
    low, high = (-127, 127) if data.train.samples.dtype == np.int8 else (0, 255)
    scaling = data.scaling and arranged_scaling(data.scaling, sample, recurrent)
    return a_graph(tuple(shape), steps, data.class_names, scaling, low, high, len(data.class_names))


def pairs(samples: NDArray[np.generic], numbers: NDArray[np.int64]) -> list[tuple[bytes, int]]:
    whole = samples.astype(np.int64)
    return sorted(zip(map(bytes, whole), numbers.tolist(), strict=True))


def all_of(data: OwnData) -> list[tuple[bytes, int]]:
    parts = (data.train, data.validation, data.test)
    return sorted(pair for part in parts for pair in pairs(part.samples, part.labels))


def found(inputs: Inputs) -> list[tuple[bytes, int]]:
    assert inputs.labels is not None
    return pairs(inputs.samples, inputs.labels)


SEQUENCES = np.random.default_rng(1).normal(size=(30, 5, 3)) * [1, 10, 100]
FRAMES = np.random.default_rng(2).normal(size=(30, 4, 2, 3, 3)) * np.reshape([1, 9], (2, 1, 1))


@pytest.mark.parametrize("recurrent", [True, False])
@pytest.mark.parametrize(
    "values",
    [SEQUENCES, FRAMES, pixels(30, 4, 2, 3, 3), pixels(30, 4, 2, 3, 3) > 200],
    ids=["sequences", "frames", "pixels of frames", "boolean frames"],
)
def test_arrays_are_arranged_as_in_training(
    tmp_path: Path, values: NDArray[np.generic], recurrent: bool
) -> None:
    path = saved(tmp_path / "x.npz", x=values, y=labels(30))
    options = DataOptions(str(path))
    data = read_data(options)
    graph = trained(data, recurrent)
    assert found(read_inputs(graph, path)) == all_of(data)
    write_data(data, options, tmp_path / "written")
    expected = pairs(data.test.samples, data.test.labels)
    assert found(read_inputs(graph, tmp_path / "written")) == expected
    alone = read_inputs(graph, tmp_path / "written" / "test.npy")
    assert pairs(alone.samples, data.test.labels) == expected
    if data.scaling is not None:
        np.save(tmp_path / "raw.npy", values)
        assert pairs(read_inputs(graph, tmp_path / "raw.npy").samples, labels(30)) == all_of(data)


@pytest.mark.parametrize("people", [0, 2])
@pytest.mark.parametrize("features", [1, 3])
def test_windows_are_arranged_as_in_training(tmp_path: Path, people: int, features: int) -> None:
    path = write_recordings(tmp_path / "x.csv", [9, 11, 8, 4, 10, 12] * 2, 3, people, features)
    data = read(path, window=4, group="person" if people else "")
    for recurrent in (False, True):
        assert found(read_inputs(trained(data, recurrent), path)) == all_of(data)


def test_columns_that_are_no_part_of_a_window_are_refused(tmp_path: Path) -> None:
    data = read(write_recordings(tmp_path / "x.csv", [9, 11, 8] * 4, 3), window=4)
    graph = trained(data, recurrent=False)
    for features in (1, 3):  # windows of 8 rows would not have the scaling's two features
        path = write_recordings(tmp_path / "y.csv", [9, 11, 8] * 4, 3, features=features)
        message = rf"has {features} columns of numbers .* takes 8, or a window of that many"
        with pytest.raises(InputError, match=message):
            read_inputs(graph, path)


def test_recordings_of_two_people_with_one_name_are_two(tmp_path: Path) -> None:
    rows = [[0, person, "ab"[person], 10 * row + person] for person in (0, 1) for row in range(6)]
    rows += [[1, person, "ab"[person], -10 * row - person] for person in (0, 1) for row in range(6)]
    mixed = [row for pair in zip(rows[:6], rows[6:12], strict=True) for row in pair] + rows[12:]
    for row in mixed:
        row[2] = "a"  # so that labels do not tell them apart
    mixed += [[recording, 2, "b", 3] for recording in range(3) for _ in range(6)]
    path = write_csv(tmp_path / "x.csv", ["recording", "person", "label", "v"], mixed)
    graph = a_graph((1,), 6, ("a", "b"), low=-127, high=127, classes=2)
    samples = read_inputs(graph, path).samples.reshape(-1, 6)
    assert samples[:2].tolist() == [[0, 10, 20, 30, 40, 50], [1, 11, 21, 31, 41, 51]]


def test_bytes_with_sign_are_the_same_with_and_without_their_least(tmp_path: Path) -> None:
    values = np.arange(-128, 112, dtype=np.int8).reshape(30, 4, 2)
    data = read(saved(tmp_path / "x.npz", x=values, y=labels(30)))
    graph = trained(data, recurrent=True)
    for name, some in (("all", values), ("few", values[5:])):  # few have no -128
        inputs = read_inputs(graph, saved(tmp_path / f"{name}.npz", x=some, y=labels(len(some))))
        np.testing.assert_array_equal(inputs.samples, np.maximum(some, -127))
    assert data.train.samples.min() >= -127


def test_spaces_around_labels_do_not_matter(tmp_path: Path) -> None:
    names = np.array([" left", "right ", "left"])[labels(30)]
    path = saved(tmp_path / "x.npz", x=pixels(30, 4), y=names)
    data = read(path)
    assert data.class_names == ("left", "right")
    assert found(read_inputs(trained(data, recurrent=False), path)) == all_of(data)


def test_labels_of_thousands_of_digits_are_refused_as_names(tmp_path: Path) -> None:
    rows = [["9" * 5000, 1], ["x", 2]] * 5
    (fault,) = faults(write_csv(tmp_path / "x.csv", ["label", "v"], rows))
    assert "must be 1 to 100 printable characters" in fault
    assert sorted(["a10", "a2", "a02", "a" + "1" * 5000], key=natural)[::3] == [
        "a02",
        "a" + "1" * 5000,
    ]


def test_null_characters_are_no_part_of_a_name(tmp_path: Path) -> None:
    rows = [["a", 1], ["b", 2], ["b\0", 3]] * 5
    (fault, *_) = faults(write_csv(tmp_path / "x.csv", ["label", "v"], rows))
    assert "line 4, column label: 'b\\x00' is no text; give a name" in fault


def test_spaces_in_names_of_classes_are_written_and_read(tmp_path: Path) -> None:
    names = (" a", "a", "é, % \"b'")
    path = saved(tmp_path / "x.npz", x=pixels(30, 4), y=labels(30), class_names=np.array(names))
    options = DataOptions(str(path))
    data = read_data(options)
    write_data(data, options, tmp_path / "written")
    content = (tmp_path / "written" / "classes.txt").read_bytes()
    assert content.decode("utf-8").split("\n")[:-1] == list(names)
    assert read(tmp_path / "written").class_names == names
    found_again = read_inputs(trained(data, recurrent=False), tmp_path / "written")
    assert found(found_again) == pairs(data.test.samples, data.test.labels)


@pytest.mark.skipif(np.longdouble(1e308) * 10 == np.inf, reason="long doubles are doubles here")
def test_numbers_wider_than_float64_are_refused(tmp_path: Path) -> None:
    values = np.full((30, 2, 2), np.longdouble(1e308) * 10)
    values[:, 0] = 0
    (fault, *_) = faults(saved(tmp_path / "x.npz", sequences=values, y=labels(30)))
    assert "give numbers within" in fault
