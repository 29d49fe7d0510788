"""Arrays: archives and folders, their names and axes; what is not valid is refused at once."""

from __future__ import annotations

import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgespike.data.own import DataOptions, read_data
from edgespike.data.own.items import Stacked, is_plain
from edgespike.errors import FileFormatError, InputError
from edgespike.graph import Scaling
from tests.data.own.files import faults, labels, pixels, read


def saved(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def parts(data: Any) -> list[NDArray[Any]]:
    return [data.train.samples, data.validation.samples, data.test.samples]


@pytest.mark.parametrize("samples", ["images", "samples", "x", "X"])
@pytest.mark.parametrize("of_labels", ["labels", "y"])
def test_images_and_labels_are_split_class_by_class(
    tmp_path: Path, samples: str, of_labels: str
) -> None:
    images = pixels(60, 5, 4)
    data = read(saved(tmp_path / "x.npz", **{samples: images, of_labels: labels(60)}))
    assert data.scaling is None
    assert data.class_names == ("0", "1", "2")
    assert [len(part) for part in parts(data)] == [42, 6, 12]
    assert data.train.samples.shape == (42, 1, 5, 4)
    for part in (data.train, data.validation, data.test):
        assert part.samples.dtype == np.uint8
        assert len(set(np.bincount(part.labels).tolist())) == 1
    back = {image.tobytes(): label for image, label in zip(images, labels(60), strict=True)}
    for part in (data.train, data.validation, data.test):
        assert [back.pop(image.tobytes()) for image in part.samples] == part.labels.tolist()
    assert not back


@pytest.mark.parametrize(
    "names",
    [
        ("x_train", "y_train", "x_test", "y_test"),
        ("train_images", "train_labels", "test_images", "test_labels"),
        ("train", "train_labels", "test", "test_labels"),
    ],
)
def test_parts_that_the_source_separates_stay_apart(tmp_path: Path, names: tuple[str, ...]) -> None:
    train, test = pixels(30, 4, 4), pixels(9, 4, 4, seed=1)
    arrays = dict(zip(names, (train, labels(30), test, labels(9)), strict=True))
    data = read(saved(tmp_path / "x.npz", **arrays))
    assert data.source["samples"] == {"train": 27, "validation": 3, "test": 9}
    assert {x.tobytes() for x in data.test.samples} == {x.tobytes() for x in test}
    assert read(tmp_path / "x.npz", validation=0).source["samples"]["validation"] == 0


def test_a_validation_part_is_taken_as_it_is(tmp_path: Path) -> None:
    arrays = {
        f"{part}_{what}": values
        for part, count in (("train", 12), ("val", 6), ("test", 3))
        for what, values in (("images", pixels(count, 4, 4)), ("labels", labels(count)))
    }
    data = read(saved(tmp_path / "x.npz", **arrays))
    assert data.source["samples"] == {"train": 12, "validation": 6, "test": 3}


def test_folders_of_arrays_are_read(tmp_path: Path) -> None:
    images, numbers = pixels(30, 4, 4), labels(30)
    np.save(tmp_path / "samples.npy", images)
    np.save(tmp_path / "labels.npy", numbers)
    (tmp_path / "classes.txt").write_text("cat\ndog\nfox\n")
    one = read(tmp_path)
    assert one.class_names == ("cat", "dog", "fox")
    assert one.source["files"] == 2
    for part, chosen in (("train", slice(20)), ("test", slice(20, 30))):
        (tmp_path / "parts" / part).mkdir(parents=True)
        np.save(tmp_path / "parts" / part / "samples.npy", images[chosen])
        np.save(tmp_path / "parts" / part / "labels.npy", numbers[chosen])
    two = read(tmp_path / "parts")
    assert two.source["samples"] == {"train": 17, "validation": 3, "test": 10}
    assert two.source["kind"] == "images"


@pytest.mark.parametrize(
    ("shape", "dtype", "name", "kind", "expected"),
    [
        ((7,), np.uint8, "x", "rows", (7, 1, 1)),
        ((6, 5), np.uint8, "x", "images", (1, 6, 5)),
        ((6, 6), np.float32, "x", "images", (1, 6, 6)),
        ((6, 5), np.float32, "x", "sequences", (6, 5)),
        ((6, 5), np.float32, "images", "images", (1, 6, 5)),
        ((6, 5), np.uint8, "sequences", "sequences", (6, 5)),
        ((3, 6, 5), np.uint8, "x", "images", (3, 6, 5)),
        ((6, 5, 3), np.uint8, "x", "images", (3, 6, 5)),
        ((6, 6, 1), np.uint8, "x", "images", (1, 6, 6)),
        ((6, 64, 1), np.uint8, "x", "images", (6, 64, 1)),
        ((8, 4, 4), np.uint8, "x", "images", (8, 4, 4)),
        ((9, 2, 6, 5), np.uint8, "x", "events", (9, 2, 6, 5)),
    ],
)
def test_axes_are_understood(
    tmp_path: Path, shape: tuple[int, ...], dtype: Any, name: str, kind: str, expected: Any
) -> None:
    values = pixels(12, *shape)
    if dtype != np.uint8:
        values = (values / 255).astype(dtype)
    data = read(saved(tmp_path / "x.npz", **{name: values, "y": labels(12)}))
    assert data.source["kind"] == kind
    assert data.train.samples.shape[1:] == expected
    if len(expected) == 3 and shape[-1] == expected[0] != 6:
        by_bytes = {np.moveaxis(image, -1, 0).tobytes() for image in values}
        assert {image.tobytes() for image in data.train.samples} <= by_bytes


@pytest.mark.parametrize(
    ("values", "dtype", "is_scaled"),
    [
        (np.arange(-127, 128, dtype=np.int8), np.int8, False),
        (np.arange(-128, 127, dtype=np.int8), np.int8, True),
        (np.arange(0, 255, dtype=np.uint8), np.uint8, False),
        (np.arange(0, 255, dtype=np.uint8) > 99, np.uint8, True),
        (np.arange(0, 255, dtype=np.int16) * 100, np.uint8, True),
        (np.arange(-99, 156, dtype=np.int64), np.int8, True),
        (np.arange(0, 255, dtype=np.float64) / 100 - 1, np.int8, True),
        (np.arange(0, 255, dtype=">f4"), np.uint8, True),
    ],
)
def test_numbers_of_more_than_8_bits_get_a_scaling(
    tmp_path: Path, values: NDArray[Any], dtype: Any, is_scaled: bool
) -> None:
    x = np.repeat(values[:, None, None], 2, axis=1)
    data = read(saved(tmp_path / "x.npz", sequences=x, y=np.arange(255) % 5))
    assert data.train.samples.dtype == dtype
    assert (data.scaling is not None) == is_scaled


def test_channels_of_images_have_a_step_each(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(30, 3, 4, 4)) * [[[1]], [[10]], [[100]]]
    data = read(saved(tmp_path / "x.npz", x=values, y=labels(30)))
    assert data.scaling is not None
    steps = np.array(data.scaling.step)
    assert steps[1:] / steps[:-1] == pytest.approx(10, rel=0.4)


def test_features_of_sequences_have_a_step_each(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(30, 7, 2)) * [1, 1000]
    data = read(saved(tmp_path / "x.npz", x=values, y=labels(30)))
    assert data.scaling is not None
    assert len(data.scaling.step) == 2
    np.testing.assert_array_equal(
        data.train.samples, data.scaling.apply(restored(values, data), (2,), -127, 127)
    )


def restored(values: NDArray[Any], data: Any) -> NDArray[Any]:
    """Return the measured numbers of the training samples, found by their whole numbers."""
    whole = data.scaling.apply(values, (2,), -127, 127).astype(np.int8)
    places = {sample.tobytes(): place for place, sample in enumerate(whole)}
    return values[[places[sample.tobytes()] for sample in data.train.samples]]


def test_frames_of_events_stay_as_they_are(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 3, (20, 5, 2, 4, 4)).astype(np.uint8)
    data = read(saved(tmp_path / "x.npz", x=frames, y=labels(20, 2)))
    assert data.scaling is None
    assert data.train.samples.shape == (14, 5, 2, 4, 4)


@pytest.mark.parametrize(
    "given",
    [labels(30).astype(np.float32), labels(30)[:, None], labels(30).astype(np.uint8)],
    ids=["floats", "column", "bytes"],
)
def test_labels_may_be_any_whole_numbers(tmp_path: Path, given: NDArray[Any]) -> None:
    data = read(saved(tmp_path / "x.npz", x=pixels(30, 4, 4), y=given))
    assert data.train.labels.dtype == np.int64
    assert data.class_names == ("0", "1", "2")


def test_labels_may_be_names(tmp_path: Path) -> None:
    words = np.array(["n10", "n9", " n1"])[labels(30)]
    data = read(saved(tmp_path / "x.npz", x=pixels(30, 4, 4), y=words))
    assert data.class_names == ("n1", "n9", "n10")
    named = read(
        saved(tmp_path / "y.npz", x=pixels(30, 4, 4), y=words, class_names=["n9", "n10", "n1"])
    )
    assert named.class_names == ("n9", "n10", "n1")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y": labels(30) - 1}, "labels of train: 10 are outside 0..9999; the first, of"),
        ({"y": labels(30) + 0.5}, "labels of train: 30 are not whole numbers; the first"),
        ({"y": np.full(30, np.nan)}, "labels of train: 30 are not whole numbers"),
        ({"y": labels(30) * 2}, "classes 1, 3 without samples"),
        ({"y": labels(30) + 1}, "class 0 without samples; add some, or number classes from 0 on"),
        ({"y": labels(30) * 10_000}, "labels of train: 20 are outside"),
        ({"y": np.zeros(30)}, "it has 1 class (0); give samples of at least 2"),
        ({"y": labels(29)}, "train has 30 samples and labels of shape (29,)"),
        ({"y": np.eye(3)[labels(30)]}, "labels of train have shape (30, 3)"),
        ({"y": labels(30), "class_names": ["a", "b"]}, "labels of train: 10 are outside 0..1"),
        ({"y": labels(30), "class_names": ["a", "b", "c", "d"]}, "class d without samples"),
        ({"y": labels(30), "class_names": ["a", "b", "a"]}, "class name 'a' is used 2 times"),
        (
            {"y": np.array(["a", "b", "d"])[labels(30)], "class_names": ["a", "b", "c"]},
            "it has the classes d; the known ones are a, b, c",
        ),
        ({}, "train has no labels"),
        ({"y": labels(30), "labels": labels(30)}, "y, labels could all be the labels of train"),
        ({"y": labels(30), "y_test": labels(3)}, "test has labels without samples"),
        (
            {"y": labels(30), "x_test": pixels(3, 5, 5), "y_test": labels(3)},
            "samples have different shapes",
        ),
        (
            {"y": labels(30), "x_test": pixels(3, 4, 4) / 255, "y_test": labels(3)},
            "samples differ in type",
        ),
        (
            {"y": labels(30), "x_test": pixels(3, 4, 4), "y_test": labels(3, 2)},
            "class 2 without samples in test; add some",
        ),
        ({"y": np.r_[np.zeros(29), 1]}, "class 1 without samples in test; each class needs at"),
    ],
)
def test_labels_that_make_no_sense_are_refused(
    tmp_path: Path, arrays: dict[str, Any], message: str
) -> None:
    found = faults(saved(tmp_path / "x.npz", x=pixels(30, 4, 4), **arrays))
    assert any(fault.startswith(message) for fault in found), found


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_are_refused(tmp_path: Path, bad: float) -> None:
    values = pixels(30, 4, 4) / 255
    values[3, 1, 1] = bad
    assert faults(saved(tmp_path / "x.npz", x=values, y=labels(30))) == [
        "1 of 480 numbers of train are NaN or infinite; remove them"
    ]


@pytest.mark.parametrize("shape", [(0, 4, 4), (30, 0, 4)])
def test_empty_samples_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = saved(tmp_path / "x.npz", images=np.zeros(shape, np.uint8), y=labels(shape[0]))
    assert "give at least one number" in faults(path)[0]


@pytest.mark.parametrize("shape", [(30,), (30, 1, 1, 1, 1, 1)])
def test_other_axes_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = saved(tmp_path / "x.npz", x=np.zeros(shape), y=labels(30))
    with pytest.raises(InputError, match="give \\(samples, features\\)"):
        read(path)


def test_archives_without_samples_say_what_they_hold(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no samples; it holds weights: name the arrays"):
        read(saved(tmp_path / "x.npz", weights=np.zeros(3)))
    with pytest.raises(InputError, match="it holds nothing"):
        read(saved(tmp_path / "x.npz"))


class Evil:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("unpickled"),))


@pytest.mark.parametrize("name", ["x", "y", "class_names"])
def test_nothing_is_unpickled(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    arrays: dict[str, Any] = {
        "x": pixels(30, 4, 4),
        "y": labels(30),
        "class_names": np.array(["a", "b", "c"]),
    }
    objects = np.empty(30, object)
    objects[:] = [Evil()] * 30
    np.savez(tmp_path / "x.npz", **{**arrays, name: objects}, allow_pickle=True)
    with pytest.raises(FileFormatError, match="pickle"):
        read(tmp_path / "x.npz")
    (tmp_path / "f").mkdir()
    np.save(tmp_path / "f" / "samples.npy", arrays["x"])
    np.save(tmp_path / "f" / "labels.npy", objects, allow_pickle=True)
    with pytest.raises(FileFormatError, match="pickle"):
        read(tmp_path / "f")
    (tmp_path / "y.npz").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(InputError):
        read(tmp_path / "y.npz")
    assert not (tmp_path / "unpickled").exists()


@pytest.mark.parametrize("cut", [2, 30, 200, -30])
def test_truncated_archives_are_refused(tmp_path: Path, cut: int) -> None:
    path = saved(tmp_path / "x.npz", x=pixels(30, 4, 4), y=labels(30))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(FileFormatError):
        read(path)


def test_damaged_archives_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.npz", x=pixels(30, 4, 4), y=labels(30))
    content = bytearray(path.read_bytes())
    content[300] ^= 255
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=r"truncated or damaged|CRC"):
        read(path)


def test_an_archive_that_declares_more_than_the_limit_is_refused_at_once(tmp_path: Path) -> None:
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (5000000000,), }\n"
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("x.npy", content)
    with pytest.raises(FileFormatError, match="declares uint8 of shape"):
        read(tmp_path / "x.npz")


def test_arrays_beyond_the_limit_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgespike.data.own.archive.BYTES_LIMIT", 400)
    with pytest.raises(FileFormatError, match=r"x in .* has 480 bytes, the limit is 400"):
        read(saved(tmp_path / "x.npz", x=pixels(30, 4, 4), y=labels(30)))


def test_archives_of_many_entries_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        for place in range(1001):
            archive.writestr(f"{place}.npy", b"")
    with pytest.raises(FileFormatError, match="1,001 entries"):
        read(tmp_path / "x.npz")


def test_one_array_alone_is_not_enough(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", pixels(3, 4, 4))
    with pytest.raises(
        InputError, match=r"one array without labels; give a folder of samples\.npy"
    ):
        read(tmp_path / "x.npy")


@pytest.mark.parametrize("name", ["missing", "a\0b"])
def test_what_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"there is no|cannot read"):
        read(tmp_path / name)


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(
        InputError, match=r"cannot be read as data; give an \.npz file, a \.csv file"
    ):
        read(tmp_path / "x.json")


def test_equal_data_is_equal_on_every_machine(tmp_path: Path) -> None:
    # Written down: it does not depend on the path, the machine or the version of numpy.
    values = (np.arange(30 * 8).reshape(30, 4, 2) * 37 % 101 - 50).astype(np.float32)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        data = read(saved(tmp_path / name / "x.npz", x=values, y=labels(30)))
        assert data.source == {
            "path": str(tmp_path / name / "x.npz"),
            "format": "npz",
            "kind": "sequences",
            "files": 1,
            "samples": {"train": 21, "validation": 3, "test": 6},
            "sha256": SHA256,
            "notes": [],
        }
    assert read(tmp_path / "a" / "x.npz", seed=1).source["sha256"] != SHA256
    big_endian = saved(tmp_path / "c.npz", x=values.astype(">f8"), y=labels(30).astype(">i2"))
    assert read(big_endian).source["sha256"] == SHA256


SHA256 = "ac90a051d863414a53549c3a5c0f042a200b247ba35c269826c30820e7d9760b"


def test_the_first_samples_of_a_part_hold_all_classes(tmp_path: Path) -> None:
    sorted_labels = np.sort(labels(300))
    data = read(saved(tmp_path / "x.npz", x=pixels(300, 2, 2), y=sorted_labels))
    for part in (data.train, data.validation, data.test):
        assert set(part.labels[:20]) == {0, 1, 2}


def test_large_arrays_are_scaled_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    items = Stacked(np.arange(70, dtype=np.float64).reshape(10, 7, 1), 2)
    whole = items.whole(np.arange(10)[::-1], lambda values: values.astype(np.uint8))
    monkeypatch.setattr("edgespike.data.own.chunks._VALUES", 15)
    seen: list[int] = []

    def convert(values: NDArray[Any]) -> NDArray[Any]:
        seen.append(len(values))
        return values.astype(np.uint8)

    np.testing.assert_array_equal(items.whole(np.arange(10)[::-1], convert), whole)
    assert seen == [2] * 5


def about(step: float) -> str:
    scaling = {"offset": [1.5], "step": [step]}
    return json.dumps({"source": {"kind": "images"}, "scaling": scaling})


def test_a_scaling_that_was_written_is_kept(tmp_path: Path) -> None:
    np.save(tmp_path / "samples.npy", pixels(30, 1, 4, 4).view(np.int8).clip(-127))
    np.save(tmp_path / "labels.npy", labels(30))
    (tmp_path / "data.json").write_text(about(0.25))
    assert read(tmp_path).scaling == Scaling((1.5,), (0.25,))
    (tmp_path / "data.json").write_text(about(0))
    with pytest.raises(FileFormatError, match=r"data\.json was not written by edgespike"):
        read_data(DataOptions(str(tmp_path)))


def test_plain_arrays_have_8_bits() -> None:
    assert is_plain(np.zeros((0, 3), np.int8))
    assert not is_plain(np.array([-128], np.int8))
    assert not is_plain(np.array([1], np.int16))
