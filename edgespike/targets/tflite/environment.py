"""The environment of tflite-runtime, which may need an older Python and numpy than this one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from platformdirs import user_cache_path

from edgespike.errors import EnvironmentMissingError
from edgespike.storage.files import new_folder
from edgespike.targets.shared.processes import install

VERSION = "2.14.0"
"""The last release; the first that is exact is in the runner of the Raspberry Pi bundle."""

PYTHONS = ((3, 11), (3, 10), (3, 9))
"""Python versions it was released for; the first that is found is used."""

PACKAGES = (f"tflite-runtime=={VERSION}", "numpy<2")
INSTALL_TIMEOUT_S = 900

_WAY_OUT = "run 'edgespike targets --setup tflite-runtime'"


def environment_path() -> Path:
    """Return the folder of the environment, whether it exists or not."""
    return user_cache_path("edgespike") / f"tflite-runtime-{VERSION}"


def environment_python() -> Path:
    """Return the environment's interpreter.

    Raises
    ------
    EnvironmentMissingError
        The environment was not set up, or the Python that it was made from was removed.
    """
    python = environment_path() / "bin" / "python"
    if not python.exists():
        raise EnvironmentMissingError(
            f"tflite-runtime {VERSION} has no environment in {environment_path()}; {_WAY_OUT}"
        )
    return python


def setup() -> str:
    """Install tflite-runtime into its own environment, whole or not at all, and name it.

    Raises
    ------
    EnvironmentMissingError
        No suitable Python is found, or the packages cannot be installed.
    """
    folder = environment_path()
    if not (folder / "bin" / "python").exists():
        base = find_python()
        shutil.rmtree(folder, ignore_errors=True)
        with new_folder(folder) as new:
            _command([base, "-m", "venv", str(new)], "make its environment")
            python = str(new / "bin" / "python")
            pip = [python, "-m", "pip", "install", "--quiet", "--only-binary", ":all:"]
            _command([*pip, *PACKAGES], "install it")
    return f"tflite-runtime {VERSION}"


def find_python() -> str:
    """Return the path of a Python that tflite-runtime was released for.

    Raises
    ------
    EnvironmentMissingError
        None is on the path.
    """
    if sys.version_info[:2] in PYTHONS:
        return sys.executable
    for major, minor in PYTHONS:
        found = shutil.which(f"python{major}.{minor}")
        if found and _works(found):
            return found
    wanted = ", ".join(f"{major}.{minor}" for major, minor in PYTHONS)
    raise EnvironmentMissingError(
        f"tflite-runtime {VERSION} needs Python {wanted} beside this one "
        f"({sys.version_info[0]}.{sys.version_info[1]}), and none is on the path; install one"
    )


def _works(python: str) -> bool:
    """Return whether a Python can make environments; version managers leave stubs."""
    code = "import venv, ensurepip"
    return subprocess.run([python, "-c", code], capture_output=True, check=False).returncode == 0


def _command(command: list[str], what: str) -> None:
    failure = install(command, INSTALL_TIMEOUT_S)
    if failure:
        raise EnvironmentMissingError(
            f"tflite-runtime {VERSION}: cannot {what}; is the package index reachable? {failure}"
        )
