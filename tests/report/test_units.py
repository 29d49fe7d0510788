"""Energies and counts formatted for people."""

from __future__ import annotations

import pytest

from edgespike.energy import Interval
from edgespike.report.units import (
    file_size,
    joules,
    joules_range,
    mean,
    operations,
    operations_range,
    share,
    times,
    whole,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0 J"),
        (1e-17, "0.0100 fJ"),
        (1e-15, "1.00 fJ"),
        (9.994e-13, "999 fJ"),
        (9.996e-13, "1.00 pJ"),
        (1.25e-11, "12.5 pJ"),
        (8.224e-10, "822 pJ"),
        (1e-9, "1.00 nJ"),
        (1.35e-6, "1.35 µJ"),
        (0.02, "20.0 mJ"),
        (12.3, "12.3 J"),
        (50_000.0, "50,000 J"),
    ],
)
def test_joules(value: float, text: str) -> None:
    assert joules(value) == text


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (3.31e-10, 1.1e-9, "0.331 to 1.10 nJ"),
        (9.27e-9, 1.04e-8, "9.27 to 10.4 nJ"),
        (2e-12, 2e-12, "2.00 pJ"),
        (0.0, 2e-12, "0 to 2.00 pJ"),
        (0.0, 0.0, "0 J"),
    ],
)
def test_a_range_has_one_unit(low: float, high: float, text: str) -> None:
    assert joules_range(Interval(low, low, high)) == text


def test_shares_and_counts() -> None:
    assert (share(0.9887), share(None), whole(1234567)) == ("98.9%", "–", "1,234,567")


@pytest.mark.parametrize(
    ("total", "samples", "text"),
    [(0, 3, "0"), (6, 3, "2"), (5, 2, "2.50"), (1, 200, "0.00500"), (4_616_801, 200, "23,084")],
)
def test_means_keep_three_digits(total: int, samples: int, text: str) -> None:
    assert mean(total, samples) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (15_020, "15.0 KB"),
        (547_662, "548 KB"),
        (2 * 10**6, "2.00 MB"),
    ],
)
def test_sizes_of_files(number: int, text: str) -> None:
    assert file_size(number) == text


def test_ratios() -> None:
    assert (times(0.0), times(0.4583), times(27.46), times(1234.5)) == (
        "0",
        "0.458",
        "27.5",
        "1,234",
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.4167, "0.417"),
        (417, "417"),
        (999.6, "1.00 k"),
        (8221, "8.22 k"),
        (12_345_678, "12.3 M"),
        (2e15, "2,000 T"),
    ],
)
def test_operations_have_three_digits(value: float, text: str) -> None:
    assert operations(value) == text


def test_a_range_of_operations_has_one_prefix() -> None:
    assert operations_range(274_861, 1_400_157) == "0.275 to 1.40 M"
    assert operations_range(300, 330) == "300 to 330"
    assert operations_range(0, 330) == "0 to 330"
    assert operations_range(5000, 5001) == "5.00 k"
