"""Settings that all tests share."""

from __future__ import annotations

import gc
import os

import pytest
from hypothesis import HealthCheck, settings

from tests.parameters import few_of_each

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


@pytest.hookimpl(trylast=True)  # after -m and -k
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out parameters, if asked to; begin with the longest tests if workers share them.

    Then the workers end together. The conformance suite has few graphs instead of few parameters.
    """
    most = os.environ.get("MOST_PARAMETERS")
    if most:
        few = few_of_each([item.nodeid for item in items], int(most))
        left_out = [each for each in items if each.nodeid not in few and not _conforms(each)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [each for each in items if each.nodeid in few or _conforms(each)]
    if hasattr(config, "workerinput"):
        items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    if item.get_closest_marker("loihi"):
        return 0
    return 1 if _conforms(item) else 2


def _conforms(item: pytest.Item) -> bool:
    return "conformance" in item.path.parts
