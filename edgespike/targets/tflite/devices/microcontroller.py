"""The microcontroller bundle: the model and samples as C arrays, and a program that checks them."""

from __future__ import annotations

import math
import sys
import zlib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.errors import TargetRunError
from edgespike.targets.shared.c_arrays import c_prefix, check_c, check_h, network_c, network_h
from edgespike.targets.shared.check_samples import CheckSamples
from edgespike.targets.tflite.devices.bundle import described, fill_template
from edgespike.targets.tflite.devices.own_sample import own_sample, write_labels
from edgespike.targets.tflite.lower import Lowered
from edgespike.targets.tflite.planning.plan import Plan
from edgespike.targets.tflite.planning.storage import Form
from edgespike.targets.tflite.run import encode_input
from edgespike.targets.tflite.running import tflm
from edgespike.workers.worker import Worker

COMPILED_BYTES = 2**13
"""Flash for the samples that are compiled in: as many as fit, but at least two."""

C_TYPES = {Form.INT8: "int8_t", Form.INT16: "int16_t", Form.FLOAT: "float"}

_PER_TENSOR = 256
_PER_SCALE = 8
_PER_INTERPRETER = 4096
# Bytes that TFLite Micro keeps besides the activations: more than measured for any tested graph.

_LARGE_ARENA = 2**20
"""Bytes that hold the records of any number of tensors, however small these are."""

_TIMEOUT_S = 60.0


def write_microcontroller(plan: Plan, lowered: Lowered, checks: CheckSamples, folder: Path) -> None:
    """Write the bundle into an existing empty folder.

    Raises
    ------
    TargetRunError
        TFLite Micro is installed, and its output is not the expected one.
    """
    graph = plan.graph
    stepped = checks.samples.reshape(-1, graph.steps, *graph.input_op.shape)
    output_form = lowered.outputs[lowered.answer].form
    each = stepped[0].size * lowered.input.form.dtype.itemsize
    compiled = slice(max(2, COMPILED_BYTES // each))
    batch = encode_input(graph, lowered, stepped[compiled])
    outputs = checks.expected[compiled].astype(output_form.dtype)
    arena_size, arena = _arena(lowered, batch, outputs)
    logits_type = C_TYPES[lowered.outputs[0].form]
    types = {"input_type": C_TYPES[lowered.input.form], "output_type": C_TYPES[output_form]}
    prefix = c_prefix(graph.name)
    (folder / "network.h").write_text(network_h(prefix, lowered.content, arena_size))
    (folder / "network.c").write_text(network_c(prefix, lowered.content))
    # The model runs once for each step, or for all.
    runs = batch if lowered.states else batch[:, None]
    (folder / "check.h").write_text(check_h(prefix, runs, outputs, **types))
    (folder / "check.c").write_text(check_c(prefix, runs, outputs, **types))
    labelled = write_labels(graph, lowered, types["input_type"], folder)
    main = fill_template(
        "main",
        prefix=prefix,
        operator_count=len(lowered.operators),
        registrations=" &&\n         ".join(
            f"resolver.{resolver_method(name)}() == kTfLiteOk" for name in lowered.operators
        ),
        output_type=types["output_type"],
        answer=lowered.answer,
        model_crc=_crc(lowered.content),
        input_crc=_crc(runs.tobytes()),
        output_crc=_crc(outputs.tobytes()),
        state_memory="\n".join(_state_memory(lowered)),
        state_count=len(lowered.states),
        state_rows=_state_rows(lowered),
    )
    (folder / "main.cc").write_text(main)
    readme = fill_template(
        "microcontroller",
        **described(plan),
        **types,
        arena=arena,
        prefix=prefix,
        samples=len(batch),
        covered=len(checks),
        coverage=checks.coverage,
        model_crc=_crc(lowered.content),
        model_bytes=len(lowered.content),
        operators=", ".join(resolver_method(name) for name in lowered.operators),
        input_axes=", ".join(map(str, (1, *lowered.input.shape))),
        input_rule=_input_rule(plan, lowered),
        output_rule=_output_rule(lowered),
        states=_states(lowered),
        labelled=labelled,
        own_sample=own_sample(graph, types["input_type"], logits_type),
    )
    (folder / "README.md").write_text(readme)


def _input_rule(plan: Plan, lowered: Lowered) -> str:
    """Return which number to store for a value in real units, in words."""
    if lowered.input.form is Form.FLOAT:
        return "store x itself"
    zero = lowered.input.zero_point
    shift = f" {'-' if zero < 0 else '+'} {abs(zero)}" if zero else ""
    return f"store round(x / {plan.graph.input_op.scale:.9g}){shift}"


def _output_rule(lowered: Lowered) -> str:
    """Return which outputs hold the logits and the accumulators, in words."""
    if lowered.answer == 0 and lowered.outputs[0].form is not Form.FLOAT:
        scale = lowered.outputs[0].storage.scale
        return f"0 is whole numbers; multiplied by {scale:.9g} they are the logits"
    if lowered.answer == 0:
        return "0 is the logits, which are whole numbers"
    return (
        f"0 is the logits in `float`; {lowered.answer} is the accumulators, the whole numbers that "
        "they are computed from, which the check compares"
    )


def _crc(content: bytes) -> str:
    """Return a CRC-32 as C writes it."""
    return f"0x{zlib.crc32(content):08x}u"


def _state_memory(lowered: Lowered) -> Iterator[str]:
    """Declare in C++, for each state, memory and its initial value."""
    for index, state in enumerate(lowered.states):
        tensor = state.tensor
        size = math.prod(tensor.shape) * tensor.storage.form.dtype.itemsize
        yield f"// {tensor.name}"
        yield f"uint8_t kept{index}[{size}];"
        yield f"constexpr {C_TYPES[tensor.storage.form]} initial{index} = {state.initial};"


def _state_rows(lowered: Lowered) -> str:
    """Write the table of states as a C++ initialiser."""
    rows = (
        f"{{{state.output}, kept{index}, sizeof(kept{index}), &initial{index}, "
        f"sizeof(initial{index})}}"
        for index, state in enumerate(lowered.states)
    )
    return f"{{{', '.join(rows)}}}" if lowered.states else ""


def _states(lowered: Lowered) -> str:
    """List the model's states, if it computes one step."""
    if not lowered.states:
        return ""
    lines = [
        f"  - {state.tensor.name}: input {index}, output {state.output}, "
        f"`{C_TYPES[state.tensor.storage.form]}`, {math.prod(state.tensor.shape)} elements, "
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
        The readout after the last step, as stored.
    arena
        The fewest bytes of working memory with which it runs; a little more than on a
        microcontroller with the same kernels, since pointers here have 64 bits.

    Raises
    ------
    TargetRunError
        TFLite Micro cannot run the model.
    """
    arrays = {"model": np.frombuffer(lowered.content, np.uint8), "batch": batch}
    parameters = {
        "arena": max(2 * arena_estimate(lowered), _LARGE_ARENA),
        "carried": lowered.carried,
        "answer": lowered.answer,
    }
    with Worker(python, Path(tflm.__file__), what="TFLite Micro") as worker:
        results, answer = worker.call(arrays, parameters, timeout_s=_TIMEOUT_S)
    return results["output"], int(answer["arena"])


def _arena(lowered: Lowered, batch: NDArray[Any], expected: NDArray[Any]) -> tuple[int, str]:
    """Return the arena's size and where it comes from; a run that measures it must be exact."""
    estimate = arena_estimate(lowered)
    if find_spec("tflite_micro") is None:
        return estimate, (
            f"{estimate} bytes, a high estimate, not measured; run `pip install --pre "
            "tflite-micro` and export again to measure it"
        )
    try:
        outputs, least = run_on_tflite_micro(sys.executable, lowered, batch)
    except TargetRunError as error:
        return estimate, f"{estimate} bytes, not measured: {str(error).splitlines()[0]}"
    if not np.array_equal(outputs, expected):
        raise TargetRunError(
            "TFLite Micro computes another output than the interpreter, so this model must not run "
            "on a microcontroller; please report this, with the version of tflite-micro"
        )
    size = -(-least // 1024) * 1024
    return size, (
        f"{size} bytes ({least} are enough for TFLite Micro on a PC, found by trial; outputs were "
        "exact)"
    )


def arena_estimate(lowered: Lowered) -> int:
    """Return the bytes of an arena that is large enough even if no tensors share memory.

    How much TFLite Micro keeps for itself is not documented. It is estimated, on the high side,
    from the numbers of tensors and of scales.
    """
    bookkeeping = (
        _PER_INTERPRETER + _PER_TENSOR * lowered.tensors + _PER_SCALE * lowered.constant_scales
    )
    return -(-(lowered.activation_bytes + bookkeeping) // 1024) * 1024
