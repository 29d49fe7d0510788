"""Settings that all tests share."""

from __future__ import annotations

import gc

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "default",
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
# "default" draws the same examples in every run, "fresh" those of --hypothesis-seed alone.
settings.register_profile(
    "fresh", settings.get_profile("default"), derandomize=False, database=None
)
settings.load_profile("default")


def pytest_collection_finish() -> None:
    """Leave modules and collected tests, which stay until the end, out of garbage collection."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the longest where several workers share the tests, so that they end together."""
    if hasattr(config, "workerinput"):
        items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    if item.get_closest_marker("loihi"):
        return 0
    return 1 if "conformance" in item.path.parts else 2
