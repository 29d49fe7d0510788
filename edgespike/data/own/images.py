"""Read image files as 8-bit pixels, and refuse what Pillow would change silently."""

from __future__ import annotations

import io
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from edgespike.data.own.faults import EXAMPLES, examples, refuse
from edgespike.data.own.items import BYTES_LIMIT, Convert
from edgespike.data.own.options import SIDE_LIMIT
from edgespike.errors import EnvironmentMissingError, named
from edgespike.extras import needs_extra
from edgespike.storage.files import opened

if TYPE_CHECKING:
    from PIL import Image, ImageFile

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
"""Formats that are read; Pillow knows more, some of which start other programs."""

SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".pbm",
    ".pnm",
)  # fmt: skip
"""How names of image files end."""

PIXELS_LIMIT = 2**24
"""Most pixels of one file: a small file may claim to be a huge image."""

_GREY = ("1", "L", "LA")
_COLOUR = ("RGB", "RGBA", "RGBX", "P", "PA", "CMYK", "YCbCr")
_ALPHA = ("LA", "RGBA", "PA", "RGBa", "La")
_ORIENTATION, _TURNED = 0x0112, (5, 6, 7, 8)


@dataclass(frozen=True)
class Pictures:
    """Image files of one size, decoded when they are asked for.

    Parameters
    ----------
    files
        One for each sample.
    size
        Height and width; files of others are resized.
    channels
        1 or 3.
    """

    files: tuple[Path, ...]
    size: tuple[int, int]
    channels: int

    def __len__(self) -> int:
        return len(self.files)

    @property
    def plain(self) -> bool:
        """Return true: pixels are whole numbers of 8 bits."""
        return True

    def measured(self, chosen: NDArray[np.int64]) -> NDArray[Any]:
        """Return all pixels of some images, ``(pixels, channels)``."""
        return np.moveaxis(self.whole(chosen, None), 1, -1).reshape(-1, self.channels)

    def whole(self, chosen: NDArray[np.int64], convert: Convert | None) -> NDArray[Any]:
        """Return some images, uint8, ``(images, channels, height, width)``.

        Raises
        ------
        DataError
            Files are damaged, transparent, animated or of 16 bits; the first ones are listed.
        """
        height, width = self.size
        out = np.empty((len(chosen), height, width, self.channels), np.uint8)
        faults = []
        for place, number in enumerate(chosen.tolist()):
            path = self.files[number]
            try:
                with _open(path) as image:
                    fault = _fault(image)
                    if not fault:
                        out[place] = _pixels(image, self.size, self.channels)
            except (EnvironmentMissingError, MemoryError):
                raise
            except Exception as error:  # a damaged image makes Pillow raise nearly anything
                fault = f"cannot be read: {_reason(error)}"
            if fault:
                faults.append(f"{_place(path)} {fault}")
                if len(faults) == EXAMPLES:
                    break
        refuse("the folder of images", faults)
        return np.moveaxis(out, -1, 1)


def pictures(
    place: object,
    files: Sequence[Path],
    size: tuple[int, ...] = (),
    channels: int = 0,
) -> Pictures:
    """Look at the head of every file, and return them as samples of one shape.

    Parameters
    ----------
    place
        The folder, for messages.
    files
        At least one.
    size
        Height and width to which images are resized; empty if all have to have one size.
    channels
        1 for grey, 3 for colours; 0 for grey if all files are grey, else colours.

    Raises
    ------
    DataError
        Files are not images, have different sizes, are too large, or together need too much memory.
    EnvironmentMissingError
        Pillow is not installed.
    """
    sizes: dict[tuple[int, int], list[Path]] = {}
    faults, modes = [], Counter[str]()
    for path in files:
        try:
            with _open(path) as image:
                shape, mode = _upright(image), image.mode
        except (EnvironmentMissingError, MemoryError):
            raise
        except Exception as error:  # a damaged image makes Pillow raise nearly anything
            faults.append(f"{_place(path)} {_reason(error)}")
            if len(faults) == EXAMPLES:
                break
            continue
        sizes.setdefault(shape, []).append(path)
        modes[mode] += 1
    refuse(place, faults)
    refuse(place, _size_faults(sizes, size))
    shape = (size[0], size[1]) if size else next(iter(sizes))
    channels = channels or (1 if all(mode in _GREY for mode in modes) else 3)
    needed = len(files) * channels * shape[0] * shape[1]
    if needed > BYTES_LIMIT:
        refuse(
            place,
            [
                f"its {len(files):,} images of {shape[0]} x {shape[1]} pixels take {needed:,} "
                f"bytes, the limit is {BYTES_LIMIT:,}; use fewer, or a smaller size"
            ],
        )
    return Pictures(tuple(files), shape, channels)


def _size_faults(sizes: dict[tuple[int, int], list[Path]], size: tuple[int, ...]) -> Iterator[str]:
    if len(sizes) > 1 and not size:
        common = sorted(sizes.items(), key=lambda item: -len(item[1]))
        listed = ", ".join(
            f"{height} x {width} ({len(paths):,} files, such as {named(paths[0].name)})"
            for (height, width), paths in common[:EXAMPLES]
        )
        height, width = common[0][0]
        yield (
            f"its images have {len(sizes):,} sizes, height x width: {listed}; resize them with "
            f"size, such as {height},{width}"
        )
    for (height, width), paths in sizes.items():
        if max(height, width) > SIDE_LIMIT and not size:
            yield (
                f"{examples([path.name for path in paths])}: {height} x {width} pixels; the limit "
                f"of a side is {SIDE_LIMIT}, give a size"
            )


class _Bounded:
    """The part of a file that Pillow uses. It never allocates more than the file holds.

    A damaged image may say that 4 GB follow; a file opened by Python allocates them first.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = file.seek(0, io.SEEK_END)
        self.seek, self.tell = file.seek, file.tell
        self.seek(0)

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, as many as there are."""
        left = max(0, self._size - self.tell())
        return self._file.read(left if size < 0 else min(size, left))


@contextmanager
def _open(path: Path) -> Iterator[ImageFile.ImageFile]:
    """Open an image without decoding it, and check its claims."""
    with needs_extra("data", "reading images"):
        from PIL import Image, UnidentifiedImageError
    with opened(path) as unbounded, warnings.catch_warnings():
        file = _Bounded(unbounded)
        warnings.simplefilter("ignore")  # about damaged tags; bombs are refused below
        try:
            image = Image.open(file, formats=FORMATS)  # type: ignore[arg-type]  # see _Bounded
        except UnidentifiedImageError:
            empty = "is empty" if not file.seek(0, 2) else f"is not an image ({', '.join(FORMATS)})"
            raise ValueError(empty) from None
        except Image.DecompressionBombError as error:
            raise ValueError(f"is too large: {error}") from None
        with image:
            width, height = image.size
            if width * height > PIXELS_LIMIT:
                raise ValueError(
                    f"has {width * height:,} pixels, the limit is {PIXELS_LIMIT:,}; make it smaller"
                )
            yield image


def _upright(image: Image.Image) -> tuple[int, int]:
    """Return height and width once the image is turned as its camera was held."""
    width, height = image.size
    turned = image.format == "JPEG" and image.getexif().get(_ORIENTATION) in _TURNED
    return (width, height) if turned else (height, width)


def _fault(image: ImageFile.ImageFile) -> str:
    """Return why an image is refused; empty if it is not."""
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        return f"has {frames} frames; give one still image"
    raw = str(image.tile[0][3]) if image.tile else ""
    if image.mode not in _GREY + _COLOUR or "16" in raw:
        return (
            f"has more than 8 bits a channel ({image.mode}, {raw}); convert it to 8 bits, or give "
            "arrays of numbers"
        )
    return ""


def _pixels(image: Image.Image, size: tuple[int, int], channels: int) -> NDArray[np.uint8]:
    """Return pixels, ``(height, width, channels)``."""
    from PIL import Image, ImageOps

    if image.format == "JPEG":
        image = ImageOps.exif_transpose(image)
    if image.mode in _ALPHA or "transparency" in image.info:
        image = image.convert("RGBA" if image.mode != "LA" else "LA")
        least, _ = image.getchannel("A").getextrema()
        if least != 255:
            raise ValueError("it has transparent pixels; lay it on a background first")
    wanted = "L" if channels == 1 else "RGB"
    if image.mode != wanted:
        image = image.convert(wanted)
    if image.size != (size[1], size[0]):
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(image).reshape(*size, channels)


def _place(path: Path) -> str:
    """Return a file and its folder: the whole path would hide what differs."""
    place = f"{path.parent.name}/{path.name}"
    return place if place.isprintable() else repr(place)


def _reason(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text if len(text) < 300 else f"{text[:300]}..."
