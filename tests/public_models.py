"""Where other people's model files are, if they are there: beside the folder of the project.

They are not part of it. Tests that read them are skipped, with a reason, where they are missing.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parents[2] / "shared" / "models"
"""Holds a folder for each kind: ``netx``, ``neurobench``, ``nir``, ``qonnx`` and ``tflite``."""
