"""The microcontroller bundle: the model and samples as C arrays, and a program that checks them."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.errors import TargetRunError
from edgespike.graph import Graph
from edgespike.graph.tensor import Integers
from edgespike.targets.tflite import tflm
from edgespike.targets.tflite.bundle import described, fill_template
from edgespike.targets.tflite.lower import Lowered
from edgespike.targets.tflite.run import encode_input
from edgespike.targets.tflite.storage import Form
from edgespike.targets.worker import Worker

SAMPLES = 2
"""Samples that are compiled in: enough to show a difference, small enough for flash."""

C_TYPES = {Form.INT8: "int8_t", Form.INT16: "int16_t", Form.FLOAT: "float"}

_ALIGNMENT = 16
_PER_TENSOR = 256
_PER_INTERPRETER = 4096
_TIMEOUT_S = 60.0


def write_microcontroller(
    graph: Graph, lowered: Lowered, samples: Integers, expected: Integers, folder: Path
) -> None:
    """Write the bundle into an existing empty folder.

    Raises
    ------
    TargetRunError
        TFLite Micro is installed and gives another output than ``expected``.
    """
    batch = encode_input(graph, lowered, samples[:SAMPLES].reshape(-1, graph.steps, *_shape(graph)))
    output_form = lowered.outputs[0].form
    outputs = expected[:SAMPLES].astype(output_form.dtype)
    arena_size, arena = _arena(lowered, batch, outputs)
    types = {"input_type": C_TYPES[lowered.input.form], "output_type": C_TYPES[output_form]}
    (folder / "network.h").write_text(_NETWORK_H.format(size=len(lowered.content)))
    (folder / "network.c").write_text(_network_c(lowered.content))
    # The model runs once for each step, or for all.
    runs = batch if lowered.states else batch[:, None]
    (folder / "check.h").write_text(_check_h(runs, outputs, **types))
    (folder / "check.c").write_text(_check_c(runs, outputs, **types))
    main = fill_template(
        "main",
        arena_size=arena_size,
        operator_count=len(lowered.operators),
        registrations=" &&\n         ".join(
            f"resolver.{resolver_method(name)}() == kTfLiteOk" for name in lowered.operators
        ),
        output_type=types["output_type"],
        state_memory="\n".join(_state_memory(lowered)),
        state_count=len(lowered.states),
        state_rows=_state_rows(lowered),
    )
    (folder / "main.cc").write_text(main)
    readme = fill_template(
        "microcontroller",
        **described(graph),
        **types,
        arena=arena,
        samples=len(batch),
        model_bytes=len(lowered.content),
        operators=", ".join(resolver_method(name) for name in lowered.operators),
        input_axes=", ".join(map(str, (1, *lowered.input.shape))),
        zero_point=lowered.input.zero_point,
        states=_states_told(lowered),
    )
    (folder / "README.md").write_text(readme)


def _state_memory(lowered: Lowered) -> Iterator[str]:
    """Declare in C++, for each state, what is kept of it and its first value."""
    for index, state in enumerate(lowered.states):
        memory = state.memory
        size = math.prod(memory.shape) * memory.storage.form.dtype.itemsize
        yield f"// {memory.name}"
        yield f"uint8_t kept{index}[{size}];"
        yield f"constexpr {C_TYPES[memory.storage.form]} initial{index} = {state.initial};"


def _state_rows(lowered: Lowered) -> str:
    """Write the states' rows as a C++ initialiser."""
    rows = (
        f"{{{state.output}, kept{index}, sizeof(kept{index}), &initial{index}, "
        f"sizeof(initial{index})}}"
        for index, state in enumerate(lowered.states)
    )
    return f"{{{', '.join(rows)}}}" if lowered.states else ""


def _states_told(lowered: Lowered) -> str:
    """Tell what the model takes and gives beside the sample, if it computes one step."""
    if not lowered.states:
        return ""
    lines = [
        f"  - {state.memory.name}: input {index}, output {state.output}, "
        f"`{C_TYPES[state.memory.storage.form]}`, {math.prod(state.memory.shape)} elements, "
        f"all {state.initial} before the first step"
        for index, state in enumerate(lowered.states, start=1)
    ]
    head = "- The model computes one step. States, which `main.cc` carries from step to step:"
    return "\n".join((head, *lines, ""))


def resolver_method(operator: str) -> str:
    """Name the method of ``MicroMutableOpResolver`` that registers an operator."""
    return f"Add{operator.title().replace('_', '')}"


def run_on_tflite_micro(
    python: str, lowered: Lowered, batch: NDArray[Any]
) -> tuple[NDArray[Any], int]:
    """Run samples on TFLite Micro, compiled for this computer.

    Returns
    -------
    outputs
        The readout after the last step, as it is stored.
    arena
        Bytes of working memory that it took. Pointers of 64 bits make it a little larger than on
        a microcontroller.

    Raises
    ------
    TargetRunError
        TFLite Micro cannot run the model.
    """
    arrays = {"model": np.frombuffer(lowered.content, np.uint8), "batch": batch}
    parameters = {"arena": 2 * _upper_bound(lowered), "carried": lowered.carried}
    with Worker(python, Path(tflm.__file__), what="TFLite Micro") as worker:
        results, answer = worker.call(arrays, parameters, timeout_s=_TIMEOUT_S)
    return results["output"], int(answer["arena"])


def _arena(lowered: Lowered, batch: NDArray[Any], expected: NDArray[Any]) -> tuple[int, str]:
    """Give the arena's size and where it is from; a run that measures it must be exact."""
    bound = _upper_bound(lowered)
    if find_spec("tflite_micro") is None:
        return bound, (
            f"{bound} bytes, an upper bound that was not measured; run `pip install --pre "
            "tflite-micro` and export again to measure it"
        )
    try:
        outputs, used = run_on_tflite_micro(sys.executable, lowered, batch)
    except TargetRunError as error:
        return bound, f"{bound} bytes, not measured: {str(error).splitlines()[0]}"
    if not np.array_equal(outputs, expected):
        raise TargetRunError(
            "TFLite Micro gives another output than the interpreter, so that the model must not "
            "go to a microcontroller; please report this, with the version of tflite-micro"
        )
    size = -(-used // 1024) * 1024
    return size, f"{size} bytes ({used} measured with TFLite Micro on a PC; outputs were exact)"


def _upper_bound(lowered: Lowered) -> int:
    """Bound the arena: no tensor shares its memory with another."""
    bookkeeping = _PER_INTERPRETER + _PER_TENSOR * lowered.tensors
    return -(-(lowered.activation_bytes + bookkeeping) // 1024) * 1024


def _shape(graph: Graph) -> tuple[int, ...]:
    return graph.tensors[graph.input.name].shape


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
/* How many times the model runs for a sample. */
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


def _network_c(content: bytes) -> str:
    declaration = f"_Alignas({_ALIGNMENT}) const unsigned char network_model[NETWORK_MODEL_SIZE]"
    rows = _rows([str(byte) for byte in content])
    return f'#include "network.h"\n\n{declaration} = {{\n{rows}\n}};\n'


def _check_h(runs: NDArray[Any], outputs: NDArray[Any], input_type: str, output_type: str) -> str:
    return _CHECK_H.format(
        samples=len(runs),
        steps=runs.shape[1],
        inputs=runs[0, 0].size,
        outputs=outputs[0].size,
        input_type=input_type,
        output_type=output_type,
    )


def _check_c(runs: NDArray[Any], outputs: NDArray[Any], input_type: str, output_type: str) -> str:
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
    """Write ``(rows, ...)`` as a C initialiser of one block a row."""
    suffix = ".0f" if rows.dtype == np.float32 else ""
    blocks = (
        "{\n" + _rows([f"{int(number)}{suffix}" for number in row.ravel()]) + "}" for row in rows
    )
    return "{" + ", ".join(blocks) + "}"


def _rows(numbers: list[str]) -> str:
    return ",\n".join(",".join(numbers[i : i + 24]) for i in range(0, len(numbers), 24))
