"""Images as sequences keep every pixel, in reading order."""

from __future__ import annotations

import numpy as np
import pytest

from edgespike.data import DATA_SETS, fashion_mnist
from edgespike.data.sequences import Sequences, as_sequences

IMAGES = np.arange(2 * 3 * 4 * 5, dtype=np.uint8).reshape(2, 3, 4, 5)


def test_a_step_is_a_row_with_the_channels_of_its_pixels() -> None:
    rows = as_sequences(IMAGES, steps=4)
    assert rows.shape == (2, 4, 15)
    for (sample, channel, y, x), value in np.ndenumerate(IMAGES):
        assert rows[sample, y, 3 * x + channel] == value


def test_a_step_is_a_pixel() -> None:
    pixels = as_sequences(IMAGES, steps=20)
    assert pixels.shape == (2, 20, 3)
    for (sample, channel, y, x), value in np.ndenumerate(IMAGES):
        assert pixels[sample, 5 * y + x, channel] == value


def test_grey_images_row_by_row_are_the_images() -> None:
    grey = IMAGES[:, :1]
    assert np.array_equal(as_sequences(grey, steps=4), grey[:, 0])


@pytest.mark.parametrize(("steps", "shape"), [(28, (28, 28)), (784, (784, 1)), (1, (1, 784))])
def test_a_view_says_the_shape_of_what_it_loads(
    steps: int, shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    images = np.zeros((3, 1, 28, 28), np.uint8)
    labels = np.arange(3)
    monkeypatch.setattr(fashion_mnist, "load", lambda split: (images, labels))
    view = Sequences(fashion_mnist, steps)
    found, its_labels = view.load("test")
    assert view.SHAPE == found.shape[1:] == shape
    assert its_labels is labels
    assert view.CLASSES == fashion_mnist.CLASSES


def test_the_rows_of_fashion_mnist_can_be_named() -> None:
    assert DATA_SETS["fashion_mnist_rows"].SHAPE == (28, 28)
