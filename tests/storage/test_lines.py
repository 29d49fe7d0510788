"""A file of lines keeps every whole line, and no half of one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgespike.errors import InputError
from edgespike.storage import lines
from edgespike.storage.files import WriteError
from edgespike.storage.lines import append_line, whole_lines


def test_lines_are_read_as_they_were_added(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    assert whole_lines(path) == []
    for line in (b"one", b"", b"x" * 100_000):
        append_line(path, line)
    assert whole_lines(path) == [b"one", b"", b"x" * 100_000]


@pytest.mark.parametrize("half", [b"tw", b"x" * 200_000])
def test_half_a_line_is_left_out_and_then_removed(tmp_path: Path, half: bytes) -> None:
    path = tmp_path / "lines"
    for before in (b"", b"one\n"):
        path.write_bytes(before + half)
        assert whole_lines(path) == before.splitlines()
        append_line(path, b"two")
        assert path.read_bytes() == before + b"two\n"


def test_a_disk_that_fills_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    """The limit of a file's size stands for the disk: a part of the line is written first."""
    path = tmp_path / "lines"
    append_line(path, b"one")
    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "from pathlib import Path\n"
        "from edgespike.storage.lines import append_line\n"
        "append_line(Path(sys.argv[1]), b'x' * 2000)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
    )
    assert f"cannot write {path}: File too large; fix this" in done.stderr
    assert path.read_bytes() == b"one\n"


def test_places_that_cannot_be_written_or_read_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(WriteError, match="cannot write"):
        append_line(tmp_path / "no" / "lines", b"one")
    with pytest.raises(WriteError, match="cannot write"):
        append_line(tmp_path, b"one")
    with pytest.raises(InputError, match="not a regular file"):
        whole_lines(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="not a regular file"):
        whole_lines(tmp_path / "pipe")
    (tmp_path / "long").write_bytes(b"x" * 11)
    monkeypatch.setattr(lines, "SIZE_LIMIT", 10)
    with pytest.raises(Exception, match="has more than 10 bytes"):
        whole_lines(tmp_path / "long")
