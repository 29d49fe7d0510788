"""The environment of tflite-runtime: found, missing, or impossible."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from edgespike.errors import EnvironmentMissingError
from edgespike.targets import get_runtime
from edgespike.targets.tflite import environment
from tests.available import available
from tests.targets.tflite.networks import NETWORKS


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("empty_cache")
def test_a_missing_environment_says_how_to_get_it() -> None:
    target = get_runtime("tflite-runtime")
    graph = NETWORKS["two levels"]()
    way_out = "edgespike targets --setup tflite-runtime"
    with pytest.raises(EnvironmentMissingError, match=way_out):
        target.version()
    with pytest.raises(EnvironmentMissingError, match=way_out):
        target.prepare(graph)


def test_a_failed_installation_leaves_nothing_behind(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requirements = empty_cache.parent / f"{empty_cache.name}.txt"
    requirements.write_text(f"no-such-package==1 --hash=sha256:{'0' * 64}\n")
    monkeypatch.setattr(environment, "REQUIREMENTS", requirements)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setattr(environment, "PYTHONS", (sys.version_info[:2],))
    with pytest.raises(EnvironmentMissingError, match="cannot install it"):
        environment.setup()
    assert [path.name for path in empty_cache.rglob("*") if path.is_file()] == ["install.lock"]


def test_no_fitting_python_on_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(environment, "PYTHONS", ((3, 1), (3, 0)))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentMissingError, match=r"needs Python 3\.1, 3\.0 beside this one"):
        environment.find_python()


def test_a_stub_on_the_path_is_no_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stub = tmp_path / "python3.1"
    stub.write_text("#!/bin/sh\nexit 127\n")
    stub.chmod(0o755)
    monkeypatch.setattr(environment, "PYTHONS", ((3, 1),))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentMissingError):
        environment.find_python()


@pytest.mark.tflite_runtime
def test_setting_up_twice_installs_once() -> None:
    name = available("tflite-runtime").version()
    python = environment.environment_python()
    before = python.lstat().st_mtime_ns
    assert environment.setup() == name
    assert environment.environment_python().lstat().st_mtime_ns == before


@pytest.mark.tflite_runtime
def test_a_damaged_environment_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy's files are links, so that it costs nothing."""
    available("tflite-runtime")
    whole, copy = environment.environment_path(), tmp_path / "copy"
    shutil.copytree(whole, copy, symlinks=True, copy_function=os.link)
    monkeypatch.setattr(environment, "environment_path", lambda: copy)
    assert environment.environment_python() == copy / "bin" / "python"
    (site,) = copy.glob("lib/python*/site-packages")
    (site / "numpy" / "version.py").unlink()
    gone = r"damaged \(numpy/version.py of numpy cannot be read .*edgespike targets --setup tflite"
    with pytest.raises(EnvironmentMissingError, match=gone):
        environment.environment_python()
    (site / "tflite_runtime-2.14.0.dist-info").rename(site / "tflite_runtime-2.7.0.dist-info")
    with pytest.raises(EnvironmentMissingError, match=r"tflite-runtime is 2\.7\.0, not 2\.14\.0"):
        environment.environment_python()
