"""Finding Lava, and what is said where there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgespike.errors import EnvironmentMissingError
from edgespike.targets.loihi import environment
from edgespike.targets.loihi.run import SIMULATOR
from tests.targets.test_worker import SHARED_MEMORY, Fifo, wait_for_line

PARENT = """
import sys
import numpy as np
from pathlib import Path
from edgespike.targets.loihi import run as running
from tests.targets.loihi.graphs import chain, dense, threshold
from edgespike.graph import Input

running.SIMULATOR = Path(sys.argv[1])
graph = chain(Input((4,), 0, 1, 1.0), dense(4, 4), threshold([1] * 4))
running.prepare(graph).trace(np.zeros((1_000_000, 4), np.uint8))
"""

SIMULATOR_SCRIPT = """
# The real simulator, which tells through a pipe when all of Lava's processes are running.
import sys
sys.path.insert(0, {folder!r})
import run_lava

def handle(arrays, parameters):
    fifo = open({fifo!r}, "w")
    sys.path[:0] = parameters["path"]
    run_lava._import_lava()
    from lava.magma.runtime.runtime import Runtime
    start = Runtime.start

    def tell(*arguments, **options):
        fifo.write("ready\\n")
        fifo.flush()
        return start(*arguments, **options)

    Runtime.start = tell
    return run_lava.handle(arrays, parameters)
"""


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a cache folder without Lava, on a machine without network."""
    monkeypatch.setattr(environment, "user_cache_path", lambda name: tmp_path / "cache" / name)
    monkeypatch.setattr(environment, "PACKAGE", "lava-nc-that-nobody-has")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    return tmp_path / "cache"


def test_a_missing_lava_names_the_way_out(empty_cache: Path) -> None:
    with pytest.raises(EnvironmentMissingError, match=r"edgespike targets --setup loihi"):
        environment.version()


def test_setup_without_network_leaves_nothing_half_done(empty_cache: Path) -> None:
    with pytest.raises(
        EnvironmentMissingError, match=r"connect to a package index, or on"
    ) as caught:
        environment.setup()
    assert "No matching distribution found" in str(caught.value)
    assert list(empty_cache.glob("*/*")) == []


def test_a_folder_without_lava_is_not_taken_for_it(empty_cache: Path) -> None:
    folder = environment._own_folder()
    folder.mkdir(parents=True)
    (folder / "half").touch()
    with pytest.raises(EnvironmentMissingError, match="Lava is not installed"):
        environment.version()
    with pytest.raises(EnvironmentMissingError, match=r"Of pip: it ended with code 1\n  \| "):
        environment.setup()
    assert not folder.exists()


def test_an_installer_that_was_killed_has_failed(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nkill -9 $$\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(EnvironmentMissingError, match="Of pip: it died of SIGKILL"):
        environment.setup()
    assert list(empty_cache.glob("*/*")) == []


def test_without_the_packages_that_lava_needs_nothing_is_downloaded(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "NEEDED", ("nobody_has_this",))
    for _ in range(2):
        with pytest.raises(EnvironmentMissingError, match="Lava needs nobody_has_this; run"):
            environment.setup()


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "NEEDED", ("numpy", "nobody_has_this"))
    with pytest.raises(EnvironmentMissingError, match=r"needs nobody_has_this; run pip install"):
        environment.version()


@pytest.mark.loihi
def test_lava_is_named_and_setup_keeps_it(lava: str) -> None:
    assert lava == "lava-nc 0.10.0"
    assert environment.setup() == lava


@pytest.mark.loihi
@pytest.mark.usefixtures("lava")
def test_nothing_of_lava_outlives_a_killed_parent(tmp_path: Path) -> None:
    fifo = Fifo(tmp_path / "fifo")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    script = tmp_path / "script.py"
    script.write_text(SIMULATOR_SCRIPT.format(folder=str(SIMULATOR.parent), fifo=str(fifo.path)))
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(script)],
        env={**os.environ, "TMPDIR": str(temporary)},
    ) as parent:
        try:
            assert wait_for_line(fifo) == b"ready\n"
            (folder,) = temporary.iterdir()
        finally:
            parent.kill()
    assert fifo.read() == b""
    assert list(temporary.iterdir()) == []
    assert not list(SHARED_MEMORY.glob(f"{folder.name}*"))
    fifo.close()
