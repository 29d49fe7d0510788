"""A TFLite file's bytes as :class:`TfliteModel`, every size and number checked."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgespike.converters.tflite.codes import CUSTOM, OPERATORS, PLACEHOLDER, TYPES
from edgespike.converters.tflite.flatbuffer import Table, root
from edgespike.converters.tflite.model import TfliteModel, TfliteOperator, TfliteTensor
from edgespike.converters.tflite.schema import (
    FILE_LIMIT,
    IDENTIFIER,
    IDENTIFIER_PLACE,
    NAME_LIMIT,
    OPERATORS_LIMIT,
    OPTIONS,
    RANK_LIMIT,
    SCHEMA_VERSION,
    TENSORS_LIMIT,
)
from edgespike.errors import FileFormatError, InputError, UnsupportedError, named, shown
from edgespike.storage.files import opened

_INLINE = 1
"""Buffers with an offset up to this have their bytes in the table itself."""


def has_format(head: bytes) -> bool:
    """Return whether a file begins as a TFLite file."""
    return head[IDENTIFIER_PLACE:].startswith(IDENTIFIER)


def read_file(path: Path) -> TfliteModel:
    """Return what a file holds.

    Raises
    ------
    FileFormatError
        The file cannot be read, is too large, damaged or truncated.
    UnsupportedError
        It has several graphs, as control flow and signatures need them.
    """
    try:
        with opened(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > FILE_LIMIT:
                raise FileFormatError(f"{path} has {size} bytes; the limit is {FILE_LIMIT}")
            content = file.read()
    except InputError as error:
        raise FileFormatError(str(error)) from error
    return read_model(content, str(path))


def read_model(content: bytes, what: str) -> TfliteModel:
    """Do what :func:`read_file` does with a file's bytes; ``what`` names it in errors."""
    if not has_format(content):
        raise FileFormatError(f"{what} is not a TFLite file: it does not begin with TFL3")
    model = root(content, what)
    if (version := model.number(0, "<I")) != SCHEMA_VERSION:
        raise FileFormatError(
            f"{what} has version {version} of the format; {SCHEMA_VERSION} is read, the one that "
            "runtimes take"
        )
    graphs = model.tables(2, f"{what}: graph", TENSORS_LIMIT)
    if len(graphs) != 1:
        raise UnsupportedError(
            f"{what} cannot be converted",
            [
                f"it has {len(graphs)} graphs, as control flow (IF, WHILE, CALL) or several "
                "signatures give; one is expected: convert one function with one signature"
            ],
        )
    (graph,) = graphs
    buffers = model.tables(4, f"{what}: buffer", TENSORS_LIMIT)
    tables = graph.tables(0, f"{what}: tensor", TENSORS_LIMIT)
    tensors = tuple(_tensor(number, each, buffers) for number, each in enumerate(tables))
    if not tensors:
        raise FileFormatError(f"{what} has no tensors; the file is damaged, get it again")
    codes = [_kind(each) for each in model.tables(1, f"{what}: operator code", TENSORS_LIMIT)]
    operators = tuple(
        _operator(number, each, codes, len(tensors))
        for number, each in enumerate(graph.tables(3, f"{what}: operator", OPERATORS_LIMIT))
    )
    return TfliteModel(
        content,
        tensors,
        operators,
        _numbers(graph, 1, len(tensors)),
        _numbers(graph, 2, len(tensors)),
        graph.place_of(2) or 0,
    )


def _tensor(number: int, table: Table, buffers: Sequence[Table]) -> TfliteTensor:
    shape = _sizes(table, 0)
    signature = _sizes(table, 7)
    quantisation = table.table(4, f"{table.what}: quantisation")
    scales = np.empty(0, np.float32)
    zero_points = np.empty(0, np.int64)
    axis = 0
    if quantisation is not None:
        scales = quantisation.array(2, "<f4")
        zero_points = quantisation.array(3, "<i8")
        axis = quantisation.number(6, "<i")
    buffer = table.number(2, "<I")
    if buffer >= max(len(buffers), 1):
        raise FileFormatError(
            f"{table.what} is in buffer {buffer} of {len(buffers)}; the file is damaged"
        )
    code = table.number(1, "<b")
    return TfliteTensor(
        number,
        table.text(3, NAME_LIMIT),
        shape,
        TYPES[code] if 0 <= code < len(TYPES) else f"type {code}",
        _content(buffers[buffer]) if buffers else None,
        scales,
        zero_points,
        axis,
        tuple(_tensor_faults(table, shape, signature, quantisation)),
    )


def _tensor_faults(
    table: Table, shape: tuple[int, ...], signature: tuple[int, ...], quantisation: Table | None
) -> Iterator[str]:
    """Yield why a tensor cannot be used."""
    if min(shape, default=1) < 1:
        yield f"its shape is {shape}; every size must be at least 1"
    if any(size < 0 for size in signature[1:]):
        yield (
            f"its shape {signature} is open beyond the batch; convert the model again with sizes "
            "that are stated"
        )
    if table.number(5, "<?"):
        yield "it is a variable, which keeps its value from run to run; use a net without state"
    if table.has(6):
        yield "it is sparse; convert the model again without sparse weights"
    if table.number(10, "<I"):
        yield "its bytes are in another file; convert the model again into one file"
    if quantisation is not None and quantisation.number(4, "<B"):
        yield "it is quantised in blocks, or in a way of its own; use a scale a channel"


def _sizes(table: Table, field: int) -> tuple[int, ...]:
    sizes = table.array(field, "<i4")
    if len(sizes) > RANK_LIMIT:
        raise FileFormatError(f"{table.what} has {len(sizes)} axes; the limit is {RANK_LIMIT}")
    return tuple(sizes.tolist())


def _content(buffer: Table) -> memoryview | None:
    """Return a buffer's bytes, which may also be at the end of the file; ``None`` if empty."""
    offset, size = buffer.number(1, "<Q"), buffer.number(2, "<Q")
    if offset > _INLINE:
        if offset + size > len(buffer.content):
            raise FileFormatError(
                f"{buffer.what} is at bytes {offset}..{offset + size} of {len(buffer.content)}; "
                "the file is truncated, get it again"
            )
        found = memoryview(buffer.content)[offset : offset + size]
    else:
        found = buffer.bytes_of(0)
    return found if len(found) else None


def _kind(code: Table) -> str:
    """Return an operator's name; older files have its number in the first field only."""
    number = max(code.number(0, "<b"), code.number(3, "<i"))
    if not 0 <= number < len(OPERATORS) or number == PLACEHOLDER:
        return f"unknown {number}"
    kind = OPERATORS[number]
    return f"{kind} {named(code.text(1, NAME_LIMIT))}" if kind == CUSTOM else kind


def _operator(number: int, table: Table, codes: Sequence[str], tensors: int) -> TfliteOperator:
    code = table.number(0, "<I")
    if code >= len(codes):
        raise FileFormatError(
            f"{table.what} has kind {code} of {len(codes)}; the file is damaged, get it again"
        )
    inputs, outputs = _numbers(table, 1, tensors, least=-1), _numbers(table, 2, tensors)
    return TfliteOperator(number, codes[code], inputs, outputs, _options(table, codes[code]))


def _options(table: Table, kind: str) -> dict[str, Any]:
    """Return an operator's options, with the schema's defaults where they are left out."""
    if kind not in OPTIONS:
        return {}
    number, fields = OPTIONS[kind]
    stored = table.number(3, "<B")
    options = table.table(4, f"{table.what}: options")
    if stored not in (0, number):
        raise FileFormatError(
            f"{table.what} is {kind} with the options of another operator ({stored}); the file is "
            "damaged, get it again"
        )
    return {
        name: options.number(field, kind, default) if options and stored else default
        for name, (field, kind, default) in fields.items()
    }


def _numbers(table: Table, field: int, tensors: int, least: int = 0) -> tuple[int, ...]:
    """Return numbers of tensors."""
    numbers = table.array(field, "<i4")
    if len(numbers) > OPERATORS_LIMIT:
        raise FileFormatError(
            f"{table.what} has {len(numbers)} tensors; the limit is {OPERATORS_LIMIT}"
        )
    found = tuple(numbers.tolist())
    if wrong := [number for number in found if not least <= number < tensors]:
        raise FileFormatError(
            f"{table.what} refers to tensor {shown(wrong[0])} of {tensors}; the file is damaged"
        )
    return found
