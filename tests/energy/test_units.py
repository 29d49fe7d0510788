"""Units: read by pint, checked for their dimension, and written in a form that is read again."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgespike.energy.units import (
    JOULES,
    format_energy,
    joules_in,
    parse_bytes,
    parse_energy,
)
from edgespike.errors import InputError


@pytest.mark.parametrize("unit", JOULES)
def test_the_table_of_usual_units_agrees_with_pint(unit: str) -> None:
    import pint

    found = pint.UnitRegistry().Quantity(1.0, unit).to("joule").magnitude
    assert JOULES[unit] == pytest.approx(found, rel=1e-15)  # pint 0.24 multiplies prefixes


@pytest.mark.parametrize(
    ("unit", "joules"),
    [
        ("J", 1),
        ("mJ", 1e-3),
        ("uJ", 1e-6),
        ("µJ", 1e-6),
        ("pJ", 1e-12),
        ("fJ", 1e-15),
        ("pJ/op", 1e-12),
        ("nJ/cycle", 1e-9),
        ("uJ / event", 1e-6),
        ("pJ/MAC", 1e-12),
        ("mW*h", 3.6),
    ],
)
def test_units_of_energy(unit: str, joules: float) -> None:
    assert joules_in(unit) == pytest.approx(joules, rel=1e-15)


@pytest.mark.parametrize(
    "unit",
    [
        "pj",
        "W",
        "m",
        "MAC",
        "1/J",
        "J/",
        "(((",
        "",
        "J**2",
        "J^2",
        "op/pJ",
        "bananas",
        "J " * 50,
        "J/0",
        "2 J",
        "J J",
        "J*lambda",
    ],
)
def test_other_units_are_refused_with_examples(unit: str) -> None:
    with pytest.raises(InputError, match=r"is not a unit of energy; use one such as fJ, pJ, nJ"):
        joules_in(unit)


@pytest.mark.parametrize(
    ("text", "joules"),
    [("3 uJ", 3e-6), ("2.5nJ", 2.5e-9), (" 1e-3 J ", 1e-3), ("1,000 pJ", 1e-9), ("0 J", 0)],
)
def test_energies_are_read(text: str, joules: float) -> None:
    assert parse_energy(text) == pytest.approx(joules, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3", "'3' has no unit; give one, as in 3 uJ"),
        ("uJ", "'uJ' is not an energy; give a number and a unit"),
        ("-3 uJ", "finite number that is at least 0"),
        ("1e999 J", "finite number that is at least 0"),
        ("nan J", "is not an energy"),
        ("3 KB", "'KB' is not a unit of energy"),
        ("", "'' is not an energy"),
    ],
)
def test_other_energies_are_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_energy(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("100 KB", 100_000),
        ("100KiB", 102_400),
        ("64 kB", 64_000),
        ("1.5 KB", 1500),
        ("8 bit", 1),
        ("16.1 MB", 16_100_000),  # 16100000.000000002 in floats
        ("1.001 MB", 1_001_000),
        ("1,500,000.0 KB", 1_500_000_000),
        ("99999999999999999999 B", 99_999_999_999_999_999_999),
        ("1e-999 B", 0),
    ],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("100", "has no unit; give one, as in 100 KB"),
        ("1 bit", "is 0.125 bytes; give a whole number"),
        ("3 uJ", "'uJ' is not a unit of size"),
        ("-1 KB", "at least 0"),
    ],
)
def test_other_sizes_are_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_bytes(text)


@pytest.mark.parametrize("text", ["1,5 uJ", "1,,500 uJ", "1000,000 uJ", "1,5,000 uJ", "1,50e3 uJ"])
def test_a_comma_separates_thousands_only(text: str) -> None:
    with pytest.raises(InputError, match="write decimals with a point"):
        parse_energy(text)


@pytest.mark.parametrize(
    ("text", "joules"),
    [("1_000 nJ", 1e-6), ("1,000.5 nJ", 1.0005e-6), ("1.2 uJ", 1.2e-6), ("0.7 µJ", 0.7e-6)],
)
def test_an_energy_is_the_nearest_float(text: str, joules: float) -> None:
    assert parse_energy(text) == joules


@pytest.mark.parametrize("text", ["1e308 GJ", "1e400 J", "1" * 200 + " J"])
def test_energies_are_finite_and_short(text: str) -> None:
    with pytest.raises(InputError):
        parse_energy(text)


@given(st.integers(0, 10**9), st.integers(0, 9))
def test_whole_bytes_are_never_refused(size: int, places: int) -> None:
    written = f"{Decimal(size).scaleb(-places):f} GB"
    assert parse_bytes(written) == size * 10 ** (9 - places)


@pytest.mark.parametrize(
    ("joules", "text"),
    [(0, "0 J"), (8.22e-9, "8.22 nJ"), (999.6e-9, "1 uJ"), (3e-6, "3 uJ"), (1e-18, "0.001 fJ")],
)
def test_energies_are_written(joules: float, text: str) -> None:
    assert format_energy(joules) == text


@given(st.floats(1e-17, 1e4))
def test_a_written_energy_is_read_again(joules: float) -> None:
    assert parse_energy(format_energy(joules)) == pytest.approx(joules, rel=5e-3, abs=1e-18)


def test_the_shipped_profiles_are_loaded_without_pint() -> None:
    code = (
        "import sys, edgespike.energy as e; "
        "e.load_profiles(['all'])[0].constants['fp32_add'].energy; print('pint' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
