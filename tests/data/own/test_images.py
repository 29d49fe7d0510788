"""Folders of images: pixels come back exactly, and whatever Pillow would change is refused."""

from __future__ import annotations

import io
import os
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgespike.errors import EnvironmentMissingError, InputError
from tests.data.own.files import faults, pixels, read, write_images, write_png

Image = pytest.importorskip("PIL.Image")


def test_folders_name_classes_and_pixels_come_back(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "x", ["10", "9", "cat"], 10, 5, 4)
    data = read(folder)
    assert data.class_names == ("9", "10", "cat")
    assert data.scaling is None
    assert data.source == {
        **data.source,
        "format": "images",
        "kind": "images",
        "files": 30,
        "samples": {"train": 21, "validation": 3, "test": 6},
    }
    expected = {
        image.tobytes(): ["10", "9", "cat"][n % 3] for n, image in enumerate(pixels(30, 5, 4))
    }
    for part in (data.train, data.validation, data.test):
        assert part.samples.shape[1:] == (1, 5, 4)
        for image, label in zip(part.samples, part.labels, strict=True):
            assert expected.pop(image.tobytes()) == data.class_names[label]
    assert not expected


def test_colours_are_channels_first(tmp_path: Path) -> None:
    data = read(write_images(tmp_path / "x", ["a", "b"], 5, 4, 6, 3))
    assert data.train.samples.shape == (6, 3, 4, 6)
    known = {np.moveaxis(image, -1, 0).tobytes() for image in pixels(10, 4, 6, 3)}
    assert {image.tobytes() for image in data.train.samples} <= known


def test_parts_may_be_folders(tmp_path: Path) -> None:
    write_images(tmp_path / "x" / "train", ["a", "b"], 10, 4, 4)
    write_images(tmp_path / "x" / "test", ["a", "b"], 2, 4, 4)
    assert read(tmp_path / "x").source["samples"] == {"train": 18, "validation": 2, "test": 4}
    write_images(tmp_path / "x" / "validation", ["a", "b"], 3, 4, 4)
    assert read(tmp_path / "x").source["samples"] == {"train": 20, "validation": 6, "test": 4}
    write_images(tmp_path / "x" / "test", ["c"], 1, 4, 4)
    assert faults(tmp_path / "x") == ["class c without samples in train; add some"]


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    data = read(write_images(tmp_path / "x", ["train", "ship"], 10, 4, 4))
    assert data.class_names == ("ship", "train")


def test_grey_and_colour_files_become_colours_or_grey(tmp_path: Path) -> None:
    write_images(tmp_path / "x", ["a", "b"], 5, 4, 4)
    write_images(tmp_path / "x", ["c"], 5, 4, 4, 3)
    assert read(tmp_path / "x").train.samples.shape[1:] == (3, 4, 4)
    assert read(tmp_path / "x", grey=True).train.samples.shape[1:] == (1, 4, 4)


def test_sizes_must_be_equal_or_given(tmp_path: Path) -> None:
    write_images(tmp_path / "x", ["a", "b"], 5, 4, 4)
    write_png(tmp_path / "x" / "b" / "odd.png", pixels(1, 6, 5)[0])
    assert faults(tmp_path / "x") == [
        "its images have 2 sizes, height x width: 4 x 4 (10 files, such as 0.png), 6 x 5 "
        "(1 files, such as odd.png); resize them with size, such as 4,4"
    ]
    data = read(tmp_path / "x", size=(3, 7))
    assert data.train.samples.shape[1:] == (1, 3, 7)
    assert data.source["notes"] == ["images were resized to 3 x 7 where they differ"]


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        *(("1", "png"), ("L", "bmp"), ("P", "png"), ("P", "gif"), ("RGB", "webp")),
        *(("LA", "png"), ("RGBA", "png"), ("L", "pgm"), ("RGB", "tiff"), ("CMYK", "tiff")),
    ],
)
def test_other_modes_become_grey_or_colours(tmp_path: Path, mode: str, suffix: str) -> None:
    image = pixels(1, 8, 8, 3)[0] // 255 * 255 if mode in ("1", "P") else pixels(1, 8, 8, 3)[0]
    original = Image.fromarray(image)
    if mode in ("1", "L", "LA"):
        original = original.convert("L")
    elif mode == "P":
        original = original.quantize(4)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for place in range(3):
            options = {"lossless": True} if suffix == "webp" else {}
            original.convert(mode).save(tmp_path / name / f"{place}.{suffix}", **options)
    data = read(tmp_path)
    grey = mode in ("1", "L", "LA")
    expected = np.asarray(
        original.convert("1").convert("L")
        if mode == "1"
        else original.convert("L" if grey else "RGB")
    )
    found = data.train.samples[0]
    np.testing.assert_array_equal(found, np.moveaxis(expected.reshape(8, 8, -1), -1, 0))


def odd(path: Path, kind: str) -> None:
    """Write an image that is refused."""
    grey = Image.fromarray(pixels(1, 4, 4)[0])
    if kind == "transparent":
        Image.fromarray(pixels(1, 4, 4, 4)[0]).save(path)
    elif kind == "transparent colour":
        grey.convert("P").save(path, transparency=int(np.asarray(grey.convert("P"))[0, 0]))
    elif kind == "animated":
        others = [Image.fromarray(each) for each in pixels(2, 4, 4, seed=5)]
        grey.save(path, format="GIF", save_all=True, append_images=others)
    elif kind == "16 bits":
        Image.fromarray(np.full((4, 4), 1000, np.uint16)).save(path)
    elif kind == "floats":
        Image.fromarray(np.zeros((4, 4), np.float32)).save(path, format="TIFF")
    elif kind == "16 bits of colour":
        path.write_bytes(png(4, 4, depth=16))
    elif kind == "truncated":
        buffer = io.BytesIO()
        Image.fromarray(pixels(1, 64, 64)[0]).resize((4, 4)).save(buffer, "PNG")
        path.write_bytes(buffer.getvalue()[:50])
    elif kind == "bomb":
        path.write_bytes(png(60_000, 60_000, rows=1))
    elif kind == "large":
        path.write_bytes(png(5000, 4000, rows=1))
    elif kind == "text":
        path.write_text("not an image")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "eps":
        path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n")
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "pipe":
        os.mkfifo(path)


def png(width: int, height: int, depth: int = 8, rows: int = 0) -> bytes:
    """A PNG of colours, black, that may have fewer rows than it says."""
    row = b"\0" + bytes(width * 3 * depth // 8)
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(row * (rows or height))),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("transparent", "transparent pixels; lay it on a background first"),
        ("transparent colour", "transparent pixels"),
        ("animated", "has 3 frames; give one still image"),
        ("16 bits", "has more than 8 bits a channel (I"),
        ("16 bits of colour", "has more than 8 bits a channel (RGB, RGB;16"),
        ("floats", "has more than 8 bits a channel (F"),
        ("truncated", "cannot be read"),
        ("bomb", "is too large"),
        ("large", "has 20,000,000 pixels, the limit is 16,777,216"),
        ("text", "is not an image (PNG, JPEG,"),
        ("empty", "is empty"),
        ("eps", "is not an image"),
        ("loop", "cannot read"),
        ("pipe", "not a regular file"),
    ],
)
def test_files_that_are_not_plain_images_are_refused(
    tmp_path: Path, kind: str, message: str
) -> None:
    write_images(tmp_path, ["a", "b"], 5, 4, 4)
    odd(tmp_path / "b" / "odd.png", kind)
    with pytest.raises(InputError) as caught:
        read(tmp_path)
    assert "b/odd.png" in str(caught.value)
    assert message in str(caught.value)


def test_bad_files_are_listed_together(tmp_path: Path) -> None:
    write_images(tmp_path, ["a", "b"], 5, 4, 4)
    for place in range(3):
        odd(tmp_path / "a" / f"t{place}.png", "text")
        odd(tmp_path / "b" / f"e{place}.png", "empty")
    assert len(faults(tmp_path)) == 5


@pytest.mark.parametrize(
    ("setup", "message"),
    [
        ("nothing", "it has no images and no class folders"),
        ("loose", "it has 4 images and no class folders"),
        ("one class", "it has 1 class (a); give samples of at least 2"),
        ("empty class", "it has empty class folder: c; add images or remove them"),
        ("nested", "class folder 'c' holds folders (d); images must lie in it directly"),
        ("text in class", "class folder 'a' holds files that are not images (notes.txt)"),
        ("beside", "it has images beside the class folders (0.png)"),
        ("one sample", "class c without samples in test; each class needs at least 2 samples"),
    ],
)
def test_folders_that_make_no_sense_are_refused(tmp_path: Path, setup: str, message: str) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    if setup == "loose":
        for place, image in enumerate(pixels(4, 4, 4)):
            write_png(folder / f"{place}.png", image)
    elif setup == "one class":
        write_images(folder, ["a"], 4, 4, 4)
    elif setup != "nothing":
        write_images(folder, ["a", "b"], 4, 4, 4)
    if setup in ("empty class", "nested"):
        (folder / "c").mkdir()
    if setup == "nested":
        (folder / "c" / "d").mkdir()
    elif setup == "text in class":
        (folder / "a" / "notes.txt").write_text("")
    elif setup == "beside":
        write_png(folder / "0.png", pixels(1, 4, 4)[0])
    elif setup == "one sample":
        write_png(folder / "c" / "0.png", pixels(1, 4, 4)[0])
    found = faults(folder)
    assert found[0].startswith(message)


def test_hidden_and_system_files_are_ignored(tmp_path: Path) -> None:
    write_images(tmp_path, ["a", "b"], 5, 4, 4)
    for name in (".DS_Store", "a/.hidden.png", "a/Thumbs.db", "README.md"):
        (tmp_path / name).write_text("")
    assert read(tmp_path).source["files"] == 10


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    write_images(tmp_path, ["a", "b"], 5, 4, 4)
    (tmp_path / "c").symlink_to(tmp_path)
    assert faults(tmp_path)[0].startswith("class folder 'c' holds folders (a, b, c)")
    (tmp_path / "c").unlink()
    (tmp_path / "c").symlink_to("c")
    with pytest.raises(InputError):
        read(tmp_path)


def test_photographs_are_turned_as_they_were_taken(tmp_path: Path) -> None:
    picture = np.zeros((8, 16), np.uint8)
    picture[:, 8:] = 255
    tags = Image.Exif()
    tags[0x0112] = 6  # the right side is the bottom
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for place in range(2):
            Image.fromarray(picture).save(tmp_path / name / f"{place}.jpg", exif=tags, quality=100)
    found = read(tmp_path).train.samples[0, 0]
    assert found.shape == (16, 8)
    assert found[:7].max() < 20
    assert found[9:].min() > 235


def test_images_beyond_the_limit_are_refused_before_they_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(tmp_path, ["a", "b"], 5, 4, 4)
    monkeypatch.setattr("edgespike.data.own.images.BYTES_LIMIT", 159)
    assert faults(tmp_path) == [
        "its 10 images of 4 x 4 pixels take 160 bytes, the limit is 159; use fewer, or a smaller "
        "size"
    ]


def test_digits_of_scikit_learn(tmp_path: Path) -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    digits = datasets.load_digits()
    images = (digits.images * 255 / 16).round().astype(np.uint8)
    for place, (image, label) in enumerate(zip(images[:200], digits.target, strict=False)):
        write_png(tmp_path / str(label) / f"{place}.png", image)
    data = read(tmp_path)
    assert data.class_names == tuple("0123456789")
    assert data.source["files"] == 200
    assert nearest(data) > 0.8


def nearest(data: Any) -> float:
    """The accuracy of taking the nearest training image: labels and images belong together."""
    train = data.train.samples.reshape(len(data.train.samples), -1).astype(np.int64)
    test = data.test.samples.reshape(len(data.test.samples), -1).astype(np.int64)
    distances = ((test[:, None] - train[None]) ** 2).sum(axis=2)
    return float((data.train.labels[distances.argmin(axis=1)] == data.test.labels).mean())


def test_the_seed_alone_decides(tmp_path: Path) -> None:
    write_images(tmp_path, ["a", "b"], 20, 4, 4)
    hashes = [read(tmp_path, seed=seed).source["sha256"] for seed in (0, 0, 1)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_without_pillow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_images(tmp_path, ["a", "b"], 2, 4, 4)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(EnvironmentMissingError, match=r"reading images needs the package"):
        read(tmp_path)


def test_a_folder_of_something_else_is_not_listed_whole(tmp_path: Path) -> None:
    for place in range(50):
        (tmp_path / f"{place}").mkdir()
        (tmp_path / f"{place}" / "code.c").write_text("")
    found = faults(tmp_path)
    assert len(found) == 21
    assert found[-1] == "and 30 more"
