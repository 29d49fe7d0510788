"""Find Lava, or install it into its own folder.

lava-nc declares that it needs Python 3.10 and numpy below 2, but runs on later versions, see
``simulator/run_lava.py``. So it is installed outside the environment's own packages and without its
dependencies, which edgespike's extra ``loihi`` installs.
"""

from __future__ import annotations

import shutil
import sys
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path

from platformdirs import user_cache_path

from edgespike.errors import EnvironmentMissingError
from edgespike.extras import install_command
from edgespike.storage.files import new_folder
from edgespike.targets.shared.processes import install

PACKAGE, VERSION = "lava-nc", "0.10.0"
NEEDED = ("scipy", "networkx", "asteval")
"""What Lava imports besides numpy."""

INSTALL_TIMEOUT_S = 300


def version() -> str:
    """Return Lava's name and version, as in ``lava-nc 0.10.0``.

    Raises
    ------
    EnvironmentMissingError
        Lava or a package that it needs is not installed.
    """
    return f"{PACKAGE} {_version_in(lava_path() or sys.path)}"


def lava_path() -> list[str]:
    """Return the folders outside Python's own path in which Lava is found: one or none.

    Raises
    ------
    EnvironmentMissingError
        Lava or a package that it needs is not installed.
    """
    _check_needed()
    own = [str(_own_folder())]
    if _version_in(own):
        return own
    if _version_in(sys.path):
        return []
    raise EnvironmentMissingError(
        f"Lava is not installed; run: edgespike targets --setup loihi (it downloads "
        f"{PACKAGE} {VERSION} into {_own_folder()})"
    )


def setup() -> str:
    """Install Lava unless it is there, and return its name and version, see :func:`version`.

    Raises
    ------
    EnvironmentMissingError
        It cannot be downloaded, or a package that it needs is not installed.
    WriteError
        The cache folder cannot be written.
    """
    _check_needed()
    try:
        return version()
    except EnvironmentMissingError:
        shutil.rmtree(_own_folder(), ignore_errors=True)  # a folder without Lava in it
        _install(_own_folder())
    return version()


def _check_needed() -> None:
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise EnvironmentMissingError(
            f"Lava needs {', '.join(missing)}; run {install_command('loihi')}"
        )


def _own_folder() -> Path:
    return user_cache_path("edgespike") / f"{PACKAGE}-{VERSION}"


def _version_in(path: list[str]) -> str | None:
    """Return the version of Lava in these folders, if they hold it."""
    return next((found.version for found in distributions(name=PACKAGE, path=path)), None)


def _install(folder: Path) -> None:
    """Install with pip into a new folder, complete or not at all."""
    with new_folder(folder) as temporary:
        command = [sys.executable, "-m", "pip", "install", "--no-deps", "--ignore-requires-python"]
        command += ["--disable-pip-version-check", "--quiet", "--target", str(temporary)]
        failure = install([*command, f"{PACKAGE}=={VERSION}"], INSTALL_TIMEOUT_S)
        if failure:
            raise EnvironmentMissingError(
                f"cannot install {PACKAGE} {VERSION}; connect to a package index, or on another "
                f"machine run: pip install --no-deps --ignore-requires-python --target FOLDER "
                f"{PACKAGE}=={VERSION}, and copy FOLDER to {folder}. Of pip: {failure}"
            )
        # The wheel holds a top-level package of this name, which would hide others.
        shutil.rmtree(temporary / "tests", ignore_errors=True)
