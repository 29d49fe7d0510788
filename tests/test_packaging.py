"""The wheel holds what the folder `edgespike` holds, data files too, and nothing else."""

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
@pytest.mark.parametrize("links", [True, False], ids=["with links", "without links"])
def test_the_wheel_holds_every_file_of_the_package(tmp_path: Path, links: bool) -> None:
    # Built from a copy: setuptools leaves a build folder in the tree.
    copy = tmp_path / "tree"
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    for name in filter(None, tracked):
        source, place = ROOT / name, copy / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink() and links:
            place.symlink_to(source.readlink())
        elif source.is_symlink():  # what git writes on a system without links
            place.write_text(str(source.readlink()))
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
    expected = {name for name in tracked if name.startswith("edgespike/")}
    assert packed == expected


def test_the_top_level_shows_targets_and_converters() -> None:
    for name in ("targets", "converters"):
        shown = ROOT / name
        if not shown.is_symlink():
            pytest.skip("this checkout has no symbolic links")
        assert shown.resolve() == ROOT / "edgespike" / name
