"""What the tests of the Loihi target share."""

from __future__ import annotations

import pytest

from tests.available import available


@pytest.fixture(scope="session")
def lava() -> str:
    """Name Lava, or skip the test where it is not installed."""
    return available("loihi").version()
