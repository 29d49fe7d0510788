"""Weights of 16 outputs at a time, 8, 4 or 2 bits each, in the order in which they are added."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgespike.graph.tensor import Integers

CHUNK = 16
"""How many outputs a chunk has; kernels keep their sums in the halves of eight words."""


def places(bits: int) -> list[int]:
    """Return, for each field of a chunk from the lowest bits up, which of the 16 outputs it is of.

    The kernels ``gather8``, ``gather4`` and ``gather2`` split words into fields, and fields into
    halves of words, until the sums of outputs ``k`` and ``k + 8`` are in word ``k``.
    """
    found = [0] * CHUNK
    word = 0
    for first in range(0, CHUNK, 32 // bits):
        for fields in _bytes_of(list(range(first, first + 32 // bits)), bits):
            for start in (0, 1):
                found[fields[start]] = word
                found[fields[start + 2]] = word + CHUNK // 2
                word += 1
    return found


def _bytes_of(fields: list[int], bits: int) -> list[list[int]]:
    """Split fields into lists of four that end up in the four bytes of a word."""
    if bits == 8:
        return [fields]
    return _bytes_of(fields[::2], 2 * bits) + _bytes_of(fields[1::2], 2 * bits)


def field_bits(low: int, high: int) -> int:
    """Return how many bits hold the weights of a range, shifted to begin at 0; 0 if above 8."""
    return next((bits for bits in (2, 4, 8) if high - low < 1 << bits), 0)


def packed(rows: Integers, bits: int, shift: int) -> NDArray[np.uint32]:
    """Pack rows of weights, ``(rows, outputs)``, as ``(chunks, rows, words)``.

    Parameters
    ----------
    rows
        Weights; with ``shift`` added they are within ``0..2**bits - 1``.
    bits
        8, 4 or 2.
    shift
        What is added to each, as to the zeros of missing outputs.
    """
    count, outputs = rows.shape
    chunks = -(-outputs // CHUNK)
    padded = np.full((count, chunks * CHUNK), shift, np.uint64)
    padded[:, :outputs] = rows + shift
    fields = padded.reshape(count, chunks, CHUNK)[:, :, places(bits)]
    in_word = 32 // bits
    words = fields.reshape(count, chunks, CHUNK // in_word, in_word)
    shifts = np.arange(in_word, dtype=np.uint64) * np.uint64(bits)
    found = (words << shifts).sum(axis=-1).astype(np.uint32)
    return np.asarray(found.transpose(1, 0, 2))


def halves(values: Integers) -> NDArray[np.uint32]:
    """Return numbers ``(..., outputs)`` as words ``(..., chunks * 8)`` of a lower and an upper one.

    A word is the lower number plus 65536 times the upper one, modulo ``2**32``.
    """
    *before, outputs = values.shape
    padded = np.zeros((*before, -(-outputs // CHUNK) * CHUNK), np.int64)
    padded[..., :outputs] = values
    pairs = padded.reshape(*before, -1, 2, CHUNK // 2)
    words = (pairs[..., 0, :] + (pairs[..., 1, :] << 16)) & 0xFFFFFFFF
    return np.asarray(words.reshape(*before, -1), np.uint32)
