"""Simulators of other projects, each in a folder of its own beside this environment's torch.

They need different versions of nir, so no environment holds them all.

python -m tests.converters.nir.simulators    installs those that are missing or damaged
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from platformdirs import user_cache_path

from edgespike.errors import EnvironmentMissingError
from edgespike.targets.shared.installing import damage, locked, pinned, pip_install, replaced

NAMES = ("snntorch", "norse", "sinabs", "spikingjelly", "rockpool")
SOURCES_ONLY = "norse,rockpool"
"""Those whose newest version is on the package index as sources."""

COMMAND = "python -m tests.converters.nir.simulators"
TIMEOUT_S = 120

Arrays = dict[str, NDArray[Any]]


def requirements(name: str) -> Path:
    return Path(__file__).parent / "requirements" / f"{name}.txt"


def folder(name: str) -> Path:
    """Return a simulator's folder, whether it exists or not."""
    version = pinned(requirements(name))[name]
    return user_cache_path("edgespike") / "simulators" / f"{name}-{version}"


def problem(name: str, *, thorough: bool = False) -> str:
    """Return what keeps a simulator from being used; empty if nothing does."""
    # pip puts commands elsewhere than a package records.
    return damage(folder(name), requirements(name), left_out=("..",), thorough=thorough)


def setup(name: str) -> str:
    """Install a simulator unless it is there and whole, and say what happened."""
    with locked(folder(name)):
        if problem(name, thorough=True):
            with replaced(folder(name)) as new:
                options = ("--no-binary", SOURCES_ONLY, "--target", str(new))
                if failure := pip_install(sys.executable, requirements(name), *options):
                    raise EnvironmentMissingError(f"cannot install {name}: {failure}")
    return f"{name} is ready"


def needs(name: str) -> pytest.MarkDecorator:
    """Skip a test where a simulator is not installed."""
    missing = problem(name)
    return pytest.mark.skipif(bool(missing), reason=f"{name}: {missing}; run {COMMAND}")


def simulate(name: str, job: str, file: Path, samples: NDArray[Any], **more: Any) -> Arrays:
    """Run a job of ``simulate.py`` in a simulator, and return the arrays that it gives.

    Parameters
    ----------
    job
        ``write``: make a net, write it to ``file``, and run it; ``read``: read ``file`` and run it.
    samples
        ``(samples, steps, *shape)``.
    """
    place = file.with_suffix(f".{name}")
    place.mkdir()
    np.save(place / "samples.npy", samples)
    task = {"job": job, "file": str(file), "folder": str(place), **more}
    # What a parent finds on its path must not hide this folder's nir.
    environment = {**os.environ, "PYTHONPATH": str(folder(name)), "OMP_NUM_THREADS": "1"}
    script = Path(__file__).parent / "simulate.py"
    done = subprocess.run(
        [sys.executable, str(script), name, json.dumps(task)],
        env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    with np.load(place / "values.npz") as values:
        return dict(values)


if __name__ == "__main__":
    for each in NAMES:
        print(setup(each))
