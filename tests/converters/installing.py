"""Installing packages of third parties, as far as entry points go, into a folder of the test."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TOY = Path(__file__).parent / "third_party"
"""A package that adds a converter of a torch module and one of a file format."""


def write_dist_info(site: Path, package: str, converters: Mapping[str, str]) -> None:
    """Write what pip writes: that a package is installed, and its entry points."""
    info = site / f"{package.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = [f"{name} = {source}" for name, source in converters.items()]
    (info / "entry_points.txt").write_text("\n".join(["[edgespike.converters]", *lines]))


def install_toy(site: Path) -> None:
    """Install the package in `TOY`."""
    project = tomllib.loads((TOY / "pyproject.toml").read_text())["project"]
    shutil.copytree(TOY / "edgespike_toy", site / "edgespike_toy")
    write_dist_info(site, project["name"], project["entry-points"]["edgespike.converters"])
