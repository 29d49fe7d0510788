"""What the tests of the Loihi target share."""

from __future__ import annotations

import pytest

from edgespike.errors import EnvironmentMissingError
from edgespike.targets.loihi import TARGET


@pytest.fixture(scope="session")
def lava() -> str:
    """Name Lava, or skip the test where it is not installed."""
    try:
        return TARGET.runtime()
    except EnvironmentMissingError as missing:
        pytest.skip(str(missing))
