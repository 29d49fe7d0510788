"""The wheel holds what the folders hold: linked folders, data files, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
@pytest.mark.skipif(find_spec("setuptools") is None, reason="setuptools is not installed")
def test_the_wheel_holds_every_file_of_the_package(tmp_path: Path) -> None:
    # Built from a copy: setuptools leaves a build folder in the tree.
    copy = tmp_path / "tree"
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    for name in filter(None, tracked):
        source, place = ROOT / name, copy / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink():
            place.symlink_to(source.readlink())
        elif source.exists():
            place.write_bytes(source.read_bytes())
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", tmp_path, copy],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = {
        place + name.removeprefix(folder)
        for name in tracked
        for folder, place in (
            ("edgespike/", "edgespike/"),
            ("targets/", "edgespike/targets/"),
            ("converters/", "edgespike/converters/"),
        )
        if name.startswith(folder) and not (ROOT / name).is_symlink()
    }
    assert packed == expected
