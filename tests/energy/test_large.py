"""Quantities near 2**63 and beyond: Python's integers as far as the JSON."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from edgespike.counting import Convention, Counts, LayerCounts
from edgespike.energy import energy_report
from edgespike.energy.quantities import Quantity
from edgespike.energy.work import measure
from tests.energy.examples import OR, OR_SAMPLES, counts_of

FACTORS = [2**62, 2**63 - 1, 2**63, 2**63 + 1, 2**64, 10**30]


def multiplied(row: LayerCounts, factor: int) -> LayerCounts:
    def times(values: Any) -> Any:
        if isinstance(values, dict):
            return {kind: times(values[kind]) for kind in Convention}
        large = np.array([int(value) * factor for value in values.tolist()], object)
        return large if max(large.tolist(), default=0) > 2**63 - 1 else large.astype(np.int64)

    names = [field.name for field in fields(row) if field.name != "name"]
    changed: dict[str, Any] = {name: times(getattr(row, name)) for name in names}
    return replace(row, **changed)


@pytest.mark.parametrize("factor", FACTORS)
def test_quantities_are_exact(factor: int) -> None:
    """As if the run had had so many times the samples."""
    counts = counts_of(OR, OR_SAMPLES)
    one = measure(OR, counts, Convention.EVERY)
    large = Counts(factor, tuple(multiplied(row, factor) for row in counts.layers))
    many = measure(OR, large, Convention.EVERY)
    for quantity, amount in one.amounts.items():
        found = many.amounts[quantity]
        assert type(found) is int, quantity
        assert found == amount * factor, quantity
    for quantity, rows in one.accesses.items():
        assert [each.number for each in many.accesses[quantity]] == [
            each.number * factor for each in rows
        ]
        assert all(type(each.number) is int for each in many.accesses[quantity])
    assert many.amounts[Quantity.POOL_OPERATIONS] == 2 * factor


@pytest.mark.parametrize("factor", FACTORS)
def test_the_json_holds_the_same_integers(factor: int) -> None:
    counts = counts_of(OR, OR_SAMPLES)
    large = Counts(factor, tuple(multiplied(row, factor) for row in counts.layers))
    answer = json.loads(json.dumps(energy_report(OR, large).to_json(), allow_nan=False))
    assert answer["counts"]["samples"] == factor
    assert answer["counts"]["synaptic_operations"]["every"] == factor
    assert answer["counts"]["pool_operations"] == 2 * factor
    assert answer["counts"]["layers"][0]["events"] == 2 * factor
    for row in answer["energy"]:
        assert 0 <= row["low_j"] <= row["typical_j"] <= row["high_j"]
        for count in row["left_out"].values():
            assert type(count) is int
            assert count % factor == 0
        for baseline in row["baselines"]:
            assert baseline["multiply_accumulates"] == factor
