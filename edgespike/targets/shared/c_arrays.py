"""Write a model and samples for it as C arrays, under names that begin with the graph's."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ALIGNMENT = 16

_NETWORK_H = """\
#ifndef {prefix}_NETWORK_H
#define {prefix}_NETWORK_H

#ifdef __cplusplus
extern "C" {{
#endif

#define {prefix}_MODEL_SIZE {size}
/* Bytes of working memory. */
#define {prefix}_ARENA_SIZE {arena_size}
extern const unsigned char {prefix}_model[{prefix}_MODEL_SIZE];

#ifdef __cplusplus
}}
#endif

#endif
"""

_CHECK_H = """\
#ifndef {prefix}_CHECK_H
#define {prefix}_CHECK_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

#define {prefix}_CHECK_SAMPLES {samples}
/* How many times the model runs for each sample. */
#define {prefix}_CHECK_STEPS {steps}
#define {prefix}_CHECK_INPUT_SIZE {input_size}
#define {prefix}_CHECK_OUTPUT_SIZE {output_size}
extern {inputs};
extern {outputs};

#ifdef __cplusplus
}}
#endif

#endif
"""


def c_prefix(name: str) -> str:
    """Return a graph's name as the beginning of C identifiers, so that two graphs can be linked."""
    prefix = re.sub("[^0-9A-Za-z]", "_", name)
    # No identifier begins with a digit, and those that begin with an underscore are reserved.
    return prefix if prefix[0].isalpha() else f"net_{prefix}"


def network_h(prefix: str, content: bytes, arena_size: int) -> str:
    """Declare a model, given the bytes of its file and of the memory that it works in."""
    return _NETWORK_H.format(prefix=prefix, size=len(content), arena_size=arena_size)


def network_c(prefix: str, content: bytes) -> str:
    """Define a model, given the bytes of its file."""
    declaration = f"_Alignas({_ALIGNMENT}) const unsigned char {prefix}_model[{prefix}_MODEL_SIZE]"
    rows = _rows([str(byte) for byte in content])
    return f'#include "network.h"\n\n{declaration} = {{\n{rows}\n}};\n'


def check_h(
    prefix: str, runs: NDArray[Any], outputs: NDArray[Any], input_type: str, output_type: str
) -> str:
    """Declare inputs, ``(samples, runs of the model, ...)``, and expected outputs."""
    declared_inputs, declared_outputs = _declared(prefix, input_type, output_type)
    return _CHECK_H.format(
        prefix=prefix,
        samples=len(runs),
        steps=runs.shape[1],
        input_size=runs[0, 0].size,
        output_size=outputs[0].size,
        inputs=declared_inputs,
        outputs=declared_outputs,
    )


def check_c(
    prefix: str, runs: NDArray[Any], outputs: NDArray[Any], input_type: str, output_type: str
) -> str:
    """Define what :func:`check_h` declares."""
    declared_inputs, declared_outputs = _declared(prefix, input_type, output_type)
    inputs = ",\n".join(_array(sample) for sample in runs)
    return "\n".join(
        (
            '#include "check.h"\n',
            f"{declared_inputs} = {{{inputs}}};\n",
            f"{declared_outputs} = {_array(outputs)};\n",
        )
    )


def _declared(prefix: str, input_type: str, output_type: str) -> tuple[str, str]:
    size = f"{prefix}_CHECK_"
    return (
        f"const {input_type} {prefix}_check_input[{size}SAMPLES][{size}STEPS][{size}INPUT_SIZE]",
        f"const {output_type} {prefix}_check_output[{size}SAMPLES][{size}OUTPUT_SIZE]",
    )


def _array(rows: NDArray[Any]) -> str:
    """Write ``(rows, ...)`` as a C initialiser with one block for each row."""
    # Nine digits tell every float32 apart; "#" keeps the point that C wants before the "f".
    pattern = "{:#.9g}f" if rows.dtype == np.float32 else "{:d}"
    blocks = (
        "{\n" + _rows([pattern.format(x) for x in row.ravel().tolist()]) + "}" for row in rows
    )
    return "{" + ", ".join(blocks) + "}"


def _rows(numbers: list[str]) -> str:
    return ",\n".join(",".join(numbers[i : i + 24]) for i in range(0, len(numbers), 24))
