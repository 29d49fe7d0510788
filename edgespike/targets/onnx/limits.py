"""The limits of the ONNX target, each in one place."""

from __future__ import annotations

OPSET, IR_VERSION = 17, 8
"""Version of the operators and of the file format, those of ONNX 1.12. ONNX Runtime 1.15 and 1.20
were tried: operators are chosen such that these have them, so bytes are neither added nor are their
minima taken, and ``ConvInteger`` has uint8 weights."""

INT32_LIMIT = 2**31 - 2
"""Largest magnitude that is computed in int32: a threshold may be one more than what it is compared
with."""

SUM_LIMIT = 2**31 - 1
"""Largest magnitude of a sum of products: ``ConvInteger`` and ``MatMulInteger`` return int32."""

PAIR_LIMIT = 2**15 - 1
"""Largest magnitude of two products added up, ``2 * activation * weight``, in uint8 times int8.

On x86 processors without VNNI instructions, ONNX Runtime's kernels add each two of these products
in int16, which saturates (``vpmaddubsw``). uint8 times uint8 is widened before it is multiplied.
"""

COMPARED_LEVELS = 7
"""Most thresholds of a channel that are compared one by one; for more, a table is faster."""

TABLE_ENTRIES = 2**18
"""Most entries of a table of levels, over all channels."""

FILE_BYTES = 2**31 - 2**24
"""Most bytes of all constants: protobuf messages end at 2 GiB."""

FITTED_THRESHOLDS = 2**21
"""Most thresholds of a layer to which lines are fitted, which takes seconds and 64 MiB, or for
which a table is considered; more are searched."""

PATCH_PLACES = 2**20
"""Most places that the patches of a convolution have together: a table of 4 MiB in the file."""
