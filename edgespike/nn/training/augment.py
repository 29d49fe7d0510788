"""Augmentation of a batch of images in memory."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def augment(images: Tensor, flip: bool, shift: int, generator: torch.Generator) -> Tensor:
    """Mirror each image with probability 1/2, and shift it by up to ``shift`` pixels each way.

    Parameters
    ----------
    images
        (samples, channels, height, width), any dtype; pixels moved in from outside are 0.
    flip, shift
        With False and 0 the images are returned unchanged, and may have any shape.
    generator
        Must be on the images' device.

    Returns
    -------
    Tensor
        In the shape and dtype of ``images``.
    """
    if not (flip or shift):
        return images
    samples, _, height, width = images.shape

    def draw(high: int) -> Tensor:
        return torch.randint(high, (samples,), generator=generator, device=images.device)

    if flip:
        mirrored = draw(2).bool()[:, None, None, None]
        images = torch.where(mirrored, images.flip(3), images)
    if shift:
        padded = functional.pad(images, (shift,) * 4)
        windows = padded.unfold(2, height, 1).unfold(3, width, 1)
        top, left = draw(2 * shift + 1), draw(2 * shift + 1)
        images = windows[torch.arange(samples, device=images.device), :, top, left]
    return images
