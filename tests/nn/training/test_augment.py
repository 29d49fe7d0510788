from __future__ import annotations

import itertools

import torch

from edgespike.nn.training.augment import augment


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def one_bright_pixel(samples: int) -> torch.Tensor:
    images = torch.zeros(samples, 1, 7, 9, dtype=torch.uint8)
    images[:, :, 3, 2] = 255
    return images


def test_nothing_to_do_leaves_the_images_alone() -> None:
    images = one_bright_pixel(3)
    assert augment(images, False, 0, generator()) is images


def test_images_move_to_every_place_within_the_shift_and_no_further() -> None:
    moved = augment(one_bright_pixel(500), False, 2, generator())
    assert moved.dtype == torch.uint8
    assert moved.shape == (500, 1, 7, 9)
    places = {(int(y), int(x)) for _, _, y, x in moved.nonzero()}
    assert places == set(itertools.product(range(1, 6), range(5)))


def test_about_half_of_the_images_are_mirrored() -> None:
    mirrored = augment(one_bright_pixel(1000), True, 0, generator())[:, 0, 3, 6] == 255
    assert 400 < int(mirrored.sum()) < 600


def test_what_moves_in_from_outside_is_black() -> None:
    moved = augment(torch.full((50, 1, 4, 4), 255, dtype=torch.uint8), False, 1, generator())
    assert set(moved.flatten().tolist()) == {0, 255}
