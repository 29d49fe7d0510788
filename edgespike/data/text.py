"""Texts as sequences of characters, for language models.

The texts are not downloaded: their files are looked for in a folder that the caller names, or in
the user's cache folder. The State of the Union addresses are free to use; Penn Treebank needs a
licence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import platformdirs
from numpy.typing import NDArray

from edgespike.errors import EnvironmentMissingError, FileFormatError

SPLITS = ("train", "valid", "test")
UNKNOWN = "\N{REPLACEMENT CHARACTER}"
"""Replaces every character that is rare or absent in the training text."""

RARE = 10
"""A character with fewer occurrences in the training text is `UNKNOWN`."""

EVERY = 10
"""Of each so many addresses, by year, the last two are for validation and for testing."""


@dataclass(frozen=True)
class Corpus:
    """A text in three parts, each an int64 vector of positions in the vocabulary.

    Parameters
    ----------
    vocabulary
        The characters, `UNKNOWN` first.
    train, valid, test
        Positions in the order of the text, (characters,), 0 to ``len(vocabulary) - 1``.
    """

    vocabulary: tuple[str, ...]
    train: NDArray[np.int64]
    valid: NDArray[np.int64]
    test: NDArray[np.int64]

    def text(self, sequence: NDArray[np.int64]) -> str:
        """Return the text that positions in the vocabulary stand for."""
        return "".join(self.vocabulary[number] for number in sequence)


def state_of_the_union(folder: Path | None = None) -> Corpus:
    """Load the State of the Union addresses of the presidents of the United States.

    Each address is a UTF-8 file, ``*.txt``, whose name begins with its year. Of every ten in the
    order of their names, eight are for training, the ninth for validation and the tenth for
    testing, so the language of all three is equally old.

    Parameters
    ----------
    folder
        Folder with the files. Default: ``state-of-the-union`` in the user's cache folder.

    Raises
    ------
    EnvironmentMissingError
        The folder has fewer than ten such files.
    FileFormatError
        A file is not UTF-8.
    """
    folder = folder or cache_folder() / "state-of-the-union"
    paths = sorted(folder.glob("*.txt"))
    if len(paths) < EVERY:
        raise EnvironmentMissingError(
            f"{folder} has {len(paths)} files that end with .txt; at least {EVERY} State of the "
            "Union addresses are needed there, one a file; or name another folder"
        )
    texts = [_read(path) for path in paths]
    valid, test = texts[EVERY - 2 :: EVERY], texts[EVERY - 1 :: EVERY]
    train = [text for place, text in enumerate(texts) if place % EVERY < EVERY - 2]
    return corpus({"train": "\n".join(train), "valid": "\n".join(valid), "test": "\n".join(test)})


def penn_treebank(folder: Path | None = None) -> Corpus:
    """Load the characters of Penn Treebank as Mikolov et al. prepared it (Interspeech 2010).

    Parameters
    ----------
    folder
        Folder with ``ptb.train.txt``, ``ptb.valid.txt`` and ``ptb.test.txt``. Default:
        ``penn-treebank`` in the user's cache folder.

    Raises
    ------
    EnvironmentMissingError
        A file is missing.
    FileFormatError
        A file is not UTF-8, or has no text.
    """
    folder = folder or cache_folder() / "penn-treebank"
    paths = {split: folder / f"ptb.{split}.txt" for split in SPLITS}
    missing = [path.name for path in paths.values() if not path.is_file()]
    if missing:
        raise EnvironmentMissingError(
            f"{folder} has no {', '.join(missing)}; put the files there, or name another folder. "
            "Penn Treebank is not free, so it is not downloaded"
        )
    return corpus({split: _read(path) for split, path in paths.items()})


def corpus(texts: Mapping[str, str]) -> Corpus:
    """Turn the texts ``train``, ``valid`` and ``test`` into positions in a vocabulary.

    The vocabulary is that of the training text: `UNKNOWN`, then the characters with at least `RARE`
    occurrences in the order of their code points.
    """
    points, counts = np.unique(_code_points(texts["train"]), return_counts=True)
    known = points[(counts >= RARE) & (points != ord(UNKNOWN))]
    numbers = {split: _numbers(_code_points(texts[split]), known) for split in SPLITS}
    return Corpus(vocabulary=(UNKNOWN, *map(chr, known.tolist())), **numbers)


def cache_folder() -> Path:
    """Return the folder that holds the folders of the texts."""
    return platformdirs.user_cache_path("edgespike")


def _read(path: Path) -> str:
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{path} is not UTF-8 text ({error}); replace it") from None
    if not text:
        raise FileFormatError(f"{path} has no text; replace it")
    return text


def _code_points(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le"), "<u4")


def _numbers(points: NDArray[np.uint32], known: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Return positions in the vocabulary: 0 if unknown, otherwise 1 + the place in ``known``."""
    if not len(known):
        return np.zeros(len(points), np.int64)
    places = np.searchsorted(known, points).clip(max=len(known) - 1)
    return np.where(known[places] == points, places + 1, 0).astype(np.int64)
