"""The environment of tflite-runtime, which may need an older Python and numpy than this one.

Before it is used, versions and the existence and size of all files are compared with what pip
installed. Setup also compares their SHA-256, and reinstalls what is damaged.
"""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_cache_path

from edgespike.errors import EnvironmentMissingError
from edgespike.targets.shared import installing
from edgespike.targets.shared.installing import locked, make_environment, pinned, replaced

REQUIREMENTS = Path(__file__).parent / "runtime_requirements.txt"
VERSION = pinned(REQUIREMENTS)["tflite-runtime"]
"""The last release; the first that is exact is in the runner of the Raspberry Pi bundle."""

PYTHONS = ((3, 11), (3, 10), (3, 9))
"""Python versions it was released for; the first that is found is used."""

_WAY_OUT = "run 'edgespike targets --setup tflite-runtime'"


def environment_path() -> Path:
    """Return the folder of the environment, whether it exists or not."""
    return user_cache_path("edgespike") / f"tflite-runtime-{VERSION}"


def environment_python() -> Path:
    """Return the environment's interpreter.

    Raises
    ------
    EnvironmentMissingError
        The environment was not set up or is damaged, or the Python that it was made from was
        removed.
    """
    python = environment_path() / "bin" / "python"
    if not python.exists():
        raise EnvironmentMissingError(
            f"tflite-runtime {VERSION} has no environment in {environment_path()}; {_WAY_OUT}"
        )
    problem = _damage()
    if problem:
        raise EnvironmentMissingError(
            f"the environment {environment_path()} is damaged ({problem}); {_WAY_OUT}"
        )
    return python


def setup() -> str:
    """Install tflite-runtime into its own environment, whole or not at all, and name it.

    Another process that does so at the same time waits.

    Raises
    ------
    EnvironmentMissingError
        No suitable Python is found, or the packages cannot be installed.
    WriteError
        The cache folder cannot be written.
    """
    folder = environment_path()
    with locked(folder):
        if not (folder / "bin" / "python").exists() or _damage(thorough=True):
            base = find_python()
            with replaced(folder) as new:
                failure = make_environment(new, base, REQUIREMENTS)
                if failure:
                    raise EnvironmentMissingError(
                        f"tflite-runtime {VERSION}: cannot install it; is the package index "
                        f"reachable? {failure}"
                    )
    return f"tflite-runtime {VERSION}"


def find_python() -> str:
    """Return the path of a Python that tflite-runtime was released for.

    Raises
    ------
    EnvironmentMissingError
        None is on the path.
    """
    return installing.find_python(PYTHONS, f"tflite-runtime {VERSION}")


def _damage(*, thorough: bool = False) -> str:
    site = installing.site_packages(environment_path())
    return installing.damage(site, REQUIREMENTS, thorough=thorough)
