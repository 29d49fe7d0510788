"""Folders into which targets install packages: pinned by hashes, checked, and repaired.

A requirements file lists versions and SHA-256 of the wheels, which pip compares with its downloads
(``--require-hashes``). pip records the size and SHA-256 of each installed file (``RECORD`` in a
wheel's ``.dist-info``), with which a folder is checked later.
"""

from __future__ import annotations

import base64
import contextlib
import csv
import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from filelock import FileLock

from edgespike.errors import EnvironmentMissingError
from edgespike.storage.files import check_folder, new_folder
from edgespike.workers.processes import install

INSTALL_TIMEOUT_S = 900


def pinned(requirements: Path) -> dict[str, str]:
    """Return the version of each package in a requirements file."""
    return dict(re.findall(r"^([\w-]+)==(\S+)", requirements.read_text(), re.MULTILINE))


def pip_install(python: str, requirements: Path, *options: str) -> str | None:
    """Install exactly what a requirements file lists; return how it failed, or ``None``."""
    command = [python, "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
    command += ["--no-deps", "--only-binary", ":all:", "--require-hashes", *options]
    return install([*command, "-r", str(requirements)], INSTALL_TIMEOUT_S)


def damage(
    folder: Path, requirements: Path, *, left_out: Sequence[str] = (), thorough: bool = False
) -> str:
    """Return the first difference between a folder of packages and what was installed into it.

    Versions, and the existence and size of all files, are compared, which takes a fraction of a
    millisecond for ten files.

    Parameters
    ----------
    folder
        Where pip installed the packages.
    requirements
        What was installed.
    left_out
        Top-level folders of the packages that were removed after installation.
    thorough
        Whether to compare each file's SHA-256 too.

    Returns
    -------
    difference
        Empty if there is none.
    """
    for name, version in pinned(requirements).items():
        prefix = name.replace("-", "_") + "-"
        found = [path.name[len(prefix) : -10] for path in folder.glob(f"{prefix}*.dist-info")]
        if found != [version]:
            return f"{name} is {' and '.join(sorted(found)) or 'missing'}, not {version}"
        record = folder / f"{prefix}{version}.dist-info" / "RECORD"
        if not record.is_file():
            return f"{record.relative_to(folder)} is missing"
        recorded = _recorded(record)
        if not recorded:
            return f"{record.relative_to(folder)} does not list files, hashes and sizes"
        for file, digest, size in recorded:
            # Python rewrites its compiled files.
            if not file.endswith(".pyc") and file.split("/")[0] not in left_out:
                difference = _difference(folder / file, size, digest if thorough else "")
                if difference:
                    return f"{file} of {name} {difference}"
    return ""


def _recorded(record: Path) -> list[tuple[str, str, int]]:
    """Return each file with its hash and size; nothing if the record is damaged."""
    try:
        with record.open(newline="", encoding="utf-8") as rows:
            # pip writes no size of RECORD itself.
            return [(file, digest, int(size)) for file, digest, size in csv.reader(rows) if size]
    except (OSError, ValueError, csv.Error):
        return []


def _difference(path: Path, size: int, digest: str) -> str:
    try:
        found = path.stat().st_size
        if found != size:
            return f"has {found} bytes, not {size}"
        if digest and _digest(path, digest.partition("=")[0]) != digest:
            return "has another content"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    except ValueError as error:  # a name or a method that RECORD cannot mean
        return f"cannot be checked ({error})"
    return ""


def _digest(path: Path, method: str) -> str:
    digest = hashlib.new(method, path.read_bytes()).digest()
    return f"{method}={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Wait until no other process installs next to ``folder``, and make others wait in turn.

    Raises
    ------
    WriteError
        The folder's parent cannot be made or written.
    """
    check_folder(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / "install.lock"):
        yield


@contextlib.contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder that replaces ``folder`` when the block ends without an error."""
    if folder.is_symlink():
        folder.unlink()
    shutil.rmtree(folder, ignore_errors=True)
    with new_folder(folder) as new:
        yield new


def make_environment(folder: Path, python: str, requirements: Path, *options: str) -> str | None:
    """Make a virtual environment with packages in a new folder; return how it failed, or ``None``.

    ``options`` are pip's.
    """
    failure = install([python, "-m", "venv", str(folder)], INSTALL_TIMEOUT_S)
    return failure or pip_install(str(folder / "bin" / "python"), requirements, *options)


def site_packages(environment: Path) -> Path:
    """Return the folder of packages of a virtual environment, whether it exists or not."""
    found = sorted((environment / "lib").glob("python*/site-packages"))
    return found[0] if found else environment / "lib"


def find_python(versions: Sequence[tuple[int, int]], what: str) -> str:
    """Return the path of a Python whose version is one of ``versions``, this one if possible.

    Raises
    ------
    EnvironmentMissingError
        None is on the path; the message says that ``what`` needs one.
    """
    if sys.version_info[:2] in versions:
        return sys.executable
    for major, minor in versions:
        found = shutil.which(f"python{major}.{minor}")
        if found and _works(found):
            return found
    wanted = ", ".join(f"{major}.{minor}" for major, minor in versions)
    raise EnvironmentMissingError(
        f"{what} needs Python {wanted} beside this one "
        f"({sys.version_info[0]}.{sys.version_info[1]}), and none is on the path; install one"
    )


def _works(python: str) -> bool:
    """Return whether a Python can make environments; version managers leave stubs."""
    code = "import venv, ensurepip"
    return subprocess.run([python, "-c", code], capture_output=True, check=False).returncode == 0
