"""Finding Lava, and what is said where there is none."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edgespike.errors import EnvironmentMissingError
from edgespike.targets.loihi import environment
from edgespike.targets.loihi.run import SIMULATOR
from edgespike.targets.shared.installing import pip_install
from edgespike.targets.tflite import environment as tflite
from tests.targets.loihi import lava_dl
from tests.workers.test_worker import SHARED_MEMORY, Fifo, wait_for_line

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
    assert [path.name for path in empty_cache.glob("*/*")] == ["install.lock"]


def test_a_folder_without_lava_is_not_taken_for_it(empty_cache: Path) -> None:
    folder = environment._own_folder()
    folder.mkdir(parents=True)
    (folder / "half").touch()
    damaged = (
        r"is damaged \(lava-nc is missing, not 0\.10\.0\); run: edgespike targets --setup loihi"
    )
    with pytest.raises(EnvironmentMissingError, match=damaged):
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
    assert [path.name for path in empty_cache.glob("*/*")] == ["install.lock"]


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


@pytest.fixture
def copied(lava: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of Lava's folder that is used instead of it, without network."""
    copy = tmp_path / "lava"
    if not environment._own_folder().exists():
        pytest.skip(f"{lava} is among Python's own packages")
    shutil.copytree(environment._own_folder(), copy)
    monkeypatch.setattr(environment, "_own_folder", lambda: copy)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert environment.setup() == lava
    return copy


def _remove(folder: Path) -> None:
    (folder / "lava" / "proc" / "lif" / "models.py").unlink()


def _shorten(folder: Path) -> None:
    (folder / "lava" / "proc" / "lif" / "models.py").write_text("")


def _age(folder: Path) -> None:
    (folder / "lava_nc-0.10.0.dist-info").rename(folder / "lava_nc-0.9.0.dist-info")


def _forget(folder: Path) -> None:
    (folder / "lava_nc-0.10.0.dist-info" / "RECORD").unlink()


@pytest.mark.loihi
@pytest.mark.parametrize(
    ("harm", "named"),
    [
        (_remove, r"lava/proc/lif/models\.py of lava-nc cannot be read \(No such file"),
        (_shorten, r"lava/proc/lif/models\.py of lava-nc has 0 bytes, not [1-9]"),
        (_age, r"lava-nc is 0\.9\.0, not 0\.10\.0"),
        (_forget, r"lava_nc-0\.10\.0\.dist-info/RECORD is missing"),
    ],
)
def test_a_damaged_folder_is_named_and_installed_anew(
    copied: Path, harm: Callable[[Path], None], named: str
) -> None:
    harm(copied)
    message = rf"is damaged \({named}.*; run: edgespike targets --setup loihi"
    with pytest.raises(EnvironmentMissingError, match=message):
        environment.lava_path()
    with pytest.raises(EnvironmentMissingError, match="connect to a package index"):
        environment.setup()


@pytest.mark.parametrize(
    ("record", "named"),
    [
        (b"", "does not list files, hashes and sizes"),
        (b"lava.py,sha256=x\n", "does not list files, hashes and sizes"),
        (b"\xff\xfe\n", "does not list files, hashes and sizes"),
        (b"lava.py,sha256=x,many\n", "does not list files, hashes and sizes"),
        (b"lava.py,md7=x,0\n", "lava.py of lava-nc cannot be checked"),
    ],
)
def test_a_damaged_record_is_named_and_installed_anew(
    empty_cache: Path, record: bytes, named: str
) -> None:
    folder = environment._own_folder() / "lava_nc-0.10.0.dist-info"
    folder.mkdir(parents=True)
    (folder.parent / "lava.py").touch()
    (folder / "RECORD").write_bytes(record)
    assert named in environment._damage(thorough=True)
    with pytest.raises(EnvironmentMissingError, match="connect to a package index"):
        environment.setup()


def test_a_link_to_a_damaged_folder_is_replaced(empty_cache: Path, tmp_path: Path) -> None:
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "lava").touch()
    folder = environment._own_folder()
    folder.parent.mkdir(parents=True)
    folder.symlink_to(tmp_path / "half")
    with pytest.raises(EnvironmentMissingError, match="connect to a package index"):
        environment.setup()
    assert not folder.is_symlink()


@pytest.mark.loihi
def test_setup_finds_a_changed_byte(copied: Path) -> None:
    file = copied / "lava" / "proc" / "lif" / "models.py"
    content = file.read_bytes()
    file.write_bytes(content[:-2] + b"#\n")
    assert environment._damage() == ""
    assert environment._damage(thorough=True) == (
        "lava/proc/lif/models.py of lava-nc has another content"
    )
    with pytest.raises(EnvironmentMissingError, match="connect to a package index"):
        environment.setup()


def test_a_second_setup_waits_for_the_first(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are asked for at once; what pip would bring is brought once."""
    started, installs = threading.Event(), []

    def pip(python: str, requirements: Path, *options: str) -> None:
        started.set()
        time.sleep(0.5)
        installs.append(options)
        (Path(options[-1]) / "lava_nc-0.10.0.dist-info").mkdir()
        (Path(options[-1]) / "lava.py").touch()
        record = Path(options[-1]) / "lava_nc-0.10.0.dist-info" / "RECORD"
        record.write_text("lava.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n")

    monkeypatch.setattr(environment, "pip_install", pip)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(environment.setup)
        assert started.wait(10)
        second = pool.submit(environment.setup)
        assert {first.result(), second.result()} == {"lava-nc-that-nobody-has 0.10.0"}
    assert len(installs) == 1


def test_what_pip_brings_is_held_by_hashes(tmp_path: Path) -> None:
    """Every package of every requirements file has hashes, and pip refuses another file."""
    for path in (environment.REQUIREMENTS, tflite.REQUIREMENTS, lava_dl.REQUIREMENTS):
        for package in path.read_text().split("\n\n")[-1].replace("\\\n", "").splitlines():
            assert package.startswith("#") or "--hash=sha256:" in package
    wheel = tmp_path / "toy-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(
            "toy-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: toy\nVersion: 1\n"
        )
        archive.writestr("toy-1.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("toy-1.dist-info/RECORD", "")
    requirements, options = tmp_path / "toy.txt", ("--no-index", "--find-links", str(tmp_path))
    right = hashlib.sha256(wheel.read_bytes()).hexdigest()
    for digest, refused in ((right, False), ("0" * 64, True)):
        requirements.write_text(f"toy==1 --hash=sha256:{digest}\n")
        target = ("--target", str(tmp_path / digest[:4]))
        failure = pip_install(sys.executable, requirements, *options, *target)
        assert ("DO NOT MATCH THE HASHES" in (failure or "")) is refused


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
