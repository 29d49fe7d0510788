"""Augment a batch of images in memory."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def augment(images: Tensor, flip: bool, shift: int, generator: torch.Generator) -> Tensor:
    """Mirror each image with probability 1/2, and move it by up to ``shift`` pixels both ways.

    Parameters
    ----------
    images
        (samples, channels, height, width), any dtype; what is moved in from outside is 0.
    flip, shift
        False and 0 leave the images as they are, and then they may have any shape.
    generator
        On the images' device.

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
