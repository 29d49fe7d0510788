"""The worker's side of :mod:`edgespike.workers.worker`. Imports numpy, not edgespike.

Started as ``python worker_main.py SCRIPT FOLDER``. It loads ``handle(arrays, parameters)`` from
the script and answers one job for each line of standard input. The end of standard input means
that the parent has ended, for whatever reason: then nothing of this process group may be left.
"""

from __future__ import annotations

import json
import os
import queue
import runpy
import shutil
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Mapping
from multiprocessing import shared_memory
from pathlib import Path
from typing import Any

import numpy as np

SHARED_MEMORY = Path("/dev/shm")


def main(script: str, folder: str) -> None:
    """Answer jobs until the parent closes standard input."""
    # Answers get their own descriptor; whatever libraries print goes to stderr.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    _name_shared_memory(Path(folder).name)
    tempfile.tempdir = folder
    jobs: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read_jobs, args=(jobs, Path(folder)), daemon=True).start()
    sys.path[0] = str(Path(script).parent)
    handle = runpy.run_path(script)["handle"]
    while True:
        print(json.dumps(_answer(handle, Path(jobs.get()))), file=answers, flush=True)


def _read_jobs(jobs: queue.SimpleQueue[str], folder: Path) -> None:
    # os.read holds no lock of Python's, so this thread can wait in it while others fork.
    rest = b""
    while chunk := os.read(0, 65536):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            jobs.put(line.decode())
    group = os.getpgrp()
    cleaner = os.fork()
    if cleaner == 0:
        # The cleaner must outlive the group, which can make new blocks until it is dead.
        os.setsid()
        os.killpg(group, signal.SIGKILL)
        remove_shared_memory(folder.name)
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(0)
    os.waitpid(cleaner, 0)


def _answer(handle: Callable[[Any, Any], tuple[Any, Any]], job: Path) -> dict[str, Any]:
    try:
        parameters = json.loads((job / "parameters.json").read_text())
        arrays, answers = handle(load_arrays(job / "arrays.npz"), parameters)
        save_arrays(job / "results.npz", arrays)
        (job / "answers.json").write_text(json.dumps(answers))
    except Exception as error:
        lines = traceback.format_exc().splitlines()[-12:]
        return {"error": f"{type(error).__name__}: {error}", "lines": lines}
    return {}


def save_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write named arrays; the prefix keeps names apart from ``numpy.savez``'s own arguments."""
    prefixed: dict[str, Any] = {f"_{name}": array for name, array in arrays.items()}
    np.savez(path, **prefixed)


def load_arrays(path: Path) -> dict[str, Any]:
    """Read named arrays, without pickle."""
    with np.load(path, allow_pickle=False) as file:
        return {name[1:]: file[name] for name in file.files}


def remove_shared_memory(name: str) -> None:
    """Remove the shared memory left by the worker that owns folder ``name``."""
    for path in SHARED_MEMORY.glob(f"{name}*"):
        path.unlink(missing_ok=True)


def _name_shared_memory(name: str) -> None:
    # Python has no other way to tell this worker's blocks from those of other processes.
    if hasattr(shared_memory, "_SHM_NAME_PREFIX"):
        shared_memory._SHM_NAME_PREFIX = f"/{name}"


if __name__ == "__main__":
    main(*sys.argv[1:])
