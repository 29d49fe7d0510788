"""Write a model and samples for it as C arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_ALIGNMENT = 16

_NETWORK_H = """\
#ifndef NETWORK_H
#define NETWORK_H

#ifdef __cplusplus
extern "C" {{
#endif

#define NETWORK_MODEL_SIZE {size}
extern const unsigned char network_model[NETWORK_MODEL_SIZE];

#ifdef __cplusplus
}}
#endif

#endif
"""

_CHECK_H = """\
#ifndef CHECK_H
#define CHECK_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

#define CHECK_SAMPLES {samples}
/* How many times the model runs for each sample. */
#define CHECK_STEPS {steps}
#define CHECK_INPUT_SIZE {inputs}
#define CHECK_OUTPUT_SIZE {outputs}
extern const {input_type} check_input[CHECK_SAMPLES][CHECK_STEPS][CHECK_INPUT_SIZE];
extern const {output_type} check_output[CHECK_SAMPLES][CHECK_OUTPUT_SIZE];

#ifdef __cplusplus
}}
#endif

#endif
"""


def network_h(content: bytes) -> str:
    """Declare a model, given the bytes of its file."""
    return _NETWORK_H.format(size=len(content))


def network_c(content: bytes) -> str:
    """Define a model, given the bytes of its file."""
    declaration = f"_Alignas({_ALIGNMENT}) const unsigned char network_model[NETWORK_MODEL_SIZE]"
    rows = _rows([str(byte) for byte in content])
    return f'#include "network.h"\n\n{declaration} = {{\n{rows}\n}};\n'


def check_h(runs: NDArray[Any], outputs: NDArray[Any], input_type: str, output_type: str) -> str:
    """Declare inputs, ``(samples, runs of the model, ...)``, and expected outputs."""
    return _CHECK_H.format(
        samples=len(runs),
        steps=runs.shape[1],
        inputs=runs[0, 0].size,
        outputs=outputs[0].size,
        input_type=input_type,
        output_type=output_type,
    )


def check_c(runs: NDArray[Any], outputs: NDArray[Any], input_type: str, output_type: str) -> str:
    """Define what :func:`check_h` declares."""
    inputs = ",\n".join(_array(sample) for sample in runs)
    return "\n".join(
        (
            '#include "check.h"\n',
            f"const {input_type} check_input[CHECK_SAMPLES][CHECK_STEPS][CHECK_INPUT_SIZE] = "
            f"{{{inputs}}};\n",
            f"const {output_type} check_output[CHECK_SAMPLES][CHECK_OUTPUT_SIZE] = "
            f"{_array(outputs)};\n",
        )
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
