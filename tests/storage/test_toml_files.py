"""Untrusted TOML: what people write is read, and hostile files cost little."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from edgespike.errors import FileFormatError, InputError
from edgespike.storage.toml_files import (
    DEPTH_LIMIT,
    LINE_LIMIT,
    SIZE_LIMIT,
    read_toml,
    shipped_names,
)

FOLDER = "energy/profiles"


def read(folder: Path, content: bytes) -> dict[str, Any]:
    path = folder / "mine.toml"
    path.write_bytes(content)
    return read_toml("profile", str(path), FOLDER)


def nested(depth: int) -> bytes:
    return b"x = " + b"[" * (depth - 1) + b"]" * (depth - 1)


def test_a_shipped_file_has_a_name() -> None:
    assert "45nm" in shipped_names(FOLDER)
    assert read_toml("profile", "45nm", FOLDER)["name"] == "45nm"


@pytest.mark.parametrize(
    "content",
    [
        b"x = 1\n",
        b"x = 1\r\n",
        b"\xef\xbb\xbfx = 1",
        b"x = 1 # " + b"c" * (LINE_LIMIT - 8),
        b"x = 1\n" + (b"#" * 63 + b"\n") * ((SIZE_LIMIT - 6) // 64),
    ],
    ids=["a line", "Windows line end", "byte order mark", "longest line", "largest file"],
)
def test_what_people_write_is_read(tmp_path: Path, content: bytes) -> None:
    assert read(tmp_path, content) == {"x": 1}


def test_the_deepest_and_the_largest_numbers_are_read(tmp_path: Path) -> None:
    assert "x" in read(tmp_path, nested(DEPTH_LIMIT - 1))
    assert read(tmp_path, f"x = {2**127 - 1}\ny = {-(2**127)}".encode()) == {
        "x": 2**127 - 1,
        "y": -(2**127),
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"x = ", "is not valid TOML: Invalid value"),
        (b"\xff\xfe", "is not valid TOML: 'utf-8' codec"),
        (b"x = 1 # " + b"c" * (LINE_LIMIT - 7), "line 1 has 1025 characters; the limit is 1024"),
        (b"x = 1\n" + b"#" * (SIZE_LIMIT - 5), "has more than 65536 bytes"),
        (nested(DEPTH_LIMIT + 1), "are nested more than 16 deep"),
        (b"x" + b".a" * 500 + b" = 1", "are nested more than 16 deep"),
        (b"x = " + b"[\n" * 20_000, "nested too deeply"),
        (f"x = {2**127}".encode(), "more than 128 bits"),
        (f"x = [{{ y = {-(2**127) - 1} }}]".encode(), "more than 128 bits"),
        (b"x = " + b"9" * 1000 + b"\ny = 0x" + b"f" * 1000, "more than 128 bits"),
    ],
)
def test_what_is_not_toml_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(FileFormatError) as caught:
        read(tmp_path, content)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 400


def test_characters_that_others_treat_as_line_ends_do_not_hide_a_long_line(tmp_path: Path) -> None:
    """Reading its 30,000 tables would take seconds and gigabytes."""
    key = ".a" * 15_000 + '."\u2028"' + ".a" * 15_000
    start = time.process_time()
    with pytest.raises(FileFormatError, match="line 1 has 60009 characters"):
        read(tmp_path, f"x{key} = 1".encode())
    assert time.process_time() - start < 1


@pytest.mark.parametrize("name", ["missing.toml", ".", "nul\0byte", "n" * 300])
def test_an_error_about_an_unreadable_file_lists_the_shipped_names(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(InputError, match=r"cannot read .*45nm, .*loihi, loihi2"):
        read_toml("profile", f"{tmp_path}/{name}", FOLDER)
