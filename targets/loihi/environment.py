"""Finding Lava, or installing it into a folder of its own.

lava-nc declares Python 3.10 and numpy below 2 only, but runs on later ones, see
``simulator/run_lava.py``. So it is installed without its dependencies, which edgespike's extra
``loihi`` brings, and outside of the environment's own packages.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distributions, version
from importlib.util import find_spec
from pathlib import Path

from platformdirs import user_cache_path

from edgespike.errors import EnvironmentMissingError
from edgespike.extras import install_command
from edgespike.files import new_folder

PACKAGE, VERSION = "lava-nc", "0.10.0"
NEEDED = ("scipy", "networkx", "asteval")
"""What Lava imports besides numpy."""

INSTALL_TIMEOUT_S = 300


def runtime() -> str:
    """Name Lava and its version, as in ``lava-nc 0.10.0``.

    Raises
    ------
    EnvironmentMissingError
        Lava or a package that it needs is not there.
    """
    return f"{PACKAGE} {_version(lava_path())}"


def lava_path() -> list[str]:
    """Give the folders besides Python's own path that Lava is found in: one, or none.

    Raises
    ------
    EnvironmentMissingError
        Lava or a package that it needs is not there.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise EnvironmentMissingError(
            f"Lava needs {', '.join(missing)}; run {install_command('loihi')}"
        )
    if _own_folder().is_dir():
        return [str(_own_folder())]
    try:
        version(PACKAGE)
    except PackageNotFoundError:
        raise EnvironmentMissingError(
            f"Lava is not installed; run: edgespike targets --setup loihi (it downloads "
            f"{PACKAGE} {VERSION} into {_own_folder()})"
        ) from None
    return []


def setup() -> str:
    """Install Lava unless it is there, and name it, see :func:`runtime`.

    Raises
    ------
    EnvironmentMissingError
        It cannot be downloaded, or a package that it needs is not there.
    WriteError
        The cache folder cannot be written.
    """
    try:
        return runtime()
    except EnvironmentMissingError:
        _install(_own_folder())
    return runtime()


def _own_folder() -> Path:
    return user_cache_path("edgespike") / f"{PACKAGE}-{VERSION}"


def _version(path: list[str]) -> str:
    for found in distributions(name=PACKAGE, path=path or sys.path):
        return found.version
    return "of unknown version"


def _install(folder: Path) -> None:
    """Install with pip into a new folder, complete or not at all."""
    with new_folder(folder) as temporary:
        command = [sys.executable, "-m", "pip", "install", "--no-deps", "--ignore-requires-python"]
        command += ["--disable-pip-version-check", "--quiet", "--target", str(temporary)]
        try:
            done = subprocess.run(
                [*command, f"{PACKAGE}=={VERSION}"],
                check=False,
                capture_output=True,
                text=True,
                timeout=INSTALL_TIMEOUT_S,
                stdin=subprocess.DEVNULL,
            )
            failure = done.stderr.strip() if done.returncode else ""
        except subprocess.TimeoutExpired:
            failure = f"pip did not finish within {INSTALL_TIMEOUT_S} s"
        if failure:
            raise EnvironmentMissingError(
                f"cannot install {PACKAGE} {VERSION}: {failure.splitlines()[-1]}; connect to a "
                f"package index, or on another machine run: pip install --no-deps "
                f"--ignore-requires-python --target FOLDER {PACKAGE}=={VERSION}, and copy FOLDER "
                f"to {folder}"
            )
        # The wheel carries a top-level package of this name, which would hide others.
        shutil.rmtree(temporary / "tests", ignore_errors=True)
