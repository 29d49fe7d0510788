"""Tasks on sequences: images pixel by pixel, images row by row, and texts by character."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from edgespike.data import mnist
from edgespike.data.text import SPLITS, Corpus, corpus, penn_treebank, state_of_the_union
from edgespike.models import shipped_images

STEPS_OF_TEXT = 100

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Part:
    """Samples for training or for testing.

    Parameters
    ----------
    inputs
        uint8, (samples, steps, features) of pixels, or (samples, steps) of characters.
    answers
        uint8, (samples,), or (samples, steps) if there is an answer at each step.
    """

    inputs: Tensor
    answers: Tensor

    def first(self, samples: int) -> Part:
        """Return the first samples."""
        return Part(self.inputs[:samples], self.answers[:samples])


@dataclass(frozen=True)
class Task:
    """A task that a recurrent network learns.

    Parameters
    ----------
    name, description
        Name for file names, and description for tables.
    train, test
        Samples.
    features
        Number of inputs at each step.
    classes
        Number of different answers.
    nonlinearity
        That of the recurrent units, ``relu`` or ``tanh``.
    every_step
        Whether there is an answer at each step, or only after the last one.
    """

    name: str
    description: str
    train: Part
    test: Part
    features: int
    classes: int
    nonlinearity: str
    every_step: bool

    def batches(self, part: Part, size: int, order: Tensor | None = None) -> Iterator[Batch]:
        """Yield batches of float inputs, (samples, steps, features), and int64 answers."""
        order = torch.arange(len(part.inputs)) if order is None else order
        for chosen in torch.split(order, size):
            yield self._encode(part.inputs[chosen]), part.answers[chosen].long()

    def _encode(self, inputs: Tensor) -> Tensor:
        if inputs.ndim == 2:
            return functional.one_hot(inputs.long(), self.features).float()
        return inputs.float() / 255


def pixels(whole: bool) -> Task:
    """Return MNIST pixel by pixel: 784 steps if ``whole``, else 196 of images pooled to 14x14."""
    side = 28 if whole else 14

    def part(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Part:
        halves = images.reshape(len(images), side, 28 // side, side, 28 // side)
        pooled = np.rint(halves.mean((2, 4))).astype(np.uint8)
        return Part(
            torch.from_numpy(pooled.reshape(len(images), -1, 1)),
            torch.from_numpy(labels.astype(np.uint8)),
        )

    return Task(
        name=f"pixels{side * side}",
        description=f"MNIST pixel by pixel, {side}x{side}, {side * side} steps",
        train=part(*mnist.load("train")),
        test=part(*mnist.load("test")),
        features=1,
        classes=10,
        nonlinearity="relu",
        every_step=False,
    )


def state_of_the_union_text() -> Task:
    """Return the State of the Union addresses, character by character."""
    return _text("state_of_the_union", "State of the Union, characters", state_of_the_union())


def penn_treebank_text() -> Task:
    """Return Penn Treebank, character by character."""
    return _text("penn_treebank", "Penn Treebank, characters", penn_treebank())


def rehearsal() -> list[Task]:
    """Return two tasks that take seconds: shipped images row by row, and a repeated sentence."""
    images, labels = shipped_images()
    rows = torch.from_numpy(images[:, 0])
    answers = torch.from_numpy(labels.astype(np.uint8))
    fashion = Task(
        name="rows",
        description="200 images of Fashion-MNIST row by row, 28 steps",
        train=Part(rows[:160], answers[:160]),
        test=Part(rows[160:], answers[160:]),
        features=28,
        classes=10,
        nonlinearity="relu",
        every_step=False,
    )
    text = "to be, or not to be: that is the question. " * 100
    rhyme = corpus(dict.fromkeys(SPLITS, text))
    return [fashion, _text("rhyme", "A repeated sentence", rhyme)]


def _text(name: str, description: str, found: Corpus) -> Task:
    """Return a task on windows of a text; the answer at each step is the next character."""

    def part(sequence: NDArray[np.int64]) -> Part:
        numbers = torch.from_numpy(sequence.astype(np.uint8))
        windows = numbers.unfold(0, STEPS_OF_TEXT + 1, STEPS_OF_TEXT)
        return Part(windows[:, :-1], windows[:, 1:])

    return Task(
        name=name,
        description=f"{description}, windows of {STEPS_OF_TEXT} steps",
        train=part(found.train),
        test=part(found.test),
        features=len(found.vocabulary),
        classes=len(found.vocabulary),
        nonlinearity="tanh",
        every_step=True,
    )
