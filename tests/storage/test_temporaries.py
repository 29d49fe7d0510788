"""What killed processes leave is removed by the next write, and nothing else is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgespike.storage import temporaries
from edgespike.storage.files import new_folder, write_atomically
from edgespike.storage.temporaries import SECONDS_BEFORE_LOCK, in_use

KILLED = """
import os, signal, sys
from pathlib import Path
from edgespike.storage.files import new_folder, write_atomically

def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)

out = Path(sys.argv[1])
if sys.argv[2] == "file":
    os.fsync = kill
    write_atomically(out / "model", b"half")
with new_folder(out / "bundle") as folder:
    (folder / "part").write_bytes(b"half")
    kill()
"""


def make_old(folder: Path) -> list[Path]:
    """Set every time in a folder back to before the age at which temporaries may be removed."""
    places = sorted(folder.iterdir())
    for place in places:
        then = time.time() - SECONDS_BEFORE_LOCK - 1
        os.utime(place, (then, then), follow_symlinks=False)
    return places


@pytest.mark.parametrize("kind", ["file", "folder"])
@pytest.mark.parametrize("next_write", ["file", "folder"])
def test_the_next_write_removes_what_a_killed_one_left(
    tmp_path: Path, kind: str, next_write: str
) -> None:
    process = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), kind], check=False)
    assert process.returncode == -signal.SIGKILL
    (left,) = make_old(tmp_path)
    assert left.name.startswith(".")
    if next_write == "file":
        write_atomically(tmp_path / "next", b"whole")
    else:
        with new_folder(tmp_path / "next") as folder:
            (folder / "part").write_bytes(b"whole")
    assert [place.name for place in tmp_path.iterdir()] == ["next"]


def test_what_another_process_still_writes_is_kept(tmp_path: Path) -> None:
    """However old it is: an export may take hours."""
    with new_folder(tmp_path / "slow") as folder:
        (folder / "part").write_bytes(b"half")
        make_old(tmp_path)
        other = (
            "import sys; from pathlib import Path; from edgespike.storage.files import "
            "new_folder, write_atomically; out = Path(sys.argv[1]); "
            "write_atomically(out / 'fast', b'')\nwith new_folder(out / 'quick'): pass"
        )
        subprocess.run([sys.executable, "-c", other, str(tmp_path)], check=True)
        assert (folder / "part").read_bytes() == b"half"
    assert (tmp_path / "slow" / "part").read_bytes() == b"half"
    assert sorted(place.name for place in tmp_path.iterdir()) == ["fast", "quick", "slow"]


def test_a_file_in_use_is_kept_and_one_that_is_not_is_removed(tmp_path: Path) -> None:
    used, left = (tmp_path / f"{temporaries.PREFIX}{c * 8}" for c in "ab")
    used.touch()
    left.touch()
    make_old(tmp_path)
    with in_use(used):
        write_atomically(tmp_path / "next", b"")
        assert used.exists()
        assert not left.exists()


def test_a_temporary_that_may_not_be_locked_yet_is_kept(tmp_path: Path) -> None:
    (tmp_path / f"{temporaries.PREFIX}aaaaaaaa").touch()
    write_atomically(tmp_path / "next", b"")
    assert len(list(tmp_path.iterdir())) == 2


def test_files_that_only_look_alike_are_kept(tmp_path: Path) -> None:
    names = {".edgespike", ".edgespike-notes", ".edgespike-aaaaaaaa.txt", ".model.aaaaaaaa"}
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "target").touch()
    (tmp_path / f"{temporaries.PREFIX}aaaaaaaa").symlink_to("target")
    os.mkfifo(tmp_path / f"{temporaries.PREFIX}bbbbbbbb")
    before = make_old(tmp_path)
    write_atomically(tmp_path / "next", b"")
    assert sorted(tmp_path.iterdir()) == sorted([*before, tmp_path / "next"])


def test_a_folder_is_on_disk_before_it_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[tuple[str, bool]] = []
    fsync = os.fsync

    def record(handle: int) -> None:
        fsync(handle)
        place = Path(f"/proc/self/fd/{handle}").readlink()
        flushed.append((str(place), (tmp_path / "out").exists()))

    monkeypatch.setattr(os, "fsync", record)
    with new_folder(tmp_path / "out") as folder:
        (folder / "part").write_bytes(b"x")
    assert flushed == [
        (str(folder / "part"), False),
        (str(folder), False),
        (str(tmp_path), True),
    ]
