"""Samples for a graph: what -i reads, and that it is what training got."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgespike.data.own import DataOptions, read_data
from edgespike.data.own.prepared import prepared
from edgespike.data.own.writing import write_data
from edgespike.errors import InputError
from edgespike.graph import Dense, Graph, Input, Node, Readout, Reshape, Scaling
from edgespike.graph.inputs import as_samples
from edgespike.samples import Inputs, read_inputs, read_samples
from tests.data.own.files import (
    labels,
    pixels,
    write_csv,
    write_images,
    write_png,
    write_recordings,
)


def a_graph(
    shape: tuple[int, ...],
    steps: int = 1,
    names: tuple[str, ...] = (),
    scaling: Scaling | None = None,
    low: int = 0,
    high: int = 255,
    classes: int = 3,
) -> Graph:
    """A graph with one input and no more than it needs."""
    size = int(np.prod(shape))
    return Graph(
        "small",
        (
            Node("x", Input(shape, low, high, 1.0)),
            Node("flat", Reshape((size,)), ("x",)),
            Node(
                "sums",
                Dense(np.ones((classes, size), np.int64), np.zeros(classes, np.int64)),
                ("flat",),
            ),
            Node("answer", Readout(np.ones(classes)), ("sums",)),
        ),
        steps=steps,
        class_names=names,
        scaling=scaling,
    )


def same(found: Inputs, samples: NDArray[Any], expected_labels: Any) -> None:
    np.testing.assert_array_equal(found.samples, samples)
    if expected_labels is None:
        assert found.labels is None
    else:
        assert found.labels is not None
        assert found.labels.dtype == np.int64
        assert found.labels.tolist() == list(expected_labels)


def test_integers_are_read_as_they_are(tmp_path: Path) -> None:
    images = pixels(5, 1, 4, 4)
    np.save(tmp_path / "x.npy", images)
    for scaling in (None, Scaling((3.0,), (2.0,))):
        graph = a_graph((1, 4, 4), scaling=scaling)
        same(read_inputs(graph, tmp_path / "x.npy"), images[:, None], None)
        same(read_inputs(graph, tmp_path / "x.npy", 2), images[:2, None], None)
    np.testing.assert_array_equal(read_samples(graph, tmp_path / "x.npy", 3), images[:3, None])


def test_measured_numbers_are_scaled(tmp_path: Path) -> None:
    scaling = Scaling((0.5, -1.0), (0.25, 0.5))
    graph = a_graph((2,), steps=3, scaling=scaling, low=-127, high=127)
    values = np.random.default_rng(0).normal(size=(7, 3, 2)) * 30
    np.save(tmp_path / "x.npy", values)
    expected = scaling.apply(values, (2,), -127, 127)
    assert {-127, 127} <= set(expected.flat)
    same(read_inputs(graph, tmp_path / "x.npy"), expected, None)
    same(read_inputs(graph, tmp_path / "x.npy", 4), expected[:4], None)
    np.savez(tmp_path / "x.npz", x=values, y=labels(7))
    same(read_inputs(graph, tmp_path / "x.npz", 4), expected[:4], [0, 1, 2, 0])
    np.save(tmp_path / "z.npy", values.astype(np.float32))
    expected = scaling.apply(values.astype(np.float32), (2,), -127, 127)
    same(read_inputs(graph, tmp_path / "z.npy"), expected, None)


def test_measured_numbers_without_a_scaling_are_refused_as_before(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.full((2, 4), 0.5))
    with pytest.raises(InputError, match=r"float64 and values 0\.5\.\.0\.5; give integers"):
        read_inputs(a_graph((4,)), tmp_path / "x.npy")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((3, 5)), r"has shape \(3, 5\); give \(samples, 4\)"),
        (np.zeros((0, 4)), "has no samples"),
        (np.full((3, 4), np.nan), "12 of 12 measured numbers are not finite"),
    ],
)
def test_measured_numbers_that_do_not_fit_are_refused(
    tmp_path: Path, values: NDArray[Any], message: str
) -> None:
    np.save(tmp_path / "x.npy", values)
    with pytest.raises(InputError, match=message):
        read_inputs(a_graph((4,), scaling=Scaling((0.0,), (1.0,))), tmp_path / "x.npy")


def test_archives_hold_labels(tmp_path: Path) -> None:
    images = pixels(6, 4, 4)
    np.savez(tmp_path / "x.npz", images=images, labels=labels(6))
    graph = a_graph((1, 4, 4))
    same(read_inputs(graph, tmp_path / "x.npz"), images[:, None, None], labels(6))
    np.savez(tmp_path / "y.npz", x_train=images[:3], x_test=images[3:], y_test=labels(3))
    same(read_inputs(graph, tmp_path / "y.npz"), images[3:, None, None], labels(3))
    np.savez(tmp_path / "z.npz", x=images)
    same(read_inputs(graph, tmp_path / "z.npz"), images[:, None, None], None)
    rows = a_graph((4,), steps=4)
    same(read_inputs(rows, tmp_path / "x.npz"), images, labels(6))


def test_names_of_classes_decide_over_numbers(tmp_path: Path) -> None:
    images = pixels(6, 4, 4)
    np.savez(tmp_path / "x.npz", x=images, y=labels(6), class_names=["dog", "fox", "cat"])
    graph = a_graph((1, 4, 4), names=("cat", "dog", "fox"))
    same(read_inputs(graph, tmp_path / "x.npz"), images[:, None, None], [1, 2, 0, 1, 2, 0])
    np.savez(tmp_path / "y.npz", x=images, y=np.array(["fox", "cat", "dog"])[labels(6)])
    same(read_inputs(graph, tmp_path / "y.npz"), images[:, None, None], [2, 0, 1, 2, 0, 1])
    np.savez(tmp_path / "z.npz", x=images, y=np.array(["fox", "cow", "dog"])[labels(6)])
    with pytest.raises(InputError, match="has the classes cow; the known ones are cat, dog, fox"):
        read_inputs(graph, tmp_path / "z.npz")


def test_labels_beyond_the_classes_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=pixels(6, 4, 4), y=labels(6) + 1)
    with pytest.raises(InputError, match=r"2 are outside 0\.\.2; the first, of sample 2, is 3"):
        read_inputs(a_graph((1, 4, 4)), tmp_path / "x.npz")


def test_a_graph_with_one_answer_has_no_labels(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=pixels(6, 4, 4), y=labels(6))
    assert read_inputs(a_graph((1, 4, 4), classes=1), tmp_path / "x.npz").labels is None


def test_what_data_writes_is_read_again(tmp_path: Path) -> None:
    options = DataOptions(str(write_recordings(tmp_path / "x.csv", [8] * 12, 3)), window=4)
    data = read_data(options)
    write_data(data, options, tmp_path / "out")
    assert prepared(tmp_path / "out").scaling == data.scaling
    again = read_data(DataOptions(str(tmp_path / "out")))
    assert again.scaling == data.scaling
    assert again.class_names == data.class_names
    assert (
        np.sort(again.test.samples, axis=0).tolist() == np.sort(data.test.samples, axis=0).tolist()
    )
    graph = a_graph((2,), 4, data.class_names, data.scaling, -127, 127)
    same(read_inputs(graph, tmp_path / "out" / "test.npy"), data.test.samples, None)
    same(read_inputs(graph, tmp_path / "out"), data.test.samples, data.test.labels)


@pytest.mark.parametrize("shape", [(6, 5), (8, 28, 3), (1, 4, 4), (4, 2, 6, 3)])
def test_axes_that_were_written_are_not_guessed_again(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    key = "sequences" if len(shape) == 2 else "images"
    arrays: dict[str, Any] = {key: pixels(30, *shape), "y": labels(30)}
    np.savez(tmp_path / "x.npz", **arrays)
    options = DataOptions(str(tmp_path / "x.npz"))
    data = read_data(options)
    write_data(data, options, tmp_path / "out")
    again = read_data(DataOptions(str(tmp_path / "out")))
    assert again.train.samples.shape == data.train.samples.shape
    assert again.source["kind"] == data.source["kind"]


def test_images_by_class_take_turns(tmp_path: Path) -> None:
    write_images(tmp_path, ["dog", "fox", "cat"], 4, 4, 4)
    images = pixels(12, 4, 4)[:, None, None]
    graph = a_graph((1, 4, 4), names=("cat", "dog", "fox"))
    order = [2, 0, 1, 5, 3, 4, 8, 6, 7, 11, 9, 10]  # cat, dog, fox, and again
    same(read_inputs(graph, tmp_path), images[order], [0, 1, 2] * 4)
    same(read_inputs(graph, tmp_path, 5), images[order[:5]], [0, 1, 2, 0, 1])


def test_folders_of_numbers_are_labels_without_names(tmp_path: Path) -> None:
    write_images(tmp_path, ["0", "2"], 2, 4, 4)
    assert read_inputs(a_graph((1, 4, 4)), tmp_path).labels is not None
    same(read_inputs(a_graph((1, 4, 4)), tmp_path), pixels(4, 4, 4)[:, None, None], [0, 2, 0, 2])
    write_images(tmp_path, ["cat"], 2, 4, 4)
    with pytest.raises(
        InputError, match=r"names classes 0, 2, cat, and graph 'small' has no class"
    ):
        read_inputs(a_graph((1, 4, 4)), tmp_path)
    with pytest.raises(InputError, match="has the classes 0, 2; the known ones are cat, dog, fox"):
        read_inputs(a_graph((1, 4, 4), names=("cat", "dog", "fox")), tmp_path)


def test_plain_images_are_sorted_and_have_no_labels(tmp_path: Path) -> None:
    images = pixels(12, 4, 4)
    for place, image in enumerate(images):
        write_png(tmp_path / f"{place}.png", image)
    same(read_inputs(a_graph((1, 4, 4)), tmp_path), images[:, None, None], None)


def test_images_become_what_the_graph_takes(tmp_path: Path) -> None:
    write_images(tmp_path, ["0", "1"], 2, 6, 8, 3)
    assert read_inputs(a_graph((1, 6, 8)), tmp_path).samples.shape == (4, 1, 1, 6, 8)
    assert read_inputs(a_graph((3, 5, 5)), tmp_path).samples.shape == (4, 1, 3, 5, 5)
    assert read_inputs(a_graph((8,), steps=6), tmp_path).samples.shape == (4, 6, 8)
    with pytest.raises(InputError, match="takes 2 channels; images have 1 or 3"):
        read_inputs(a_graph((2, 6, 8)), tmp_path)


def test_images_are_those_that_training_got(tmp_path: Path) -> None:
    write_images(tmp_path, ["a", "b", "c"], 6, 9, 7, 3)
    data = read_data(DataOptions(str(tmp_path), size=(5, 4), grey=True))
    found = read_inputs(a_graph((1, 5, 4), names=data.class_names), tmp_path)
    assert found.labels is not None
    by_bytes = {
        sample.tobytes(): label
        for sample, label in zip(found.samples[:, 0], found.labels.tolist(), strict=True)
    }
    for part in (data.train, data.validation, data.test):
        assert [by_bytes[sample.tobytes()] for sample in part.samples] == part.labels.tolist()


def test_the_test_folder_is_read_where_there_is_one(tmp_path: Path) -> None:
    write_images(tmp_path / "train", ["0", "1"], 5, 4, 4)
    write_images(tmp_path / "test", ["0", "1"], 2, 4, 4)
    assert len(read_inputs(a_graph((1, 4, 4)), tmp_path).samples) == 4


def test_images_are_not_measured_numbers(tmp_path: Path) -> None:
    write_images(tmp_path, ["0", "1"], 2, 4, 4)
    with pytest.raises(InputError, match="has a scaling for measured numbers; give an array"):
        read_inputs(a_graph((1, 4, 4), scaling=Scaling((7.0,), (0.5,))), tmp_path)
    graph = a_graph((1, 4, 4), scaling=Scaling((0.0,), (1 / 255,)))
    same(read_inputs(graph, tmp_path), pixels(4, 4, 4)[:, None, None], [0, 1, 0, 1])


@pytest.mark.parametrize("people", [0, 2])
def test_windows_are_those_that_training_got(tmp_path: Path, people: int) -> None:
    path = write_recordings(tmp_path / "x.csv", [9, 11, 8, 4, 10, 12] * 2, 3, people)
    data = read_data(DataOptions(str(path), window=4, group="person" if people else ""))
    graph = a_graph((2,), 4, data.class_names, data.scaling, -127, 127)
    found = read_inputs(graph, path)
    assert found.labels is not None
    expected = sum(n // 4 for n in (9, 11, 8, 4, 10, 12)) * 2
    assert len(found.samples) == len(found.labels) == expected
    by_bytes = {
        sample.astype(np.int8).tobytes(): label
        for sample, label in zip(found.samples, found.labels.tolist(), strict=True)
    }
    for part in (data.train, data.validation, data.test):
        assert [by_bytes[sample.tobytes()] for sample in part.samples] == part.labels.tolist()
    same(read_inputs(graph, path, 3), found.samples[:3], found.labels[:3])


def test_a_file_without_recordings_is_one(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "x.csv", ["a", "b"], [[x, -x] for x in range(11)])
    graph = a_graph((2,), 4, scaling=Scaling((0.0,), (1.0,)), low=-127, high=127)
    rows = np.arange(8).reshape(2, 4)
    same(read_inputs(graph, path), np.stack([rows, -rows], axis=2), None)
    with pytest.raises(InputError, match="has 11 rows; graph 'small' takes windows of 12"):
        read_inputs(a_graph((2,), 12), path)


def test_rows_are_samples_of_a_graph_without_steps(tmp_path: Path) -> None:
    rows = [[x, 2 * x, f"k{x % 3}"] for x in range(9)]
    path = write_csv(tmp_path / "x.csv", ["a", "b", "label"], rows)
    values = np.array([[x, 2 * x] for x in range(9)])
    for shape in ((2,), (2, 1, 1)):
        graph = a_graph(shape, names=("k0", "k1", "k2"))
        same(read_inputs(graph, path), values.reshape(9, 1, *shape), labels(9))
    with pytest.raises(InputError, match="it names classes k0, k1, k2, and graph 'small' has no"):
        read_inputs(a_graph((2,)), path)
    with pytest.raises(InputError, match="the known ones are k0, k1, k3"):
        read_inputs(a_graph((2,), names=("k0", "k1", "k3")), path)


def test_numbers_are_labels_of_a_graph_without_names(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "x.csv", ["a", "label"], [[x, float(x % 3)] for x in range(9)])
    same(read_inputs(a_graph((1,)), path), np.arange(9)[:, None, None], labels(9))


def test_rows_that_are_not_whole_need_a_scaling(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "x.csv", ["a"], [[0.5], [1.5]])
    with pytest.raises(InputError, match="give integers"):
        read_inputs(a_graph((1,)), path)


def test_other_numbers_of_columns_are_refused(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "x.csv", ["a", "b", "label"], [[1, 2, 0]])
    with pytest.raises(
        InputError, match=r"has 2 columns of numbers \(a, b\); graph 'small' takes 3"
    ):
        read_inputs(a_graph((3,)), path)


@pytest.mark.parametrize("name", ["missing.npy", "missing.csv", "missing", "a\0b"])
def test_what_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot read"):
        read_inputs(a_graph((1,)), tmp_path / name)


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*: it holds no images and no arrays"):
        read_inputs(a_graph((1,)), tmp_path)


def test_samples_are_what_a_graph_takes(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=pixels(6, 4, 4), y=labels(6))
    graph = a_graph((1, 4, 4))
    found = read_inputs(graph, tmp_path / "x.npz")
    np.testing.assert_array_equal(as_samples(graph, found.samples), found.samples)
    assert dataclasses.is_dataclass(found)
