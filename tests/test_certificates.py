"""Certificates are read as they were written, and nothing else is one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgespike import verify
from edgespike.certificates import read_certificate
from edgespike.errors import FileFormatError
from edgespike.verification import Certificate, Difference, TargetResult
from tests.energy.examples import TWO_LAYERS, TWO_SAMPLES


def written(path: Path, value: object) -> Path:
    path.write_text(json.dumps(value))
    return path


def test_what_verify_wrote_is_read_back(tmp_path: Path) -> None:
    certificate = verify(TWO_LAYERS, np.array(TWO_SAMPLES))
    assert read_certificate(written(tmp_path / "c.json", certificate.to_json())) == certificate


def test_a_difference_is_read_back(tmp_path: Path) -> None:
    result = TargetResult("numpy", 2, 1, 3, 10, 4, Difference("dense", 1, 0, 3, 7, 8))
    certificate = Certificate("a" * 64, "b" * 64, {"cpu": result})
    assert read_certificate(written(tmp_path / "c.json", certificate.to_json())) == certificate


@pytest.mark.parametrize(
    "changes",
    [
        {"graph": 3},
        {"graph": "a\nb"},
        {"graph": " "},
        {"targets": []},
        {"targets": {}},
        {"targets": {"cpu": {}}},
        {"targets": {"cpu": {"equal": False}}},
        {"inputs": None},
    ],
)
def test_what_is_no_certificate_is_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    table = verify(TWO_LAYERS, np.array(TWO_SAMPLES)).to_json()
    with pytest.raises(FileFormatError, match="is not a certificate"):
        read_certificate(written(tmp_path / "c.json", {**table, **changes}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("samples", -3),
        ("samples", 0),
        ("layers", 0),
        ("synaptic_operations", -1),
        ("multiply_accumulates", 10**400),
        ("steps", 1.0),
    ],
)
def test_numbers_that_no_run_has_are_refused(name: str, value: float, tmp_path: Path) -> None:
    table = verify(TWO_LAYERS, np.array(TWO_SAMPLES)).to_json()
    table["targets"]["cpu"][name] = value
    with pytest.raises(FileFormatError, match="expected a whole number of at least"):
        read_certificate(written(tmp_path / "c.json", table))


def test_a_certificate_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    table = verify(TWO_LAYERS, np.array(TWO_SAMPLES)).to_json()
    table["targets"]["cpu"]["equal"] = False
    with pytest.raises(FileFormatError, match="equal is False"):
        read_certificate(written(tmp_path / "c.json", table))


@pytest.mark.parametrize("content", [b"", b"[" * 100_000, b"\xff", b"[]", b" " * 2**21])
def test_damaged_files_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "c.json").write_bytes(content)
    with pytest.raises(FileFormatError):
        read_certificate(tmp_path / "c.json")
