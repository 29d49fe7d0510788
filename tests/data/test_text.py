"""Texts: every known character becomes its position in the vocabulary, and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgespike.data import text
from edgespike.errors import EnvironmentMissingError, FileFormatError

TEXTS = st.text(st.sampled_from("ab c\n\u00e9\U0001f600\ufffd"), max_size=60)


@given(TEXTS, TEXTS, TEXTS)
def test_numbers_stand_for_the_characters_that_training_saw_often(
    train: str, valid: str, test: str
) -> None:
    found = text.corpus({"train": train, "valid": valid, "test": test})
    often = {character for character in train if train.count(character) >= text.RARE}
    assert set(found.vocabulary) == often | {text.UNKNOWN}
    assert found.vocabulary[0] == text.UNKNOWN
    assert len(set(found.vocabulary)) == len(found.vocabulary)
    for sequence, part in ((found.train, train), (found.valid, valid), (found.test, test)):
        assert sequence.dtype == np.int64
        expected = "".join(character if character in often else text.UNKNOWN for character in part)
        assert found.text(sequence) == expected


def test_of_ten_addresses_the_ninth_validates_and_the_tenth_tests(tmp_path: Path) -> None:
    for year in range(1801, 1821):
        (tmp_path / f"{year}_a_president.txt").write_text(f"{year} " * 10, "utf-8")
    (tmp_path / "1800_a_president.json").write_text("not this one", "utf-8")
    found = text.state_of_the_union(tmp_path)
    assert set(found.vocabulary) == {text.UNKNOWN, *"\n 012345678"}  # no 9
    lines = {split: found.text(getattr(found, split)).split("\n") for split in text.SPLITS}
    assert lines["train"] == [f"{year} " * 10 for year in (*range(1801, 1809), *range(1811, 1819))]
    assert lines["valid"] == [f"{year}{text.UNKNOWN} " * 10 for year in (180, 181)]
    assert lines["test"] == [f"{year} " * 10 for year in (1810, 1820)]


def test_addresses_that_are_absent_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "cache_folder", lambda: tmp_path)
    with pytest.raises(
        EnvironmentMissingError, match=r"state-of-the-union has 0 files .* at least"
    ):
        text.state_of_the_union()


def test_penn_treebank_is_read_from_its_three_files(tmp_path: Path) -> None:
    for split, content in (("train", " a b\n" * 10), ("valid", "ab"), ("test", "ba\n")):
        (tmp_path / f"ptb.{split}.txt").write_text(content, "utf-8")
    found = text.penn_treebank(tmp_path)
    assert found.vocabulary == (text.UNKNOWN, "\n", " ", "a", "b")
    assert found.train[:5].tolist() == [2, 3, 2, 4, 1]
    assert (found.valid.tolist(), found.test.tolist()) == ([3, 4], [4, 3, 1])


def test_every_missing_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "cache_folder", lambda: tmp_path)
    folder = tmp_path / "penn-treebank"
    folder.mkdir()
    (folder / "ptb.valid.txt").write_text("a", "utf-8")
    with pytest.raises(EnvironmentMissingError, match=r"has no ptb\.train\.txt, ptb\.test\.txt;"):
        text.penn_treebank()


@pytest.mark.parametrize(
    ("content", "fault"), [(b"\xff\xfe", "is not UTF-8 text"), (b"", "has no text")]
)
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes, fault: str) -> None:
    for split in text.SPLITS:
        (tmp_path / f"ptb.{split}.txt").write_bytes(content)
    with pytest.raises(FileFormatError, match=rf"ptb\.train\.txt {fault}"):
        text.penn_treebank(tmp_path)
