"""Find Lava, or install it into its own folder.

lava-nc declares that it needs Python 3.10 and numpy below 2, but runs on later versions, see
``simulator/run_lava.py``. So it is installed outside the environment's own packages and without its
dependencies, which edgespike's extra ``loihi`` installs.

Before Lava is used from that folder, its version and the existence and size of all its files are
compared with what pip installed. Setup also compares their SHA-256, and reinstalls what is damaged.
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
from edgespike.targets.shared.installing import damage, locked, pinned, pip_install, replaced

REQUIREMENTS = Path(__file__).parent / "requirements.txt"
PACKAGE = "lava-nc"
VERSION = pinned(REQUIREMENTS)[PACKAGE]
NEEDED = ("scipy", "networkx", "asteval")
"""What Lava imports besides numpy."""

LEFT_OUT = ("tests",)
"""Top-level packages of the wheel that are removed: they would hide others of the same name."""

_SETUP = "edgespike targets --setup loihi"


def version() -> str:
    """Return Lava's name and version, as in ``lava-nc 0.10.0``.

    Raises
    ------
    EnvironmentMissingError
        Lava or a package that it needs is not installed, or its folder is damaged.
    """
    lava_path()
    return f"{PACKAGE} {VERSION}"


def lava_path() -> list[str]:
    """Return the folders outside Python's own path in which Lava is found: one or none.

    Raises
    ------
    EnvironmentMissingError
        Lava or a package that it needs is not installed, or its folder is damaged.
    """
    _check_needed()
    own = _own_folder()
    if own.exists():
        problem = _damage()
        if problem:
            raise EnvironmentMissingError(
                f"{own} is damaged ({problem}); run: {_SETUP} (it installs {PACKAGE} {VERSION} "
                "anew)"
            )
        return [str(own)]
    others = _versions_on_path()
    if VERSION in others[:1]:
        return []
    instead = f" ({PACKAGE} {others[0]} is, which was not tested)" if others else ""
    raise EnvironmentMissingError(
        f"Lava is not installed{instead}; run: {_SETUP} (it downloads {PACKAGE} {VERSION} into "
        f"{own})"
    )


def setup() -> str:
    """Install Lava unless it is there, and return its name and version, see :func:`version`.

    Another process that does so at the same time waits.

    Raises
    ------
    EnvironmentMissingError
        It cannot be downloaded, or a package that it needs is not installed.
    WriteError
        The cache folder cannot be written.
    """
    _check_needed()
    own = _own_folder()
    if own.exists() or VERSION not in _versions_on_path()[:1]:
        with locked(own):
            if _damage(thorough=True):
                _install(own)
    return version()


def _check_needed() -> None:
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise EnvironmentMissingError(
            f"Lava needs {', '.join(missing)}; run {install_command('loihi')}"
        )


def _own_folder() -> Path:
    return user_cache_path("edgespike") / f"{PACKAGE}-{VERSION}"


def _damage(*, thorough: bool = False) -> str:
    return damage(_own_folder(), REQUIREMENTS, left_out=LEFT_OUT, thorough=thorough)


def _versions_on_path() -> list[str]:
    """Return the versions of Lava on Python's own path; the first is the one that is imported."""
    return [found.version for found in distributions(name=PACKAGE)]


def _install(folder: Path) -> None:
    """Install with pip into a new folder, complete or not at all."""
    with replaced(folder) as new:
        failure = pip_install(
            sys.executable, REQUIREMENTS, "--ignore-requires-python", "--target", str(new)
        )
        if failure:
            raise EnvironmentMissingError(
                f"cannot install {PACKAGE} {VERSION}; connect to a package index, or on another "
                f"machine run: pip install --no-deps --ignore-requires-python --target FOLDER "
                f"{PACKAGE}=={VERSION}, and copy FOLDER to {folder}. Of pip: {failure}"
            )
        for name in LEFT_OUT:
            shutil.rmtree(new / name, ignore_errors=True)
