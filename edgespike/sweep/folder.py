"""The folder of a sweep: its table of results, and the files of each point.

======================  ==========================================================================
``sweep.json``          recipe, data and energy model; a sweep of others is refused
``results.jsonl``       a line for each finished point
``points/ID/``          net, graph, log of the training, counts and energies of a finished point
``running/ID/``         what a training on this machine goes on from, while its point is unfinished
======================  ==========================================================================
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import Any

from edgespike import __version__
from edgespike.errors import FileFormatError, InputError
from edgespike.storage.files import WriteError, check_folder, opened, write_atomically
from edgespike.storage.locks import locked_folder
from edgespike.sweep.point import Found
from edgespike.sweep.results import NAME, Row, append_row, check_figures, read_rows

_LOCK, _ABOUT = ".sweep.lock", "sweep.json"
_SECONDS_OF_LOCK = 1.0
_ABOUT_LIMIT = 2**24


class SweepFolder:
    """The folder of a sweep; it need not exist.

    Attributes
    ----------
    results
        Path of the table of results.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.results = path / NAME

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder, and keep other sweeps out of it during the block.

        Raises
        ------
        InputError
            Another sweep is writing into it.
        WriteError
            It is not a folder, or cannot be written or locked.
        """
        check_folder(self.path)
        _make(self.path)
        with locked_folder(self.path, _LOCK, "sweep", _SECONDS_OF_LOCK):
            yield

    def begin(self, about: Mapping[str, Any], resume: bool) -> list[Row]:
        """Record what is swept, and return the rows that are finished.

        Parameters
        ----------
        about
            Recipe, data and energy model, as plain tables.
        resume
            Whether the folder may hold a sweep.

        Raises
        ------
        InputError
            The folder holds a sweep and ``resume`` is false, or that sweep is of another recipe or
            other data; or it holds files of that name, but no sweep.
        FileFormatError
            The folder's files are damaged.
        """
        wanted = json.loads(json.dumps(about))
        place = self.path / _ABOUT
        if place.exists():
            found = _read_about(place)
            if not resume:
                raise InputError(
                    f"folder {self.path} holds a sweep; continue it with --resume (resume=True), "
                    "remove it or name another"
                )
            if other := sorted(name for name in wanted if found.get(name) != wanted[name]):
                raise InputError(
                    f"the sweep in {self.path} is of another recipe, other data or another energy "
                    f"model (different: {', '.join(other)}); name another folder"
                )
        else:
            if self.results.exists():
                raise InputError(
                    f"folder {self.path} holds no sweep, but {NAME}; name another folder"
                )
            content = {**wanted, "edgespike": __version__}
            write_atomically(place, (json.dumps(content, indent=2) + "\n").encode())
        rows = read_rows(self.results)
        for row in rows:
            check_figures(self.results, row)
        self._clear({row["point"] for row in rows})
        return rows

    def _clear(self, finished: Set[str]) -> None:
        """Remove the trainings that a sweep, killed after it wrote their rows, left behind."""
        with contextlib.suppress(OSError):
            for place in (self.path / "running").iterdir():
                if place.name in finished:
                    shutil.rmtree(place, ignore_errors=True)

    def running(self, identity: str) -> Path:
        """Return the folder of an unfinished point's training."""
        return self.path / "running" / identity

    def finish(self, identity: str, settings: Mapping[str, Any], found: Found) -> Row:
        """Write a finished point's files, and then its row, by which it counts as finished.

        Raises
        ------
        WriteError
            They cannot be written; the point is then unfinished.
        """
        place = self.path / "points" / identity
        _make(place)
        for name, content in found.files.items():
            write_atomically(place / name, content)
        row = {**settings, **found.figures}
        append_row(self.results, row)
        shutil.rmtree(self.running(identity), ignore_errors=True)
        return row


def _make(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(
            f"cannot make folder {path}: {error.strerror}; fix this or name another one"
        ) from None


def _read_about(place: Path) -> Mapping[str, Any]:
    with opened(place) as file:
        content = file.read(_ABOUT_LIMIT)
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{place} is not JSON: {error}; start in a new folder") from None
    if not isinstance(found, dict):
        raise FileFormatError(f"{place} does not describe a sweep; start in a new folder")
    return found
