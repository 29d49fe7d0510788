"""Numbers as C arrays: a model's bytes, and samples with the answers that must come."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.targets.tflite.devices.bundle import fill

_COLUMNS = 24


def model_c(prefix: str, content: bytes) -> str:
    """Define a model, given the bytes of its file."""
    return fill("model.c", prefix=prefix, bytes=_rows([str(byte) for byte in content]))


def check_h(name: str, prefix: str, count: int) -> str:
    """Declare samples, their answers and the function that compares."""
    return fill("check.h", name=name, prefix=prefix, samples=count)


def check_c(prefix: str, samples: NDArray[Any], answers: NDArray[Any]) -> str:
    """Define what :func:`check_h` declares, ``(samples, ...)`` in the types that are stored."""
    inputs, outputs = _blocks(samples), _blocks(answers)
    return fill("check.c", prefix=prefix, inputs=inputs, answers=outputs)


def crc(content: bytes) -> str:
    """Return a CRC-32 as C writes it."""
    return f"0x{zlib.crc32(content):08x}u"


def _blocks(rows: NDArray[Any]) -> str:
    """Write ``(rows, ...)`` as a C initialiser with one block for each row."""
    # Nine digits tell every float32 apart; "#" keeps the point that C wants before the "f".
    pattern = "{:#.9g}f" if rows.dtype == np.float32 else "{:d}"
    lines = (_rows([pattern.format(x) for x in row.ravel().tolist()]) for row in rows)
    return "".join(f"{{\n{block}}},\n" for block in lines)


def _rows(numbers: list[str]) -> str:
    starts = range(0, len(numbers), _COLUMNS)
    return "".join(f"{', '.join(numbers[start : start + _COLUMNS])},\n" for start in starts)
