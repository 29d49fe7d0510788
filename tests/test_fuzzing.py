"""A few damaged and forged files of every kind; ``make fuzz`` gives thousands, each time others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="checkpoints need torch: pip install -e '.[train]'")
pytest.importorskip("ai_edge_litert", reason="bundles need LiteRT: pip install -e '.[tflite]'")


def test_files_end_with_the_documented_exit_codes(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "tests.fuzzing", "--inputs", "180", "--seed", "0"]
    done = subprocess.run(
        [*line, "--keep", str(tmp_path / "failures")],
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("20 inputs") == 9
