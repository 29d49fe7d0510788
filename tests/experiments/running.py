"""Run an experiment as ``python -m experiments.NAME.run`` does, or another script of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run_experiment(
    name: str, *arguments: str | Path, cwd: Path | None = None, script: str = "run"
) -> subprocess.CompletedProcess[str]:
    """Run an experiment of this checkout, with warnings as errors, in any folder."""
    command = [sys.executable, "-W", "error", "-m", f"experiments.{name}.{script}"]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return subprocess.run(
        [*command, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
