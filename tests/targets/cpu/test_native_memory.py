"""What the native engine finds depends on nothing that its memory held before."""

from __future__ import annotations

import numpy as np
import pytest

from tests.random_graphs import examine, up_to
from tests.strategies import MIXES, Case
from tests.targets.cpu.native_runs import engines, found


@pytest.mark.parametrize("mix", MIXES)
def test_what_memory_held_before_changes_nothing(mix: str) -> None:
    def look(case: Case) -> None:
        for engine in engines(case):
            in_zeros = found(engine, case, 0)
            for byte in (1, 0x55, 255):
                np.testing.assert_equal(found(engine, case, byte), in_zeros)

    examine(mix, up_to(20), look)
