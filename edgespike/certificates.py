"""Read certificates that ``edgespike verify`` wrote; the files may come from anyone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from edgespike.errors import FileFormatError, shown
from edgespike.storage.files import opened
from edgespike.verification import Certificate, Difference, TargetResult

FILE_LIMIT = 2**20
"""Largest certificate that is read, in bytes; real ones take a few hundred for each target."""

_NO_COUNTS = ("runtime", "first_difference")
"""The fields of a result that are not whole numbers."""

_AT_LEAST_ONE = ("samples", "steps", "layers")
"""Those of which there is at least one."""

_VALUES = ("expected", "found")
"""The numbers of a difference that may be negative."""

LARGEST = 10**100
"""Largest number in a certificate: far above any count."""

_ADVICE = "name a file that 'edgespike verify --out' wrote"


def read_certificate(path: Path | str) -> Certificate:
    """Read a certificate.

    Raises
    ------
    InputError
        The file cannot be read.
    FileFormatError
        It is too large, not JSON, or does not hold what a certificate does.
    """
    path = Path(path)
    with opened(path) as file:
        content = file.read(FILE_LIMIT + 1)
    if len(content) > FILE_LIMIT:
        raise FileFormatError(f"{path} has more than {FILE_LIMIT} bytes; {_ADVICE}")
    try:
        table = json.loads(content)
        results = {_text(name): _result(row) for name, row in table["targets"].items()}
        if not results:
            raise ValueError("it has no target")
        return Certificate(_text(table["graph"]), _text(table["inputs"]), results)
    except KeyError as error:
        raise FileFormatError(f"{path} is not a certificate (no {error}); {_ADVICE}") from None
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise FileFormatError(f"{path} is not a certificate ({error}); {_ADVICE}") from None


def _result(row: Mapping[str, Any]) -> TargetResult:
    at = row["first_difference"]
    others = [field.name for field in fields(TargetResult)]
    counts = {
        name: _whole(row[name], least=name in _AT_LEAST_ONE)
        for name in others
        if name not in _NO_COUNTS
    }
    result = TargetResult(
        runtime=_text(row["runtime"]),
        first_difference=None if at is None else _difference(at),
        **counts,
    )
    if row["equal"] is not result.equal:
        raise ValueError(f"equal is {shown(row['equal'])}, the first difference says otherwise")
    return result


def _difference(at: Mapping[str, Any]) -> Difference:
    names = [field.name for field in fields(Difference) if field.name != "layer"]
    least = {name: -LARGEST if name in _VALUES else 0 for name in names}
    numbers = {name: _whole(at[name], least=least[name]) for name in names}
    return Difference(_text(at["layer"]), **numbers)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError(f"found {shown(value)}, expected a line of text")
    return value


def _whole(value: object, *, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= LARGEST:
        raise ValueError(f"found {shown(value)}, expected a whole number of at least {least}")
    return value
