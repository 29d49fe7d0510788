"""Runtimes that may be missing where the tests run."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from edgespike.errors import EnvironmentMissingError
from edgespike.targets import get_target
from edgespike.targets.base import Target

needs_tflm = pytest.mark.skipif(find_spec("tflite_micro") is None, reason="no tflite-micro")


def available(name: str) -> Target:
    """Return a target whose runtime is installed, or skip the test and say how to install it."""
    target = get_target(name)
    try:
        target.runtime()
    except EnvironmentMissingError as missing:
        pytest.skip(str(missing))
    return target
